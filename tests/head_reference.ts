/**
 * The head's loss in plain float64 loops, straight from its definition: what finite differences
 * are taken of where no golden reaches.
 * @module
 */
import {
  blocksRead,
  type HeadArchitecture,
  type Parameters,
} from "../lib/detectors/rine/architecture.ts";
import type { StepLoss, TokenBatch } from "../lib/detectors/rine/engine.ts";

/** A parameter's values by name. */
export type Values = ReadonlyMap<string, ArrayLike<number>>;

/** The values of parameters, as float64. */
export function valuesOf(parameters: Parameters): Map<string, Float64Array> {
  return new Map([...parameters].map(([name, { data }]) => [name, Float64Array.from(data)]));
}

/** Loss on a batch; dropout where masks are given by the layers' names. */
export function referenceLoss(
  architecture: HeadArchitecture,
  values: Values,
  { tokens, labels, count }: TokenBatch,
  contrastiveWeight: number,
  masks?: ReadonlyMap<string, Uint8Array>,
): StepLoss {
  const { blocks, width, projectionLayers, projectionDim, ablation } = architecture;
  const read = blocksRead(architecture);
  const at = (name: string) => values.get(name)!;

  const drop = (x: number[][], name: string) => {
    const mask = masks?.get(name);
    return mask ? x.map((row, i) => row.map((v, j) => v * 2 * mask[i * row.length + j]!)) : x;
  };
  const linear = (x: number[][], name: string) => {
    const weight = at(`${name}.weight`), bias = at(`${name}.bias`);
    return x.map((row) =>
      Array.from(
        bias,
        (b, out) => row.reduce((sum, v, i) => sum + v * weight[out * row.length + i]!, b),
      )
    );
  };
  const hidden = (x: number[][], name: string, dropout: string) =>
    drop(linear(x, name).map((row) => row.map((v) => Math.max(v, 0))), dropout);
  const projection = (x: number[][], name: string) => {
    let y = drop(x, `${name}.0`);
    for (let layer = 0; layer < projectionLayers; layer++) {
      y = hidden(y, `${name}.${3 * layer + 1}`, `${name}.${3 * layer + 3}`);
    }
    return y;
  };

  const rows = Array.from({ length: count * read }, (_, i) => {
    const block = Math.floor(i / read) * blocks + blocks - read + i % read;
    return [...tokens.subarray(block * width, (block + 1) * width)];
  });
  const k = projection(rows, "proj1");
  const alpha = at("alpha");
  const weighted = Array.from(
    { length: count },
    (_, image) =>
      Array.from({ length: projectionDim }, (_, feature) => {
        const weights = Array.from(
          { length: read },
          (_, l) => ablation === "none" ? Math.exp(alpha[l * projectionDim + feature]!) : 1,
        );
        const total = weights.reduce((a, b) => a + b);
        return weights.reduce((sum, w, l) => sum + w / total * k[image * read + l]![feature]!, 0);
      }),
  );
  const z = projection(weighted, "proj2");
  const logits = linear(hidden(hidden(z, "head.0", "head.2"), "head.3", "head.5"), "head.6");

  const bce = logits.reduce((sum, [x = 0], i) => {
    const signed = labels[i] ? x : -x;
    return sum + Math.max(-signed, 0) + Math.log1p(Math.exp(-Math.abs(signed)));
  }, 0);
  const supcon = referenceSupcon(z, labels);
  return { total: bce + contrastiveWeight * supcon, bce, supcon };
}

/** Khosla et al.'s supervised contrastive loss on normalised rows, τ = 0.07, mean over all anchors. */
function referenceSupcon(z: number[][], labels: Uint8Array): number {
  const unit = z.map((row) => {
    const length = Math.max(Math.hypot(...row), 1e-12);
    return row.map((v) => v / length);
  });
  const similarity = (a: number, b: number) =>
    unit[a]!.reduce((sum, v, i) => sum + v * unit[b]![i]!, 0) / 0.07;
  const images = [...labels.keys()];
  const losses = images.map((anchor) => {
    const others = images.filter((i) => i !== anchor);
    const positives = others.filter((i) => labels[i] === labels[anchor]);
    if (positives.length === 0) return 0;
    const log = Math.log(others.reduce((sum, i) => sum + Math.exp(similarity(anchor, i)), 0));
    return positives.reduce((sum, i) => sum + log - similarity(anchor, i), 0) / positives.length;
  });
  return losses.reduce((a, b) => a + b) / images.length;
}
