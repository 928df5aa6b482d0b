/**
 * SigLIP's image tower as Hugging Face's `transformers` saves it: CLIP's names, no class token and a
 * pool by attention.
 * Source: transformers, `models/siglip/modeling_siglip.py`.
 * @module
 */
import { affine, type AttentionPool, type Family, HALF_PIXELS } from "./family.ts";
import { huggingFaceNames } from "./huggingface_clip.ts";

/** @param prefix before all names of the pool */
function pool(prefix: string): AttentionPool {
  return {
    names: {
      "probe": `${prefix}probe`,
      ...affine("out", `${prefix}attention.out_proj`),
      ...affine("norm", `${prefix}layernorm`),
      ...affine("fc1", `${prefix}mlp.fc1`),
      ...affine("fc2", `${prefix}mlp.fc2`),
    },
    fused: {
      weight: `${prefix}attention.in_proj_weight`,
      bias: `${prefix}attention.in_proj_bias`,
      parts: ["q", "k", "v"],
    },
  };
}

/** `model.safetensors` of `google/siglip-base-patch16-224` and its kin, SigLIP 2 of fixed sizes too. */
export const siglip: Family = {
  name: "Hugging Face SigLIP",
  mark: "vision_model.embeddings.patch_embedding.bias",
  ...huggingFaceNames("vision_model."),
  activation: "gelu_tanh",
  epsilon: 1e-6,
  headWidth: 64,
  pooling: "mean",
  ...HALF_PIXELS,
  unsaid: [],
  configuration: "Hugging Face",
  pool: pool("vision_model.head."),
  otherPool: /^vision_model\.head\./,
  ignored: /^(text_model\.|logit_scale$|logit_bias$|vision_model\.embeddings\.position_ids$)/,
};

/** A `SiglipVisionModel` as `transformers` 5 saves it: the tower alone. */
export const siglipTower: Family = {
  ...siglip,
  ...huggingFaceNames(""),
  name: "Hugging Face SigLIP tower",
  mark: "embeddings.patch_embedding.bias",
  pool: pool("head."),
  otherPool: /^head\./,
  ignored: /^embeddings\.position_ids$/,
};
