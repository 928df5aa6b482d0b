/**
 * CLIP as Hugging Face's `transformers` saves it, from `openai/clip-vit-large-patch14`.
 * @module
 */
import { affine, CLIP_PIXELS, type Family } from "./family.ts";

const BLOCK = "vision_model.encoder.layers.{}";

/** `model.safetensors` of a `CLIPModel`, with or without its text tower. */
export const huggingfaceClip: Family = {
  name: "Hugging Face CLIP",
  mark: "vision_model.embeddings.class_embedding",
  stem: {
    "patch.weight": "vision_model.embeddings.patch_embedding.weight",
    "class": "vision_model.embeddings.class_embedding",
    "positions": "vision_model.embeddings.position_embedding.weight",
    ...affine("pre_norm", "vision_model.pre_layrnorm"),
    ...affine("post_norm", "vision_model.post_layernorm"),
    "projection": "visual_projection.weight",
  },
  block: {
    ...affine("norm1", `${BLOCK}.layer_norm1`),
    ...affine("q", `${BLOCK}.self_attn.q_proj`),
    ...affine("k", `${BLOCK}.self_attn.k_proj`),
    ...affine("v", `${BLOCK}.self_attn.v_proj`),
    ...affine("out", `${BLOCK}.self_attn.out_proj`),
    ...affine("norm2", `${BLOCK}.layer_norm2`),
    ...affine("fc1", `${BLOCK}.mlp.fc1`),
    ...affine("fc2", `${BLOCK}.mlp.fc2`),
  },
  activation: "quick_gelu",
  epsilon: 1e-5,
  headWidth: 64,
  pooling: "class",
  ...CLIP_PIXELS,
  ignored: /^(text_model\.|text_projection\.|logit_scale$|vision_model\.embeddings\.position_ids$)/,
};
