/**
 * What is known of one maker's weights: how the tensors are named, and all that their shapes do not
 * tell. A family is a file of such data in this folder and a line in `index.ts`.
 * @module
 */

/**
 * What no tensor's shape tells. A family says it, or its rule does; who knows better of a file
 * says so when it is read.
 */
export interface VitSettings {
  /** Number of attention heads. */
  readonly heads: number;
  /** What stands between the two layers of the MLP. */
  readonly activation: "quick_gelu" | "gelu";
  /** ε of every layer normalisation. */
  readonly epsilon: number;
  /** Pixel normalisation by channel, on values in [0, 1]. */
  readonly pixelMean: readonly [number, number, number];
  /** Divides the pixels, after the mean is taken off; by channel. */
  readonly pixelStd: readonly [number, number, number];
}

/** What stands for an image in a sequence: its class token, or the mean over its patches. */
export type Pooling = "class" | "mean";

/** A family of vision transformers. In names of tensors, `{}` stands for the block's number. */
export interface Family extends Omit<VitSettings, "heads"> {
  /** Its name for people and records: `OpenAI CLIP`. */
  readonly name: string;
  /** A tensor that every file of this family has, and none of the families after it. */
  readonly mark: string;
  /** Tensors outside the blocks: this project's name → the file's. */
  readonly stem: Readonly<Record<string, string>>;
  /** Tensors of each block: this project's name → the file's. */
  readonly block: Readonly<Record<string, string>>;
  /** One tensor that holds queries', keys' and values' weights, one under the other. */
  readonly fusedQkv?: { readonly weight: string; readonly bias: string };
  /** There are as many heads as are this wide, unless the file's metadata say `heads`. */
  readonly headWidth: number;
  /** What stands for an image that has a class token; without one it is always the mean. */
  readonly pooling: Pooling;
  /** Tensors that this project has no use for: the text tower, classification heads. */
  readonly ignored: RegExp;
}

/** OpenAI's pixel normalisation, which most CLIPs share; by channel, on values in [0, 1]. */
export const CLIP_PIXELS: Pick<Family, "pixelMean" | "pixelStd"> = {
  pixelMean: [.48145466, .4578275, .40821073],
  pixelStd: [.26862954, .26130258, .27577711],
};

/** What torchvision's networks are trained with: ImageNet's own; by channel, on values in [0, 1]. */
export const IMAGENET_PIXELS: Pick<Family, "pixelMean" | "pixelStd"> = {
  pixelMean: [.485, .456, .406],
  pixelStd: [.229, .224, .225],
};

/** The two tensors of a layer: `affine("fc1", "mlp.c_fc")` names its weight and its bias. */
export function affine(name: string, file: string): Record<string, string> {
  return { [`${name}.weight`]: `${file}.weight`, [`${name}.bias`]: `${file}.bias` };
}
