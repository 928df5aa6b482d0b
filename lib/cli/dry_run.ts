/**
 * What a reproduction would do and cost, before anything is done: what is left, and the whole beside
 * the released scripts.
 * @module
 */
import { GraphBuilder } from "../onnx/graph.ts";
import { openSession, ortTensor } from "../onnx/session.ts";
import type { RunRow } from "../runs/config.ts";
import { type Cost, Costing, ImageCounts, sum } from "../runs/cost.ts";
import type { Experiment } from "../runs/section.ts";
import { duration } from "../io/progress_bar.ts";
import type { Profile } from "../runs/profile.ts";
import { Standing, type StandingOptions } from "../runs/standing.ts";

/** What a step costs besides its products, in seconds. */
const STEP_OVERHEAD_SECONDS = .5e-3;

/** The plan, for people. What is on disk is done, and is not counted as work. */
export async function dryRun(
  profile: Profile,
  sections: readonly Experiment[],
  seeds: readonly number[],
  options: StandingOptions,
): Promise<string> {
  await using standing = await Standing.open(profile, options);
  const counts = new ImageCounts(profile, options.data);
  const whole = new Costing(profile, counts), left = new Costing(profile, counts);
  const rows: RunRow[] = [];
  const works: Work[] = [];
  const unnamed: string[] = [];
  for (const section of sections) {
    const { configs, runs, rows: own } = await standing.section(section, seeds, rows);
    rows.push(...own);
    if (!runs) unnamed.push(section.name);
    works.push({
      name: section.name,
      runs: configs.length,
      done: runs?.filter(({ record }) => record).length ?? 0,
      whole: await whole.costOf(configs),
      left: await left.costOf(configs, runs && { standing, runs }),
    });
  }
  const rate = await measureRate();
  const secondsOf = (flops: number, { steps }: Cost) =>
    flops / rate + steps * STEP_OVERHEAD_SECONDS;
  const all = sum(works.map(({ whole }) => whole)), rest = sum(works.map(({ left }) => left));
  const total = (key: "runs" | "done") => works.reduce((count, work) => count + work[key], 0);
  return [
    `The ${profile.name} profile: what is left to do; done is what lies in ${standing.folder} and ` +
    "what it was made of",
    "",
    ...align([
      ["section", "runs", "done", "heads", "token sets", "crops", "to disk"],
      ...works.map((work) => line(work.name, work, work.left)),
      line("left", { runs: total("runs") - total("done") }, rest),
      line("from nothing", { runs: total("runs") }, all),
    ]),
    "",
    `At ${(rate / 1e9).toFixed(0)} GFLOP/s, measured on this machine just now: about ${
      duration(secondsOf(rest.flops, rest))
    }; from nothing about ${duration(secondsOf(all.flops, all))}, as the released scripts do it ` +
    `about ${duration(secondsOf(all.releasedFlops, all))}`,
    `Each crop goes through a backbone once instead of ${
      (all.releasedCrops / Math.max(1, all.crops)).toFixed(1)
    } times`,
    ...remarks(standing, unnamed, counts),
  ].join("\n");
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
  cost: Cost,
): string[] {
  return [
    name,
    count(runs),
    done === undefined ? "" : count(done),
    count(cost.heads),
    count(cost.tokenSets),
    count(cost.crops),
    size(cost.tokenBytes + cost.headBytes),
  ];
}

function remarks(
  { problem }: Standing,
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

function size(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(0)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

/** Columns to the right, but for the first. */
function align(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, c) => Math.max(...rows.map((row) => row[c]!.length)));
  return rows.map((row) =>
    row.map((cell, c) => c === 0 ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!)).join("  ")
  );
}
