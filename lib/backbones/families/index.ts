/**
 * The families of weights that can be read, one line each.
 * @module
 */
import type { Family, ResnetFamily } from "./family.ts";
import { huggingfaceClip, huggingfaceClipTower } from "./huggingface_clip.ts";
import { huggingfaceDinov2, huggingfaceDinov2Giant, huggingfaceVit } from "./huggingface_vit.ts";
import { openaiClip } from "./openai_clip.ts";
import { openaiClipResnet } from "./openai_clip_resnet.ts";
import { siglip, siglipTower } from "./siglip.ts";
import {
  metaGiant,
  timm,
  timmClip,
  timmDistilled,
  timmPatches,
  timmRegisters,
  trunkClip,
  trunkPatches,
  trunkPlain,
} from "./timm.ts";
import { torchvisionResnet } from "./torchvision_resnet.ts";
import { torchvisionVit, torchvisionVitSequence } from "./torchvision_vit.ts";

/** Of vision transformers, in the order in which a file's tensors are held against their marks. */
export const FAMILIES: readonly Family[] = [
  huggingfaceClip,
  huggingfaceClipTower,
  openaiClip,
  siglip,
  siglipTower,
  huggingfaceVit,
  huggingfaceDinov2Giant,
  huggingfaceDinov2,
  trunkClip,
  trunkPlain,
  trunkPatches,
  timmClip,
  metaGiant,
  timmRegisters,
  timmDistilled,
  timm,
  timmPatches,
  torchvisionVit,
  torchvisionVitSequence,
];

/** Of ResNets. */
export const RESNET_FAMILIES: readonly ResnetFamily[] = [
  openaiClipResnet,
  torchvisionResnet,
];
