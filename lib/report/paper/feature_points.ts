/**
 * The points of Figure 1: images in the feature spaces of detectors, from tokens and heads on disk.
 * @module
 */
import { join } from "node:path";
import { loadCheckpoint } from "../../detectors/rine/checkpoint.ts";
import type { HeadEngine } from "../../detectors/rine/engine.ts";
import { contentKey, readJson, writeJson } from "../../io/files.ts";
import { randomStream } from "../../random.ts";
import { projectFeatures } from "../tsne.ts";
import type { FeaturePoint } from "../../published/published.ts";
import type { RunRecord } from "../../runs/record.ts";
import { FeatureRows } from "../../tokens/rows.ts";
import { drawnSets } from "../../../experiments/rine/feature_space.ts";
import type { Profile } from "../../runs/profile.ts";

/** Where the images' features come from. */
export interface FeatureSource {
  /** A run on the test sets' centre crops, best the grid's best of most classes. */
  readonly record: RunRecord;
  /** Folder of the profile's results, which checkpoints are relative to. */
  readonly folder: string;
  readonly tokensFolder: string;
  readonly engine: HeadEngine;
}

/** Images drawn for each detector: t-SNE takes time with the square of their number. */
const IMAGES: Readonly<Record<Profile["name"], number>> = { mini: 600, paper: 2000 };

/** The images whose features are projected, and their features for each detector. */
interface Features {
  readonly images: readonly { readonly label: 0 | 1; readonly generator: string }[];
  /** By detector, [images, width]. */
  readonly byDetector: ReadonlyMap<string, Float32Array>;
}

/**
 * Points of a trained head, in the space that its contrastive loss sees, and of the backbone alone,
 * in that of its last block. Equal number of images of each set, the same in both. Kept in
 * `feature_space.json` in the results folder and made again only for another run or seed.
 */
export async function featurePoints(
  profile: Profile,
  source: FeatureSource,
): Promise<readonly FeaturePoint[]> {
  const kept = await keptPoints(profile, source);
  if (kept) return kept;
  const { images, byDetector } = await readFeatures(profile, source);
  const points = [...byDetector].flatMap(([detector, features]) => {
    const places = projectFeatures(features, images.length);
    return images.map((image, i): FeaturePoint => ({
      detector,
      x: places[2 * i]!,
      y: places[2 * i + 1]!,
      ...image,
    }));
  });
  const keeping: Kept = { key: keyOf(profile, source), points };
  await writeJson(keptPath(source), keeping);
  return points;
}

/** What is kept on disk. */
interface Kept {
  readonly key: string;
  readonly points: readonly FeaturePoint[];
}

/** The points that {@linkcode featurePoints} has made before, where they are of this run. */
export async function keptPoints(
  profile: Profile,
  source: Pick<FeatureSource, "record" | "folder">,
): Promise<readonly FeaturePoint[] | undefined> {
  const kept = await readJson<Kept>(keptPath(source));
  return kept?.key === keyOf(profile, source) ? kept.points : undefined;
}

function keptPath({ folder }: Pick<FeatureSource, "folder">): string {
  return join(folder, "feature_space.json");
}

function keyOf(profile: Profile, { record }: Pick<FeatureSource, "record">): string {
  return contentKey([record.key, drawnSets(profile), IMAGES[profile.name]]);
}

async function readFeatures(
  profile: Profile,
  { record, folder, tokensFolder, engine }: FeatureSource,
): Promise<Features> {
  const sets = drawnSets(profile);
  const perSet = Math.floor(IMAGES[profile.name] / sets.length);
  const { checkpoint } = record.evaluations[0]!;
  const { architecture, parameters } = await loadCheckpoint(join(folder, checkpoint));
  const predictor = await engine.predictor(architecture, parameters);
  const images: Features["images"][number][] = [];
  const heads: Float32Array[] = [], last: Float32Array[] = [];
  try {
    for (const { name } of sets) {
      using rows = await FeatureRows.open(tokensFolder, record.tokens.test[name]!);
      const order = randomStream(0, "feature space", name).permutation(rows.count);
      const { tokens, labels, count } = rows.batches(perSet, order).next().value!;
      heads.push((await predictor.predict(tokens, count)).z);
      for (let i = 0; i < count; i++) {
        images.push({ label: labels[i] as 0 | 1, generator: name });
        const end = (i + 1) * rows.blocks * rows.width;
        last.push(tokens.slice(end - rows.width, end));
      }
    }
  } finally {
    await predictor.dispose();
  }
  return {
    images,
    byDetector: new Map([["RINE", joined(heads)], [record.config.training.backbone, joined(last)]]),
  };
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
