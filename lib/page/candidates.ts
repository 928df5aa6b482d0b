/**
 * The detectors that a page asks: the one it was started with, and those that lie beside it.
 * @module
 */
import * as v from "valibot";
import { basename, dirname, join, resolve } from "node:path";
import { checkpointFacts } from "../detectors/checkpoint_file.ts";
import { DETECTORS_FOLDER, knownDetectors } from "../detectors/import.ts";
import { findDetector, readsPixels } from "../detectors/index.ts";
import { UserError } from "../io/errors.ts";
import { exists } from "../io/files.ts";
import { parseJson } from "../io/json.ts";
import { type ErrorRates, ratesOf, recordOf } from "./error_rates.ts";
import type { RunRecord } from "../runs/record.ts";

/** A detector that can be asked. */
export interface Candidate {
  /** What requests name it by: `best_4-class`, `wang`. */
  readonly id: string;
  /** Its name for people: `RINE, 4 classes`. */
  readonly title: string;
  /** Its checkpoint. */
  readonly path: string;
  /** Name of the backbone that it reads features of, as its checkpoint says it. */
  readonly backbone?: string;
  /** What it was trained on; of released files nothing is known. */
  readonly trainedOn?: { readonly set: string; readonly classes: readonly string[] };
  /** How often it was wrong on test sets, where a reproduction on this machine measured it. */
  readonly errors?: ErrorRates;
  /** That of the reproduction. */
  readonly record?: RunRecord;
}

/** Detectors that a page asks, at most. */
const MOST = 24;

/** Where candidates are looked for. */
export interface CandidateSources {
  /** The detector that decides. */
  readonly main: string;
  /** Further ones that somebody named. */
  readonly further?: readonly string[];
  /** Holds a folder for each imported detector; default that of the project. */
  readonly detectors?: string;
}

/**
 * The detectors that there are: the main one first, those that were named, the other best heads beside
 * it, those that were trained on pixels beside it, and those that were imported.
 * @param onProblem told of each that is there and cannot be used
 * @throws {UserError} where the main one, or one that was named, is of no detector or damaged
 */
export async function findCandidates(
  { main, further = [], detectors = DETECTORS_FOLDER }: CandidateSources,
  onProblem: (line: string) => void = () => {},
): Promise<Candidate[]> {
  const found: Candidate[] = [];
  const known = new Set<string>();
  const add = async (path: string) => {
    if (known.has(resolve(path)) || found.length >= MOST) return;
    known.add(resolve(path));
    found.push(await candidateOf(path, found));
  };
  for (const path of [main, ...further]) {
    if (!await exists(path)) {
      throw new UserError(
        "missing",
        `Cannot open ${path}: expected a detector, found no such file`,
      );
    }
    await add(path);
  }
  for (const path of await besides(main, detectors)) {
    try {
      await add(path);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      onProblem(error.message);
    }
  }
  return found;
}

/** Files of detectors beside a head, and those that were imported. */
async function besides(main: string, detectors: string): Promise<string[]> {
  const folder = dirname(main);
  const named = (where: string, isOne: (name: string) => boolean) => {
    try {
      return Array.from(Deno.readDirSync(where), ({ name }) => name)
        .filter((name) => name.endsWith(".safetensors") && isOne(name)).sort()
        .map((name) => join(where, name));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
        return [];
      }
      throw error;
    }
  };
  const best = named(folder, (name) => name.startsWith("best_"));
  // a picture's maker lies beside its detector
  const trained = named(join(folder, "detectors"), (name) => !name.includes(".discriminator."));
  const imported = (await knownDetectors(detectors)).flatMap(({ path }) => path ?? []);
  return [...best, ...trained, ...imported];
}

async function candidateOf(path: string, others: readonly Candidate[]): Promise<Candidate> {
  const { kind, metadata } = await findDetector(path);
  const { config } = checkpointFacts(path, metadata);
  const classes = config?.classes;
  const trainedOn = config?.trainingSet === undefined || classes === undefined
    ? pixelTraining(path, metadata["trainedOn"])
    : { set: config.trainingSet, classes };
  const stem = basename(path).replace(/\.[^.]*$/, "");
  const name = readsPixels(kind) ? kind.name : stem;
  const isTaken = (id: string) => others.some((other) => other.id === id);
  const plain = name.replaceAll(/[^\w.-]/g, "-");
  const id = isTaken(plain) ? `${plain}-${others.length}` : plain;
  const record = metadata["key"] === undefined ? undefined : await recordOf(path, metadata["key"]);
  const errors = record && ratesOf(record);
  const title = metadata["title"] ?? kind.title;
  return {
    id,
    title: classes === undefined
      ? title
      : `${title}, ${classes.length} ${classes.length === 1 ? "class" : "classes"}`,
    path,
    ...(config ? { backbone: config.backbone } : {}),
    ...(trainedOn ? { trainedOn } : {}),
    ...(errors ? { errors } : {}),
    ...(record ? { record } : {}),
  };
}

const PIXEL_TRAINING = v.looseObject({ images: v.string(), classes: v.string() });

/** What a detector on pixels that was trained here says of its images. */
function pixelTraining(path: string, text?: string): Candidate["trainedOn"] | undefined {
  if (text === undefined) return undefined;
  const { images, classes } = parseJson<v.InferOutput<typeof PIXEL_TRAINING>>(
    text,
    `what the detector in ${path} was trained on`,
    { form: PIXEL_TRAINING },
  );
  return { set: images, classes: classes.split(", ") };
}
