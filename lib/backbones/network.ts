/**
 * What runs any network as a backbone: an architecture gives its sizes and its graph for each tap,
 * and all else is here.
 * @module
 */
import { assertWhole, hashOfWeights } from "./checksum.ts";
import { basename, dirname } from "node:path";
import { centerCrop } from "../image/crop.ts";
import { assertImages, type RgbImage } from "../image/image.ts";
import { UserError } from "../io/errors.ts";
import { Lazy } from "../io/lazy.ts";
import { type Tensor, tensor } from "../io/tensor.ts";
import type { ElementType } from "../onnx/values.ts";
import { checkDevice, pictureOf } from "../onnx/device_check.ts";
import {
  computesHalf,
  type Device,
  openSession,
  ortTensor,
  type Session,
} from "../onnx/session.ts";
import type {
  Architecture,
  Backbone,
  BackboneOptions,
  BackboneSource,
  FeatureSizes,
  Precision,
  Tap,
} from "./backbone.ts";

/** What graphs compute in; half precision is for GPUs. */
export type Arithmetic = "float32" | "float16";

/** How ONNX calls the types that weights are stored in. */
export const STORED_TYPES: Readonly<Record<string, ElementType>> = {
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
  I8: "int8",
};

/** How a graph is built. */
export interface GraphOptions {
  /** What it computes in. */
  readonly compute: Arithmetic;
  /** Where it runs: some operators are faster, or right, in other words. */
  readonly device: Device;
  /** Name of the weights' file in the folder that the session is opened with. */
  readonly weightsFile: string;
}

/** A network's weights in a file, and what can be made of them. A new kind of network is one of these. */
export interface Network {
  /** Path of the file that the graph's weights lie in. */
  readonly weightsFile: string;
  /** Number of its parameters, without towers and heads that images do not pass. */
  readonly parameterCount: number;
  /** Size of the weights in it. */
  readonly weightsBytes: number;
  /** Sizes, read from the weights. */
  readonly architecture: Architecture;
  /** What was said of the weights that does not follow from their file; plain data. */
  readonly settings: object;
  /** Sizes of the features of one crop at each tap that it has, the default first. */
  readonly featureSizes: { readonly [tap in Tap]?: FeatureSizes };
  /**
   * An ONNX model that takes `images`, uint8 [N, R, R, 3], and has an output for each tap, named by
   * it, float32, of as many values for each crop as its features have.
   */
  graph(taps: readonly Tap[], options: GraphOptions): Uint8Array;
  /** The same of as little of the network as has all its kinds of layers: to try a device. */
  probe(options: GraphOptions): Uint8Array;
}

/**
 * SHA-256 of a weights file, hexadecimal: what the file is, wherever it lies.
 * @throws {UserError} where the file is not what this project wrote there
 */
export async function hashWeights(path: string): Promise<string> {
  const digest = await hashOfWeights(path);
  await assertWhole(path, digest);
  return digest;
}

/** A network as a backbone. */
export class NetworkBackbone implements Backbone {
  readonly name: string;
  readonly tap: Tap;
  readonly taps: readonly Tap[];
  readonly precision: Precision;
  readonly device: Device;
  readonly featureSizes: FeatureSizes;
  readonly #network: Network;
  readonly #options: BackboneOptions;
  readonly #hash: Lazy<string>;
  /** By the taps that one pass reads, with commas between. */
  readonly #sessions = new Map<string, Lazy<Session>>();

  /**
   * Opens no session yet.
   * @param hash of the weights, where another tap's backbone shares it
   * @throws {UserError} where the network cannot be read at the tap
   */
  constructor(
    name: string,
    network: Network,
    options: BackboneOptions,
    hash: Lazy<string> = new Lazy(() => hashWeights(network.weightsFile)),
  ) {
    const taps = Object.keys(network.featureSizes) as Tap[];
    const { tap = taps[0]!, precision = "full", device = "cpu" } = options;
    this.name = name;
    this.tap = tap;
    this.precision = precision;
    this.device = device;
    this.taps = taps;
    this.featureSizes = sizesAt(tap, name, network);
    this.#network = network;
    this.#options = options;
    this.#hash = hash;
  }

  get architecture(): Architecture {
    return this.#network.architecture;
  }

  get parameterCount(): number {
    return this.#network.parameterCount;
  }

  get weightsBytes(): number {
    return this.#network.weightsBytes;
  }

  at(tap: Tap): Backbone {
    if (tap === this.tap) return this;
    return new NetworkBackbone(this.name, this.#network, { ...this.#options, tap }, this.#hash);
  }

  source(threads: number): BackboneSource {
    return { name: this.name, options: { ...this.#options, tap: this.tap, threads } };
  }

  async fingerprint(): Promise<string> {
    const { settings } = this.#network;
    const own = Object.keys(settings).length > 0 ? ` ${JSON.stringify(settings)}` : "";
    // how 8-bit products are scaled
    const scaled = this.precision === "int8" ? " by row" : "";
    return `${await this.#hash.get()} ${await this.#compute()}${scaled}${own}`;
  }

  async #compute(): Promise<Arithmetic> {
    return await computesHalf(this.device) ? "float16" : "float32";
  }

  async featuresOfCrops(rgb: Uint8Array, count: number): Promise<Tensor> {
    const [features] = await this.featuresAt([this.tap], rgb, count);
    return features!;
  }

  async featuresAt(taps: readonly Tap[], rgb: Uint8Array, count: number): Promise<Tensor[]> {
    const { resolutionPx } = this.architecture;
    const cropBytes = resolutionPx * resolutionPx * 3;
    if (rgb.length !== count * cropBytes) {
      throw new UserError(
        "usage",
        `Cannot compute features: expected ${
          count * cropBytes
        } bytes for ${count} crops of ${resolutionPx} px, found ${rgb.length}`,
      );
    }
    const session = await this.#session(taps).get();
    const features = taps.map((tap) => {
      const { blocks, width } = sizesAt(tap, this.name, this.#network);
      return tensor(new Float32Array(count * blocks * width), [count, blocks, width]);
    });
    if (count === 0) return features;
    const images = ortTensor("uint8", rgb, [count, resolutionPx, resolutionPx, 3]);
    const found = await session.run({ images }).catch((error) => {
      throw this.device === "cpu" || count === 1 ? error : this.#tooMany(count, error);
    });
    for (const [t, { data }] of features.entries()) {
      data.set(found[taps[t]!]!.data as Float32Array);
    }
    return features;
  }

  /** On a GPU, what fails mostly lacks memory. */
  #tooMany(crops: number, error: Error): UserError {
    return new UserError(
      "usage",
      `Cannot run ${this.name} on ${this.device} with ${crops} crops at once: ` +
        `${error.message.split("\n", 1)[0]}; a smaller --batch takes less of its memory`,
      { cause: error },
    );
  }

  async features(images: readonly RgbImage[]): Promise<Tensor> {
    assertImages(images, `Cannot compute features with ${this.name}`);
    const { resolutionPx } = this.architecture;
    const bytes = resolutionPx * resolutionPx * 3;
    const rgb = new Uint8Array(images.length * bytes);
    images.forEach((image, i) => rgb.set(centerCrop(image, resolutionPx).data, i * bytes));
    return await this.featuresOfCrops(rgb, images.length);
  }

  async open(): Promise<void> {
    await this.#session([this.tap]).get();
  }

  #session(taps: readonly Tap[]): Lazy<Session> {
    const key = taps.join();
    let session = this.#sessions.get(key);
    if (!session) this.#sessions.set(key, session = new Lazy(() => this.#openSession(taps)));
    return session;
  }

  async #openSession(taps: readonly Tap[]): Promise<Session> {
    // external data may not leave the folder it is named relative to, not even through a link
    const path = await Deno.realPath(this.#network.weightsFile);
    const { threads } = this.#options, { device } = this;
    const compute = await this.#compute(), weightsFile = basename(path);
    const options = {
      ...{ device, weightsFolder: dirname(path) },
      ...(threads === undefined ? {} : { threads }),
    };
    if (device !== "cpu") {
      await checkDevice({
        onDevice: this.#network.probe({ compute, device, weightsFile }),
        onCpu: this.#network.probe({ compute: "float32", device: "cpu", weightsFile }),
        feeds: pictureOf(this.architecture.resolutionPx),
        ...{ compute, doing: `Cannot run ${this.name}` },
      }, options);
    }
    return await openSession(this.#network.graph(taps, { compute, device, weightsFile }), options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions.values()) await (await session.take())?.release();
  }
}

function sizesAt(tap: Tap, name: string, { featureSizes, weightsFile }: Network): FeatureSizes {
  const found = featureSizes[tap];
  if (found) return found;
  throw new UserError(
    "usage",
    `Cannot read ${name} at ${tap}: expected ${
      Object.keys(featureSizes).join(" or ")
    }, which is all that the weights in ${weightsFile} give`,
  );
}
