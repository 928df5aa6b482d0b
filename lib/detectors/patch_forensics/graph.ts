/**
 * Networks that look at patches, as ONNX graphs: Xception or ResNet, cut off after one of their blocks,
 * then a 1 × 1 convolution to two channels. Batch normalisations are part of the convolutions before
 * them. N images, C channels, maps of H × W places.
 * Paper: Chai et al., ECCV 2020. Released: chail/patch-forensics, networks/.
 * @module
 */
import { pixelsFromRgb } from "../../backbones/resnet/graph.ts";
import { GraphBuilder } from "../../onnx/graph.ts";
import type { Value } from "../../onnx/values.ts";
import type { CheckpointTensors, ShapePattern } from "../checkpoint_tensors.ts";

/** The last layer. */
export const LAST = "convout";

/** Kinds of networks that are cut off. */
export type PatchBody = "Xception" | "ResNet";

/** A network, read from its tensors. */
export interface PatchNetwork {
  readonly body: PatchBody;
  /** The block after which it is cut off: `block2`, `layer1`. */
  readonly lastBlock: string;
  /** Takes `images`, uint8 [N, H, W, 3], and gives `map`, float32 [N, 2, h, w]: logits of patches. */
  readonly graph: Uint8Array<ArrayBuffer>;
}

/** Taken off pixels in [0, 1], and what then divides them. Released: data/transforms.py */
export const HALF = [.5, .5, .5] as const;

/** Kinds of a network's blocks. */
const BLOCKS = {
  Xception: { name: "block", first: /^block(\d+)\.rep\.\d+\.conv1\.weight$/ },
  ResNet: { name: "layer", first: /^layer(\d+)\.0\.conv1\.weight$/ },
} as const satisfies Record<PatchBody, unknown>;

/** The kind of network that tensors are of, and the number of its last block. */
function bodyOf(names: readonly string[]): { body: PatchBody; blocks: number } | undefined {
  for (const body of Object.keys(BLOCKS) as PatchBody[]) {
    const numbers = names.flatMap((name) => BLOCKS[body].first.exec(name)?.[1] ?? []).map(Number);
    if (numbers.length > 0) return { body, blocks: new Set(numbers).size };
  }
}

/** The kind of network that tensors of these names are of; `undefined` where of neither. */
export function patchBodyOf(names: readonly string[]): PatchBody | undefined {
  return bodyOf(names)?.body;
}

/** Whether these are the tensors of such a network. */
export function isPatchNetwork(names: ReadonlySet<string>): boolean {
  return names.has(`${LAST}.weight`) && bodyOf([...names]) !== undefined;
}

/**
 * Builds the network that tensors are of; its sizes come from their names and shapes.
 * @throws {UserError} where tensors are missing, left over or of other shapes
 */
export function buildPatchNetwork(tensors: CheckpointTensors): PatchNetwork {
  const { body, blocks } = foundBody(tensors);
  const g = new GraphBuilder();
  const images = g.input("images", "uint8", ["N", "H", "W", 3]);
  const pixels = pixelsFromRgb(g, images, { pixelMean: HALF, pixelStd: HALF }); // [N, 3, H, W]
  g.output("map", new PatchLayers(g, tensors).map(pixels), "float32", ["N", 2, "h", "w"]);
  tensors.assertAllTaken();
  return { body, lastBlock: `${BLOCKS[body].name}${blocks}`, graph: g.build() };
}

function foundBody(tensors: CheckpointTensors) {
  const found = bodyOf(tensors.names);
  if (found) return found;
  throw tensors.damaged("expected blocks of an Xception or a ResNet", "neither");
}

/** A map: its value and how many channels it has. */
export interface FeatureMap {
  readonly value: Value;
  readonly channels: number;
}

/** How a convolution goes over a map. */
export interface Window {
  readonly kernel: number;
  readonly stride?: 1 | 2;
  readonly pad?: number;
}

/** Adds layers, named as their weights are, to a graph; weights are constants of it. */
export class PatchLayers {
  readonly #g: GraphBuilder;
  readonly #tensors: CheckpointTensors;

  /** Adds nothing yet. */
  constructor(g: GraphBuilder, tensors: CheckpointTensors) {
    this.#g = g;
    this.#tensors = tensors;
  }

  /**
   * Logits of each place: generated, real. [N, 3, H, W] → [N, 2, h, w]
   * @throws {UserError} where tensors are missing, or of other shapes
   */
  map(pixels: Value): Value {
    const { body, blocks } = foundBody(this.#tensors);
    const input = { value: pixels, channels: 3 };
    return this.#last(
      body === "Xception" ? this.#xception(input, blocks) : this.#resnet(input, blocks),
    );
  }

  /** A tensor of the network, of its shape. */
  protected weight(name: string, shape: ShapePattern): Value {
    const { data, shape: sizes } = this.#tensors.take(name, shape);
    return this.#g.float(data, sizes);
  }

  /** A convolution and the batch normalisation after it. */
  protected convolve(
    { value, channels }: FeatureMap,
    conv: string,
    norm: string,
    window: Window,
  ): FeatureMap {
    const { kernel } = window;
    const { weight, bias } = this.#tensors.takeFolded(conv, norm, [
      ...[undefined, channels],
      ...[kernel, kernel],
    ]);
    const inputs = [weight, bias].map(({ data, shape }) => this.#g.float(data, shape));
    return { value: this.conv([value, ...inputs], window, 1), channels: bias.shape[0]! };
  }

  /** A convolution of a value by weights, and with a bias where there is one. */
  protected conv(
    inputs: readonly Value[],
    { kernel, stride = 1, pad = 0 }: Window,
    group: number,
  ): Value {
    return this.#g.op("Conv", inputs, {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
      group,
    });
  }

  #xception(pixels: FeatureMap, blocks: number): FeatureMap {
    const first = this.#relu(this.convolve(pixels, "conv1", "bn1", { kernel: 3, stride: 2 }));
    let x = this.#relu(this.convolve(first, "conv2", "bn2", { kernel: 3 }));
    for (let block = 1; block <= blocks; block++) x = this.#xceptionBlock(x, `block${block}`);
    return x;
  }

  #resnet(pixels: FeatureMap, stages: number): FeatureMap {
    const stem = this.convolve(pixels, "conv1", "bn1", { kernel: 7, stride: 2, pad: 3 });
    let x = this.#maxima(this.#relu(stem)); // [N, C, H/4, W/4]
    for (let stage = 1; stage <= stages; stage++) {
      for (let block = 0; this.#tensors.has(`layer${stage}.${block}.conv1.weight`); block++) {
        x = this.#resnetBlock(x, `layer${stage}.${block}`, stage > 1 && block === 0 ? 2 : 1);
      }
    }
    return x;
  }

  #last({ value, channels }: FeatureMap): Value {
    const weight = this.weight(`${LAST}.weight`, [2, channels, 1, 1]);
    return this.conv([value, weight, this.weight(`${LAST}.bias`, [2])], { kernel: 1 }, 1);
  }

  /**
   * Separable convolutions, each after a ReLU but a first that follows one, beside a shortcut. One with
   * weights halves the map; without them the map goes by as it is.
   * Released: networks/xception.py, Block
   */
  #xceptionBlock(x: FeatureMap, block: string): FeatureMap {
    const places = this.#tensors.names
      .flatMap((name) =>
        name.startsWith(`${block}.rep.`) && name.endsWith(".conv1.weight")
          ? Number(name.split(".")[2])
          : []
      )
      .sort((a, b) => a - b);
    let y = x;
    for (const place of places) {
      if (place > 0) y = this.#relu(y);
      y = this.#separable(y, `${block}.rep.${place}`, `${block}.rep.${place + 1}`);
    }
    if (!this.#tensors.has(`${block}.skip.weight`)) return this.#add(y, x);
    const skip = this.convolve(x, `${block}.skip`, `${block}.skipbn`, { kernel: 1, stride: 2 });
    return this.#add(this.#maxima(y), skip); // [N, C′, ⌈H/2⌉, ⌈W/2⌉]
  }

  /** A 3 × 3 convolution of each channel by itself, then one over the channels of each place. */
  #separable({ value, channels }: FeatureMap, conv: string, norm: string): FeatureMap {
    const weight = this.weight(`${conv}.conv1.weight`, [channels, 1, 3, 3]);
    const apart = this.conv([value, weight], { kernel: 3, pad: 1 }, channels);
    return this.convolve({ value: apart, channels }, `${conv}.pointwise`, norm, { kernel: 1 });
  }

  /** torchvision's BasicBlock, or its Bottleneck where there is a third convolution. */
  #resnetBlock(x: FeatureMap, block: string, stride: 1 | 2): FeatureMap {
    const isBottleneck = this.#tensors.has(`${block}.conv3.weight`);
    const windows: Window[] = isBottleneck
      ? [{ kernel: 1 }, { kernel: 3, pad: 1, stride }, { kernel: 1 }]
      : [{ kernel: 3, pad: 1, stride }, { kernel: 3, pad: 1 }];
    let y = x;
    windows.forEach((window, i) => {
      if (i > 0) y = this.#relu(y);
      y = this.convolve(y, `${block}.conv${i + 1}`, `${block}.bn${i + 1}`, window);
    });
    const [conv, norm] = [`${block}.downsample.0`, `${block}.downsample.1`];
    const shortcut = this.#tensors.has(`${conv}.weight`)
      ? this.convolve(x, conv, norm, { kernel: 1, stride })
      : x;
    return this.#relu(this.#add(y, shortcut));
  }

  #relu({ value, channels }: FeatureMap): FeatureMap {
    return { value: this.#g.op("Relu", [value]), channels };
  }

  #add(a: FeatureMap, b: FeatureMap): FeatureMap {
    if (a.channels !== b.channels) {
      throw this.#tensors.damaged(
        "expected as many channels of a block as of its shortcut",
        `${a.channels} and ${b.channels}`,
      );
    }
    return { value: this.#g.op("Add", [a.value, b.value]), channels: a.channels };
  }

  /** Maxima of 3 × 3 places around every other one; [N, C, H, W] → [N, C, ⌈H/2⌉, ⌈W/2⌉]. */
  #maxima({ value, channels }: FeatureMap): FeatureMap {
    const window = { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] };
    return { value: this.#g.op("MaxPool", [value], window), channels };
  }
}
