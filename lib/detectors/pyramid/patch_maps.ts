/**
 * Maps of a frozen transformer: what some of its blocks give at every patch.
 * @module
 */
import type { Backbone } from "../../backbones/backbone.ts";
import { openBackbone } from "../../backbones/open.ts";
import { UserError } from "../../io/errors.ts";
import type { SessionOptions } from "../../onnx/session.ts";
import type { PixelBatch } from "../pixel_detector.ts";

/** Crops that go through the backbone at once: of all its blocks' patches a few are kept. */
const AT_ONCE = 8;

/** Parameters below which products are too small to be divided among threads. */
const FEW_PARAMETERS = 2 ** 22;

/** Where the maps come from. */
export interface PatchMapsChoice {
  /** Name of the backbone. */
  readonly backbone: string;
  /** Folders of backbones. */
  readonly backbones: string | readonly string[];
  /** Blocks, counted from 1. */
  readonly blocks: readonly number[];
}

/** A frozen transformer whose blocks' patches are read. */
export class PatchMaps implements AsyncDisposable {
  /** Width of a token (d): channels of a map. */
  readonly width: number;
  /** Side of a map, in patches. */
  readonly grid: number;
  readonly #backbone: Backbone;
  readonly #blocks: readonly number[];

  /** Use {@linkcode openPatchMaps}. */
  constructor(backbone: Backbone, grid: number, blocks: readonly number[]) {
    this.width = backbone.featureSizes.width;
    this.grid = grid;
    this.#backbone = backbone;
    this.#blocks = blocks;
  }

  /** Name, and a hash of the weights with the kind of arithmetic. */
  async describe(): Promise<{ readonly name: string; readonly weights: string }> {
    return { name: this.#backbone.name, weights: await this.#backbone.fingerprint() };
  }

  /** Number of parameters that an image passes. */
  get parameterCount(): number {
    return this.#backbone.parameterCount;
  }

  /**
   * Reads crops of the backbone's resolution.
   * @returns a map for each of the blocks, as the tokens come: [count, patches, width]
   * @throws {UserError} where the crops are of another size
   */
  async read({ rgb, count, height, width: columns }: PixelBatch): Promise<Float32Array[]> {
    const { resolutionPx } = this.#backbone.architecture;
    if (height !== resolutionPx || columns !== resolutionPx) {
      throw new UserError(
        "usage",
        `Cannot read ${this.#backbone.name}: expected crops of ${resolutionPx} px, found ${columns} × ${height}`,
      );
    }
    const size = this.grid ** 2 * this.width, all = this.#backbone.featureSizes.blocks * this.width;
    const maps = this.#blocks.map(() => new Float32Array(count * size));
    const bytes = resolutionPx ** 2 * 3;
    for (let first = 0; first < count; first += AT_ONCE) {
      const some = Math.min(AT_ONCE, count - first);
      const crops = rgb.subarray(first * bytes, (first + some) * bytes);
      const { data } = await this.#backbone.featuresOfCrops(crops, some); // [some, n · patches, d]
      for (let i = 0; i < some; i++) {
        this.#blocks.forEach((block, level) => {
          const start = i * all + (block - 1) * size;
          maps[level]!.set(data.subarray(start, start + size), (first + i) * size);
        });
      }
    }
    return maps;
  }

  /** Closes the backbone. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#backbone[Symbol.asyncDispose]();
  }
}

/**
 * Opens a transformer to read the patches of some blocks.
 * @throws {UserError} where it is not there, has no patches or not these blocks
 */
export async function openPatchMaps(
  { backbone: name, backbones, blocks }: PatchMapsChoice,
  options: SessionOptions = {},
): Promise<PatchMaps> {
  const { device = "cpu", threads } = options;
  const open = (threads: number | undefined) =>
    openBackbone(name, {
      ...{ folder: backbones, tap: "patches", device },
      ...(threads === undefined ? {} : { threads }),
    });
  let backbone = await open(threads);
  if (threads === undefined && backbone.parameterCount < FEW_PARAMETERS) {
    await backbone[Symbol.asyncDispose]();
    backbone = await open(1);
  }
  // one vector a block there
  const count = backbone.at("block").featureSizes.blocks;
  const grid = Math.sqrt(backbone.featureSizes.blocks / count);
  const isBlock = (block: number) => Number.isInteger(block) && block >= 1 && block <= count;
  if (blocks.length > 0 && blocks.every(isBlock)) return new PatchMaps(backbone, grid, blocks);
  await backbone[Symbol.asyncDispose]();
  throw new UserError(
    "usage",
    `Cannot read patches of ${name}: expected blocks from 1 to ${count}, found ${
      blocks.join(", ") || "none"
    }`,
  );
}
