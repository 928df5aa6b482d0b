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
 * beside them left out.
 * @returns own name → name in the file
 */
export function ownNames(saved: Iterable<string>): Map<string, string> {
  const names = [...saved].filter((name) => !BESIDE.test(name));
  let before = "";
  const next = () =>
    WRAPPERS.find((wrapper) =>
      names.length > 0 && names.every((name) => name.startsWith(`${before}${wrapper}.`))
    );
  for (let wrapper = next(); wrapper !== undefined; wrapper = next()) before += `${wrapper}.`;
  return new Map(names.map((name) => [name.slice(before.length), name]));
}
