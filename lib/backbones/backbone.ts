/**
 * A frozen backbone: images in, one CLS token per Transformer block out.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { basename, dirname, join } from "node:path";
import { centerCrop } from "../image/crop.ts";
import { assertImages, type RgbImage } from "../image/image.ts";
import { exists } from "../io/files.ts";
import { Lazy } from "../io/lazy.ts";
import type { Tensor } from "../io/tensor.ts";
import { type Device, openSession, ortTensor, type Session } from "../onnx/session.ts";
import { quantizedPath, readQuantizedWeights } from "./quantize.ts";
import { buildVitGraph, type Tap } from "./vit/graph.ts";

export type { Tap };
import {
  hashWeights,
  readVitWeights,
  type VitArchitecture,
  type VitWeights,
} from "./vit/weights.ts";

/** What backbones can compute in. */
export const PRECISIONS = ["full", "int8"] as const;

/**
 * `full`: float32 on the CPU, float16 on GPUs. `int8`: linear layers as 8-bit products on the CPU,
 * faster and a little off; its tokens never mix with those of `full`.
 */
export type Precision = typeof PRECISIONS[number];

/** How a backbone is opened. */
export interface BackboneOptions {
  /** Folder that holds a folder for each backbone; default `data/backbones`. */
  readonly folder?: string;
  /** Default `ln2`, as the released code has it. */
  readonly tap?: Tap;
  /** Default `full`. */
  readonly precision?: Precision;
  /** Default `cpu`. */
  readonly device?: Device;
  /** Threads inside one operator; default: one per core. */
  readonly threads?: number;
}

/** A frozen vision transformer that turns images into tokens. Open it with {@linkcode openBackbone}. */
export class Backbone implements AsyncDisposable {
  /** Name for people and records: `ViT-L/14`. */
  readonly name: string;
  /** Where in a block its token is taken. */
  readonly tap: Tap;
  /** What it computes in. */
  readonly precision: Precision;
  /** Where it runs. */
  readonly device: Device;
  readonly #weights: VitWeights;
  readonly #options: BackboneOptions;
  readonly #session: Lazy<Session> = new Lazy(() => this.#openSession());
  readonly #fingerprint: Lazy<string> = new Lazy(async () =>
    `${await hashWeights(this.#weights.header.path)} ${this.#compute}`
  );

  /** Use {@linkcode openBackbone}. */
  constructor(name: string, weights: VitWeights, options: BackboneOptions) {
    this.name = name;
    this.tap = options.tap ?? "ln2";
    this.precision = options.precision ?? "full";
    this.device = options.device ?? "cpu";
    this.#weights = weights;
    this.#options = options;
  }

  /** Sizes, read from the weights. */
  get architecture(): VitArchitecture {
    return this.#weights.architecture;
  }

  /** Size of the weights that tokens are computed with. */
  get weightsBytes(): number {
    return [...this.#weights.tensors.values()].reduce((sum, { length }) => sum + length, 0);
  }

  /** What opens the same backbone elsewhere, with its own number of threads. */
  source(threads: number): { name: string; options: BackboneOptions } {
    return { name: this.name, options: { ...this.#options, threads } };
  }

  /**
   * SHA-256 of the weights file, hexadecimal, and the kind of arithmetic: part of every token set's
   * key.
   */
  fingerprint(): Promise<string> {
    return this.#fingerprint.get();
  }

  get #compute(): "float32" | "float16" {
    return this.device === "cpu" ? "float32" : "float16";
  }

  /**
   * Tokens of crops that have the backbone's resolution.
   * @param rgb uint8 [count, R, R, 3]
   * @returns float32 [count, blocks, width]
   * @throws {UserError} where there are more or fewer bytes than that
   */
  async tokensOfCrops(rgb: Uint8Array, count: number): Promise<Tensor> {
    const { resolutionPx, blocks, width } = this.architecture;
    const cropBytes = resolutionPx * resolutionPx * 3;
    if (rgb.length !== count * cropBytes) {
      throw new UserError(
        "usage",
        `Cannot compute tokens: expected ${
          count * cropBytes
        } bytes for ${count} crops of ${resolutionPx} px, found ${rgb.length}`,
      );
    }
    const session = await this.open();
    const data = new Float32Array(count * blocks * width);
    // int8 products take one scale from all activations at once: a crop with others would not have
    // the tokens that it has alone
    const step = this.precision === "int8" ? 1 : Math.max(1, count);
    for (let first = 0; first < count; first += step) {
      const crops = rgb.subarray(first * cropBytes, (first + step) * cropBytes);
      const images = ortTensor("uint8", crops, [step, resolutionPx, resolutionPx, 3]);
      const { tokens } = await session.run({ images });
      data.set(tokens!.data as Float32Array, first * blocks * width);
    }
    return { data, shape: [count, blocks, width] };
  }

  /**
   * Tokens of images of any size, by their centre crops.
   * @returns float32 [images, blocks, width]
   * @throws {UserError} where one is no image
   */
  async tokens(images: readonly RgbImage[]): Promise<Tensor> {
    assertImages(images, `Cannot compute tokens with ${this.name}`);
    const { resolutionPx } = this.architecture;
    const bytes = resolutionPx * resolutionPx * 3;
    const rgb = new Uint8Array(images.length * bytes);
    images.forEach((image, i) => rgb.set(centerCrop(image, resolutionPx).data, i * bytes));
    return await this.tokensOfCrops(rgb, images.length);
  }

  /**
   * Opens the session now rather than at the first image. Where that fails, it can be tried again.
   * @throws {UserError} where the device's provider is not installed, with what installs it
   */
  open(): Promise<Session> {
    return this.#session.get();
  }

  async #openSession(): Promise<Session> {
    // external data may not leave the folder it is named relative to, not even through a link
    const path = await Deno.realPath(this.#weights.header.path);
    const { threads } = this.#options;
    return await openSession(
      buildVitGraph(this.#weights, {
        tap: this.tap,
        input: "rgb",
        embedding: false,
        compute: this.#compute,
        weightsFile: basename(path),
      }),
      {
        device: this.device,
        weightsFolder: dirname(path),
        ...(threads === undefined ? {} : { threads }),
      },
    );
  }

  /** Frees the session; the next use opens another. */
  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#session.take())?.release();
  }
}

/**
 * Opens a backbone. Only the header of its weights is read until tokens are asked for.
 * @param name of a folder in `options.folder` (`ViT-L/14` lies in `ViT-L-14/`), or the path of a
 * `.safetensors` file
 * @throws {UserError} where there is no such backbone, its names follow no known scheme, or its int8
 * weights were made of other weights
 * @throws {UserError} where its file is not whole
 * @throws {UserError} where its tensors do not fit one another
 */
export async function openBackbone(
  name: string,
  options: BackboneOptions = {},
): Promise<Backbone> {
  const { folder = "data/backbones", precision = "full", device = "cpu" } = options;
  const isFile = name.endsWith(".safetensors");
  const path = isFile ? name : weightsPath(folder, name);
  if (!await exists(path)) throw new UserError("missing", await notFound(path, folder, isFile));
  if (precision === "full") return new Backbone(name, await readVitWeights(path), options);
  if (device !== "cpu") {
    throw new UserError(
      "missing",
      `Cannot open ${name} as int8: expected device cpu, found ${device}`,
    );
  }
  const quantized = quantizedPath(path);
  if (!await exists(quantized)) {
    throw new UserError(
      "missing",
      `Cannot open ${name} as int8: expected ${quantized}, found none; \`deno task backbone quantize --name ${name} --backbones ${folder}\` makes it`,
    );
  }
  return new Backbone(name, await readQuantizedWeights(quantized, path), options);
}

/** Where a backbone's weights lie: `FOLDER/ViT-L-14/model.safetensors`. */
export function weightsPath(folder: string, name: string): string {
  return join(folder, name.replaceAll("/", "-"), "model.safetensors");
}

async function notFound(path: string, folder: string, isFile: boolean): Promise<string> {
  if (isFile) return `Cannot open backbone: expected a file at ${path}, found none`;
  const names: string[] = [];
  for await (const { name, isDirectory } of readFolder(folder)) if (isDirectory) names.push(name);
  return `Cannot open backbone: expected ${path}, found none; ${
    names.length > 0 ? `there are ${names.sort().join(", ")}` : `${folder} holds none`
  }; \`deno task backbone import FILE --name NAME --backbones ${folder}\` adds one`;
}

async function* readFolder(folder: string): AsyncGenerator<Deno.DirEntry> {
  try {
    yield* Deno.readDir(folder);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
