/**
 * The index of a set of features, `KEY.json`: what the set is, in some hundred bytes.
 * @module
 */
import { quoted, UserError } from "../io/errors.ts";
import { contentKey } from "../io/files.ts";
import * as v from "valibot";
import { COUNT, formProblem, parseJson } from "../io/json.ts";
import { unsealed, writeSealedJson } from "../io/seal.ts";
import { cropsPerImage, type Transform } from "../image/transform.ts";
import type { Maker } from "./made.ts";

/**
 * Raised when the layout of the files, what a row means, or its last digits change: sets of another
 * format have other keys, and are made again.
 */
export const FORMAT = 3;

const KIND = "rine-features";

/** What features are computed from. Its hash, without the backbone's name, is the set's key. */
export interface FeatureSource {
  /** {@linkcode FORMAT} of the files. */
  readonly format: number;
  /** Name of the backbone, for people. */
  readonly backbone: string;
  /** SHA-256 of the backbone's weights, and the kind of arithmetic. */
  readonly weights: string;
  /** What of the backbone is read: `ln2`, `block`. */
  readonly tap: string;
  /** `full`, `int8`. */
  readonly precision: string;
  /** Hash of the list of images: path, label and size in bytes of each. */
  readonly images: string;
  /** What makes crops of an image. */
  readonly transform: Transform;
  /** Of the transform's choices, where it is random. */
  readonly seed?: number;
  /** Of the transform's choices, where it is random; counted from 1. */
  readonly epoch?: number;
}

/** What `KEY.json` says. */
export interface FeatureIndex {
  /** What it is computed from. */
  readonly source: FeatureSource;
  /** [rows, blocks, width]; a row is a crop. */
  readonly shape: readonly [number, number, number];
  /** Consecutive rows that belong to one image. */
  readonly cropsPerImage: number;
  /** Number of images. */
  readonly images: number;
  /** Path of the first, which names what is drawn at random from the set. */
  readonly firstImage: string;
  /** Name that all its images share: of what made them, or `real`. */
  readonly generator: string;
  /** Positions of images that cannot be decoded, in rising order; their rows are NaN. */
  readonly unreadable: readonly number[];
  /** What made it; `date` is when it was finished, ISO 8601. */
  readonly made: Maker & { readonly date: string };
  /** SHA-256 of the files beside it, hexadecimal. */
  readonly sha256: {
    readonly features: string;
    readonly labels: string;
    readonly paths: string;
  };
}

/** What stands in the file besides: what it is, and a hash of all that it says. */
interface Sealed extends FeatureIndex {
  readonly kind: typeof KIND;
  readonly key: string;
  readonly seal: string;
}

const TEXT = v.string();

/** A {@linkcode Maker}. */
export const MAKER: v.GenericSchema = v.looseObject({
  device: TEXT,
  versions: v.record(TEXT, TEXT),
});

const INDEX = v.looseObject({
  kind: v.literal(KIND),
  key: TEXT,
  seal: TEXT,
  source: v.looseObject({
    format: v.number(),
    backbone: TEXT,
    weights: TEXT,
    tap: TEXT,
    precision: TEXT,
    images: TEXT,
    transform: v.looseObject({ kind: TEXT, size: COUNT }),
    seed: v.optional(COUNT),
    epoch: v.optional(COUNT),
  }),
  shape: v.tuple([COUNT, COUNT, COUNT]),
  cropsPerImage: COUNT,
  images: COUNT,
  firstImage: TEXT,
  generator: TEXT,
  unreadable: v.array(COUNT),
  made: v.looseObject({ device: TEXT, versions: v.record(TEXT, TEXT), date: TEXT }),
  sha256: v.looseObject({ features: TEXT, labels: TEXT, paths: TEXT }),
});

/** What of a source its set is named by. */
export function identity({ backbone: _, ...rest }: FeatureSource): Omit<FeatureSource, "backbone"> {
  return rest;
}

/** Names the set of a source: 16 hexadecimal digits. */
export function featureKey(source: FeatureSource): string {
  return contentKey([identity(source)]);
}

/** Writes an index, sealed. */
export function writeIndex(path: string, key: string, index: FeatureIndex): Promise<void> {
  return writeSealedJson(path, { kind: KIND, key, ...index });
}

/** What an index says that is as it was written; its key was its source's then. */
function wholeIndex(text: string, key: string): FeatureIndex | undefined {
  const sealed = unsealed<Omit<Sealed, "seal">>(text);
  if (sealed === undefined || sealed === "changed") return undefined;
  const { kind, key: name, ...index } = sealed.value;
  return kind === KIND && name === key && index.source.format === FORMAT ? index : undefined;
}

/**
 * Reads an index and holds it to its name, its seal and itself.
 * @returns `undefined` where there is none
 * @throws {UserError} where it is damaged, of another set or of another format
 */
export async function readIndex(path: string, key: string): Promise<FeatureIndex | undefined> {
  const bad = (found: string) =>
    new UserError(
      "damaged",
      `Cannot read ${path}: expected the index of feature set ${key}, found ${found}; ` +
        "delete it to have the set made again",
    );
  const text = await readSmallFile(path);
  if (text === undefined) return undefined;
  if (text === null) throw bad("no regular file");
  const whole = wholeIndex(text, key);
  if (whole) return whole;
  let parsed: unknown;
  try {
    parsed = parseJson(text, path);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw bad(`no JSON in its ${text.length} characters`);
  }
  const { seal, ...said } = (typeof parsed === "object" && parsed ? parsed : {}) as Sealed;
  if (Array.isArray(said.images)) throw bad("that of an earlier version of this program");
  if (said.kind !== KIND) throw bad("something else");
  const { kind: _kind, key: name, ...index } = said;
  const problem = formProblem(INDEX, parsed);
  if (problem) throw bad(`${problem.found} instead of ${problem.expected}`);
  // the seal of indices before this form of it; whatever else is wrong is said first
  const isWhole = seal === contentKey([said], 64) || typeof unsealed(text) === "object";
  if (!isWhole) throw bad("one that was changed after it was written");
  if (name !== key || featureKey(index.source) !== key) throw bad(`that of ${quoted(name)}`);
  const { images, shape: [rows], source: { format, transform } } = index;
  if (format !== FORMAT) throw bad(`format ${format}, not ${FORMAT}`);
  if (index.cropsPerImage !== cropsPerImage(transform) || rows !== images * index.cropsPerImage) {
    throw bad(`${rows} rows of ${images} images`);
  }
  return index;
}

/** Text of a file that is not opened where it is none: a pipe would wait for who writes into it. */
export async function readSmallFile(path: string): Promise<string | null | undefined> {
  try {
    if (!Deno.statSync(path).isFile) return null;
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
