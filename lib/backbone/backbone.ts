/**
 * A frozen backbone: images in, one CLS token per Transformer block out.
 * @module
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { dirname } from "node:path";
import {
  type Device,
  openSession,
  ortTensor,
  type Session,
  type SessionOptions,
} from "../onnx/session.ts";
import { centerCrop } from "../image/crop.ts";
import type { RgbImage } from "../image/image.ts";
import type { Tensor } from "../io/tensor.ts";
import { buildVitGraph, type Tap } from "./vit_graph.ts";
import { readVitWeights, type VitArchitecture, type VitWeights } from "./weights.ts";

/** How a backbone is opened. */
export interface BackboneOptions extends SessionOptions {
  /** Name for people and records: `ViT-L/14`. */
  readonly name: string;
  /** Default `ln2`, as the released code has it. */
  readonly tap?: Tap;
}

/** A frozen vision transformer that turns images into tokens. Open it with {@linkcode openBackbone}. */
export class Backbone implements AsyncDisposable {
  readonly name: string;
  readonly tap: Tap;
  readonly #weights: VitWeights;
  readonly #sessionOptions: SessionOptions;
  #session: Promise<Session> | undefined;
  #fingerprint: Promise<string> | undefined;

  /** Use {@linkcode openBackbone}. */
  constructor(weights: VitWeights, { name, tap = "ln2", ...sessionOptions }: BackboneOptions) {
    this.name = name;
    this.tap = tap;
    this.#weights = weights;
    this.#sessionOptions = sessionOptions;
  }

  /** Sizes, read from the weights. */
  get architecture(): VitArchitecture {
    return this.#weights.architecture;
  }

  /** Where it runs. */
  get device(): Device {
    return this.#sessionOptions.device ?? "cpu";
  }

  /** Size of the weights that tokens are computed with. */
  get weightsBytes(): number {
    return [...this.#weights.tensors.values()].reduce((sum, { length }) => sum + length, 0);
  }

  /** What opens the same backbone elsewhere, with its own number of threads. */
  source(threads: number): { path: string; options: BackboneOptions } {
    const { name, tap } = this;
    return {
      path: this.#weights.header.path,
      options: { ...this.#sessionOptions, name, tap, threads },
    };
  }

  /** SHA-256 of the weights file, hexadecimal: part of every token set's key. */
  fingerprint(): Promise<string> {
    return this.#fingerprint ??= hashFile(this.#weights.header.path);
  }

  /**
   * Tokens of crops that have the backbone's resolution.
   * @param rgb uint8 [count, R, R, 3]
   * @returns float32 [count, blocks, width]
   * @throws {TypeError} where there are more or fewer bytes than that
   */
  async tokensOfCrops(rgb: Uint8Array, count: number): Promise<Tensor> {
    const { resolutionPx, blocks, width } = this.architecture;
    const expected = count * resolutionPx * resolutionPx * 3;
    if (rgb.length !== expected) {
      throw new TypeError(
        `Cannot compute tokens: expected ${expected} bytes for ${count} crops of ${resolutionPx} px, found ${rgb.length}`,
      );
    }
    const session = await this.open();
    const images = ortTensor("uint8", rgb, [count, resolutionPx, resolutionPx, 3]);
    const { tokens } = await session.run({ images });
    return { data: tokens!.data as Float32Array, shape: [count, blocks, width] };
  }

  /**
   * Tokens of images of any size, by their centre crops.
   * @returns float32 [images, blocks, width]
   */
  tokens(images: readonly RgbImage[]): Promise<Tensor> {
    const { resolutionPx } = this.architecture;
    const bytes = resolutionPx * resolutionPx * 3;
    const rgb = new Uint8Array(images.length * bytes);
    images.forEach((image, i) => rgb.set(centerCrop(image, resolutionPx).data, i * bytes));
    return this.tokensOfCrops(rgb, images.length);
  }

  /** Opens the session now rather than at the first image. */
  open(): Promise<Session> {
    return this.#session ??= openSession(
      buildVitGraph(this.#weights, { tap: this.tap, input: "rgb", embedding: false }),
      { ...this.#sessionOptions, weightsFolder: dirname(this.#weights.header.path) },
    );
  }

  /** Frees the session; the next use opens another. */
  async [Symbol.asyncDispose](): Promise<void> {
    const session = await this.#session;
    this.#session = undefined;
    await session?.release();
  }
}

/**
 * Opens a backbone from its weights file. Only the header is read until tokens are asked for.
 * @throws {SyntaxError} {@linkcode RangeError} {@linkcode TypeError} as {@linkcode readVitWeights}
 */
export async function openBackbone(path: string, options: BackboneOptions): Promise<Backbone> {
  return new Backbone(await readVitWeights(path), options);
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return hash.digest("hex");
}
