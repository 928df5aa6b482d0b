/**
 * From a map of patches' logits to one logit of the image, in the three ways of the released code.
 * Released: chail/patch-forensics, models/patch_discriminator_model.py
 * @module
 */

/**
 * How patches decide together. `mean`: the mean of their probabilities, which the paper's tables have.
 * `vote`: the share of patches that are more likely generated. `logits`: the probability of their mean
 * logits.
 */
export const AVERAGES = ["mean", "vote", "logits"] as const;

/** A way to average over patches. */
export type Average = typeof AVERAGES[number];

/**
 * The logit of a probability that is 0 in float32, and but for its sign of one that is 1: every score
 * is finite, and its sigmoid exact.
 */
const CERTAIN = 104;

/**
 * One logit for each image; its sigmoid is the probability that the image is generated.
 * @param map float32 [count, 2, places]: logits of patches, those of generated ones first
 */
export function imageLogits(map: Float32Array, count: number, average: Average): Float32Array {
  const places = map.length / (2 * count);
  const logits = Float32Array.from({ length: count }, (_, image) => {
    const generated = map.subarray(2 * image * places, (2 * image + 1) * places);
    const real = map.subarray((2 * image + 1) * places, (2 * image + 2) * places);
    return clamp(AVERAGING[average](generated, real));
  });
  return logits;
}

const AVERAGING: Readonly<
  Record<Average, (generated: Float32Array, real: Float32Array) => number>
> = {
  mean(generated, real) {
    let forGenerated = 0, forReal = 0;
    for (let i = 0; i < generated.length; i++) {
      const apart = generated[i]! - real[i]!;
      forGenerated += 1 / (1 + Math.exp(-apart));
      forReal += 1 / (1 + Math.exp(apart));
    }
    return Math.log(forGenerated / forReal);
  },
  vote(generated, real) {
    let votes = 0;
    // of equal ones the first counts, as in argmax
    for (let i = 0; i < generated.length; i++) if (generated[i]! >= real[i]!) votes++;
    return Math.log(votes / (generated.length - votes));
  },
  logits(generated, real) {
    let sum = 0;
    for (let i = 0; i < generated.length; i++) sum += generated[i]! - real[i]!;
    return sum / generated.length;
  },
};

function clamp(logit: number): number {
  return Math.min(Math.max(logit, -CERTAIN), CERTAIN); // NaN stays
}
