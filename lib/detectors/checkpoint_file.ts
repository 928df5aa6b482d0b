/**
 * Checkpoints as files: tensors under their names, and what was written beside them.
 * @module
 */
import * as v from "valibot";
import { PRECISIONS } from "../backbones/backbone.ts";
import { isBackboneName } from "../backbones/open.ts";
import { UserError } from "../io/errors.ts";
import { COUNT, parseJson } from "../io/json.ts";
import { readSafetensors, type SafetensorsFile } from "../io/safetensors.ts";
import { ownNames } from "../io/saved_names.ts";
import type { Tensor } from "../io/tensor.ts";
import { openTensorFile, type TensorFile } from "../io/tensor_file.ts";
import type { TrainedHead, TrainingConfig } from "./detector.ts";

/** Before the names of the moments that a head in training keeps. */
export const FIRST_MOMENT = "firstMoment.", SECOND_MOMENT = "secondMoment.";

/** Whether a tensor is an optimiser's and no part of the head. */
export function isMoment(name: string): boolean {
  return name.startsWith(FIRST_MOMENT) || name.startsWith(SECOND_MOMENT);
}

/**
 * Reads a checkpoint's tensors, of whichever format and detector; an optimiser's moments stay aside.
 * What all names were saved under (`model`, `state_dict`, `module`) is taken away.
 * @param isWanted by a tensor's name, whether to read it; all where it is left out
 * @throws {UserError} where the file is truncated, of neither format, or holds more than tensors
 */
export async function readCheckpointFile(
  path: string,
  isWanted: (name: string) => boolean = () => true,
): Promise<SafetensorsFile> {
  using file = await openTensorFile(path);
  const wanted = [...namesOf(file)].filter(([name]) => isWanted(name));
  if (file.container === "safetensors") {
    // which holds it to its seal
    const read = await readSafetensors(path, wanted.map(([, saved]) => saved));
    const own = wanted.map(([name, saved]) => [name, read.tensors.get(saved)!] as const);
    return { tensors: new Map(own), metadata: read.metadata };
  }
  const tensors = new Map<string, Tensor>();
  for (const [name, saved] of wanted) tensors.set(name, await file.read(saved));
  if (tensors.size === 0) {
    throw new UserError(
      "damaged",
      `Cannot load ${path}: expected a head's tensors, found a pickle without a dictionary of tensors`,
    );
  }
  return { tensors, metadata: file.metadata };
}

/** What a checkpoint says without its values being read: the names of its tensors, and metadata. */
export interface CheckpointNames {
  readonly names: ReadonlySet<string>;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads the names of a checkpoint's tensors, whatever the size of the file.
 * @throws {UserError} as {@linkcode readCheckpointFile}
 */
export async function readCheckpointNames(path: string): Promise<CheckpointNames> {
  using file = await openTensorFile(path);
  return { names: new Set(namesOf(file).keys()), metadata: file.metadata };
}

/** A head's tensors by their own names, without the moments that it keeps in training. */
function namesOf({ tensors }: TensorFile): ReadonlyMap<string, string> {
  return ownNames([...tensors.keys()].filter((name) => !isMoment(name)));
}

/** What no network is computed with. */
const UNUSED = /\.num_batches_tracked$/;

/**
 * The names of a model's own tensors in a file that may be a whole training's: plain, as the model has
 * them, each with the name that it has in the file.
 */
export function modelNames(names: Iterable<string>): Map<string, string> {
  return new Map([...ownNames(names)].filter(([plain]) => !UNUSED.test(plain)));
}

/**
 * Reads a model's own tensors, under their plain names, out of a file that may be a whole training's;
 * what an optimiser keeps is not read.
 * @throws {UserError} as {@linkcode readCheckpointFile}
 */
export async function readModelFile(path: string): Promise<SafetensorsFile> {
  return await readCheckpointFile(path, (name) => !UNUSED.test(name));
}

/** The features that a head was trained on, as its checkpoint says. */
export interface TrainedOn {
  /** Name of the backbone. */
  readonly backbone: string;
  /** SHA-256 of the backbone's weights, and the kind of arithmetic. */
  readonly weights: string;
  /** Where in a block: `ln2`, `block`. */
  readonly tap: string;
  /** `full`, `int8`. */
  readonly precision: string;
}

/** What a checkpoint that was trained here says of itself; released ones say nothing. */
export interface CheckpointFacts {
  /** How it was trained. */
  readonly config?: TrainingConfig;
  /** The features that it was trained on. */
  readonly trainedOn?: TrainedOn;
}

/** Longest JSON in a checkpoint's metadata; a training of a hundred epochs takes a tenth of it. */
const MAX_METADATA_BYTES = 2 ** 18;

const NAME = v.pipe(v.string(), v.check(isBackboneName, "a backbone's name"));
/** How a head was trained, as far as anything follows from it. */
const CONFIG = v.looseObject({ backbone: NAME });

const TRAINED_ON = v.looseObject({
  backbone: NAME,
  weights: v.string(),
  tap: v.string(),
  precision: v.picklist(PRECISIONS),
});

const EPOCH = v.looseObject({
  epoch: COUNT,
  learningRate: v.number(),
  trainLoss: v.nullable(v.number()),
  valLoss: v.nullable(v.number()),
  valAcc: v.number(),
  keptEpoch: v.optional(COUNT),
});

/** What a training said by epoch, whatever else stands beside it. */
const TRAINING = v.looseObject({ epochs: v.array(EPOCH), trainingSeconds: v.number() });

/**
 * What a checkpoint's metadata say of it.
 * @throws {UserError} where they are not what this project writes
 */
export function checkpointFacts(
  path: string,
  metadata: Readonly<Record<string, string>>,
): CheckpointFacts {
  const read = <T>(text: string | undefined, what: string, form: v.GenericSchema): T | undefined =>
    text === undefined
      ? undefined
      : parseJson<T>(text, `${what} in ${path}`, { form, bytes: MAX_METADATA_BYTES });
  const config = read<TrainingConfig>(metadata["config"], "how the head was trained", CONFIG);
  const trainedOn = read<TrainedOn>(
    metadata["features"] ?? metadata["tokens"],
    "the features that the head was trained on",
    TRAINED_ON,
  );
  return { ...(config ? { config } : {}), ...(trainedOn ? { trainedOn } : {}) };
}

/**
 * What a training said, as it stands in the metadata of its head or of its state.
 * @param name of the field: `training`, `journal`
 * @throws {UserError} where it is not there, or not what this project writes
 */
export function trainingFacts<T extends TrainedHead>(
  path: string,
  metadata: Readonly<Record<string, string>>,
  name: string,
): T {
  return parseJson<T>(metadata[name] ?? "", `${name} in ${path}`, {
    form: TRAINING,
    bytes: MAX_METADATA_BYTES,
    remedy: "delete the file and run again",
  });
}
