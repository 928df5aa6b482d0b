/**
 * Released checkpoints of detectors on pixels: taken as people have them, and found again by name.
 * @module
 */
import { basename, join } from "node:path";
import { hashWeights } from "../backbones/network.ts";
import { UserError } from "../io/errors.ts";
import { exists } from "../io/files.ts";
import { readSafetensorsHeader } from "../io/safetensors.ts";
import { writeSealedSafetensors } from "../io/safetensors_writer.ts";
import { readCheckpointNames } from "./checkpoint_file.ts";
import { assertOf, RELEASED_KINDS } from "./index.ts";
import { releasedAs, type ReleasedFile, type ReleasedKind } from "./pixel_detector.ts";

/** Where imported detectors lie, a folder for each. */
export const DETECTORS_FOLDER = "data/detectors";

/** How a checkpoint is imported. */
export interface DetectorImport {
  /** Name of the detector that it is of: `wang`. */
  readonly as: string;
  /** Name to find it by; default that of the released file, where its name tells, else `as`. */
  readonly name?: string;
  /** Holds a folder for each detector; default {@linkcode DETECTORS_FOLDER}. */
  readonly folder?: string;
}

/** A released checkpoint that is there, or where it is to be had. */
export interface KnownDetector extends ReleasedFile {
  /** Name of the detector that it is of. */
  readonly detector: string;
  /** Its file; absent where it has not been imported. */
  readonly path?: string;
}

/** The file of an imported detector. */
export function detectorPath(folder: string, name: string): string {
  return join(folder, name.replaceAll("/", "-"), "model.safetensors");
}

/**
 * Takes a checkpoint and keeps its own tensors, and of which detector and file they are, where
 * {@linkcode knownDetectors} finds them.
 * @returns where it lies now, and its name in tables
 * @throws {UserError} where there is no such detector, the file is of another one or damaged, its name
 * is taken, or nothing says which of several released files it is
 */
export async function importDetector(
  file: string,
  { as, name, folder = DETECTORS_FOLDER }: DetectorImport,
): Promise<{ readonly path: string; readonly title: string }> {
  const kind = kindNamed(as, file);
  if (!await exists(file)) {
    throw new UserError("missing", `Cannot import ${file}: expected a checkpoint, found none`);
  }
  const released = releasedAs(kind, file);
  const own = name ?? released?.name ?? (kind.released.length > 1 ? undefined : kind.name);
  if (own === undefined) {
    throw new UserError(
      "usage",
      `Cannot import ${file}: expected a file named as released (${
        kind.released.flatMap(({ files }) => files).join(", ")
      }) or a name; say --name ${kind.released.map(({ name }) => name).join(" or --name ")}`,
    );
  }
  const path = detectorPath(folder, own);
  if (await exists(path)) {
    throw new UserError(
      "usage",
      `Cannot import ${file}: expected a new name, found a detector at ${path}; remove that folder ` +
        "first or choose another name with --name",
    );
  }
  assertOf(kind, file, (await readCheckpointNames(file)).names);
  // how it was trained says what it reads
  const { tensors, metadata } = await kind.ownTensors(file);
  const title = titleOf(kind, own, released);
  await writeSealedSafetensors(path, tensors, {
    ...metadata,
    detector: kind.name,
    title,
    file: basename(file),
    sha256: await hashWeights(file),
  });
  return { path, title };
}

function titleOf(kind: ReleasedKind, name: string, released?: ReleasedFile): string {
  const known = kind.released.find((one) => one.name === name) ?? released;
  return known?.title ?? (name === kind.name ? kind.title : `${kind.title} (${name})`);
}

function kindNamed(name: string, file: string): ReleasedKind {
  const found = RELEASED_KINDS.find((kind) => kind.name === name);
  if (found) return found;
  throw new UserError(
    "usage",
    `Cannot import ${file}: expected one of ${
      RELEASED_KINDS.map(({ name }) => name).join(", ")
    }; found ${name}`,
  );
}

/**
 * Every released checkpoint, and those that were imported under other names, in their detectors'
 * order.
 * @param folder that holds a folder for each detector
 */
export async function knownDetectors(folder: string): Promise<KnownDetector[]> {
  const there = await importedDetectors(folder);
  return RELEASED_KINDS.flatMap(({ name: detector, released }) => {
    const own = there.filter((one) => one.detector === detector);
    const known = released.map((file): KnownDetector => {
      const path = own.find(({ name }) => name === file.name)?.path;
      return { ...file, detector, ...(path === undefined ? {} : { path }) };
    });
    return [...known, ...own.filter(({ name }) => !released.some((file) => file.name === name))];
  });
}

async function importedDetectors(folder: string): Promise<(KnownDetector & { path: string })[]> {
  if (!await exists(folder)) return [];
  const names = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
  const found: (KnownDetector & { path: string })[] = [];
  for (const name of names) {
    // a file may lie beside the folders, or a link that leads nowhere
    const isFolder = await Deno.stat(join(folder, name)).then((it) => it.isDirectory, () => false);
    if (!isFolder) continue;
    const path = detectorPath(folder, name);
    if (!await exists(path)) continue;
    const { metadata } = await readSafetensorsHeader(path);
    const { detector, title = name, file } = metadata;
    if (detector === undefined) continue;
    found.push({ detector, name, title, path, files: file ? [file] : [], from: "your own files" });
  }
  return found;
}
