/**
 * SigLIP's image tower as Hugging Face's `transformers` saves it: CLIP's names, no class token and a
 * pool by attention, which is not computed here.
 * @module
 */
import { type Family, HALF_PIXELS } from "./family.ts";
import { huggingFaceNames } from "./huggingface_clip.ts";

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
  otherPool: /^vision_model\.head\./,
  ignored: /^(text_model\.|logit_scale$|logit_bias$|vision_model\.embeddings\.position_ids$)/,
};

/** A `SiglipVisionModel` as `transformers` 5 saves it: the tower alone. */
export const siglipTower: Family = {
  ...siglip,
  ...huggingFaceNames(""),
  name: "Hugging Face SigLIP tower",
  mark: "embeddings.patch_embedding.bias",
  otherPool: /^head\./,
  ignored: /^embeddings\.position_ids$/,
};
