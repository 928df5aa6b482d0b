/**
 * CLIP under OpenAI's own names, as its `.pt` archives and open_clip have it.
 * @module
 */
import { affine, CLIP_CHOICES, CLIP_PIXELS, CLIP_TEXT_TOWER, type Family } from "./family.ts";

const BLOCK = "visual.transformer.resblocks.{}";

/** The image tower of `ViT-L-14.pt`, with or without its text tower. */
export const openaiClip: Family = {
  name: "OpenAI CLIP",
  mark: "visual.class_embedding",
  stem: {
    "patch.weight": "visual.conv1.weight",
    "class": "visual.class_embedding",
    "positions": "visual.positional_embedding",
    ...affine("pre_norm", "visual.ln_pre"),
    ...affine("post_norm", "visual.ln_post"),
    "projection.transposed": "visual.proj",
  },
  block: {
    ...affine("norm1", `${BLOCK}.ln_1`),
    ...affine("out", `${BLOCK}.attn.out_proj`),
    ...affine("norm2", `${BLOCK}.ln_2`),
    ...affine("fc1", `${BLOCK}.mlp.c_fc`),
    ...affine("fc2", `${BLOCK}.mlp.c_proj`),
    "scale1": `${BLOCK}.ls_1.gamma`,
    "scale2": `${BLOCK}.ls_2.gamma`,
  },
  fusedQkv: {
    weight: `${BLOCK}.attn.in_proj_weight`,
    bias: `${BLOCK}.attn.in_proj_bias`,
  },
  activation: "quick_gelu",
  epsilon: 1e-5,
  headWidth: 64,
  pooling: "class",
  ...CLIP_PIXELS,
  unsaid: ["activation", "pixels"],
  // of numbers, which OpenAI's archives hold and open_clip's files do not
  ownMark: "input_resolution",
  choices: CLIP_CHOICES,
  configuration: "open_clip",
  otherPool: /^visual\.(?:attn_pool|attn_pool_contrastive|ln_attn_pool)\./,
  ignored: CLIP_TEXT_TOWER,
};
