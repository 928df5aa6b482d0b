/**
 * What the authors published, in the form of our own results.
 * @module
 */
import { UserError } from "../io/errors.ts";
import type { RunRow, SetScores, Variant } from "../runs/config.ts";
import { bestConfiguration } from "../runs/select.ts";

/** A cell of a table as the paper prints it. */
export interface PrintedCell {
  /** Number of the table. */
  readonly table: number;
  /** As the paper calls it. */
  readonly method: string;
  /** How many classes it was trained on, `AVG` for the mean over them; empty where not said. */
  readonly trainingClasses: string;
  /** Table 4: the generators averaged over; Table 5: the perturbation. */
  readonly variant: string;
  /** What is printed. */
  readonly metric: "acc" | "ap";
  /** Name of the test set, or `AVG`. */
  readonly generator: string;
  /** In percent with one decimal, as printed; `null` for a hyphen. */
  readonly percent: number | null;
}

/** An image in the feature space of a detector, in two dimensions. */
export interface FeaturePoint {
  /** Whose space it is. */
  readonly detector: string;
  /** First coordinate; without unit. */
  readonly x: number;
  /** Second coordinate; without unit. */
  readonly y: number;
  /** 0 real, 1 generated. */
  readonly label: 0 | 1;
  /** Name of the test set that it comes from. */
  readonly generator: string;
}

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

/** Sizes of the heads whose runs were published, which the logs do not hold. */
export type CountParameters = (
  head: Pick<RunRow, "backbone" | "projectionLayers" | "projectionDim">,
) => number;

const FOLDER = new URL("../../data/published/", import.meta.url);

/** The latent-diffusion training set is of one kind; profiles call it so. */
const LDM_CLASS = "latent";

const VARIANT_OF: Readonly<Record<NonNullable<PublishedRun["ablate"]>, Variant>> = {
  contrastive: "no contrastive loss",
  tie: "no TIE",
  intermediate: "no intermediate",
};

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
    readText("runs.jsonl"),
    readText("perturbations.jsonl"),
    readText("block_importance.json"),
  ]);
  return {
    runs: jsonLines(runs) as PublishedRun[],
    perturbations: jsonLines(perturbations) as PublishedPerturbation[],
    blockImportance: JSON.parse(importance),
  };
}

/**
 * Published runs and evaluations as rows, under our names of experiments, test sets and classes.
 *
 * The seed is 0, as the released scripts have it. The validation loss is the released one, BCE summed
 * and ξ times the contrastive loss, mean over batches; ours is the mean BCE of an image.
 *
 * @param countParameters sizes of heads, which the logs do not hold
 */
export function publishedRows(
  { runs, perturbations, blockImportance }: PublishedLogs,
  countParameters: CountParameters,
): RunRow[] {
  const rows = runs.map((run): RunRow => ({
    experiment: run.experiment,
    trainingSet: run.trainingSet,
    classes: run.classes ?? [LDM_CLASS],
    fraction: run.trainingFraction ?? 1,
    backbone: run.backbone,
    contrastiveWeight: run.contrastiveWeight,
    projectionLayers: run.projectionLayers,
    projectionDim: run.projectionDim,
    variant: run.ablate === undefined ? "full" : VARIANT_OF[run.ablate],
    epochs: run.epochs,
    seed: 0,
    view: run.trainingSet === "ldm" ? "ten" : "center",
    parameterCount: countParameters(run),
    valLoss: run.valLoss.at(-1)!,
    valAcc: run.valAcc.at(-1)!,
    test: ownNames(run.test),
  }));
  for (const { perturbation, trainingClasses, test } of perturbations) {
    const head = bestConfiguration(gridOf(rows, trainingClasses), "test")[0];
    rows.push({ ...head, experiment: "perturbations", view: perturbation, test: ownNames(test) });
  }
  for (const [trainingClasses, counts] of Object.entries(blockImportance)) {
    const head = bestConfiguration(gridOf(rows, Number(trainingClasses)), "test")[0];
    rows[rows.indexOf(head)] = { ...head, blockImportance: counts };
  }
  return rows;
}

function gridOf(rows: readonly RunRow[], trainingClasses: number): RunRow[] {
  return rows.filter(({ experiment, classes }) =>
    experiment === "grid" && classes.length === trainingClasses
  );
}

/** Test sets under our names: without the folder that diffusion sets lie in. */
function ownNames(test: Readonly<Record<string, SetScores>>): Record<string, SetScores> {
  return Object.fromEntries(
    Object.entries(test).map(([name, scores]) => [ownName(name), scores]),
  );
}

/** A test set's name here: without the folder that the released code has in it. */
export function ownName(name: string): string {
  return name.replace("diffusion_datasets/", "");
}

/** Every printed cell of Tables 2, 3, 4, 5 and 7. */
export async function printedCells(): Promise<PrintedCell[]> {
  const cells = csvLines(await readText("paper_tables.csv"));
  return cells.map(({ table, method, trainingClasses, variant, metric, generator, percent }) => ({
    table: Number(table),
    method: method!,
    trainingClasses: trainingClasses!,
    variant: variant!,
    metric: metric as "acc" | "ap",
    generator: generator!,
    percent: percent === "" ? null : Number(percent),
  }));
}

/** The points of Figure 1: 7500 for each of RINE, UFD and Wang. */
export async function publishedPoints(): Promise<FeaturePoint[]> {
  const points = csvLines(await readText("tsne.csv"));
  return points.map(({ model, x, y, label, generator }) => ({
    detector: model!,
    x: Number(x),
    y: Number(y),
    label: label === "fake" ? 1 : 0,
    generator: ownName(generator!),
  }));
}

function readText(name: string): Promise<string> {
  return Deno.readTextFile(new URL(name, FOLDER));
}

function jsonLines(text: string): unknown[] {
  return text.trimEnd().split("\n").map((line) => JSON.parse(line));
}

/** Lines of a CSV without quotes, by the names in its first line. */
function csvLines(text: string): Record<string, string>[] {
  const [header, ...lines] = text.trimEnd().split(/\r?\n/).map((line) => line.split(","));
  return lines.map((cells, i) => {
    if (cells.length !== header!.length) {
      throw new UserError(
        "damaged",
        `Cannot read published numbers: expected ${
          header!.length
        } cells, found ${cells.length} in line ${i + 2}`,
      );
    }
    return Object.fromEntries(cells.map((cell, j) => [header![j]!, cell]));
  });
}
