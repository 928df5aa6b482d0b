/**
 * Weights by the names that people know them by, for files whose names do not tell whose they are.
 * @module
 */
import { CLIP_PIXELS, HALF_PIXELS, IMAGENET_PIXELS, type WeightsSettings } from "./family.ts";

/**
 * What each maker's weights have that their tensors do not tell.
 *
 * - `openai`: CLIP as OpenAI published it, under whatever names.
 * - `augreg`: timm's ViTs of "How to train your ViT?".
 * - `deit`, `mae`, `dino`, `dinov2`: Meta's.
 * - `siglip`: Google's, of SigLIP and SigLIP 2.
 */
export const MAKERS = {
  openai: { activation: "quick_gelu", ...CLIP_PIXELS },
  augreg: HALF_PIXELS,
  deit: IMAGENET_PIXELS,
  mae: IMAGENET_PIXELS,
  dino: IMAGENET_PIXELS,
  dinov2: IMAGENET_PIXELS,
  siglip: { activation: "gelu_tanh", ...HALF_PIXELS },
} as const satisfies Readonly<Record<string, WeightsSettings>>;

/** Who made weights. */
export type Maker = keyof typeof MAKERS;
