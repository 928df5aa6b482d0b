/**
 * Vision transformers as timm names them, and Meta's DINO, MAE and DINOv2: with LayerScale, registers
 * or a distillation token, or without; as open_clip has them in its own files too.
 * Source: pytorch-image-models, `timm/models/vision_transformer.py`; open_clip, `timm_model.py`.
 * @module
 */
import {
  affine,
  CLIP_CHOICES,
  CLIP_PIXELS,
  CLIP_TEXT_TOWER,
  type Family,
  HALF_PIXELS,
  IMAGENET_PIXELS,
} from "./family.ts";

const CHOICES = "--family augreg has mean and std .5, deit, mae, dino and dinov2 have ImageNet's";

/**
 * What heads are there: of classes, of distillation; what MAE's decoder, DINO's training and a pool
 * by attention have.
 */
const BESIDE = [
  "head\\.",
  "head_dist\\.",
  "fc_norm\\.",
  "mask_token$",
  "decoder_",
  "decoder\\.",
];

/** @param prefix before all names of the transformer */
function named(prefix: string) {
  const block = `${prefix}blocks.{}`;
  return {
    stem: {
      ...affine("patch", `${prefix}patch_embed.proj`),
      "class": `${prefix}cls_token`,
      "registers": `${prefix}reg_token`,
      "positions": `${prefix}pos_embed`,
      ...affine("pre_norm", `${prefix}norm_pre`),
      ...affine("post_norm", `${prefix}norm`),
    },
    block: {
      ...affine("norm1", `${block}.norm1`),
      ...affine("out", `${block}.attn.proj`),
      ...affine("norm2", `${block}.norm2`),
      ...affine("fc1", `${block}.mlp.fc1`),
      ...affine("fc2", `${block}.mlp.fc2`),
      "scale1": `${block}.ls1.gamma`,
      "scale2": `${block}.ls2.gamma`,
    },
    fusedQkv: { weight: `${block}.attn.qkv.weight`, bias: `${block}.attn.qkv.bias` },
    pool: {
      names: {
        "probe": `${prefix}attn_pool.latent`,
        ...affine("q", `${prefix}attn_pool.q`),
        ...affine("out", `${prefix}attn_pool.proj`),
        ...affine("norm", `${prefix}attn_pool.norm`),
        ...affine("fc1", `${prefix}attn_pool.mlp.fc1`),
        ...affine("fc2", `${prefix}attn_pool.mlp.fc2`),
      },
      fused: {
        weight: `${prefix}attn_pool.kv.weight`,
        bias: `${prefix}attn_pool.kv.bias`,
        parts: ["k", "v"],
      },
    },
    otherPool: new RegExp(`^${prefix.replaceAll(".", "\\.")}attn_pool\\.`),
    headWidth: 64,
    configuration: "timm",
  } as const;
}

const PLAIN = {
  ...named(""),
  activation: "gelu",
  epsilon: 1e-6,
  pooling: "class",
  ...HALF_PIXELS,
  unsaid: ["pixels"],
  choices: CHOICES,
  ignored: new RegExp(`^(?:${BESIDE.join("|")})`),
} as const;

/** `model.safetensors` of `vit_base_patch16_224.augreg_in21k`, and its kin. */
export const timm: Family = { ...PLAIN, name: "timm ViT", mark: "cls_token" };

/** DINOv2 with registers as Meta publishes it, and DeiT's second token, which is one more. */
export const timmRegisters: Family = {
  ...PLAIN,
  name: "Meta ViT with registers",
  mark: "register_tokens",
  stem: { ...PLAIN.stem, "registers": "register_tokens" },
};

/** DINOv2's giant as Meta publishes it, with registers or without: its MLPs are gated. */
export const metaGiant: Family = {
  ...timmRegisters,
  name: "Meta DINOv2 giant",
  mark: "blocks.0.mlp.w12.weight",
  block: {
    ...PLAIN.block,
    ...affine("fc1", "blocks.{}.mlp.w12"),
    ...affine("fc2", "blocks.{}.mlp.w3"),
  },
  headsAreKnown: true,
  ...IMAGENET_PIXELS,
  unsaid: [],
};

/** DeiT that was distilled: its second token is read by nobody, and goes along. */
export const timmDistilled: Family = {
  ...PLAIN,
  name: "DeiT with distillation",
  mark: "dist_token",
  stem: { ...PLAIN.stem, "registers": "dist_token" },
};

/** Without a class token: SigLIP, and those that average over patches. */
export const timmPatches: Family = {
  ...PLAIN,
  name: "timm ViT without class token",
  mark: "patch_embed.proj.weight",
  pooling: "mean",
  unsaid: ["activation", "pixels", "heads"],
  choices: "SigLIP's have gelu or gelu_tanh, and mean and std .5",
};

const CLIP = {
  activation: "quick_gelu",
  epsilon: 1e-5,
  pooling: "class",
  ...CLIP_PIXELS,
  unsaid: ["activation", "pixels"],
  choices: CLIP_CHOICES,
} as const;

/** `vit_*_clip_*`: CLIP's tower under timm's names. */
export const timmClip: Family = {
  ...PLAIN,
  ...CLIP,
  name: "timm CLIP",
  mark: "norm_pre.weight",
  stem: { ...PLAIN.stem, "projection": "head.weight" },
  classifier: "head.bias",
};

/** In open_clip's files: `visual.trunk.*` is timm's, `visual.head.*` open_clip's. */
function trunk(family: Family, name: string, mark: string): Family {
  const own = named("visual.trunk.");
  return {
    ...family,
    ...own,
    name: `open_clip with ${name}`,
    mark: `visual.trunk.${mark}`,
    stem: { ...own.stem, "projection": "visual.head.proj.weight" },
    configuration: "open_clip",
    otherPool: new RegExp(`${own.otherPool.source}|^visual\\.head\\.(?:mlp|proj\\.bias)`),
    ignored: new RegExp(
      `${CLIP_TEXT_TOWER.source}|^visual\\.trunk\\.(?:${BESIDE.join("|")})`,
    ),
  };
}

/** A CLIP of timm's in open_clip's file. */
export const trunkClip: Family = trunk(timmClip, "timm CLIP", "norm_pre.weight");

/** A plain ViT in open_clip's file: BiomedCLIP, CLIPA and others. */
export const trunkPlain: Family = trunk(timm, "timm ViT", "cls_token");

/** SigLIP in open_clip's file. */
export const trunkPatches: Family = trunk(
  timmPatches,
  "timm ViT without class token",
  "patch_embed.proj.weight",
);
