/**
 * The points of Figure 1: images in the feature spaces of detectors, from features and heads on disk.
 * @module
 */
import { join } from "node:path";
import * as v from "valibot";
import { detectorNamed } from "../../detectors/index.ts";
import { contentKey } from "../../io/files.ts";
import { joined } from "../../io/tensor.ts";
import { readOrForget, writeSealedJson } from "../../io/seal.ts";
import type { FeaturePoint } from "../../published/points.ts";
import type { RunRecord } from "../../runs/record.ts";
import type { Setup } from "../../runs/setup.ts";
import { FeatureRows } from "../../tokens/rows.ts";
import { projectFeatures } from "../tsne.ts";
import { drawnSets, drawOrder, imagesOfEach } from "./figure_1.ts";

/** Where features and heads lie, and what they are read with. */
export type PointsSetup = Pick<Setup, "profile" | "folder" | "tokens" | "engine">;

/** The images whose features are projected, and these. */
interface Features {
  readonly images: readonly { readonly label: 0 | 1; readonly generator: string }[];
  /** [images, d′]. */
  readonly features: Float32Array;
}

/**
 * Points of a trained head, in the space that it decides in: equally many images of each set. They
 * are kept in `points/` of the profile's results and read from there when asked for again.
 * @param record a run on the test sets' centre crops; the grid's best of most classes
 * @param onDamage told where those that were kept are damaged; they are made again
 */
export async function featurePoints(
  setup: PointsSetup,
  record: RunRecord,
  onDamage?: (line: string) => void,
): Promise<readonly FeaturePoint[]> {
  const kept = await keptPoints(setup, record, onDamage);
  if (kept) return kept;
  const { images, features } = await readFeatures(setup, record);
  const points = pointsOf(
    detectorNamed(record.config.training.detector).title,
    features,
    images,
  );
  await writeSealedJson(keptPath(setup, record), { points });
  return points;
}

/**
 * Images in a detector's feature space, in two dimensions.
 * @param features [images, width], row-major
 */
export function pointsOf(
  detector: string,
  features: Float32Array,
  images: Features["images"],
): FeaturePoint[] {
  const places = projectFeatures(features, images.length);
  return images.map((image, i) => ({
    detector,
    x: places[2 * i]!,
    y: places[2 * i + 1]!,
    ...image,
  }));
}

const POINTS = v.array(v.looseObject({
  detector: v.string(),
  x: v.number(),
  y: v.number(),
  label: v.picklist([0, 1]),
  generator: v.string(),
}));

/** A list alone is of before there were seals. */
const KEPT = v.union([v.looseObject({ points: POINTS }), POINTS]);

/**
 * The points that {@linkcode featurePoints} has made of this run before.
 * @param onDamage told where they are damaged; they count as none then
 */
export async function keptPoints(
  setup: Pick<PointsSetup, "profile" | "folder">,
  record: RunRecord,
  onDamage?: (line: string) => void,
): Promise<readonly FeaturePoint[] | undefined> {
  const kept = await readOrForget<KeptPoints | readonly FeaturePoint[]>(
    keptPath(setup, record),
    onDamage,
    KEPT,
  );
  return kept && ("points" in kept.value ? kept.value.points : kept.value);
}

interface KeptPoints {
  readonly points: readonly FeaturePoint[];
}

function keptPath(
  { profile, folder }: Pick<PointsSetup, "profile" | "folder">,
  { key }: RunRecord,
): string {
  const name = contentKey([key, "head", drawnSets(profile), profile.pointImages]);
  return join(folder, "points", `${name}.json`);
}

async function readFeatures(
  { profile, folder, tokens: tokensFolder, engine }: PointsSetup,
  { config: { training }, evaluations, features: { test } }: RunRecord,
): Promise<Features> {
  const sets = drawnSets(profile);
  const perSet = imagesOfEach(profile);
  const detector = detectorNamed(training.detector);
  const scorer = await detector.open(join(folder, evaluations[0]!.checkpoint), { engine });
  const images: Features["images"][number][] = [];
  const heads: Float32Array[] = [];
  try {
    for (const { name } of sets) {
      using rows = await FeatureRows.open(tokensFolder, test[name]!);
      const order = drawOrder(name, rows.count);
      const { tokens, labels, count } = rows.batches(perSet, order).next().value!;
      heads.push(await scorer.represent(tokens, count)); // [count, d′]
      for (let i = 0; i < count; i++) {
        images.push({ label: labels[i] as 0 | 1, generator: name });
      }
    }
  } finally {
    await scorer.dispose();
  }
  return { images, features: joined(heads) };
}
