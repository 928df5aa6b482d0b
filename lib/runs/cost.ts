/**
 * What configurations cost: crops through backbones, heads, bytes; and what the released scripts, which
 * push every image through the backbone for every run, would do for the same results.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { MINI_BACKBONES } from "../mini/backbones.ts";
import { type DatasetSpec, listImages, type Source } from "../data/dataset.ts";
import { miniFolders, miniLists } from "../mini/layout.ts";
import { parameterCount } from "../detectors/rine/architecture.ts";
import type { RunConfig } from "./config.ts";
import { architectureOf } from "../detectors/rine/train.ts";
import type { Profile } from "./profile.ts";
import { worldRoot } from "./world.ts";
import type { RunStanding, Standing } from "./standing.ts";

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

/** Work of some runs that none before them has done. */
export interface Cost {
  readonly heads: number;
  /** Steps of training. */
  readonly steps: number;
  /** Sets of tokens: one for each source of images, transform, epoch and backbone. */
  readonly tokenSets: number;
  /** Crops through backbones. */
  readonly crops: number;
  /** The same as the released scripts would have it. */
  readonly releasedCrops: number;
  readonly flops: number;
  readonly releasedFlops: number;
  readonly tokenBytes: number;
  readonly headBytes: number;
}

const NOTHING: Cost = {
  heads: 0,
  steps: 0,
  tokenSets: 0,
  crops: 0,
  releasedCrops: 0,
  flops: 0,
  releasedFlops: 0,
  tokenBytes: 0,
  headBytes: 0,
};

/** Costs together. */
export function sum(costs: readonly Cost[]): Cost {
  return costs.reduce((total, cost) => {
    const keys = Object.keys(NOTHING) as (keyof Cost)[];
    return Object.fromEntries(keys.map((key) => [key, total[key] + cost[key]])) as unknown as Cost;
  }, NOTHING);
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

/** Counts work, and no piece of it twice. */
export class Costing {
  readonly #profile: Profile;
  readonly #counts: ImageCounts;
  readonly #tests: ReadonlyMap<string, DatasetSpec>;
  /** What is counted already. */
  readonly #known = new Set<string>();

  /** Nothing is counted yet. */
  constructor(profile: Profile, counts: ImageCounts) {
    this.#profile = profile;
    this.#counts = counts;
    const { testSets, synthbusterSets } = profile;
    this.#tests = new Map([...testSets, ...synthbusterSets].map((spec) => [spec.name, spec]));
  }

  /**
   * What configurations cost besides what has been counted.
   * @param there what of each is done and costs nothing; by default nothing is
   */
  async costOf(
    configs: readonly RunConfig[],
    there?: { readonly standing: Standing; readonly runs: readonly RunStanding[] },
  ): Promise<Cost> {
    const costs: Cost[] = [];
    for (const [i, config] of configs.entries()) {
      const run = there?.runs[i];
      if (run?.record) continue;
      const hasTokens = async (key: string | undefined) =>
        key !== undefined && there !== undefined && await there.standing.hasTokens(key);
      costs.push(await this.#costOfRun(config, run, hasTokens));
    }
    return sum(costs);
  }

  async #costOfRun(
    config: RunConfig,
    run: RunStanding | undefined,
    hasTokens: (key: string | undefined) => Promise<boolean>,
  ): Promise<Cost> {
    const { training, evaluation } = config;
    const sizes = SIZES.get(training.backbone)!;
    const flopsOfCrop = flopsOfImage(sizes);
    let tokenSets = 0, newCrops = 0;
    /** Crops of a set, whose sources' tokens have the keys. */
    const read = async (
      spec: DatasetSpec,
      { view, epoch = 0, crops = 1 }: { view: string; epoch?: number; crops?: number },
      keys: readonly string[] = [],
    ) => {
      let all = 0;
      for (const [i, source] of spec.sources.entries()) {
        const images = crops * await this.#counts.of(spec, source);
        all += images;
        const isNew = this.#isNew([source, view, epoch, training.backbone]);
        if (!isNew || await hasTokens(keys[i])) continue;
        tokenSets++;
        newCrops += images;
      }
      return all;
    };
    const classes = training.classes.map((name) =>
      this.#profile.trainingSets[training.trainingSet]![name]!
    );
    let learned = 0, validated = 0;
    for (let index = 0; index < training.epochs; index++) {
      const epoch = 1 + index % this.#profile.training.augmentations;
      // keys stand by class, then by source
      const trainKeys = [...run?.tokens.train[index] ?? []], valKeys = [...run?.tokens.val ?? []];
      for (const { train, val } of classes) {
        const keys = trainKeys.splice(0, train.sources.length);
        learned += training.fraction * await read(train, { view: "train", epoch }, keys);
        validated += await read(val, { view: "center" }, valKeys.splice(0, val.sources.length));
      }
    }
    const { view, atEpochs } = evaluation;
    let tried = 0;
    for (const name of evaluation.testSets) {
      const crops = view === "ten" ? 10 : 1;
      tried += atEpochs.length *
        await read(this.#tests.get(name)!, { view, crops }, run?.testTokens[name]);
    }
    const isNew = this.#isNew(training) && !run?.isTrained;
    const rowFlops = flopsOfRow(config, sizes);
    const headFlops = (isNew ? learned : 0) * rowFlops + tried * rowFlops / 3;
    const releasedCrops = (isNew ? learned + validated : 0) + tried;
    return {
      heads: isNew ? 1 : 0,
      steps: isNew ? Math.ceil(learned / training.batchSize) : 0,
      tokenSets,
      crops: newCrops,
      releasedCrops,
      flops: newCrops * flopsOfCrop + headFlops,
      releasedFlops: releasedCrops * flopsOfCrop + headFlops,
      tokenBytes: newCrops * sizes.blocks * sizes.width * Float16Array.BYTES_PER_ELEMENT,
      headBytes: isNew ? 4 * atEpochs.length * parameterCount(architectureOf(training, sizes)) : 0,
    };
  }

  /** Whether it is met for the first time. */
  #isNew(piece: unknown): boolean {
    const id = JSON.stringify(piece);
    if (this.#known.has(id)) return false;
    this.#known.add(id);
    return true;
  }
}

/** How many images a source has: on disk, else as it will be made, or as published. */
export class ImageCounts {
  /** Whether some were counted as published. */
  isEstimated = false;
  readonly #root: string;
  readonly #isMade: boolean;
  readonly #known = new Map<string, Promise<number>>();

  /** Counts nothing yet. */
  constructor(profile: Profile, data: string) {
    this.#root = worldRoot(profile, data);
    this.#isMade = profile.name === "mini";
  }

  /** Images of one of a set's sources. */
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
      if (!(error instanceof UserError && error.kind === "missing")) throw error;
      if (this.#isMade) return miniCount(source);
      this.isEstimated = true;
      const alike = spec.sources.filter(({ label }) => label === source.label).length;
      const { real = 0, generated = 0 } = spec.expected ?? {};
      return Math.round((source.label === 0 ? real : generated) / alike);
    }
  }
}

/** Images that a source has in the mini world once it is made. */
function miniCount(source: Source): number {
  if ("list" in source) {
    return miniLists(1).find(({ path }) => path === source.list)?.lines.length ?? 0;
  }
  const folders = miniFolders(1).filter(({ path }) => matches(source.directory, path));
  return folders.reduce((all, { count }) => all + count, 0);
}

/** Whether a path is a pattern's, of which one segment may be `*`. */
function matches(pattern: string, path: string): boolean {
  const wanted = pattern.split("/"), segments = path.split("/");
  return wanted.length === segments.length &&
    wanted.every((name, i) => name === "*" || name === segments[i]);
}
