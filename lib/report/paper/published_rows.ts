/**
 * The authors' logs as rows, in the form of our own results.
 * @module
 */
import { parameterCount } from "../../detectors/rine/architecture.ts";
import type { RineHead, Variant } from "../../detectors/rine/head.ts";
import { UserError } from "../../io/errors.ts";
import type { SetScores } from "../../metrics.ts";
import { ownName, type PublishedLogs, type PublishedRun } from "../../published/logs.ts";
import type { RunRow } from "../../runs/config.ts";
import type { BackboneSizes } from "../../runs/profile.ts";
import { bestConfiguration } from "../../runs/select.ts";

/** The latent-diffusion training set is of one kind; profiles call it so. */
const LDM_CLASS = "latent";

const VARIANT_OF: Readonly<Record<NonNullable<PublishedRun["ablate"]>, Variant>> = {
  contrastive: "no contrastive loss",
  tie: "no TIE",
  intermediate: "no intermediate",
};

/**
 * Published runs and evaluations as rows, under our names of experiments, test sets and classes.
 *
 * The seed is 0, as the released scripts have it. The validation loss is the released one, BCE summed
 * and ξ times the contrastive loss, mean over batches; ours is the mean BCE of an image.
 *
 * @param backboneSizes by name: sizes of heads follow from them, which the logs do not hold
 * @throws {UserError} where a run's backbone is not among them
 */
export function publishedRows(
  { runs, perturbations, blockImportance }: PublishedLogs,
  backboneSizes: Readonly<Record<string, BackboneSizes>>,
): RunRow[] {
  const rows = runs.map((run): RunRow => {
    const head: RineHead = {
      contrastiveWeight: run.contrastiveWeight,
      projectionLayers: run.projectionLayers,
      projectionDim: run.projectionDim,
      variant: run.ablate === undefined ? "full" : VARIANT_OF[run.ablate],
    };
    return {
      experiment: run.experiment,
      detector: "rine",
      trainingSet: run.trainingSet,
      classes: run.classes ?? [LDM_CLASS],
      fraction: run.trainingFraction ?? 1,
      backbone: run.backbone,
      head,
      epochs: run.epochs,
      seed: 0,
      view: run.trainingSet === "ldm" ? "ten" : "center",
      parameterCount: countParameters(head, run.backbone, backboneSizes),
      valLoss: run.valLoss.at(-1)!,
      valAcc: run.valAcc.at(-1)!,
      test: ownNames(run.test),
    };
  });
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

/** The released parameters are all there whatever is left out of the method. */
function countParameters(
  { projectionLayers, projectionDim }: RineHead,
  backbone: string,
  backboneSizes: Readonly<Record<string, BackboneSizes>>,
): number {
  const sizes = backboneSizes[backbone];
  if (sizes === undefined) {
    const known = Object.keys(backboneSizes).join(", ");
    throw new UserError(
      "usage",
      `Cannot count parameters: expected a backbone of ${known}; found ${backbone}`,
    );
  }
  const { blocks, width } = sizes;
  return parameterCount({ blocks, width, projectionLayers, projectionDim, ablation: "none" });
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
