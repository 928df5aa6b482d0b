/**
 * The authors' logs of their runs, as lines of files that come with the project.
 * @module
 */
import * as v from "valibot";
import { COUNT, parseJson } from "../io/json.ts";
import type { SetScores } from "../metrics.ts";
import { readPublished } from "./files.ts";

/** A line of `runs.jsonl`. */
export interface PublishedRun {
  /** `grid`, `ablations`, `epochs`, `dataset_size` or `synthbuster`. */
  readonly experiment: string;
  /** `progan` or `ldm`. */
  readonly trainingSet: string;
  /** `ViT-L/14` or `ViT-B/32`. */
  readonly backbone: string;
  /** `null` for the latent-diffusion training set, which has no classes. */
  readonly classes: readonly string[] | null;
  /** ξ */
  readonly contrastiveWeight: number;
  /** q */
  readonly projectionLayers: number;
  /** d′ */
  readonly projectionDim: number;
  /** Epochs trained when evaluated. */
  readonly epochs: number;
  /** Share of the training images, where it was not all. */
  readonly trainingFraction?: number;
  /** Part that was left out. */
  readonly ablate?: "contrastive" | "tie" | "intermediate";
  /** By epoch. */
  readonly valLoss: readonly number[];
  /** By epoch. */
  readonly valAcc: readonly number[];
  /** By test set, under the released names. */
  readonly test: Readonly<Record<string, SetScores>>;
}

/** A line of `perturbations.jsonl`: a released model on perturbed images. */
export interface PublishedPerturbation {
  /** `blur`, `crop`, `compress`, `noise` or `combined`. */
  readonly perturbation: string;
  /** Number of training classes of the model. */
  readonly trainingClasses: number;
  /** By test set, under the released names. */
  readonly test: Readonly<Record<string, SetScores>>;
}

/** All that was published of runs: as lines of the files, or read from the authors' logs. */
export interface PublishedLogs {
  /** Training runs. */
  readonly runs: readonly PublishedRun[];
  /** Evaluations on perturbed images. */
  readonly perturbations: readonly PublishedPerturbation[];
  /** By number of training classes: for each block, how many features weigh it most. */
  readonly blockImportance: Readonly<Record<string, readonly number[]>>;
}

/** Reads the published runs, evaluations and block importances that come with the project. */
export async function publishedLogs(): Promise<PublishedLogs> {
  const [runs, perturbations, importance] = await Promise.all([
    readPublished("runs.jsonl"),
    readPublished("perturbations.jsonl"),
    readPublished("block_importance.json"),
  ]);
  return {
    runs: jsonLines<PublishedRun>(runs, "runs.jsonl", RUN),
    perturbations: jsonLines<PublishedPerturbation>(
      perturbations,
      "perturbations.jsonl",
      PERTURBATION,
    ),
    blockImportance: parseJson(importance, "block_importance.json", { form: IMPORTANCE }),
  };
}

/** A test set's name here: without the folder that the released code has in it. */
export function ownName(name: string): string {
  return name.replace("diffusion_datasets/", "");
}

const SCORES = v.record(v.string(), v.looseObject({ acc: v.number(), ap: v.number() }));
const RUN = v.looseObject({
  experiment: v.string(),
  trainingSet: v.string(),
  backbone: v.string(),
  classes: v.nullable(v.array(v.string())),
  contrastiveWeight: v.number(),
  projectionLayers: COUNT,
  projectionDim: COUNT,
  epochs: COUNT,
  valLoss: v.array(v.number()),
  valAcc: v.array(v.number()),
  test: SCORES,
});
const PERTURBATION = v.looseObject({
  perturbation: v.string(),
  trainingClasses: COUNT,
  test: SCORES,
});
const IMPORTANCE = v.record(v.string(), v.array(COUNT));

/**
 * The values of a file that holds one a line.
 * @throws {UserError} naming the file and the first line that is not of the form
 */
export function jsonLines<T>(text: string, name: string, form: v.GenericSchema): T[] {
  return text.trimEnd().split("\n").map((line, i) =>
    parseJson<T>(line, `line ${i + 1} of ${name}`, { form })
  );
}
