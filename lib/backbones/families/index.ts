/**
 * The families of weights that can be read, one line each.
 * @module
 */
import type { Family, ResnetFamily } from "./family.ts";
import { huggingfaceClip } from "./huggingface_clip.ts";
import { openaiClip } from "./openai_clip.ts";
import { openaiClipResnet } from "./openai_clip_resnet.ts";
import { timm } from "./timm.ts";
import { torchvisionResnet } from "./torchvision_resnet.ts";
import { torchvisionVit, torchvisionVitSequence } from "./torchvision_vit.ts";

/** Of vision transformers, in the order in which a file's tensors are held against their marks. */
export const FAMILIES: readonly Family[] = [
  huggingfaceClip,
  openaiClip,
  timm,
  torchvisionVit,
  torchvisionVitSequence,
];

/** Of ResNets. */
export const RESNET_FAMILIES: readonly ResnetFamily[] = [
  openaiClipResnet,
  torchvisionResnet,
];
