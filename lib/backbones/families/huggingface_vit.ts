/**
 * Plain vision transformers and DINOv2 as Hugging Face's `transformers` saves them.
 * Source: transformers, `models/vit/modeling_vit.py`, `models/dinov2/modeling_dinov2.py`.
 * @module
 */
import { affine, type Family, HALF_PIXELS, IMAGENET_PIXELS } from "./family.ts";

const BLOCK = "encoder.layer.{}";

const STEM = {
  ...affine("patch", "embeddings.patch_embeddings.projection"),
  "class": "embeddings.cls_token",
  "registers": "embeddings.register_tokens",
  "positions": "embeddings.position_embeddings",
  ...affine("post_norm", "layernorm"),
} as const;

const ATTENTION = {
  ...affine("q", `${BLOCK}.attention.attention.query`),
  ...affine("k", `${BLOCK}.attention.attention.key`),
  ...affine("v", `${BLOCK}.attention.attention.value`),
  ...affine("out", `${BLOCK}.attention.output.dense`),
} as const;

const PLAIN = {
  activation: "gelu",
  headWidth: 64,
  pooling: "class",
  configuration: "Hugging Face",
  ignored: /^(?:embeddings\.mask_token$|pooler\.|classifier\.)/,
} as const;

/** `model.safetensors` of `google/vit-base-patch16-224`, `facebook/dino-vitb16` and their kin. */
export const huggingfaceVit: Family = {
  ...PLAIN,
  name: "Hugging Face ViT",
  mark: "encoder.layer.0.layernorm_before.weight",
  stem: STEM,
  block: {
    ...ATTENTION,
    ...affine("norm1", `${BLOCK}.layernorm_before`),
    ...affine("norm2", `${BLOCK}.layernorm_after`),
    ...affine("fc1", `${BLOCK}.intermediate.dense`),
    ...affine("fc2", `${BLOCK}.output.dense`),
  },
  epsilon: 1e-12,
  ...HALF_PIXELS,
  unsaid: ["pixels"],
  choices: "Google's have mean and std .5, DINO and MSN ImageNet's: --family augreg, dino",
};

/** `model.safetensors` of `facebook/dinov2-base`, with registers or without. */
export const huggingfaceDinov2: Family = {
  ...PLAIN,
  name: "Hugging Face DINOv2",
  mark: "encoder.layer.0.layer_scale1.lambda1",
  stem: STEM,
  block: {
    ...ATTENTION,
    ...affine("norm1", `${BLOCK}.norm1`),
    ...affine("norm2", `${BLOCK}.norm2`),
    ...affine("fc1", `${BLOCK}.mlp.fc1`),
    ...affine("fc2", `${BLOCK}.mlp.fc2`),
    "scale1": `${BLOCK}.layer_scale1.lambda1`,
    "scale2": `${BLOCK}.layer_scale2.lambda1`,
  },
  epsilon: 1e-6,
  ...IMAGENET_PIXELS,
  unsaid: [],
};

/** `model.safetensors` of `facebook/dinov2-giant`, whose MLPs are gated. */
export const huggingfaceDinov2Giant: Family = {
  ...huggingfaceDinov2,
  name: "Hugging Face DINOv2 giant",
  mark: "encoder.layer.0.mlp.weights_in.weight",
  block: {
    ...huggingfaceDinov2.block,
    ...affine("fc1", `${BLOCK}.mlp.weights_in`),
    ...affine("fc2", `${BLOCK}.mlp.weights_out`),
  },
  headsAreKnown: true,
};
