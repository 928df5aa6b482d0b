/**
 * `deno task reproduce --dry-run`: what a reproduction would do and cost, before anything is done.
 * @module
 */
import { duration } from "../io/progress_bar.ts";
import { GraphBuilder } from "../onnx/graph.ts";
import { openSession, ortTensor } from "../onnx/session.ts";
import { type Cost, Costing, ImageCounts, sum } from "../runs/cost.ts";
import { RunFiles } from "../runs/damage.ts";
import type { Section } from "../runs/section.ts";
import type { Setup } from "../runs/setup.ts";
import { type RunStatus, Status } from "../runs/status.ts";
import { byteCount } from "./text.ts";

/** Fixed cost of a training step beside its matrix products, in seconds. */
const STEP_OVERHEAD_SECONDS = .5e-3;

/**
 * The plan, in lines for people. What is on disk is done, and is not counted as work.
 * @param sections those that are asked for, each after those it depends on
 */
export async function dryRun(setup: Setup, sections: readonly Section[]): Promise<string[]> {
  const { profile, folder } = setup;
  await using status = await Status.open(setup);
  const counts = new ImageCounts(profile, status.listings);
  const whole = new Costing(profile, counts), left = new Costing(profile, counts);
  const hasFeatures = (key: string) => status.hasFeatures(key);
  const works: Work[] = [];
  const unnamed: string[] = [];
  for (const { name } of sections) {
    const { configs, runs: found } = await status.section(name);
    const files = new RunFiles(folder);
    const runs = found && await Promise.all(found.map((run) => asFilesAre(run, files)));
    if (!runs) unnamed.push(name);
    works.push({
      name,
      runs: configs.length,
      done: runs?.filter(({ record }) => record).length ?? 0,
      whole: await whole.costOf(configs),
      left: await left.costOf(configs, runs && { runs, hasFeatures }),
    });
  }
  const rate = await measureRate();
  const time = ({ flops, steps }: Cost) => duration(flops / rate + steps * STEP_OVERHEAD_SECONDS);
  const all = sum(works.map(({ whole }) => whole)), rest = sum(works.map(({ left }) => left));
  const total = (key: "runs" | "done") => works.reduce((count, work) => count + work[key], 0);
  return [
    `The ${profile.name} profile: what is left to do; done is what lies in ${folder} and what it was ` +
    "made of",
    "",
    ...align([
      ["section", "runs", "done", "heads", "feature sets", "crops", "to disk"],
      ...works.map((work) => line(work.name, work, work.left)),
      line("left", { runs: total("runs") - total("done") }, rest),
      line("from nothing", { runs: total("runs") }, all),
    ]),
    "",
    `About ${time(rest)}, from nothing about ${time(all)}, at the ${(rate / 1e9).toFixed(0)} ` +
    "GFLOP/s that this machine's processor just did",
    ...uncounted(setup, sections),
    ...remarks(status, unnamed, counts),
  ];
}

/** Says which sections make what is not counted: figures of images, scores of released detectors. */
function uncounted({ profile }: Setup, sections: readonly Section[]): string[] {
  const making = sections.filter(({ makes }) => makes?.reads(profile)).map(({ name }) => name);
  if (making.length === 0) return [];
  const trained = [profile.detectors, profile.appendix?.detectors].flatMap((some) =>
    some?.areTrained ? some.trainings.map(({ detector }) => detector) : []
  );
  return [
    `Not counted: what ${making.join(", ")} make of images besides runs, where they can` +
    (trained.length === 0 ? "" : `, training of ${[...new Set(trained)].join(", ")} among it`),
  ];
}

/** A run, as not done where its head or scores are gone: they are made again. */
async function asFilesAre(run: RunStatus, files: RunFiles): Promise<RunStatus> {
  const { record, ...rest } = run;
  return record && !await files.areThere(record) ? rest : run;
}

/** Work of one section. */
interface Work {
  readonly name: string;
  readonly runs: number;
  readonly done: number;
  /** From nothing. */
  readonly whole: Cost;
  readonly left: Cost;
}

function line(
  name: string,
  { runs, done }: { readonly runs: number; readonly done?: number },
  { heads, featureSets, crops, bytes }: Cost,
): string[] {
  return [
    name,
    count(runs),
    done === undefined ? "" : count(done),
    count(heads),
    count(featureSets),
    count(crops),
    bytes === 0 ? "0 MB" : byteCount(bytes),
  ];
}

function remarks(
  { problem }: Status,
  unnamed: readonly string[],
  { isEstimated }: ImageCounts,
): string[] {
  return [
    ...(problem === undefined
      ? unnamed.length === 0
        ? []
        : [`Images are missing, so that nothing counts as done of ${unnamed.join(", ")}`]
      : [`${problem}; so nothing counts as done`]),
    ...(isEstimated ? ["Images that are not on disk are counted as published"] : []),
  ];
}

const PRODUCT_SIZE = 1024, PRODUCT_TIMES = 5;

/** Rate of a float32 matrix product here, in operations a second. */
async function measureRate(): Promise<number> {
  const g = new GraphBuilder();
  const shape = [PRODUCT_SIZE, PRODUCT_SIZE];
  const [a, b] = [g.input("a", "float32", shape), g.input("b", "float32", shape)];
  g.output("c", g.op("MatMul", [a, b]), "float32", shape);
  const session = await openSession(g.build());
  const values = ortTensor("float32", new Float32Array(PRODUCT_SIZE ** 2).fill(1), shape);
  let best = Infinity;
  for (let i = 0; i <= PRODUCT_TIMES; i++) {
    const started = performance.now();
    await session.run({ a: values, b: values });
    best = Math.min(best, (performance.now() - started) / 1000);
  }
  await session.release();
  return 2 * PRODUCT_SIZE ** 3 / best;
}

function count(value: number): string {
  return Math.round(value).toLocaleString("en");
}

/** Columns to the right, but for the first. */
function align(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, c) => Math.max(...rows.map((row) => row[c]!.length)));
  return rows.map((row) =>
    row.map((cell, c) => c === 0 ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!)).join("  ")
  );
}
