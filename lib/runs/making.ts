/**
 * What figures are made of beside rows of scores, where that takes work: images, and embeddings of
 * their centre crops. A section says what it reads and how it is made; `made.ts` makes it once and
 * keeps it.
 * @module
 */
import type { DatasetSpec, Label, LabelledImage } from "../data/dataset.ts";
import type { FailedHead, TrainedHead } from "../detectors/detector.ts";
import type { Alike } from "../image/alike.ts";
import type { RgbImage } from "../image/image.ts";
import { randomStream } from "../random.ts";
import type { DetectorCost } from "./detector_cost.ts";
import type { ComparedDetectors, Profile } from "./profile.ts";
import type { RunRecord } from "./record.ts";
import type { ReadyDetector } from "./released_scores.ts";

/** How the data of a section's figures is made of images. */
export interface Making<Made = unknown> {
  /** What of a profile it is made of; `undefined` where the profile has nothing to make it of. */
  reads(profile: Profile): MaterialNames | undefined;
  /**
   * Asks for all that it is made of, and makes nothing yet: what was asked for, and the parameters,
   * name what is kept.
   * @returns `undefined` where there is nothing to make
   * @throws {UserError} of kind `missing`, where images are not there
   */
  plan(materials: Materials): Promise<PlannedMaking<Made> | undefined>;
  /** Whether its section is shown where this has not been made; default no. */
  readonly isOptional?: boolean;
  /**
   * Whether several processes divide its parts, which are trained detectors and their scores; default no:
   * one makes it, and the others wait.
   */
  readonly isDivided?: boolean;
}

/** What has to be on disk: said before long work starts. */
export interface MaterialNames {
  readonly sets: readonly DatasetSpec[];
  readonly backbones: readonly string[];
}

/** A making whose materials are known. */
export interface PlannedMaking<Made = unknown> {
  /** All that it hangs on besides its images: sizes, counts, a version of its code; plain data. */
  readonly parameters: readonly unknown[];
  /** Makes it: plain data, as JSON holds it. Embeddings can be read by now. */
  make(): Promise<Made>;
}

/** What figures can be made of. */
export interface Materials {
  readonly profile: Profile;
  /** Where graphs run, and on how many threads: for what is measured of this machine. */
  readonly machine: { readonly device: string; readonly threads: number };
  /** Of the section's own runs. */
  readonly records: readonly RunRecord[];
  /**
   * A set's images of one label, a list for each of its sources; the set and what is in it become part
   * of the name.
   * @throws {UserError} where they are not there
   */
  images(spec: DatasetSpec, label: Label): Promise<readonly (readonly LabelledImage[])[]>;
  /**
   * An image of the data root.
   * @returns `undefined` where it cannot be decoded and such images are left out
   * @throws {UserError} where it cannot be decoded otherwise
   */
  decode(image: LabelledImage): Promise<RgbImage | undefined>;
  /**
   * Embeddings of the centre crops of lists of images: those of a set's whole lists are the very ones
   * that runs read.
   */
  embeddings(lists: readonly (readonly LabelledImage[])[], backbone: string): Promise<Embeddings>;
  /**
   * Released detectors on pixels that lie in the data folder; they become part of the name.
   * @param transforms how each kind is to read images, by its name
   */
  detectors(transforms: Readonly<Record<string, string>>): Promise<readonly ReadyDetector[]>;
  /**
   * Detectors that the profile trains, or those of them that somebody has trained; they become part of
   * the name.
   * @param which those of a table; none where it has none
   */
  trainedDetectors(which: ComparedDetectors | undefined): Promise<readonly ReadyDetector[]>;
  /**
   * Trains one of these, or finds it trained.
   * @param key of the detector
   * @returns what training said, or why it came to nothing: it has no scores then
   */
  train(key: string): Promise<TrainedHead | FailedHead>;
  /**
   * Trains several of these: small ones side by side, a core each, and these score the lists too.
   * @param keys of the detectors
   * @param lists of images whose scores are asked for later
   * @param views what images are brought to before; as they are where one is `undefined`
   * @returns by key, as {@linkcode Materials.train} does
   */
  trainAll(
    keys: readonly string[],
    lists: readonly (readonly LabelledImage[])[],
    views: readonly (Alike | undefined)[],
  ): Promise<ReadonlyMap<string, TrainedHead | FailedHead>>;
  /**
   * Scores of lists of images by one of these detectors, one list after the other: made once, and kept.
   * @param key of the detector
   * @param alike what images are brought to before; as they are where it is left out
   * @returns probabilities that images are generated; NaN where one cannot be decoded and is left out
   */
  scores(
    key: string,
    lists: readonly (readonly LabelledImage[])[],
    alike?: Alike,
  ): Promise<Float32Array>;
  /**
   * Images in the space that one of these detectors decides in.
   * @param key of the detector
   * @returns [images, width]
   * @throws {UserError} where it decides in no such space, or an image cannot be decoded
   */
  represent(key: string, images: readonly LabelledImage[]): Promise<Float32Array>;
  /**
   * What one of these detectors, or a record's head with its backbone, costs on this machine.
   * @param of the detector's key, or the record
   * @param images what is looked at, one after the other
   */
  cost(of: string | RunRecord, images: readonly RgbImage[]): Promise<DetectorCost>;
  /** Side of the crops that a backbone takes, in pixels. */
  resolutionPx(backbone: string): Promise<number>;
}

/** Embeddings of lists of images, read list by list. */
export interface Embeddings {
  /** Reads those of a list, by its number; only when they are made. */
  read(list: number): Promise<EmbeddedImages>;
}

/** Images and their embeddings. */
export interface EmbeddedImages {
  /** Those that could be decoded, in their order. */
  readonly images: readonly LabelledImage[];
  /** float32 [images, width], row-major. */
  readonly rows: Float32Array;
  /** Length of an embedding (d). */
  readonly width: number;
}

/** Some of a list, drawn at random but always the same, in their order; all where there are no more. */
export function drawSome<T>(list: readonly T[], count: number, ...name: readonly string[]): T[] {
  if (list.length <= count) return [...list];
  const chosen = randomStream(0, ...name).permutation(list.length).subarray(0, count);
  return [...chosen].sort((a, b) => a - b).map((place) => list[place]!);
}
