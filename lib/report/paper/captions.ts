/**
 * How a report's numbers were made: all of it at its head, and in a caption what is not as usual.
 * @module
 */
import { listImages } from "../../data/dataset.ts";
import type { RunRow } from "../../runs/config.ts";
import { type CommandOptions, reproduceCommand } from "../../runs/setup.ts";
import type { SectionReport } from "../../runs/section.ts";
import { unlessMissing } from "../../runs/missing.ts";
import type { Profile } from "../../runs/profile.ts";

/** Choices that all numbers of a report hang on. */
export type Conditions = Pick<CommandOptions, "engine" | "precision" | "protocol">;

/**
 * The command that makes a report, and what it stands for with all that it leaves out.
 * @param engines what trained the heads, as their records say
 * @returns what stands between `` ` `` is code
 */
export function provenance(
  profile: Profile,
  options: CommandOptions,
  engines: readonly string[],
): string {
  const { seed = 0, seeds = [seed], engine = "onnx", device = "cpu" } = options;
  const { protocol = "released", precision = "full", skipCorrupt } = options;
  const says = [
    `${profile.name} profile`,
    profile.selection === "val"
      ? "best heads chosen by validation"
      : "best heads chosen by the test sets, as in the paper",
    `${protocol} protocol`,
    `backbones on ${device} in ${precision} precision`,
    `heads trained by ${engines.join(", ") || engine}`,
    `${seeds.length === 1 ? "seed" : "seeds"} ${seeds.join(", ")}`,
    ...(seeds.includes(seed) ? [] : [`images drawn with seed ${seed}`]),
    ...(skipCorrupt ? ["images that cannot be decoded left out"] : []),
  ];
  return `Made by \`${reproduceCommand(profile, options)}\`: ${says.join("; ")}.`;
}

/**
 * Says how many images are there of test sets that hold fewer than were published. Sets that are not
 * there are not counted: nothing is shown of them.
 * @param root folder that the sets lie in
 */
export async function fewerImages(
  { testSets, synthbusterSets }: Profile,
  root: string,
): Promise<string | undefined> {
  let sets = 0, found = 0, published = 0;
  for (const spec of [...testSets, ...synthbusterSets]) {
    if (!spec.expected) continue;
    const expected = spec.expected.real + spec.expected.generated;
    const count = (await unlessMissing(() => listImages(root, spec)))?.length;
    if (count === undefined || count >= expected) continue;
    sets++;
    found += count;
    published += expected;
  }
  if (sets === 0) return undefined;
  const format = (count: number) => count.toLocaleString("en");
  return `${
    sets === 1 ? "A test set holds" : `${sets} test sets hold`
  } fewer images than published, ` +
    `${format(found)} of ${format(published)}: not comparable with the paper`;
}

/** For captions of what the best heads did: a sentence where they are not chosen as in the paper. */
export function chosenRemark({ selection = "test" }: Profile): string {
  return selection === "test"
    ? ""
    : " Heads are chosen by validation accuracy, which has seen no test image; the paper's by the " +
      "test sets.";
}

/** What is shown of several seeds. */
const SEEDS_SHOWN = {
  spread: (count: number) => `Numbers are mean ± standard deviation over ${count} seeds`,
  mean: (count: number) => `Values are means over ${count} seeds`,
  each: (count: number) => `Every head counts once for each of ${count} seeds`,
  first: (count: number) => `The head is that of the first of ${count} seeds`,
} as const;

/** For captions: a sentence on what is shown of the rows' seeds, where there are several. */
export function seedsRemark(rows: readonly RunRow[], shown: keyof typeof SEEDS_SHOWN): string {
  const { size } = new Set(rows.map(({ seed }) => seed));
  return size < 2 ? "" : ` ${SEEDS_SHOWN[shown](size)}.`;
}

/** A section's tables and figures, whose captions say which conditions are not the usual ones. */
export function underConditions(
  { tables, figures }: SectionReport,
  { engine = "onnx", precision = "full", protocol = "released" }: Conditions,
): SectionReport {
  const says = [
    ...(protocol === "released" ? [] : ["images treated as the paper's text says"]),
    ...(precision === "full" ? [] : [`backbones in ${precision}`]),
    ...(engine === "onnx" ? [] : [`heads trained by ${engine}`]),
  ].join("; ");
  if (says === "") return { tables, figures };
  const remark = ` ${says[0]!.toUpperCase()}${says.slice(1)}.`;
  const remarked = <T extends { readonly caption: string }>(shown: T): T => ({
    ...shown,
    caption: shown.caption + remark,
  });
  return { tables: tables.map(remarked), figures: figures.map(remarked) };
}
