/**
 * What a reproduction would do and cost, before anything is done; and what the released scripts,
 * which push every image through the backbone for every run, would do for the same results.
 * @module
 */
import { join } from "node:path";
import { MINI_BACKBONES } from "../lib/backbone/mini.ts";
import { type DatasetSpec, listImages, type Source } from "../lib/data/dataset.ts";
import { parameterCount } from "../lib/head/architecture.ts";
import { exists } from "../lib/io/files.ts";
import { GraphBuilder } from "../lib/onnx/graph.ts";
import { openSession, ortTensor } from "../lib/onnx/session.ts";
import type { RunConfig, RunRow } from "../lib/results/run.ts";
import { architectureOf } from "../lib/run/train.ts";
import type { Experiment } from "./experiment.ts";
import { untriedRow } from "./needs.ts";
import type { Profile } from "./profiles/profile.ts";
import { duration } from "./progress_bar.ts";

/** Sizes that the cost of an image follows from. */
interface VitSizes {
  readonly blocks: number;
  readonly width: number;
  /** Tokens of an image, S. */
  readonly length: number;
}

const MINI_WIDTH = 128, MINI_RESOLUTION_PX = 64;

const SIZES: ReadonlyMap<string, VitSizes> = new Map([
  ["ViT-L/14", { blocks: 24, width: 1024, length: 257 }],
  ["ViT-B/32", { blocks: 12, width: 768, length: 50 }],
  ...MINI_BACKBONES.map(({ name, blocks, patchPx }) =>
    [
      name,
      { blocks, width: MINI_WIDTH, length: (MINI_RESOLUTION_PX / patchPx) ** 2 + 1 },
    ] as const
  ),
]);

/** Work of one section that no section before it has done. */
interface Cost {
  heads: number;
  /** Sets of tokens: one for each source of images, transform, epoch and backbone. */
  tokenSets: number;
  /** Crops through backbones. */
  crops: number;
  /** The same as the released scripts would have it. */
  releasedCrops: number;
  flops: number;
  releasedFlops: number;
  tokenBytes: number;
  headBytes: number;
}

/** Multiplications and additions of an image: matrix products and attention. */
function flopsOfImage({ blocks, width, length }: VitSizes): number {
  return blocks * (24 * length * width ** 2 + 4 * length ** 2 * width);
}

/** Of one row through a head, forward and backward. */
function flopsOfRow({ training }: RunConfig, sizes: VitSizes): number {
  const { projectionLayers: q, projectionDim: d } = training;
  return 6 * (sizes.blocks * (sizes.width * d + (q - 1) * d ** 2) + (q + 2) * d ** 2);
}

/** What a step costs besides its products, in seconds. */
const STEP_OVERHEAD_SECONDS = .5e-3;

/**
 * The plan, for people. What is on disk is counted, not subtracted: the table says what the whole
 * costs from nothing.
 */
export async function dryRun(
  profile: Profile,
  sections: readonly Experiment[],
  seeds: readonly number[],
  { data, results }: { data: string; results: string },
): Promise<string> {
  const root = profile.name === "mini" ? join(data, "mini") : data;
  const counts = new ImageCounts(root);
  const known = new Set<string>();
  const rows: RunRow[] = [];
  const costs: { name: string; cost: Cost; done: number; steps: number }[] = [];
  for (const section of sections) {
    const configs = section.runs(profile, seeds, rows);
    rows.push(...configs.map((config) => untriedRow(section.name, config)));
    const { cost, steps } = await costOf(configs, profile, counts, known);
    const done = await countFiles(join(results, profile.name, section.name), ".json");
    costs.push({ name: section.name, cost, done, steps });
  }
  const rate = await measureRate();
  const seconds = (flops: number) => flops / rate;
  const total = sum(costs.map(({ cost }) => cost));
  const steps = costs.reduce((all, section) => all + section.steps, 0);
  const header = ["section", "heads", "done", "token sets", "crops", "as released", "on disk"];
  const table = costs.map(({ name, cost, done }) => [
    name,
    count(cost.heads),
    count(done),
    count(cost.tokenSets),
    count(cost.crops),
    count(cost.releasedCrops),
    size(cost.tokenBytes + cost.headBytes),
  ]);
  const all = ["all", total.heads, undefined, total.tokenSets, total.crops, total.releasedCrops]
    .map((value) => typeof value === "number" ? count(value) : value ?? "");
  const ours = seconds(total.flops) + steps * STEP_OVERHEAD_SECONDS;
  return [
    `The ${profile.name} profile, from nothing; "done" are records in ${
      join(results, profile.name)
    }`,
    "",
    ...align([header, ...table, [...all, size(total.tokenBytes + total.headBytes)]]),
    "",
    `Token sets on disk: ${await countFiles(join(data, "tokens"), ".npy")}`,
    `At ${(rate / 1e9).toFixed(0)} GFLOP/s, measured on this machine just now: about ${
      duration(ours)
    }; as the released scripts do it, about ${
      duration(seconds(total.releasedFlops) + steps * STEP_OVERHEAD_SECONDS)
    }`,
    `Each crop goes through a backbone once instead of ${
      (total.releasedCrops / Math.max(1, total.crops)).toFixed(1)
    } times`,
    ...(counts.isEstimated ? ["Images that are not on disk are counted as published"] : []),
  ].join("\n");
}

async function costOf(
  configs: readonly RunConfig[],
  profile: Profile,
  counts: ImageCounts,
  known: Set<string>,
): Promise<{ cost: Cost; steps: number }> {
  const cost = sum([]);
  let steps = 0;
  const trained = new Set<string>();
  const tests = new Map([...profile.testSets, ...profile.synthbusterSets].map((s) => [s.name, s]));
  for (const config of configs) {
    const { training, evaluation } = config;
    const sizes = SIZES.get(training.backbone)!;
    const flops = flopsOfImage(sizes);
    const read = async (spec: DatasetSpec, view: string, epoch: number, crops: number) => {
      let all = 0;
      for (const source of spec.sources) {
        const images = crops * await counts.of(spec, source);
        all += images;
        const id = JSON.stringify([source, view, epoch, training.backbone]);
        if (known.has(id)) continue;
        known.add(id);
        cost.tokenSets++;
        cost.crops += images;
        cost.flops += images * flops;
        cost.tokenBytes += images * sizes.blocks * sizes.width * Float16Array.BYTES_PER_ELEMENT;
      }
      return all;
    };
    let learned = 0, released = 0;
    for (const name of training.classes) {
      const { train, val } = profile.trainingSets[training.trainingSet]![name]!;
      for (let index = 0; index < training.epochs; index++) {
        const epoch = 1 + index % profile.training.augmentations;
        learned += training.fraction * await read(train, "train", epoch, 1);
        released += await read(val, "center", 0, 1);
      }
    }
    const crops = evaluation.view === "ten" ? 10 : 1;
    let tried = 0;
    for (const name of evaluation.testSets) {
      tried += await read(tests.get(name)!, evaluation.view, 0, crops);
    }
    tried *= evaluation.atEpochs.length;
    const head = JSON.stringify(training);
    const isNew = !trained.has(head) && !known.has(head);
    trained.add(head);
    known.add(head);
    const rowFlops = flopsOfRow(config, sizes);
    if (isNew) {
      cost.heads++;
      cost.headBytes += 4 * evaluation.atEpochs.length *
        parameterCount(architectureOf(training, sizes));
      steps += Math.ceil(learned / training.batchSize);
    }
    const arithmetic = (isNew ? learned : 0) * rowFlops + tried * rowFlops / 3;
    cost.flops += arithmetic;
    cost.releasedCrops += (isNew ? learned + released : 0) + tried;
    cost.releasedFlops += ((isNew ? learned + released : 0) + tried) * flops + arithmetic;
  }
  return { cost, steps };
}

/** How many images a source has: on disk, or as published where it is not there. */
class ImageCounts {
  isEstimated = false;
  readonly #root: string;
  readonly #known = new Map<string, Promise<number>>();

  constructor(root: string) {
    this.#root = root;
  }

  of(spec: DatasetSpec, source: Source): Promise<number> {
    const key = JSON.stringify(source);
    let found = this.#known.get(key);
    if (!found) this.#known.set(key, found = this.#count(spec, source));
    return found;
  }

  async #count(spec: DatasetSpec, source: Source): Promise<number> {
    try {
      return (await listImages(this.#root, { ...spec, sources: [source] })).length;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.isEstimated = true;
      const alike = spec.sources.filter(({ label }) => label === source.label).length;
      const { real = 0, generated = 0 } = spec.expected ?? {};
      return Math.round((source.label === 0 ? real : generated) / alike);
    }
  }
}

function sum(costs: readonly Cost[]): Cost {
  const total: Cost = {
    heads: 0,
    tokenSets: 0,
    crops: 0,
    releasedCrops: 0,
    flops: 0,
    releasedFlops: 0,
    tokenBytes: 0,
    headBytes: 0,
  };
  for (const cost of costs) {
    for (const key of Object.keys(total) as (keyof Cost)[]) total[key] += cost[key];
  }
  return total;
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

async function countFiles(folder: string, ending: string): Promise<number> {
  if (!await exists(folder)) return 0;
  let files = 0;
  for await (const { name } of Deno.readDir(folder)) if (name.endsWith(ending)) files++;
  return files;
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
