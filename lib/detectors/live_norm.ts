/**
 * Batch normalisations of a network in training: by the batch while it learns, by their running
 * statistics while it is measured.
 * @module
 */
import type { GraphBuilder } from "../onnx/graph.ts";
import type { Value } from "../onnx/values.ts";

/** Share of a batch in the running statistics. Source: torchvision's and PyTorch's default. */
const MOMENTUM = .1;

/** How a network normalises. */
export interface LiveNormOptions {
  /** A tensor of the network by its name. */
  readonly weight: (name: string) => Value;
  /** Added to variances. */
  readonly epsilon: number;
  /** Whether normalisations go by the batch, or by the running statistics. */
  readonly isLive: boolean;
}

/** Whether a tensor is a running statistic, which no gradient moves. */
export function isStatistic(name: string): boolean {
  return /\.running_(mean|var)$/.test(name);
}

/** The normalisations of one graph. */
export class LiveNorms {
  readonly #g: GraphBuilder;
  readonly #options: LiveNormOptions;
  /** What batches leave in normalisations, by their names: [C] each, and places of an image's map. */
  readonly #statistics = new Map<string, { mean: Value; variance: Value; places: number }>();

  /** Adds nothing yet. */
  constructor(g: GraphBuilder, options: LiveNormOptions) {
    this.#g = g;
    this.#options = options;
  }

  /** [N, C, H, W] → [N, C, H, W], normalised; where it is live, of known height and width. */
  normalise(x: Value, norm: string): Value {
    const g = this.#g, { weight, isLive } = this.#options;
    const epsilon = { float: this.#options.epsilon };
    const affine = [x, weight(`${norm}.weight`), weight(`${norm}.bias`)];
    const running = ["mean", "var"].map((part) => weight(`${norm}.running_${part}`));
    if (!isLive) return g.op("BatchNormalization", [...affine, ...running], { epsilon });
    // with a momentum of 0, what it calls running statistics are those of the batch. ONNX Runtime
    // writes them over those that it is given: each layer needs some of its own, of any value
    const scratch = running.map((value) => g.op("Neg", [value]));
    const attributes = { training_mode: 1, momentum: { float: 0 }, epsilon };
    const inputs = [...affine, ...scratch];
    const [normal, mean, variance] = g.ops("BatchNormalization", 3, inputs, attributes);
    const [height, width] = g.facts(normal!).shape!.slice(2) as number[];
    this.#statistics.set(norm, { mean: mean!, variance: variance!, places: height! * width! });
    return normal!;
  }

  /**
   * Adds the running statistics after a batch, as `NAME.next`; the variance among them is the unbiased
   * one.
   * @param labels of which there are as many as images
   */
  addNext(labels: Value): void {
    const g = this.#g, { weight } = this.#options;
    const images = g.op("Cast", [g.op("Shape", [labels], { start: 0, end: 1 })], { to: "float32" });
    const mixed = (name: string, batch: Value) => {
      const running = weight(name);
      const before = g.op("Mul", [running, g.float(1 - MOMENTUM)]);
      const after = g.op("Add", [before, g.op("Mul", [batch, g.float(MOMENTUM)])]);
      g.output(`${name}.next`, after, "float32", g.facts(running).shape!);
    };
    const corrections = new Map<number, Value>();
    for (const [norm, { mean, variance, places }] of this.#statistics) {
      let correction = corrections.get(places);
      if (!correction) {
        const count = g.op("Mul", [images, g.float(places)]); // [1]
        correction = g.op("Div", [count, g.op("Sub", [count, g.float(1)])]);
        corrections.set(places, correction);
      }
      mixed(`${norm}.running_mean`, mean);
      mixed(`${norm}.running_var`, g.op("Mul", [variance, correction]));
    }
  }
}
