/**
 * The points of Figure 1 as the authors published them.
 * @module
 */
import { readPublishedCsv } from "./files.ts";
import { ownName } from "./logs.ts";

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

/** The points of Figure 1: 7500 for each of RINE, UFD and Wang. */
export async function publishedPoints(): Promise<FeaturePoint[]> {
  const points = await readPublishedCsv("tsne.csv");
  return points.map(({ model, x, y, label, generator }) => ({
    detector: model!,
    x: Number(x),
    y: Number(y),
    label: label === "fake" ? 1 : 0,
    generator: ownName(generator!),
  }));
}
