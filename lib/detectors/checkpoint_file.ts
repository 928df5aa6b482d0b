/**
 * Checkpoints as files: tensors under their names, and what was written beside them.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { parseJson } from "../io/files.ts";
import type { SafetensorsFile } from "../io/safetensors.ts";
import { ownNames } from "../io/saved_names.ts";
import type { Tensor } from "../io/tensor.ts";
import { openTensorFile, type TensorFile } from "../io/tensor_file.ts";
import type { TrainingConfig } from "./detector.ts";

/** Before the names of the moments that a head in training keeps. */
export const FIRST_MOMENT = "firstMoment.", SECOND_MOMENT = "secondMoment.";

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
  const tensors = new Map<string, Tensor>();
  for (const [name, saved] of namesOf(file)) {
    if (isWanted(name)) tensors.set(name, await file.read(saved));
  }
  if (file.container !== "safetensors" && tensors.size === 0) {
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
  return ownNames(
    [...tensors.keys()].filter((name) =>
      !name.startsWith(FIRST_MOMENT) && !name.startsWith(SECOND_MOMENT)
    ),
  );
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

/**
 * What a checkpoint's metadata say of it.
 * @throws {UserError} where they are not what this project writes
 */
export function checkpointFacts(
  path: string,
  metadata: Readonly<Record<string, string>>,
): CheckpointFacts {
  const config = parsed<TrainingConfig>(metadata["config"], `how the head in ${path} was trained`, [
    "backbone",
  ]);
  const trainedOn = parsed<TrainedOn>(
    metadata["features"] ?? metadata["tokens"],
    `the features that the head in ${path} was trained on`,
    ["backbone", "weights", "tap", "precision"],
  );
  return { ...(config ? { config } : {}), ...(trainedOn ? { trainedOn } : {}) };
}

function parsed<T extends object>(
  text: string | undefined,
  what: string,
  fields: readonly (keyof T & string)[],
): T | undefined {
  if (text === undefined) return undefined;
  const found = parseJson<T | null>(text, what);
  const missing = fields.find((field) => typeof found?.[field] !== "string");
  if (found && missing === undefined) return found;
  throw new UserError(
    "damaged",
    `Cannot read ${what}: expected its ${missing} by name, found ${text.slice(0, 200)}`,
  );
}
