/**
 * CLIP's ResNets under OpenAI's own names: RN50 is one of UFD's feature spaces.
 * Source: openai/CLIP, `clip/model.py`, `ModifiedResNet`.
 * @module
 */
import { CLIP_PIXELS, CLIP_TEXT_TOWER, type ResnetFamily } from "./family.ts";

/** The image tower of `RN50.pt` or `RN101.pt`, with or without its text tower. */
export const openaiClipResnet: ResnetFamily = {
  name: "OpenAI CLIP ResNet",
  mark: "visual.attnpool.positional_embedding",
  prefix: "visual.",
  stem: [
    { conv: "conv1", norm: "bn1", kernelPx: 3, stride: 2 },
    { conv: "conv2", norm: "bn2", kernelPx: 3, stride: 1 },
    { conv: "conv3", norm: "bn3", kernelPx: 3, stride: 1 },
  ],
  halving: "average",
  pooling: "attention",
  epsilon: 1e-5,
  headWidth: 64,
  resolutionPx: 224,
  ...CLIP_PIXELS,
  ignored: new RegExp(`${CLIP_TEXT_TOWER.source}|\\.num_batches_tracked$`),
};
