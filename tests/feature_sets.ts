/** Sets of features made without a backbone. */
import { createHash } from "node:crypto";
import type { LabelledImage } from "../lib/data/dataset.ts";
import { writeProgress } from "../lib/tokens/progress.ts";
import { featureKey, type FeatureSource, FORMAT } from "../lib/tokens/set_index.ts";
import { type FeatureSet, findFeatures } from "../lib/tokens/store.ts";
import { FeatureWriter, type NewSet } from "../lib/tokens/writer.ts";

/** Four rows of two blocks, each three wide. */
export const SMALL = { name: "small", shape: [4, 2, 3] } as const;

/** Two real images and two generated ones. */
export const MIXED = {
  ...SMALL,
  images: ["a/0.png", "a/1.png", "b/0.png", "b/1.png"].map((path) => ({
    path,
    label: path.startsWith("a") ? 0 : 1 as 0 | 1,
  })),
} as const;

/** What a set is to hold; a name of its own gives it a key of its own. */
export interface SampleSet {
  readonly name: string;
  readonly shape: readonly [number, number, number];
  readonly images?: readonly LabelledImage[];
  readonly source?: Partial<FeatureSource>;
}

/** A set whose images are all real and named 0.png and so on. */
export function newSet({ name, shape, images, source: more = {} }: SampleSet): NewSet {
  const source: FeatureSource = {
    format: FORMAT,
    backbone: "Tiny",
    weights: "0123456789abcdef float32",
    tap: "ln2",
    precision: "full",
    images: name,
    transform: { kind: "center", size: 8 },
    ...more,
  };
  return {
    key: featureKey(source),
    source,
    shape,
    cropsPerImage: source.transform.kind === "ten" ? 10 : 1,
    generator: "tiny",
    images: images ??
      Array.from({ length: shape[0] }, (_, i) => ({ path: `${i}.png`, label: 0 as const })),
    device: "cpu",
  };
}

/** Writes a finished set; its values count from 0 where they are left out. */
export async function writeFeatureSet(
  folder: string,
  sample: SampleSet,
  values = Float32Array.from({ length: sample.shape.reduce((a, b) => a * b) }, (_, i) => i),
  unreadable: readonly number[] = [],
): Promise<FeatureSet> {
  const set = newSet(sample);
  await using writer = await FeatureWriter.open(folder, set, { batchRows: 1 });
  await writer.append(values, unreadable);
  await writer.finish();
  return (await findFeatures(folder, set.key))!;
}

/**
 * Turns a finished set back into what a killed process leaves.
 * @param rows that were on disk for good
 * @param bytes length of the file: rows that are written may not be known of yet, and a power cut may
 * lose some that are
 */
export async function unfinish(
  { paths, index }: FeatureSet,
  rows: number,
  bytes: number,
): Promise<void> {
  const whole = await Deno.readFile(paths.features);
  const { shape: [total], cropsPerImage, unreadable, made: { device, versions } } = index;
  const header = 128;
  const end = header + rows * (whole.length - header) / total;
  await writeProgress(paths.progress, {
    rows,
    sha256: createHash("sha256").update(whole.subarray(0, end)).digest("hex"),
    unreadable: unreadable.filter((position) => position * cropsPerImage < rows),
    made: { device, versions },
  });
  await Deno.writeFile(paths.partial, whole.slice(0, bytes));
  await Deno.remove(paths.features);
}
