/**
 * A frozen backbone: image crops in, features out. This is all that the rest of the library knows
 * of one; `openBackbone` of `open.ts` opens it, whatever network it is.
 * @module
 */
import type { RgbImage } from "../image/image.ts";
import type { Tensor } from "../io/tensor.ts";
import type { Device } from "../onnx/session.ts";
import type { WeightsSettings } from "./families/family.ts";

/** What backbones can compute in. */
export const PRECISIONS = ["full", "int8"] as const;

/**
 * `full`: float32 on the CPU, float16 on GPUs. `int8`: linear layers as 8-bit products on the CPU,
 * faster and a little off; its features never mix with those of `full`.
 */
export type Precision = typeof PRECISIONS[number];

/** What of a network can be read. */
export const TAPS = ["ln2", "block", "embedding", "patches"] as const;

/**
 * What of a network is read as an image's features; a backbone says which of these it has.
 *
 * - `ln2`: for each Transformer block, the CLS row of the second layer normalisation's output,
 *   before the MLP, as the released code has it; [blocks, width]. Released: src/models.py, `Hook`,
 *   which `Model` registers on `ln_2` of every block.
 * - `block`: for each block, the CLS row of its output; [blocks, width]. Paper: eq. 1 and 2.
 * - `embedding`: the image embedding, of CLIP after its projection, of other transformers the
 *   normalised CLS row of the last block, of other ResNets the mean over the last map's places;
 *   [1, width of the embedding]. All that a ResNet has.
 * - `patches`: every block's output at every patch, without the CLS row; [blocks · patches, width],
 *   block after block, and in a block row after row of the image's grid from its top left.
 */
export type Tap = typeof TAPS[number];

/** Sizes of a backbone's features of one crop: `blocks` vectors of length `width`. */
export interface FeatureSizes {
  /** Number of vectors: of Transformer blocks (n) at `ln2` and `block`, 1 at `embedding`. */
  readonly blocks: number;
  /** Length of each vector (d). */
  readonly width: number;
}

/** What is known of any network, whatever is read of it. */
export interface Architecture {
  /** Side of the crops that it takes, in pixels. */
  readonly resolutionPx: number;
}

/** How a backbone is opened. */
export interface BackboneOptions {
  /**
   * Folder that holds a folder for each backbone, or several to be looked through in order; default
   * `data/backbones`, then `data/mini/backbones`.
   */
  readonly folder?: string | readonly string[];
  /**
   * Default: the network's first; `ln2` of a vision transformer, as the released code has it, and
   * `embedding` of a ResNet.
   */
  readonly tap?: Tap;
  /** Default `full`. */
  readonly precision?: Precision;
  /** Default `cpu`. */
  readonly device?: Device;
  /** Threads inside one operator; default: one per core. */
  readonly threads?: number;
  /** What is known of the weights that neither their file nor their family says. */
  readonly settings?: WeightsSettings;
}

/** What opens a backbone again on another thread: it is plain data. */
export interface BackboneSource {
  /** What `openBackbone` is given. */
  readonly name: string;
  /** How it was opened. */
  readonly options: BackboneOptions;
}

/** A frozen network that turns crops into features, read at one tap. */
export interface Backbone extends AsyncDisposable {
  /** Name for people and records: `ViT-L/14`. */
  readonly name: string;
  /** What of it is read. */
  readonly tap: Tap;
  /** What of it can be read. */
  readonly taps: readonly Tap[];
  /** What it computes in. */
  readonly precision: Precision;
  /** Where it runs. */
  readonly device: Device;
  /** Sizes of the network, read from the weights. */
  readonly architecture: Architecture;
  /** Sizes of the features of one crop at its tap. */
  readonly featureSizes: FeatureSizes;
  /** Number of parameters that an image passes. */
  readonly parameterCount: number;
  /** Size of the weights that features are computed with. */
  readonly weightsBytes: number;
  /**
   * The same weights read at another tap, with a session of its own that opens at its first crop
   * and is freed by itself; the backbone itself where it is read there already.
   * @throws {UserError} where it cannot be read there
   */
  at(tap: Tap): Backbone;
  /** What opens the same backbone elsewhere, at its tap, with its own number of threads. */
  source(threads: number): BackboneSource;
  /**
   * SHA-256 of the weights file, hexadecimal, the kind of arithmetic, and what was said of the
   * weights that does not follow from their file: part of every feature set's key.
   */
  fingerprint(): Promise<string>;
  /**
   * Features of crops that have the backbone's resolution.
   * @param rgb uint8 [count, R, R, 3]
   * @returns float32 [count, blocks, width], in the sizes of its tap
   * @throws {UserError} where there are more or fewer bytes than that
   */
  featuresOfCrops(rgb: Uint8Array, count: number): Promise<Tensor>;
  /**
   * Features of the same crops at several taps in one pass through the network. Bit for bit those of
   * each tap alone, unless `patches` is among several: they need more of the last block.
   * @param rgb uint8 [count, R, R, 3]
   * @returns for each tap, float32 [count, blocks, width] in its own sizes
   * @throws {UserError} where there are more or fewer bytes than that, or a tap is not to be had
   */
  featuresAt(taps: readonly Tap[], rgb: Uint8Array, count: number): Promise<Tensor[]>;
  /**
   * Features of images of any size, by their centre crops.
   * @returns float32 [images, blocks, width], in the sizes of its tap
   * @throws {UserError} where one is no image
   */
  features(images: readonly RgbImage[]): Promise<Tensor>;
  /**
   * Opens the session now rather than at the first image. Where that fails, it can be tried again.
   * @throws {UserError} where the device's provider is not installed, with what installs it
   */
  open(): Promise<void>;
  /** Frees the session; the next use opens another. */
  [Symbol.asyncDispose](): Promise<void>;
}
