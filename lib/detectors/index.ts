/**
 * Every detector there is, and how a checkpoint finds its own.
 * @module
 */
import { FAMILIES, RESNET_FAMILIES } from "../backbones/families/index.ts";
import { listed, UserError } from "../io/errors.ts";
import { modelNames, readCheckpointNames } from "./checkpoint_file.ts";
import type { DetectorKind } from "./detector.ts";
import dmid from "./dmid.ts";
import { discriminatorKind } from "./lgrad/checkpoint.ts";
import lgrad from "./lgrad/detector.ts";
import patchForensics from "./patch_forensics/detector.ts";
import type { PixelDetectorKind, ReleasedKind } from "./pixel_detector.ts";
import clipPyramid from "./pyramid/clip.ts";
import resnetPyramid from "./pyramid/resnet.ts";
import rine from "./rine/detector.ts";
import rineWang from "./rine_wang/detector.ts";
import ufdBlockNeighbours from "./ufd/block_neighbours_detector.ts";
import ufdNeighbours from "./ufd/neighbours_detector.ts";
import ufdProbe from "./ufd/probe_detector.ts";
import wang from "./wang.ts";

/** Detectors on features, in the order in which a checkpoint is offered to them. */
export const DETECTORS: readonly DetectorKind[] = [
  rine,
  ufdProbe,
  ufdNeighbours,
  ufdBlockNeighbours,
];

/** Detectors on pixels. */
export const PIXEL_DETECTORS: readonly PixelDetectorKind[] = [
  wang,
  dmid,
  patchForensics,
  lgrad,
  clipPyramid,
  resnetPyramid,
  rineWang,
];

/** All that released files can be imported of. */
export const RELEASED_KINDS: readonly ReleasedKind[] = [...PIXEL_DETECTORS, discriminatorKind];

/** Whether a detector reads pixels and no backbone's features. */
export function readsPixels(kind: DetectorKind | PixelDetectorKind): kind is PixelDetectorKind {
  return "transforms" in kind.reads;
}

/**
 * A detector on features by its name in configurations.
 * @throws {UserError} where there is none, with those that there are
 */
export function detectorNamed(name: string): DetectorKind {
  return named(DETECTORS, name, "Cannot use a detector");
}

/**
 * A detector on pixels by its name.
 * @param doing what the error says first: `Cannot load FILE`
 * @throws {UserError} where there is none, with those that there are
 */
export function pixelDetectorNamed(
  name: string,
  doing = "Cannot use a detector",
): PixelDetectorKind {
  return named(PIXEL_DETECTORS, name, doing);
}

function named<Kind extends { readonly name: string }>(
  kinds: readonly Kind[],
  name: string,
  doing: string,
): Kind {
  const found = kinds.find((detector) => detector.name === name);
  if (found) return found;
  throw new UserError(
    "usage",
    `${doing}: expected one of ${kinds.map(({ name }) => name).join(", ")}; found ${name}`,
  );
}

/** A detector, and what stands beside its tensors in a checkpoint. */
export interface FoundDetector<Kind = DetectorKind | PixelDetectorKind> {
  readonly kind: Kind;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * The detector on features that a checkpoint is of, told by the names of its tensors, and the file's
 * metadata.
 * @throws {UserError} where it is of none, or the file is damaged
 */
export async function detectorOf(checkpoint: string): Promise<FoundDetector<DetectorKind>> {
  const { names, metadata } = await readCheckpointNames(checkpoint);
  const kind = DETECTORS.find((detector) => detector.isCheckpoint(names));
  if (kind) return { kind, metadata };
  throw ofNone(checkpoint, names, DETECTORS);
}

/**
 * The detector that a checkpoint is of, on features or on pixels: as is said, as the file says, or as
 * the names of its tensors tell.
 * @param as name of a detector on pixels, where somebody says it
 * @throws {UserError} where it is of none or of another, may be of several and nothing says of which,
 * or the file is damaged
 */
export async function findDetector(checkpoint: string, as?: string): Promise<FoundDetector> {
  const doing = `Cannot load ${checkpoint}`;
  const said = as === undefined ? undefined : pixelDetectorNamed(as, doing);
  const { names, metadata } = await readCheckpointNames(checkpoint);
  const own = PIXEL_DETECTORS.find(({ name }) => name === metadata["detector"]);
  const wanted = said ?? own;
  if (said && own && said !== own) throw ofAnother(doing, said, own.title);
  if (wanted) {
    assertOf(wanted, checkpoint, names);
    return { kind: wanted, metadata };
  }
  const possible = kindsOf(names);
  if (possible.length === 0) throw ofNone(checkpoint, names, [...DETECTORS, ...PIXEL_DETECTORS]);
  if (possible.length > 1) {
    throw new UserError(
      "usage",
      `${doing}: expected to be told whose it is, found tensors that ${
        together(possible.map(({ title }) => title))
      } have alike; say --as ${
        possible.map(({ name }) => name).join(" or --as ")
      } to \`deno task detect\`, or ` +
        "once to `deno task detector import`",
    );
  }
  return { kind: possible[0]!, metadata };
}

/**
 * Makes sure that a file can be a checkpoint of what it is said to be.
 * @param names of its tensors
 * @throws {UserError} with what it is instead
 */
export function assertOf(
  wanted: ReleasedKind,
  checkpoint: string,
  names: ReadonlySet<string>,
): void {
  if (wanted.isCheckpoint(new Set(modelNames(names).keys()))) return;
  const [found] = kindsOf(names);
  const backbone = backboneOf(names);
  if (!found && !backbone) throw ofNone(checkpoint, names, [wanted]);
  throw ofAnother(`Cannot load ${checkpoint}`, wanted, found?.title ?? backbone!);
}

/** All that tensors of these names can be of; on features there is one at most. */
function kindsOf(names: ReadonlySet<string>): readonly (DetectorKind | PixelDetectorKind)[] {
  const onFeatures = DETECTORS.find((detector) => detector.isCheckpoint(names));
  if (onFeatures) return [onFeatures];
  const plain = new Set(modelNames(names).keys());
  return PIXEL_DETECTORS.filter((detector) => detector.isCheckpoint(plain));
}

function backboneOf(names: ReadonlySet<string>): string | undefined {
  const plain = new Set(modelNames(names).keys());
  const family = [...FAMILIES, ...RESNET_FAMILIES].find(({ mark }) => plain.has(mark));
  return family && `a backbone (${family.name}), which \`deno task backbone import\` takes`;
}

function ofNone(
  checkpoint: string,
  names: ReadonlySet<string>,
  kinds: readonly { readonly title: string }[],
): UserError {
  const found = backboneOf(names) ?? `tensors ${listed([...names].slice(0, 3)) || "none"}`;
  return new UserError(
    "damaged",
    `Cannot load ${checkpoint}: expected a checkpoint of ${
      kinds.map(({ title }) => title).join(", ")
    }; found ${found}`,
  );
}

function ofAnother(doing: string, wanted: ReleasedKind, found: string): UserError {
  return new UserError(
    "usage",
    `${doing}: expected a checkpoint of ${wanted.title}, found ${
      found.startsWith("a ") ? found : `one of ${found}`
    }`,
  );
}

function together(words: readonly string[]): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}
