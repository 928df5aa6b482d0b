/** Where the numbers lie that the reference implementation computed. */
import { join, resolve } from "node:path";

/** Folder of the goldens; RINE_GOLDENS names another. */
export const GOLDENS: string = resolve(
  Deno.env.get("RINE_GOLDENS") ?? join(import.meta.dirname!, "golden"),
);

/** Folder of the published checkpoints, which are no part of the project. */
export const PUBLISHED: string = resolve(
  Deno.env.get("RINE_PUBLISHED") ?? join(import.meta.dirname!, "../../shared/published"),
);

/** What the folder must hold; the names of heads tell their sizes, which are others elsewhere. */
export const EXPECTED_GOLDENS: readonly string[] = [
  "clip_expected.safetensors",
  "clip_hf.safetensors",
  "clip_openai.safetensors",
  "clip_rn50.safetensors",
  "cnn_training.safetensors",
  "dmid.pth",
  "gradients.json",
  "gradients.safetensors",
  "legacy_mixed.pth",
  "legacy_mixed.safetensors",
  "lgrad.safetensors",
  "lgrad_classifier.pth",
  "lgrad_discriminator.pth",
  "lgrad_gradient.safetensors",
  "metrics.json",
  "patch_forensics.pth",
  "patch_forensics.safetensors",
  "released.safetensors",
  "resizes.safetensors",
  "resnet.safetensors",
  "torchvision_vit.safetensors",
  "torchvision_vit_new_names.safetensors",
  "transforms.safetensors",
  "ufd.safetensors",
  "ufd_oracle.json",
  "ufd_schedule.json",
  "wang.pth",
  ...Deno.env.has("RINE_GOLDENS") ? [] : [
    "head_ablate_contrastive.safetensors",
    "head_ablate_intermediate.safetensors",
    "head_ablate_tie.safetensors",
    "head_q1_d16.safetensors",
    "head_q1_d16_single.safetensors",
    "head_q2_d32.safetensors",
    "head_q4_d8.safetensors",
    "pyramid.safetensors",
  ],
];

/** Folder of small inputs as people have them, each with the right values. */
export const CASES: string = resolve(
  Deno.env.get("RINE_CASES") ?? join(import.meta.dirname!, "cases"),
);
