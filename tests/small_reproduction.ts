/**
 * A reproduction in small: every section with runs, on a few images. All that its tests call of the
 * project's inner interfaces is called here.
 */

import { join } from "node:path";
import { EXPERIMENTS } from "../experiments/index.ts";
import { mini } from "../experiments/profiles/mini.ts";
import type { RunRow, ScoredRow } from "../lib/runs/config.ts";
import { execute } from "../lib/runs/execute.ts";
import { scoredRows } from "../lib/runs/kept_scores.ts";
import { averagedRows, withOwnSets } from "../lib/runs/own_sets.ts";
import type { Profile } from "../lib/runs/profile.ts";
import type { RunRecord } from "../lib/runs/record.ts";
import { readScores } from "../lib/runs/scores.ts";
import { reportOf } from "../lib/runs/section.ts";
import type { Setup } from "../lib/runs/setup.ts";
import { openMadeWorld } from "../lib/runs/world.ts";
import { makeSmallWorld, smallSetup } from "./small_world.ts";

/** Seeds of the heads; that of the images is another. They are such as train the same everywhere. */
const SEEDS = [6, 1];

/** The sets of a user's own: their images have absolute paths. */
const OWN = "own";

const inSmall = (names: readonly string[]) =>
  mini.testSets.filter(({ name }) => names.includes(name));

// detectors on pixels do not train the same everywhere
const { detectors: _, ...plain } = mini;

const small: Profile = {
  ...plain,
  // seeds that train the same everywhere do so on the images of this draw
  draws: 1,
  classSets: mini.classSets.slice(0, 2),
  // of classes, of shared real images, of neither; a GAN and others
  testSets: inSmall(["zero_insertion_k3", "blended_region", "latent_dct_fine"]),
  synthbusterSets: mini.synthbusterSets.slice(0, 2),
  grid: { contrastiveWeights: [.1, .8], projectionLayers: [1, 2], projectionDims: [48] },
  ldmGrid: { contrastiveWeights: [.2], projectionLayers: [1], projectionDims: [48] },
  training: { ...mini.training, augmentations: 2, batchSize: 8, learningRate: 6e-3 },
  epochs: { atEpochs: [2, 4], decayEpochs: [3, 4] },
  fractions: [.3, 1],
  ufd: {
    ...mini.ufd!,
    featureSpaces: mini.ufd!.featureSpaces.slice(1, 3),
    classSets: mini.ufd!.classSets.slice(0, 2),
    neighbours: [1, 3],
    probe: { batchSize: 8, learningRate: 1e-2, epochs: 4, smallestRate: 1e-4 },
    bankImages: [4],
    blocks: [1, 8],
    jpegQualities: [50],
    blurSigmasPx: [1],
    sample: { most: 6, fewer: 3, seed: 0 },
  },
};

/** What came of a reproduction, without times, dates and names that are hashes. */
export interface Reproduced {
  /** By section, one for each run, in the order of the runs. */
  readonly runs: Readonly<Record<string, readonly unknown[]>>;
  /** Rows of tables and of figures' data, by the name of their files. */
  readonly reports: Readonly<Record<string, readonly unknown[]>>;
  /** How many files there are by now: runs share heads. */
  readonly files: Readonly<Record<string, number>>;
}

/** Makes the images and weights that {@linkcode reproduceSmall} reads. */
export async function makeSmallReproduction(data: string): Promise<void> {
  await makeSmallWorld(data);
  await Deno.writeTextFile(
    join(data, "sets.json"),
    JSON.stringify([{
      name: OWN,
      title: "Own",
      real: "mini/test/checkerboard_deconv/0_real",
      generated: "mini/test/checkerboard_deconv/1_fake",
    }]),
  );
}

/**
 * Runs all sections and reports them.
 * @param selection by what the best heads are chosen that the other sections start from
 */
export async function reproduceSmall(
  data: string,
  results: string,
  selection: "test" | "val",
  engine: Setup["engine"] = "onnx",
): Promise<Reproduced> {
  const profile = { ...await withOwnSets(small, join(data, "sets.json")), selection };
  const setup = smallSetup(data, results, { profile, engine, batchSize: 24 });
  const { sections } = EXPERIMENTS;
  await using world = await openMadeWorld(setup);
  const rows: RunRow[] = [];
  const runs: Record<string, unknown[]> = {};
  const scored = new Map<string, ScoredRow[]>();
  for (const section of sections) {
    const configs = section.runs(profile, SEEDS, rows);
    const { rows: own, records } = await execute(section.name, configs, world, setup);
    if (section.showsScores) scored.set(section.name, await scoredRows(records, setup));
    rows.push(...averagedRows(profile, own));
    if (records.length === 0) continue;
    runs[section.name] = [];
    for (const record of records) runs[section.name]!.push(await lastingOf(record, results));
  }
  const reports: Record<string, readonly unknown[]> = {};
  for (const section of sections) {
    const { tables, figures } = reportOf(section, {
      profile,
      rows,
      printed: [],
      points: [],
      scored: scored.get(section.name) ?? [],
    });
    for (const { id, rows } of [...tables, ...figures]) {
      reports[id] = rows.map(({ time: _time, ...row }) =>
        "perturbation" in row ? { ...row, [OWN]: "…" } : row
      );
    }
  }
  const files = Object.fromEntries(
    ["heads", "scores"].map((folder) =>
      [folder, Array.from(Deno.readDirSync(join(results, folder))).length] as const
    ),
  );
  return { runs, reports, files };
}

/** What of a record must come out again. */
async function lastingOf(record: RunRecord, results: string): Promise<unknown> {
  const { config, parameterCount, epochs, evaluations } = record;
  const { view, testSets } = config.evaluation;
  const isPerturbed = view !== "center" && view !== "ten";
  return {
    profile: record.profile,
    experiment: record.experiment,
    config: { ...config, training: flat(config.training) },
    parameterCount,
    trainedOn: record.features.train.map((keys, epoch) => ({
      sets: keys.length,
      likeEpoch: 1 + record.features.train.findIndex((other) => other.join() === keys.join()),
      epoch: epoch + 1,
    })),
    epochs,
    evaluations: await Promise.all(evaluations.map(async (evaluation) => {
      const [, key] = /([^/]+)-epoch/.exec(evaluation.scores)!;
      const scores = await readScores(results, key!, evaluation.epoch);
      return {
        epoch: evaluation.epoch,
        blockImportance: evaluation.blockImportance,
        test: Object.fromEntries(testSets.map((name) => [
          name,
          // how an image is perturbed hangs on its path, and theirs on where this folder lies
          name === OWN && isPerturbed ? Object.keys(evaluation.test[name]!) : {
            ...evaluation.test[name]!,
            scores: digest(scores.get(evaluation.sets[name]!)!),
          },
        ])),
      };
    })),
  };
}

/** A training as the golden has it: what is the detector's own stands beside the rest. */
function flat({ detector, head, ...rest }: RunRecord["config"]["training"]) {
  return { ...(detector === "rine" ? {} : { detector }), ...rest, ...head };
}

/** Scores in short: how many, their mean, and the first, one within and the last. */
function digest(scores: Float32Array) {
  const count = scores.length;
  const mean = scores.reduce((sum, score) => sum + score, 0) / count;
  return [count, mean, scores[0], scores[Math.floor(count / 3)], scores[count - 1]];
}
