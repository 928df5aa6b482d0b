/**
 * CLIP as Hugging Face's `transformers` saves it, from `openai/clip-vit-large-patch14`.
 * @module
 */
import { affine, CLIP_CHOICES, CLIP_PIXELS, type Family } from "./family.ts";

/** Names of the tower, with what stands before them. */
export function huggingFaceNames(prefix: string): Pick<Family, "stem" | "block"> {
  const block = `${prefix}encoder.layers.{}`;
  return {
    stem: {
      ...affine("patch", `${prefix}embeddings.patch_embedding`),
      "class": `${prefix}embeddings.class_embedding`,
      "positions": `${prefix}embeddings.position_embedding.weight`,
      ...affine("pre_norm", `${prefix}pre_layrnorm`),
      ...affine("post_norm", `${prefix}post_layernorm`),
    },
    block: {
      ...affine("norm1", `${block}.layer_norm1`),
      ...affine("q", `${block}.self_attn.q_proj`),
      ...affine("k", `${block}.self_attn.k_proj`),
      ...affine("v", `${block}.self_attn.v_proj`),
      ...affine("out", `${block}.self_attn.out_proj`),
      ...affine("norm2", `${block}.layer_norm2`),
      ...affine("fc1", `${block}.mlp.fc1`),
      ...affine("fc2", `${block}.mlp.fc2`),
    },
  };
}

const NAMES = huggingFaceNames("vision_model.");

/** `model.safetensors` of a `CLIPModel`, with or without its text tower. */
export const huggingfaceClip: Family = {
  name: "Hugging Face CLIP",
  mark: "vision_model.embeddings.class_embedding",
  ...NAMES,
  stem: { ...NAMES.stem, "projection": "visual_projection.weight" },
  activation: "quick_gelu",
  epsilon: 1e-5,
  headWidth: 64,
  pooling: "class",
  ...CLIP_PIXELS,
  unsaid: ["activation", "pixels"],
  choices: CLIP_CHOICES,
  configuration: "Hugging Face",
  ignored:
    /^(text_model\.|text_projection\.|logit_scale$|logit_bias$|vision_model\.embeddings\.position_ids$)/,
};

const TOWER = huggingFaceNames("");

/** A `CLIPVisionModel` as `transformers` 5 saves it: the tower alone, without a name of its own. */
export const huggingfaceClipTower: Family = {
  ...huggingfaceClip,
  ...TOWER,
  // it holds none: an embedding without it is none of CLIP's
  stem: { ...TOWER.stem, "projection": "visual_projection.weight" },
  name: "Hugging Face CLIP tower",
  mark: "embeddings.class_embedding",
  ignored: /^embeddings\.position_ids$/,
};
