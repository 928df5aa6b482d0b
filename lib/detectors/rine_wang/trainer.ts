/**
 * RINE's head in training on the tokens of a frozen ResNet.
 * @module
 */
import type { SessionOptions } from "../../onnx/session.ts";
import type { HeadArchitecture } from "../rine/architecture.ts";
import type { HeadPredictor, HeadTrainer } from "../rine/engine.ts";
import { architectureOf, type RineHead } from "../rine/head.ts";
import { type HeldEngine, holdEngine } from "../rine/open_engine.ts";
import type { ImageBatch, PixelTrainer, ResnetState } from "../resnet/trainer.ts";
import { BODY_PREFIX, HEAD_PREFIX, prefixed, under } from "./checkpoint.ts";
import { openTokens, type TokenBlocks, type TokenReader } from "./tokens.ts";

/** What is trained on what. */
export interface RineWangTraining {
  readonly head: RineHead;
  readonly blocks: TokenBlocks;
  /** Of dropout. */
  readonly seed: number;
}

/** Opens a head in training at a state, which holds the frozen network too. */
export async function openRineWangTrainer(
  path: string,
  { head, blocks, seed }: RineWangTraining,
  { tensors, firstMoment, secondMoment, steps }: ResnetState,
  options: SessionOptions,
): Promise<PixelTrainer> {
  const body = under(BODY_PREFIX, tensors);
  const tokens = await openTokens(path, body, blocks, options);
  const held = await holdEngine({ ...options, engine: "onnx" });
  const architecture = architectureOf(head, tokens.sizes);
  const trainer = await held.engine.trainer({
    architecture,
    contrastiveWeight: head.contrastiveWeight,
    dropout: true,
    dropoutKey: [seed, "dropout"],
    state: {
      parameters: under(HEAD_PREFIX, tensors),
      firstMoment: under(HEAD_PREFIX, firstMoment),
      secondMoment: under(HEAD_PREFIX, secondMoment),
      steps,
    },
  });
  return new RineWangTrainer(body, tokens, held, architecture, trainer, steps);
}

class RineWangTrainer implements PixelTrainer {
  steps: number;
  /** The head as it is after so many steps. */
  #predicting: { readonly steps: number; readonly predictor: HeadPredictor } | undefined;

  constructor(
    readonly body: ReturnType<typeof under>,
    readonly tokens: TokenReader,
    readonly held: HeldEngine,
    readonly architecture: HeadArchitecture,
    readonly trainer: HeadTrainer,
    steps: number,
  ) {
    this.steps = steps;
  }

  state(): ResnetState {
    const { parameters, firstMoment, secondMoment, steps } = this.trainer.state();
    return {
      tensors: new Map([
        ...prefixed(HEAD_PREFIX, parameters),
        ...prefixed(BODY_PREFIX, this.body),
      ]),
      firstMoment: prefixed(HEAD_PREFIX, firstMoment),
      secondMoment: prefixed(HEAD_PREFIX, secondMoment),
      steps,
    };
  }

  async step(batch: ImageBatch, labels: Uint8Array, learningRate: number): Promise<number> {
    const tokens = await this.#tokensOf(batch); // [count, blocks, width]
    const { total } = await this.trainer.step(
      { tokens, labels, count: batch.count },
      learningRate,
    );
    this.steps++;
    return total;
  }

  async logits(batch: ImageBatch): Promise<Float32Array> {
    if (this.#predicting?.steps !== this.steps) {
      await this.#predicting?.predictor.dispose();
      const { parameters } = this.trainer.state();
      const predictor = await this.held.engine.predictor(this.architecture, parameters);
      this.#predicting = { steps: this.steps, predictor };
    }
    const tokens = await this.#tokensOf(batch);
    return (await this.#predicting.predictor.predict(tokens, batch.count)).logits;
  }

  async #tokensOf({ images, count, height, width }: ImageBatch): Promise<Float32Array> {
    return await this.tokens.read({ rgb: images as Uint8Array, count, height, width });
  }

  async dispose(): Promise<void> {
    await this.#predicting?.predictor.dispose();
    await this.trainer.dispose();
    await this.held.release();
    await this.tokens.dispose();
  }
}
