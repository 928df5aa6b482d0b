import assert from "node:assert/strict";
import { TSNE } from "@saehrimnir/druidjs";
import { projectFeatures } from "../lib/report/tsne.ts";
import { randomStream } from "../lib/random.ts";

const WIDTH = 4;

function features(count: number): Float32Array {
  const random = randomStream("t-SNE");
  return Float32Array.from({ length: count * WIDTH }, () => random.normal());
}

/** The library's own call on the rows of the features. */
function library(
  values: Float32Array,
  { perplexity, seed, iterations }: { perplexity: number; seed: number; iterations: number },
): number[] {
  const rows = Array.from(
    { length: values.length / WIDTH },
    (_, i) => [...values.subarray(i * WIDTH, (i + 1) * WIDTH)],
  );
  const tsne = new TSNE(rows, { perplexity, epsilon: 10, d: 2, seed });
  return (tsne.transform(iterations) as number[][]).flat();
}

Deno.test("projectFeatures() is t-SNE in two dimensions at a rate of 10, with what it is told", () => {
  const values = features(24);
  const options = { perplexity: 5, seed: 3, iterations: 40 };
  assert.deepEqual([...projectFeatures(values, 24, options)], library(values, options));
});

Deno.test("by default perplexity is 30 or a third of the images, over 500 steps, at seed 0", () => {
  for (const [count, perplexity] of [[18, 6], [93, 30]] as const) {
    const values = features(count);
    const expected = library(values, { perplexity, seed: 0, iterations: 500 });
    assert.deepEqual([...projectFeatures(values, count)], expected);
  }
});
