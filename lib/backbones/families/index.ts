/**
 * How the checkpoints in use name a vision transformer's weights: one entry a family.
 * @module
 */
import type { VitArchitecture } from "../vit/weights.ts";

/** How a family of checkpoints names its weights. `{}` stands for the block's number. */
export interface NamingScheme {
  readonly name: string;
  /** A tensor that only this family has. */
  readonly mark: string;
  /** This project's name → the file's. */
  readonly stem: Readonly<Record<string, string>>;
  readonly block: Readonly<Record<string, string>>;
  /** One tensor that holds queries', keys' and values' weights, one under the other. */
  readonly fusedQkv?: { readonly weight: string; readonly bias: string };
  readonly variant: Pick<VitArchitecture, "activation" | "epsilon" | "pixelMean" | "pixelStd">;
  /** Names in the file that this project has no use for: the text tower, pooling heads. */
  readonly ignored: RegExp;
}

const CLIP_VARIANT: NamingScheme["variant"] = {
  activation: "quick_gelu",
  epsilon: 1e-5,
  pixelMean: [.48145466, .4578275, .40821073],
  pixelStd: [.26862954, .26130258, .27577711],
};

const pair = (name: string, file: string) => ({
  [`${name}.weight`]: `${file}.weight`,
  [`${name}.bias`]: `${file}.bias`,
});

const HF_BLOCK = "vision_model.encoder.layers.{}";
const OPENAI_BLOCK = "visual.transformer.resblocks.{}";

/** The families that can be read. */
export const SCHEMES: readonly NamingScheme[] = [
  {
    name: "Hugging Face CLIP",
    mark: "vision_model.embeddings.class_embedding",
    stem: {
      "patch.weight": "vision_model.embeddings.patch_embedding.weight",
      "class": "vision_model.embeddings.class_embedding",
      "positions": "vision_model.embeddings.position_embedding.weight",
      ...pair("pre_norm", "vision_model.pre_layrnorm"),
      ...pair("post_norm", "vision_model.post_layernorm"),
      "projection": "visual_projection.weight",
    },
    block: {
      ...pair("norm1", `${HF_BLOCK}.layer_norm1`),
      ...pair("q", `${HF_BLOCK}.self_attn.q_proj`),
      ...pair("k", `${HF_BLOCK}.self_attn.k_proj`),
      ...pair("v", `${HF_BLOCK}.self_attn.v_proj`),
      ...pair("out", `${HF_BLOCK}.self_attn.out_proj`),
      ...pair("norm2", `${HF_BLOCK}.layer_norm2`),
      ...pair("fc1", `${HF_BLOCK}.mlp.fc1`),
      ...pair("fc2", `${HF_BLOCK}.mlp.fc2`),
    },
    variant: CLIP_VARIANT,
    ignored:
      /^(text_model\.|text_projection\.|logit_scale$|vision_model\.embeddings\.position_ids$)/,
  },
  {
    name: "OpenAI CLIP",
    mark: "visual.class_embedding",
    stem: {
      "patch.weight": "visual.conv1.weight",
      "class": "visual.class_embedding",
      "positions": "visual.positional_embedding",
      ...pair("pre_norm", "visual.ln_pre"),
      ...pair("post_norm", "visual.ln_post"),
      "projection.transposed": "visual.proj",
    },
    block: {
      ...pair("norm1", `${OPENAI_BLOCK}.ln_1`),
      ...pair("out", `${OPENAI_BLOCK}.attn.out_proj`),
      ...pair("norm2", `${OPENAI_BLOCK}.ln_2`),
      ...pair("fc1", `${OPENAI_BLOCK}.mlp.c_fc`),
      ...pair("fc2", `${OPENAI_BLOCK}.mlp.c_proj`),
    },
    fusedQkv: {
      weight: `${OPENAI_BLOCK}.attn.in_proj_weight`,
      bias: `${OPENAI_BLOCK}.attn.in_proj_bias`,
    },
    variant: CLIP_VARIANT,
    ignored:
      /^(transformer\.|token_embedding\.|positional_embedding$|ln_final\.|text_projection$|logit_scale$|logit_bias$|input_resolution$|context_length$|vocab_size$|attn_mask$)/,
  },
  {
    name: "timm ViT",
    mark: "cls_token",
    stem: {
      ...pair("patch", "patch_embed.proj"),
      "class": "cls_token",
      "positions": "pos_embed",
      ...pair("post_norm", "norm"),
    },
    block: {
      ...pair("norm1", "blocks.{}.norm1"),
      ...pair("out", "blocks.{}.attn.proj"),
      ...pair("norm2", "blocks.{}.norm2"),
      ...pair("fc1", "blocks.{}.mlp.fc1"),
      ...pair("fc2", "blocks.{}.mlp.fc2"),
      "scale1": "blocks.{}.ls1.gamma",
      "scale2": "blocks.{}.ls2.gamma",
    },
    fusedQkv: { weight: "blocks.{}.attn.qkv.weight", bias: "blocks.{}.attn.qkv.bias" },
    variant: {
      activation: "gelu",
      epsilon: 1e-6,
      pixelMean: [.5, .5, .5],
      pixelStd: [.5, .5, .5],
    },
    ignored: /^(head\.|fc_norm\.|mask_token$)/,
  },
];
