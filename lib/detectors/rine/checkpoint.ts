/**
 * Heads on disk: safetensors under the released checkpoints' names; the released files themselves.
 * @module
 */
import { quoted, UserError } from "../../io/errors.ts";
import { readSafetensors } from "../../io/safetensors.ts";
import { writeSealedSafetensors } from "../../io/safetensors_writer.ts";
import type { Tensor } from "../../io/tensor.ts";
import {
  type Ablation,
  ABLATIONS,
  assertParameters,
  type HeadArchitecture,
  type Parameters,
} from "./architecture.ts";
import type { TrainingState } from "./engine.ts";
import { FIRST_MOMENT, isMoment, readCheckpointFile, SECOND_MOMENT } from "../checkpoint_file.ts";

/** A whole model's frozen backbone, which lies beside its head. Released: src/models.py, `Model`. */
const BACKBONE = /^clip\./;

/** A head as it lies on disk. */
export interface Checkpoint {
  /** Its sizes, from the shapes; the ablation from the metadata, `none` where it is not there. */
  readonly architecture: HeadArchitecture;
  /** Under the released names. */
  readonly parameters: Parameters;
  /** Further strings that the file holds. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** A checkpoint from which training goes on. */
export interface TrainingCheckpoint extends Checkpoint {
  /** Parameters, moments and steps. */
  readonly state: TrainingState;
}

/**
 * Writes a head, atomically.
 * @param metadata further strings to keep with it
 */
export function saveCheckpoint(
  path: string,
  architecture: HeadArchitecture,
  parameters: Parameters,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  assertParameters(architecture, parameters, `Cannot save ${path}`);
  return writeSealedSafetensors(path, parameters, { ...metadata, ablation: architecture.ablation });
}

/**
 * Reads a head, from safetensors or from a `.pth` file as released.
 * @param expected sizes that it must have, where they are known
 * @throws {UserError} naming the file and the tensor whose shape is not the expected one
 * @throws {UserError} where the file is truncated, of neither format, or holds more than tensors
 */
export async function loadCheckpoint(
  path: string,
  expected?: HeadArchitecture,
): Promise<Checkpoint> {
  const { tensors, metadata } = await readCheckpointFile(path, (name) => !BACKBONE.test(name));
  return checkpointOf(path, tensors, metadata, expected);
}

/**
 * Makes sure that a head is made of numbers, which one that diverged is not.
 * @param doing what the error says first: `Cannot try the head in PATH`
 * @param advice what to do then
 * @throws {UserError} naming the first tensor that is not
 */
export function assertFinite(parameters: Parameters, doing: string, advice?: string): void {
  const name = notFinite(parameters);
  if (name === undefined) return;
  const then = advice === undefined ? "" : `; ${advice}`;
  throw new UserError("damaged", `${doing}: expected numbers in ${name}, found others${then}`);
}

/** The first tensor that holds something else than numbers. */
export function notFinite(parameters: Parameters): string | undefined {
  for (const [name, { data }] of parameters) {
    // of anything but a number, the difference with itself is none
    for (const value of data) if (value - value !== 0) return name;
  }
  return undefined;
}

/** Writes a head in training: parameters, both moments and the number of steps, atomically. */
export function saveTrainingState(
  path: string,
  architecture: HeadArchitecture,
  { parameters, firstMoment, secondMoment, steps }: TrainingState,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const prefixed = (prefix: string, values: Parameters) =>
    [...values].map(([name, value]): [string, Tensor] => [prefix + name, value]);
  return writeSealedSafetensors(path, [
    ...parameters,
    ...prefixed(FIRST_MOMENT, firstMoment),
    ...prefixed(SECOND_MOMENT, secondMoment),
  ], { ...metadata, ablation: architecture.ablation, steps: `${steps}` });
}

/**
 * Reads what {@linkcode saveTrainingState} wrote.
 * @throws {UserError} as {@linkcode loadCheckpoint}, or where the file holds no moments
 * @throws {UserError} where the file is truncated, not safetensors, or without number of steps
 */
export async function loadTrainingState(
  path: string,
  expected?: HeadArchitecture,
): Promise<TrainingCheckpoint> {
  const { tensors, metadata } = await readSafetensors(path);
  const own = new Map([...tensors].filter(([name]) => !isMoment(name)));
  const checkpoint = checkpointOf(path, own, metadata, expected);
  const steps = Number(metadata["steps"] ?? NaN);
  if (!Number.isSafeInteger(steps) || steps < 0) {
    throw new UserError(
      "damaged",
      `Cannot load ${path}: expected a number of steps, found ${
        quoted(metadata["steps"] ?? "none")
      }`,
    );
  }
  const moments = (prefix: string): Parameters => {
    const found = new Map(
      [...tensors].filter(([name]) => name.startsWith(prefix))
        .map(([name, value]) => [name.slice(prefix.length), value]),
    );
    assertParameters(checkpoint.architecture, found, `Cannot load ${prefix}* of ${path}`);
    return found;
  };
  return {
    ...checkpoint,
    state: {
      parameters: checkpoint.parameters,
      firstMoment: moments(FIRST_MOMENT),
      secondMoment: moments(SECOND_MOMENT),
      steps,
    },
  };
}

/**
 * Finds the architecture of tensors read from a file, and checks all of them against it.
 * @throws {UserError} as {@linkcode loadCheckpoint}
 */
export function checkpointOf(
  path: string,
  parameters: Parameters,
  metadata: Readonly<Record<string, string>>,
  expected?: HeadArchitecture,
): Checkpoint {
  const action = `Cannot load ${path}`;
  const architecture = inferArchitecture(action, parameters, metadata);
  assertParameters(expected ?? architecture, parameters, action);
  if (expected && expected.ablation !== architecture.ablation) {
    throw new UserError(
      "damaged",
      `${action}: expected ablation ${expected.ablation}, found ${architecture.ablation}`,
    );
  }
  return { architecture, parameters, metadata };
}

function inferArchitecture(
  action: string,
  parameters: Parameters,
  metadata: Readonly<Record<string, string>>,
): HeadArchitecture {
  const sizes = (name: string, rank: number, wanted: string) => {
    const shape = parameters.get(name)?.shape;
    if (shape?.length !== rank) {
      const found = shape ? `[${shape.join(", ")}]` : "none";
      throw new UserError("damaged", `${action}: expected ${name} ${wanted}, found ${found}`);
    }
    return shape;
  };
  const [, blocks, projectionDim] = sizes("alpha", 3, "[1, blocks, projectionDim]");
  const [, width] = sizes("proj1.1.weight", 2, "[projectionDim, width]");
  const layers = [...parameters.keys()].filter((name) => /^proj1\.\d+\.weight$/.test(name));
  const ablation = metadata["ablation"] ?? "none";
  if (!ABLATIONS.some((known) => known === ablation)) {
    throw new UserError(
      "damaged",
      `${action}: expected an ablation of ${ABLATIONS.join(", ")}, found ${quoted(ablation)}`,
    );
  }
  return {
    blocks: blocks!,
    width: width!,
    projectionLayers: layers.length,
    projectionDim: projectionDim!,
    ablation: ablation as Ablation,
  };
}

/**
 * How many of the d′ features weigh each block more than any other. Paper: §5.7, Figure 7.
 * @returns [blocks]; the counts sum to d′
 * @throws {UserError} where the parameters have no `alpha`
 */
export function blockImportance(parameters: Parameters): number[] {
  const alpha = parameters.get("alpha");
  const [, blocks, features] = alpha?.shape ?? [];
  if (!alpha || blocks === undefined || features === undefined) {
    throw new UserError(
      "usage",
      "Cannot rank blocks: expected parameters with alpha [1, blocks, d′]",
    );
  }
  const counts = new Array<number>(blocks).fill(0);
  for (let feature = 0; feature < features; feature++) {
    let best = 0;
    for (let block = 1; block < blocks; block++) {
      if (alpha.data[block * features + feature]! > alpha.data[best * features + feature]!) {
        best = block;
      }
    }
    counts[best]!++;
  }
  return counts;
}

/** An importance that leaves nothing of a block's weight in the softmax over blocks. */
const NO_IMPORTANCE = -1e9;

/**
 * The parameters of a head that gives a block no weight: the others' weights grow in proportion.
 * @param block counted from 0
 */
export function withoutBlock(parameters: Parameters, block: number): Parameters {
  const alpha = parameters.get("alpha")!; // [1, blocks, d′]
  const features = alpha.shape[2]!;
  const data = alpha.data.slice();
  data.fill(NO_IMPORTANCE, block * features, (block + 1) * features);
  return new Map([...parameters, ["alpha", { ...alpha, data }]]);
}
