/**
 * Names of tensors as training scripts save them: below the names of what they saved, beside their
 * optimiser's.
 * @module
 */

/** What training scripts save a network under; DataParallel and `torch.compile` put names before too. */
const WRAPPERS = [
  "model",
  "state_dict",
  "model_state_dict",
  "net",
  "network",
  "module",
  "_orig_mod",
];

/** What they save beside it. */
const BESIDE =
  /^(?:optimizers?|optimizer_states?|optimizer_state_dict|(?:lr_)?schedulers?|scaler)\./;

/**
 * A network's tensors by their own names: what stands before all of them is taken away, what was saved
 * beside them left out: an optimiser's tensors, and single ones such as the number of steps.
 * @returns own name → name in the file
 */
export function ownNames(saved: Iterable<string>): Map<string, string> {
  let names = [...saved].filter((name) => !BESIDE.test(name));
  let before = "";
  for (;;) {
    const own = (name: string) => name.slice(before.length);
    const wrapper = WRAPPERS.find((wrapper) =>
      names.some((name) => own(name).startsWith(`${wrapper}.`)) &&
      names.every((name) => own(name).startsWith(`${wrapper}.`) || !own(name).includes("."))
    );
    if (wrapper === undefined) return new Map(names.map((name) => [own(name), name]));
    before += `${wrapper}.`;
    names = names.filter((name) => name.startsWith(before));
  }
}
