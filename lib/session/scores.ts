/**
 * Scores of a detector on a test set.
 * @module
 */
import { resolve } from "node:path";
import { type DatasetSpec, listImages } from "../data/dataset.ts";
import { UserError } from "../io/errors.ts";
import { evaluateScores, type SetScores } from "../metrics.ts";
import type { Setup } from "../runs/setup.ts";
import type { World } from "../runs/world.ts";
import { showingProgress } from "./progress.ts";

/** Anything that scores images: a detector of this project, or one of the reader's own. */
export interface Judge {
  /**
   * Scores images, in their order.
   * @param paths of image files
   */
  detectAll(paths: readonly string[]): AsyncIterable<
    | { readonly path: string; readonly score: number }
    | { readonly path: string; readonly problem: string }
  >;
}

/**
 * Tries a detector on the images of a test set.
 * @throws {UserError} where an image cannot be decoded and is not to be left out
 */
export async function evaluateDetector(
  detector: Judge,
  spec: DatasetSpec,
  { root }: World,
  { skipCorrupt }: Setup,
): Promise<SetScores> {
  const images = await listImages(root, spec);
  const labels: number[] = [], scores: number[] = [];
  await showingProgress(async (onProgress) => {
    let done = 0;
    const report = () =>
      onProgress({ stage: spec.name, unit: "images", done, total: images.length });
    report();
    const paths = images.map(({ path }) => resolve(root, path));
    for await (const detection of detector.detectAll(paths)) {
      const { label } = images[done++]!;
      report();
      if (!("problem" in detection)) {
        labels.push(label);
        scores.push(detection.score);
      } else if (!skipCorrupt) {
        throw new UserError(
          "damaged",
          `Cannot decode ${detection.path}: ${detection.problem}; openSession({ skipCorrupt: true }) ` +
            "leaves it out",
        );
      }
    }
  });
  return evaluateScores(Uint8Array.from(labels), scores);
}
