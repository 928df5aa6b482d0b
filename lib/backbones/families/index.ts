/**
 * The families of weights that can be read, one line each.
 * @module
 */
import type { Family } from "./family.ts";
import { huggingfaceClip } from "./huggingface_clip.ts";
import { openaiClip } from "./openai_clip.ts";
import { timm } from "./timm.ts";
import { torchvisionVit, torchvisionVitSequence } from "./torchvision_vit.ts";

/** In the order in which a file's tensors are held against their marks. */
export const FAMILIES: readonly Family[] = [
  huggingfaceClip,
  openaiClip,
  timm,
  torchvisionVit,
  torchvisionVitSequence,
];
