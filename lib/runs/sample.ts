/**
 * Which images of a test set are measured where not all are, as UFD's evaluation has it.
 * Released: UniversalFakeDetect, validate.py, `max_sample`.
 * @module
 */
import { randomStream } from "../random.ts";

/** Which scores of a test set are measured: some of each label, drawn at random but always the same. */
export interface ScoreSample {
  /** Images of each label where a set has as many of both. */
  readonly most: number;
  /** Images of each label where it has fewer of one of them. */
  readonly fewer: number;
  /** Of the draw. */
  readonly seed: number;
}

/**
 * The images of a test set that are measured: some of each label, drawn at random.
 * @param labels 0 or 1 for each image
 * @param name of the test set, which the draw hangs on besides its seed
 * @returns positions in rising order
 */
export function sampledImages(
  labels: Uint8Array,
  { most, fewer, seed }: ScoreSample,
  name: string,
): Uint32Array {
  const byLabel = [0, 1].map((label) =>
    Uint32Array.from(labels.keys()).filter((i) => labels[i] === label)
  );
  const isMany = byLabel.every(({ length }) => length >= most || length === 0);
  const wanted = isMany ? most : fewer;
  const drawn = byLabel.flatMap((images, label) => {
    const order = randomStream(seed, "score sample", name, label).permutation(images.length);
    return Array.from(order.subarray(0, wanted), (place) => images[place]!);
  });
  return Uint32Array.from(drawn).sort();
}
