/**
 * The head in TensorFlow's operators; TensorFlow derives the gradients.
 * @module
 */
import type { Tensor, Tensor2D, Tensor3D } from "@tensorflow/tfjs";
import { blocksRead, type HeadArchitecture } from "../architecture.ts";
import { SMALLEST_NORM, SMALLEST_SUM, TEMPERATURE } from "../constants.ts";
import type { Tf } from "./library.ts";

/** The head's outputs on a batch: `logits` [count, 1], `z` [count, d′]. */
export type TensorflowOutput = { readonly logits: Tensor2D; readonly z: Tensor2D };

/** A value that stands for `factor` times itself: dropout's ×2, multiplied into the next weight. */
interface Scaled {
  readonly value: Tensor2D;
  readonly factor: number;
}

/**
 * Runs the head.
 * @param tokens [count × blocks read, width]
 * @param parameters by the released names
 * @param masks float32, by the names of the dropout layers; no dropout where they are left out
 */
export function tensorflowHead(
  tf: Tf,
  architecture: HeadArchitecture,
  tokens: Tensor2D,
  parameters: ReadonlyMap<string, Tensor>,
  masks?: ReadonlyMap<string, Tensor2D>,
): TensorflowOutput {
  const { projectionLayers, projectionDim } = architecture;
  const blocks = blocksRead(architecture);

  const drop = (name: string, { value, factor }: Scaled): Scaled => {
    const mask = masks?.get(name);
    return mask ? { value: tf.mul(value, mask), factor: 2 * factor } : { value, factor };
  };
  const linear = (name: string, { value, factor }: Scaled, activation?: "relu") => {
    const weight = parameters.get(`${name}.weight`) as Tensor2D; // [out, in]
    const product: Tensor = tf.fused.matMul({
      a: value,
      b: factor === 1 ? weight : tf.mul(weight, factor),
      transposeB: true,
      bias: parameters.get(`${name}.bias`)!,
      ...(activation ? { activation } : {}),
    });
    return product as Tensor2D; // [rows, out]
  };
  const hidden = (name: string, dropout: string, x: Scaled) =>
    drop(dropout, { value: linear(name, x, "relu"), factor: 1 });
  const projection = (name: string, x: Scaled) => {
    let y = drop(`${name}.0`, x);
    for (let layer = 0; layer < projectionLayers; layer++) {
      y = hidden(`${name}.${3 * layer + 1}`, `${name}.${3 * layer + 3}`, y);
    }
    return y;
  };

  const trainableImportance = ({ value, factor }: Scaled): Scaled => {
    if (blocks === 1) return { value, factor };
    const k: Tensor3D = tf.reshape(value, [-1, blocks, projectionDim]); // [count, n, d′]
    if (architecture.ablation === "tie") return { value: tf.sum(k, 1), factor: factor / blocks };
    const alpha = tf.reshape(parameters.get("alpha")!, [blocks, projectionDim]);
    // TensorFlow's softmax knows the last axis only
    const weights = tf.transpose(tf.softmax(tf.transpose(alpha))); // [n, d′]
    return { value: tf.sum(tf.mul(k, weights), 1), factor }; // [count, d′]
  };

  const k = projection("proj1", { value: tokens, factor: 1 });
  const z = projection("proj2", trainableImportance(k));
  const logits = linear(
    "head.6",
    hidden("head.3", "head.5", hidden("head.0", "head.2", z)),
  );
  return { logits, z: z.factor === 1 ? z.value : tf.mul(z.value, z.factor) };
}

/**
 * Both losses of a batch. Released: src/utils.py, `SupConLoss`.
 * @param labels [count, 1], 1 generated
 */
export function tensorflowLoss(
  tf: Tf,
  { logits, z }: TensorflowOutput,
  labels: Tensor2D,
): { bce: Tensor; supcon: Tensor } {
  const signed = tf.mul(logits, tf.sub(1, tf.mul(labels, 2)));
  const bce = tf.sum(tf.softplus(signed)); // −log σ(±x) = softplus(∓x)

  const count = labels.shape[0];
  // the root of a maximum, not the maximum of a root: the latter has no gradient at zero
  const squares = tf.maximum(tf.sum(tf.square(z), 1, true), SMALLEST_NORM ** 2);
  const unit: Tensor2D = tf.div(z, tf.sqrt(squares)); // [count, d′]
  const similarity = tf.div(tf.matMul(unit, unit, false, true), TEMPERATURE); // [count, count]
  const self = tf.eye(count);
  const same = tf.cast(tf.equal(labels, tf.transpose(labels)), "float32");
  const positives = tf.sub(same, self);
  const share = tf.mul(tf.maximum(tf.sum(positives, 1, true), 1), count);
  const pull = tf.div(positives, share); // a row sums to 1/count, or to 0 without a positive
  const others = tf.mul(tf.exp(similarity), tf.sub(1, self));
  const partition = tf.maximum(tf.sum(others, 1, true), SMALLEST_SUM); // [count, 1]
  const anchors = tf.mul(tf.sum(pull, 1, true), tf.log(partition));
  return { bce, supcon: tf.sub(tf.sum(anchors), tf.sum(tf.mul(pull, similarity))) };
}
