/**
 * How a report's numbers were made: all of it at its head, and in a caption what is not as usual.
 * @module
 */
import { listImages } from "../../data/dataset.ts";
import { unlessMissing } from "../../io/errors.ts";
import type { RunRow } from "../../runs/config.ts";
import type { FigureRow } from "../figure.ts";
import type { Profile } from "../../runs/profile.ts";
import type { RunRecord } from "../../runs/record.ts";
import type { PaperName, SectionReport } from "../../runs/section.ts";
import { reproduceCommand, type Setup } from "../../runs/setup.ts";

/**
 * The command that makes a report, and what it stands for with all that it leaves out.
 * @param engines what trained the heads, as their records say
 * @returns what stands between `` ` `` is code
 */
export function provenance(setup: Setup, engines: readonly string[]): string {
  const { profile, seed, seeds, engine, device, protocol, precision, skipCorrupt } = setup;
  const { draws } = profile;
  const says = [
    `${profile.name} profile`,
    profile.selection === "val"
      ? "best heads chosen by validation"
      : "best heads chosen by the test sets, as in the paper",
    `${protocol} protocol`,
    `backbones on ${device} in ${precision} precision`,
    `heads trained by ${engines.join(", ") || engine}`,
    ...(setup.learningRate === undefined ? [] : [`learning rate ${setup.learningRate}`]),
    `${seeds.length === 1 ? "seed" : "seeds"} ${seeds.join(", ")}`,
    ...(draws === 1 && `${seeds}` !== `${seed}` ? [`images drawn once, with seed ${seed}`] : []),
    ...(skipCorrupt ? ["images that cannot be decoded left out"] : []),
  ];
  return `Made by \`${reproduceCommand(setup)}\`: ${says.join("; ")}.`;
}

/**
 * Says how many images are there of test sets that hold fewer than were published. Sets that are not
 * there are not counted: nothing is shown of them.
 */
export async function fewerImages(
  { profile: { testSets, synthbusterSets }, root }: Pick<Setup, "profile" | "root">,
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

/** Sentences on how several seeds are shown. */
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

/** For captions: a sentence on how often perturbed images were drawn, where that is more than once a head. */
export function drawsRemark(rows: readonly RunRow[]): string {
  const drawn = new Set(rows.flatMap(({ draw }) => draw ?? []));
  if (drawn.size === 0) return "";
  return ` Perturbed images are drawn ${drawn.size + 1} times: mean ± standard deviation.`;
}

/**
 * A section's tables and figures, whose captions say which conditions are not the usual ones.
 * @param paper that the section is of: protocol and engine are RINE's alone
 * @param records the section's own; they say how many heads it lacks, whose training diverged
 */
export function underConditions(
  { tables, figures }: SectionReport,
  { profile, seeds, engine, precision, protocol, learningRate }: Pick<
    Setup,
    "profile" | "seeds" | "engine" | "precision" | "protocol" | "learningRate"
  >,
  paper: PaperName = "rine",
  records: readonly Pick<RunRecord, "failed">[] = [],
): SectionReport {
  const isRine = paper === "rine";
  const failed = records.filter((record) => record.failed !== undefined).length;
  const says = [
    ...(isRine && protocol !== "released" ? ["images treated as the paper's text says"] : []),
    ...(profile.draws === 1 && seeds.length > 1
      ? ["all seeds share one draw of images, so that they differ by less than repetitions do"]
      : []),
    ...(precision === "full" ? [] : [`backbones in ${precision}`]),
    ...(isRine && engine !== "onnx" ? [`heads trained by ${engine}`] : []),
    ...(isRine && learningRate !== undefined ? [`a learning rate of ${learningRate}`] : []),
    ...(failed > 0
      ? [`${failed} of ${records.length} runs left out, whose training diverged`]
      : []),
  ].join("; ");
  if (says === "") return { tables, figures };
  const remark = ` ${says[0]!.toUpperCase()}${says.slice(1)}.`;
  const remarked = <T extends { readonly caption: string }>(shown: T): T => ({
    ...shown,
    caption: shown.caption + remark,
  });
  return { tables: tables.map(remarked), figures: figures.map(remarked) };
}

/** For captions of boxes: how many heads stand in each, `48 heads a box`, `46 to 48 heads a box`. */
export function headsABox(rows: readonly FigureRow[], fields: readonly string[]): string {
  const measured = rows.filter(({ measure }) => measure === rows[0]?.["measure"]);
  const boxes = Map.groupBy(measured, (row) => fields.map((field) => row[field]).join("\n"));
  const counts = [...boxes.values()].map(({ length }) => length);
  const least = Math.min(...counts), most = Math.max(...counts);
  return `${least === most ? most : `${least} to ${most}`} heads a box`;
}
