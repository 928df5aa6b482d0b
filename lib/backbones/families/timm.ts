/**
 * Vision transformers as timm names them, with LayerScale or without.
 * @module
 */
import { affine, type Family } from "./family.ts";

/** `model.safetensors` of `vit_base_patch16_224.augreg_in21k` and its kin. */
export const timm: Family = {
  name: "timm ViT",
  mark: "cls_token",
  stem: {
    ...affine("patch", "patch_embed.proj"),
    "class": "cls_token",
    "positions": "pos_embed",
    ...affine("post_norm", "norm"),
  },
  block: {
    ...affine("norm1", "blocks.{}.norm1"),
    ...affine("out", "blocks.{}.attn.proj"),
    ...affine("norm2", "blocks.{}.norm2"),
    ...affine("fc1", "blocks.{}.mlp.fc1"),
    ...affine("fc2", "blocks.{}.mlp.fc2"),
    "scale1": "blocks.{}.ls1.gamma",
    "scale2": "blocks.{}.ls2.gamma",
  },
  fusedQkv: { weight: "blocks.{}.attn.qkv.weight", bias: "blocks.{}.attn.qkv.bias" },
  activation: "gelu",
  epsilon: 1e-6,
  headWidth: 64,
  pooling: "class",
  pixelMean: [.5, .5, .5],
  pixelStd: [.5, .5, .5],
  ignored: /^(head\.|fc_norm\.|mask_token$)/,
};
