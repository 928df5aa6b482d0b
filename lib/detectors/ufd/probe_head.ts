/**
 * UFD's recipe as a configuration says it. Batch, rate, epochs and seed are the training's own.
 * @module
 */
import { UserError } from "../../io/errors.ts";
import type { HeadConfig } from "../detector.ts";
import type { Stopping } from "./early_stopping.ts";

/** Which weights are kept of a training that ended before the epoch that is asked for. */
export const KEPT = ["last", "best"] as const;

/** What a configuration's `head` says of UFD's linear layer. */
export type ProbeHead = Stopping & {
  /** Standard deviation of the first weights, above 0. */
  readonly initialDeviation: number;
  /** AdamW's running mean of gradients, in [0, 1). */
  readonly beta1: number;
  /** AdamW's running mean of squared gradients, in [0, 1). */
  readonly beta2: number;
  /** AdamW's ε, above 0. */
  readonly epsilon: number;
  /** AdamW's, at least 0. */
  readonly weightDecay: number;
  /** `last`: as the released code writes after every epoch; `best`: after an epoch that was a gain. */
  readonly keep: typeof KEPT[number];
};

/** The released recipe. Released: options/train_options.py, networks/trainer.py, train.py. */
export const UFD_RECIPE: ProbeHead = {
  initialDeviation: .02,
  beta1: .9,
  beta2: .999,
  epsilon: 1e-8,
  weightDecay: 0,
  patience: 5,
  deltaFirst: .001,
  deltaLater: .002,
  smallestRate: 1e-6,
  keep: "last",
};

/** What the released recipe says besides the head. Released: options/base_options.py. */
export const UFD_TRAINING = { batchSize: 256, learningRate: 1e-4, epochs: 100 } as const;

/** What is wanted of the fields that are numbers. */
const NUMBERS: Readonly<Record<string, readonly [string, (value: number) => boolean]>> = {
  initialDeviation: ["a number above 0", (value) => value > 0 && value < Infinity],
  beta1: ["a number from 0 to below 1", (value) => value >= 0 && value < 1],
  beta2: ["a number from 0 to below 1", (value) => value >= 0 && value < 1],
  epsilon: ["a number above 0", (value) => value > 0 && value < Infinity],
  weightDecay: ["a number from 0", (value) => value >= 0 && value < Infinity],
  patience: ["a whole number from 1", (value) => Number.isSafeInteger(value) && value >= 1],
  deltaFirst: ["a number from 0 to 1", (value) => value >= 0 && value <= 1],
  deltaLater: ["a number from 0 to 1", (value) => value >= 0 && value <= 1],
  smallestRate: ["a number from 0", (value) => value >= 0 && value < Infinity],
};

/**
 * A configuration's `head` as the probe's.
 * @throws {UserError} naming the first field that is missing, unknown or out of range
 */
export function readProbeHead(head: HeadConfig): ProbeHead {
  const fail = (expected: string, found: unknown) =>
    new UserError("usage", `Cannot use a head of UFD: expected ${expected}, found ${found}`);
  const fields = Object.keys(UFD_RECIPE);
  const unknown = Object.keys(head).find((field) => !fields.includes(field));
  if (unknown !== undefined) throw fail(fields.join(", "), unknown);
  for (const [name, [wanted, isRight]] of Object.entries(NUMBERS)) {
    const value = head[name];
    if (!(typeof value === "number" && isRight(value))) throw fail(`${name}, ${wanted}`, value);
  }
  if (!(KEPT as readonly unknown[]).includes(head["keep"])) {
    throw fail(`keep, one of ${KEPT.join(", ")}`, head["keep"]);
  }
  return head as ProbeHead;
}

/** A head in a few words: `linear`, and what is not as released. */
export function describeProbeHead(head: ProbeHead): string {
  const other = Object.entries(UFD_RECIPE)
    .filter(([name, value]) => head[name as keyof ProbeHead] !== value)
    .map(([name]) => `${name} ${head[name as keyof ProbeHead]}`);
  return ["linear", ...other].join(", ");
}
