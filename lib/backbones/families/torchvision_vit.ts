/**
 * Vision transformers as torchvision names them, whose ViT-B/16 is one of UFD's feature spaces.
 * Source: torchvision, `models/vision_transformer.py`.
 * @module
 */
import { affine, type Family, IMAGENET_PIXELS } from "./family.ts";

const BLOCK = "encoder.layers.encoder_layer_{}";

/** Names of the MLP's two layers are all that the files differ in. */
function torchvisionFamily(name: string, [fc1, fc2]: readonly [string, string]): Family {
  return {
    name,
    mark: `${BLOCK.replace("{}", "0")}.mlp.${fc1}.weight`,
    stem: {
      ...affine("patch", "conv_proj"),
      "class": "class_token",
      "positions": "encoder.pos_embedding",
      ...affine("post_norm", "encoder.ln"),
    },
    block: {
      ...affine("norm1", `${BLOCK}.ln_1`),
      ...affine("out", `${BLOCK}.self_attention.out_proj`),
      ...affine("norm2", `${BLOCK}.ln_2`),
      ...affine("fc1", `${BLOCK}.mlp.${fc1}`),
      ...affine("fc2", `${BLOCK}.mlp.${fc2}`),
    },
    fusedQkv: {
      weight: `${BLOCK}.self_attention.in_proj_weight`,
      bias: `${BLOCK}.self_attention.in_proj_bias`,
    },
    activation: "gelu",
    epsilon: 1e-6,
    headWidth: 64,
    pooling: "class",
    ...IMAGENET_PIXELS,
    unsaid: [],
    ignored: /^heads\./,
  };
}

/** The files that torchvision publishes: `vit_b_16-c867db91.pth`. */
export const torchvisionVit: Family = torchvisionFamily(
  "torchvision ViT",
  ["linear_1", "linear_2"],
);

/** What torchvision saves since its MLP is a sequence, which the published files are older than. */
export const torchvisionVitSequence: Family = torchvisionFamily(
  "torchvision ViT (mlp.0)",
  ["0", "3"],
);
