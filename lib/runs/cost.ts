/**
 * What runs cost: heads, steps, sets of features, crops through backbones, bytes.
 * @module
 */
import type { DatasetSpec, Source } from "../data/dataset.ts";
import type { Listings } from "../data/listing.ts";
import { detectorNamed } from "../detectors/index.ts";
import { PERTURBATIONS } from "../image/perturb.ts";
import { UserError } from "../io/errors.ts";
import type { RunConfig } from "./config.ts";
import { augmentedEpoch } from "./plan.ts";
import type { BackboneSizes, Profile } from "./profile.ts";
import type { RunStatus } from "./status.ts";
import { augmentationsOf } from "./world.ts";

/** Work of some runs that none before them has done. */
export interface Cost {
  readonly heads: number;
  /** Steps of training. */
  readonly steps: number;
  /** Sets of features: one for each source of images, transform, epoch, backbone and tap. */
  readonly featureSets: number;
  /** Crops through backbones: once for all that one pass reads of them. */
  readonly crops: number;
  /** Multiplications and additions. */
  readonly flops: number;
  /** Of features and heads. */
  readonly bytes: number;
}

const NOTHING: Cost = { heads: 0, steps: 0, featureSets: 0, crops: 0, flops: 0, bytes: 0 };

/** Costs together. */
export function sum(costs: readonly Cost[]): Cost {
  return costs.reduce((total, cost) => ({
    heads: total.heads + cost.heads,
    steps: total.steps + cost.steps,
    featureSets: total.featureSets + cost.featureSets,
    crops: total.crops + cost.crops,
    flops: total.flops + cost.flops,
    bytes: total.bytes + cost.bytes,
  }), NOTHING);
}

/** Multiplications and additions of an image: matrix products and attention. */
function flopsOfImage({ blocks, width, length, flops }: BackboneSizes): number {
  return flops ?? blocks * (24 * length * width ** 2 + 4 * length ** 2 * width);
}

/** Of rows of features on disk. */
function featureBytes(rows: number, { blocks, width }: BackboneSizes): number {
  return rows * blocks * width * Float16Array.BYTES_PER_ELEMENT;
}

/** What of runs is on disk. */
export interface There {
  /** In the order of the configurations. */
  readonly runs: readonly RunStatus[];
  /** Whether a set of features is on disk. */
  hasFeatures(key: string): Promise<boolean>;
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
  async costOf(configs: readonly RunConfig[], there?: There): Promise<Cost> {
    const costs: Cost[] = [];
    for (const [i, config] of configs.entries()) {
      const run = there?.runs[i];
      if (!run?.record) costs.push(await this.#costOfRun(config, run, there));
    }
    return sum(costs);
  }

  async #costOfRun(config: RunConfig, run?: RunStatus, there?: There): Promise<Cost> {
    const { training, evaluation } = config;
    const { detector: name, backbone, head: headConfig } = training;
    const { reads, trainsOn, readHead, parameterCount, keptFeatures } = detectorNamed(name);
    const network = this.#profile.backboneSizes[backbone]!;
    // an embedding is about as wide as the network
    const sizes = reads.tap === "embedding" ? { ...network, blocks: 1 } : network;
    let featureSets = 0, newCrops = 0, newRows = 0;
    /** Crops of a set, the features of whose sources have the keys. */
    const read = async (
      spec: DatasetSpec,
      { view, epoch = 0, crops = 1, draw, isRead = true }: {
        view: string;
        epoch?: number;
        crops?: number;
        draw?: number | undefined;
        isRead?: boolean;
      },
      keys: readonly string[] = [],
    ) => {
      let all = 0;
      for (const [i, source] of spec.sources.entries()) {
        const images = crops * await this.#counts.of(spec, source);
        all += images;
        if (!isRead) continue;
        if (!this.#isNew([source, view, epoch, draw, backbone, reads.tap])) continue;
        const key = keys[i];
        if (key !== undefined && await there?.hasFeatures(key)) continue;
        featureSets++;
        newRows += images;
        const pass = [source, view, epoch, draw, backbone, reads.tap === "patches"];
        if (this.#isNew(["pass", pass])) newCrops += images;
      }
      return all;
    };
    const classes = training.classes.map((name) =>
      this.#profile.trainingSets[training.trainingSet]![name]!
    );
    const seed = this.#profile.draws === 1 ? undefined : training.seed;
    const augmentations = augmentationsOf(this.#profile, trainsOn);
    let learned = 0, validated = 0;
    for (let index = 0; index < training.epochs; index++) {
      const learns = {
        view: trainsOn === "plain" ? "center" : `train ${trainsOn}`,
        epoch: augmentedEpoch(index, augmentations),
        // images that are not augmented are the same in every draw
        draw: trainsOn === "plain" ? undefined : seed,
        // of a trained head they may have been dropped
        isRead: !run?.isTrained,
      };
      // keys stand by class, then by source
      const trainKeys = [...run?.features.train[index] ?? []];
      const valKeys = [...run?.features.val ?? []];
      for (const { train, val } of classes) {
        const keys = trainKeys.splice(0, train.sources.length);
        learned += training.fraction * await read(train, learns, keys);
        validated += await read(val, { view: "center" }, valKeys.splice(0, val.sources.length));
      }
    }
    const { view, atEpochs } = evaluation;
    let tried = 0;
    for (const [t, name] of evaluation.testSets.entries()) {
      const crops = view === "ten" ? 10 : 1;
      const draw = (PERTURBATIONS as readonly string[]).includes(view)
        ? evaluation.draw ?? seed
        : undefined;
      tried += atEpochs.length *
        await read(this.#tests.get(name)!, { view, crops, draw }, run?.sets[t]?.features);
    }
    const isNew = this.#isNew(training) && !run?.isTrained;
    const head = readHead(headConfig), bank = keptFeatures?.(head, learned);
    if (bank) {
      const stream = { ...training, head: bank.draw };
      const isDrawn = isNew && this.#isNew(["bank", stream]);
      // heads of one bank share its search: the nearest few are among the nearest many
      const searched = (isDrawn ? validated : 0) +
        (this.#isNew(["search", stream, evaluation]) ? tried : 0);
      const values = bank.rows * bank.blocks * sizes.width;
      return {
        heads: isNew ? 1 : 0,
        steps: 0,
        featureSets,
        crops: newCrops,
        flops: newCrops * flopsOfImage(network) + searched * 2 * values,
        bytes: featureBytes(newRows, sizes) +
          (isDrawn ? featureBytes(bank.rows, { ...sizes, blocks: bank.blocks }) : 0),
      };
    }
    const parameters = parameterCount(head, sizes);
    // of one row through a head: about half of its layers see every block, the others what is left
    const rowFlops = parameters * (sizes.blocks + 1);
    return {
      heads: isNew ? 1 : 0,
      steps: isNew ? Math.ceil(learned / training.batchSize) : 0,
      featureSets,
      crops: newCrops,
      // forward and backward are three times forward
      flops: newCrops * flopsOfImage(network) + (3 * (isNew ? learned : 0) + tried) * rowFlops,
      bytes: featureBytes(newRows, sizes) + (isNew ? 4 * atEpochs.length * parameters : 0),
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
  readonly #listings: Listings;
  readonly #made: Profile["made"];
  readonly #known = new Map<string, Promise<number>>();

  /** Counts nothing yet. */
  constructor({ made }: Pick<Profile, "made">, listings: Listings) {
    this.#listings = listings;
    this.#made = made;
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
      return (await this.#listings.images(source, spec.name)).length;
    } catch (error) {
      if (!(error instanceof UserError && error.kind === "missing")) throw error;
      // a set of one's own is not made
      if (this.#made && !spec.isOwn) return this.#made.count(source);
      this.isEstimated = true;
      const alike = spec.sources.filter(({ label }) => label === source.label).length;
      const { real = 0, generated = 0 } = spec.expected ?? {};
      return Math.round((source.label === 0 ? real : generated) / alike);
    }
  }
}
