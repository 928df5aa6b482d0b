/**
 * A reproduction of the paper that looks finished: records, heads, scores and features of every run of
 * some sections. Numbers are made up, heads are small, and features are sparse files of their right
 * length, so that 200 GB take none: what finds that all is done reads neither.
 * @module
 */
import { join } from "node:path";
import { EXPERIMENTS } from "../../experiments/index.ts";
import { checkpointPath } from "../../lib/detectors/detector.ts";
import { exists } from "../../lib/io/files.ts";
import { encodeNpyHeader } from "../../lib/io/npy.ts";
import { writeSealedSafetensors } from "../../lib/io/safetensors_writer.ts";
import { sha256 } from "../../lib/io/seal.ts";
import { randomStream } from "../../lib/random.ts";
import { type RunRow } from "../../lib/runs/config.ts";
import { type PlannedRun, planRuns } from "../../lib/runs/plan.ts";
import { RecordStore, rowsOf, type RunRecord } from "../../lib/runs/record.ts";
import { scoresFolder } from "../../lib/runs/scores.ts";
import type { Section } from "../../lib/runs/section.ts";
import type { Setup } from "../../lib/runs/setup.ts";
import { openMadeWorld, type World } from "../../lib/runs/world.ts";
import { VERSIONS } from "../../lib/tokens/made.ts";
import { encodePaths } from "../../lib/tokens/paths.ts";
import { describe, type FeatureRequest, type Wanted } from "../../lib/tokens/request.ts";
import { writeIndex } from "../../lib/tokens/set_index.ts";
import { featurePaths } from "../../lib/tokens/store.ts";

const MAKER = { device: "cpu", versions: { ...VERSIONS } };

const MEASURES = {
  ...{ accLow: .6, accHigh: .9, apLow: .6, apHigh: .95, auc: .8, balancedAcc: .7, accReal: .7 },
  ...{ accGenerated: .7, tprAt1Fpr: .3, tprAt5Fpr: .4, ece: .02 },
};

/** Makes sections look finished, in their order; what is there already stays. */
export async function pretendDone(setup: Setup, sections: readonly Section[]): Promise<number> {
  await using world = await openMadeWorld(setup);
  const rows: RunRow[] = [], store = new RecordStore(setup.folder), sets = new FeatureSets(setup);
  let runs = 0;
  for (const section of sections) {
    const configs = section.runs(setup.profile, setup.seeds, rows);
    const plan = await planRuns(configs, world, setup);
    for (const request of new Set(plan.requests.values())) await sets.pretend(request, world);
    for (const run of plan.runs) {
      const record = await pretendRun(section.name, run, plan.requests, setup);
      await store.write(record);
      rows.push(...rowsOf(record));
      runs++;
    }
  }
  return runs;
}

/** Features of right names and lengths without content; the paths of a list are one file. */
class FeatureSets {
  readonly #folder: string;
  /** By the hash of a list: a set that has its paths and labels. */
  readonly #lists = new Map<
    string,
    { readonly key: string; readonly paths: string; readonly labels: string }
  >();

  constructor({ tokens }: Setup) {
    this.#folder = tokens;
    Deno.mkdirSync(tokens, { recursive: true });
  }

  async pretend(request: FeatureRequest, { listings }: World): Promise<void> {
    for (const set of await describe(request, listings)) {
      if (!await exists(featurePaths(this.#folder, set.key).features)) await this.#write(set);
    }
  }

  async #write({ key, source, shape, cropsPerImage, generator, images }: Wanted): Promise<void> {
    const files = featurePaths(this.#folder, key);
    let list = this.#lists.get(source.images);
    if (list) {
      const first = featurePaths(this.#folder, list.key);
      Deno.linkSync(first.paths, files.paths);
      Deno.linkSync(first.labels, files.labels);
    } else {
      const paths = Uint8Array.from([...encodePaths(images)].flatMap((part) => [...part]));
      const labels = Uint8Array.from([
        ...encodeNpyHeader([images.length], "|u1"),
        ...images.map(({ label }) => label),
      ]);
      Deno.writeFileSync(files.paths, paths);
      Deno.writeFileSync(files.labels, labels);
      list = { key, paths: sha256(paths), labels: sha256(labels) };
      this.#lists.set(source.images, list);
    }
    await writeIndex(files.index, key, {
      ...{ source, shape, cropsPerImage, images: images.length, firstImage: images[0]!.path },
      ...{ generator, unreadable: [], made: { date: new Date().toISOString(), ...MAKER } },
      sha256: { features: "not computed", paths: list.paths, labels: list.labels },
    });
    const header = encodeNpyHeader(shape);
    using file = Deno.openSync(files.features, { write: true, create: true });
    file.writeSync(header);
    file.truncateSync(header.length + 2 * shape.reduce((product, size) => product * size, 1));
  }
}

async function pretendRun(
  experiment: string,
  { key, trainingKey, config, features, sets }: PlannedRun,
  requests: ReadonlyMap<string, FeatureRequest>,
  { folder, profile }: Setup,
): Promise<RunRecord> {
  const { training, evaluation } = config;
  const random = randomStream("pretended run", key);
  const blocks = profile.backboneSizes[training.backbone]!.blocks;
  for (const epoch of evaluation.atEpochs) {
    const head = join(folder, checkpointPath(trainingKey, epoch));
    if (!await exists(head)) {
      const metadata = { key: trainingKey, config: JSON.stringify(training) };
      await writeSealedSafetensors(
        head,
        [["w", { data: new Float32Array(8), shape: [8] }]],
        metadata,
      );
    }
    const scored = sets.map((set) => {
      const images = set.features.reduce((sum, name) => sum + requests.get(name)!.images.length, 0);
      const data = Float32Array.from({ length: images }, () => random.uniform(0, 1));
      return [set.key, { data, shape: [images] }] as const;
    });
    await writeSealedSafetensors(
      join(folder, scoresFolder(trainingKey, epoch), `${key}.safetensors`),
      new Map(scored),
      { head: trainingKey, epoch: `${epoch}` },
    );
  }
  return {
    ...{ key, trainingKey, profile: profile.name, experiment, config, engine: "onnx (cpu)" },
    ...{ versions: VERSIONS, made: [{ ...MAKER, from: "2026-01-01", to: "2026-01-02", sets: 1 }] },
    features: {
      ...features,
      test: Object.fromEntries(sets.map(({ name, features }) => [name, features])),
    },
    parameterCount: 1000,
    epochs: Array.from({ length: training.epochs }, (_, i) => ({
      ...{ epoch: i + 1, learningRate: 1e-3, trainLoss: 1, valLoss: 1 },
      valAcc: random.uniform(.5, 1),
    })),
    evaluations: evaluation.atEpochs.map((epoch) => ({
      epoch,
      checkpoint: checkpointPath(trainingKey, epoch),
      scores: scoresFolder(trainingKey, epoch),
      sets: Object.fromEntries(sets.map(({ name, key }) => [name, key])),
      ...(training.detector === "rine" ? { blockImportance: Array(blocks).fill(4) } : {}),
      test: Object.fromEntries(sets.map(({ name }) => [name, {
        acc: random.uniform(.5, 1),
        ap: random.uniform(.5, 1),
        ...MEASURES,
      }])),
    })),
    timings: { trainingSeconds: 100, evaluationSeconds: 10 },
    date: "2026-01-02T00:00:00.000Z",
  };
}

/** Sections whose figures are made of rows and scores alone. */
export function plainSections(): readonly Section[] {
  return EXPERIMENTS.sections.filter(({ makes }) => makes === undefined);
}
