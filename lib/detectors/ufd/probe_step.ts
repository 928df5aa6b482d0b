/**
 * A training step of a linear layer as one ONNX graph: forward, loss, gradient, AdamW.
 * @module
 */
import { GraphBuilder } from "../../onnx/graph.ts";
import type { Value } from "../../onnx/values.ts";
import { openSession, ortTensor, type Session } from "../../onnx/session.ts";
import type { SessionOptions } from "../../onnx/session.ts";
import type { ProbeHead } from "./probe_head.ts";

/** What training moves: [d + 1], the weights and behind them the bias; and where it stands. */
export interface ProbeState {
  readonly parameters: Float32Array;
  /** AdamW's running mean of gradients. */
  readonly firstMoment: Float32Array;
  /** AdamW's running mean of squared gradients. */
  readonly secondMoment: Float32Array;
  /** Steps made so far. */
  readonly steps: number;
}

/** What AdamW is told. */
export type AdamW = Pick<ProbeHead, "beta1" | "beta2" | "epsilon" | "weightDecay">;

/**
 * Model of a step on `features` [count, d] with `labels` [count, 1]; its outputs are `loss` and the
 * state after it. `decay`, `stepSize` and `correction` are AdamW's of this step.
 */
function stepModel(width: number, { beta1, beta2, epsilon }: AdamW): Uint8Array<ArrayBuffer> {
  const g = new GraphBuilder();
  const mul = (a: Value, b: Value) => g.op("Mul", [a, b]);
  const state = (name: string) => g.input(name, "float32", [width + 1]);
  const features = g.input("features", "float32", ["count", width]);
  const labels = g.input("labels", "float32", ["count", 1]);
  const parameters = state("parameters");
  const [weight, bias] = g.ops("Split", 2, [parameters, g.int([width, 1])], { axis: 0 });

  const column = g.op("Reshape", [weight!, g.int([width, 1])]); // [d, 1]
  const logits = g.op("Add", [g.op("MatMul", [features, column]), bias!]); // [count, 1]
  // −log σ(±x) = softplus(∓x), with + for generated
  const sign = g.op("Sub", [g.float(1), mul(labels, g.float(2))]);
  const losses = g.op("Softplus", [mul(sign, logits)]); // [count, 1]
  g.output("loss", g.op("ReduceMean", [losses], { keepdims: 0 }), "float32", []);

  const count = g.op("Cast", [g.op("Shape", [labels], { start: 0, end: 1 })], { to: "float32" });
  const byLogit = g.op("Div", [g.op("Sub", [g.op("Sigmoid", [logits]), labels]), count]); // [count, 1]
  const byWeight = g.op("Gemm", [features, byLogit], { transA: 1 }); // [d, 1]
  const byBias = g.op("ReduceSum", [byLogit], { keepdims: 0 });
  const flat = (value: Value) => g.op("Reshape", [value, g.int([-1])]);
  const gradient = g.op("Concat", [flat(byWeight), flat(byBias)], { axis: 0 }); // [d + 1]

  const firstMoment = g.op("Add", [
    mul(state("firstMoment"), g.float(beta1)),
    mul(gradient, g.float(1 - beta1)),
  ]);
  const secondMoment = g.op("Add", [
    mul(state("secondMoment"), g.float(beta2)),
    mul(mul(gradient, gradient), g.float(1 - beta2)),
  ]);
  const scalar = (name: string) => g.input(name, "float32", []);
  const root = g.op("Div", [g.op("Sqrt", [secondMoment]), scalar("correction")]);
  const ratio = g.op("Div", [firstMoment, g.op("Add", [root, g.float(epsilon)])]);
  const next = g.op("Sub", [mul(parameters, scalar("decay")), mul(ratio, scalar("stepSize"))]);
  const output = (name: string, value: Value) =>
    g.output(`${name}.next`, value, "float32", [width + 1]);
  output("parameters", next);
  output("firstMoment", firstMoment);
  output("secondMoment", secondMoment);
  return g.build();
}

/** A linear layer in training. */
export class ProbeTrainer {
  readonly #session: Session;
  readonly #width: number;
  readonly #adam: AdamW;
  #state: ProbeState;

  private constructor(session: Session, width: number, adam: AdamW, state: ProbeState) {
    this.#session = session;
    this.#width = width;
    this.#adam = adam;
    this.#state = state;
  }

  /** Opens the session; training begins or goes on at a state. */
  static async open(
    adam: AdamW,
    state: ProbeState,
    options: SessionOptions,
  ): Promise<ProbeTrainer> {
    const width = state.parameters.length - 1;
    const session = await openSession(stepModel(width, adam), options);
    return new ProbeTrainer(session, width, adam, state);
  }

  /** After the last step. */
  get state(): ProbeState {
    return this.#state;
  }

  /**
   * One step of AdamW.
   * @param features [count, d], row-major
   * @param labels 0 real, 1 generated; [count]
   * @returns binary cross-entropy before the step, mean over the batch
   */
  async step(features: Float32Array, labels: Uint8Array, learningRate: number): Promise<number> {
    const { beta1, beta2, weightDecay } = this.#adam;
    const { parameters, firstMoment, secondMoment } = this.#state;
    const steps = this.#state.steps + 1, width = this.#width, count = labels.length;
    const vector = (values: Float32Array) => ortTensor("float32", values, [width + 1]);
    const scalar = (value: number) => ortTensor("float32", Float32Array.of(value), []);
    const result = await this.#session.run({
      features: ortTensor("float32", features, [count, width]),
      labels: ortTensor("float32", Float32Array.from(labels), [count, 1]),
      parameters: vector(parameters),
      firstMoment: vector(firstMoment),
      secondMoment: vector(secondMoment),
      decay: scalar(1 - learningRate * weightDecay),
      stepSize: scalar(learningRate / (1 - beta1 ** steps)),
      correction: scalar(Math.sqrt(1 - beta2 ** steps)),
    });
    const floats = (name: string) => result[name]!.data as Float32Array;
    this.#state = {
      parameters: floats("parameters.next"),
      firstMoment: floats("firstMoment.next"),
      secondMoment: floats("secondMoment.next"),
      steps,
    };
    return floats("loss")[0]!;
  }

  /** Closes the session. */
  async dispose(): Promise<void> {
    await this.#session.release();
  }
}
