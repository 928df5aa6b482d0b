/**
 * Examines a user's image folders and compares them with what the catalog expects.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { resolve } from "node:path";
import type { OnProgress } from "../io/progress.ts";
import {
  type DatasetSpec,
  type Label,
  listSource,
  noImages,
  type SourceListing,
} from "../data/dataset.ts";
import { type Duplicates, findDuplicates, type Role, type Use } from "./duplicates.ts";
import { foundInstead } from "./instead.ts";
import { type ImageFile, lookAtImage, lookBuffer, tryDecode } from "../data/image_file.ts";
import { reportSet, type SetFiles, type SetReport } from "./set_report.ts";

/** A set, and what it is for. */
export interface SetToExamine {
  /** The set. */
  readonly spec: DatasetSpec;
  /** What its images are for. */
  readonly role: Role;
  /** Training set that it belongs to; absent for test sets. */
  readonly group?: string;
}

/** How sets are examined. */
export interface ExamineOptions {
  /** Data root that folders are relative to. */
  readonly root: string;
  /** Side of the crops that images are cut to, pixels. */
  readonly cropPx: number;
  /** Decode every image; by default only what its first and last bytes make doubtful. */
  readonly deep?: boolean;
  /** Told of sets listed and images looked at. */
  readonly onProgress?: OnProgress;
}

/** Reports on all sets that were examined. */
export interface Examination {
  /** In the order asked for. */
  readonly sets: readonly SetReport[];
  /** Images that stand in two sets that must not share them. */
  readonly duplicates: readonly Duplicates[];
  /** Different files that were looked at. */
  readonly files: number;
}

/** Files that are looked at side by side: enough to keep a disk busy. */
const AHEAD = 16;

/**
 * Examines sets of images: lists them, looks at the first and last bytes of each file once, and
 * compares. Nothing is written.
 */
export async function examine(
  sets: readonly SetToExamine[],
  { root, cropPx, deep = false, onProgress }: ExamineOptions,
): Promise<Examination> {
  const listed: (SetFiles & SetToExamine)[] = [];
  for (const set of sets) {
    listed.push(await list(root, set));
    onProgress?.({ stage: "listing", unit: "sets", done: listed.length, total: sets.length });
  }
  const uses = new Map<string, Use[]>();
  for (const { spec, role, group, labels } of listed) {
    for (const [label, { paths }] of labels.entries()) {
      const use = { set: spec.name, role, label: label as Label, ...(group ? { group } : {}) };
      for (const path of paths) {
        const others = uses.get(path);
        if (others) others.push(use);
        else uses.set(path, [use]);
      }
    }
  }
  const files = await lookAtAll([...uses.keys()], root, deep, onProgress);
  const readable = [...files].filter(([, { header }]) => header).map(([path, file]) => ({
    path,
    bytes: file.bytes,
    start: file.start,
    uses: uses.get(path)!,
  }));
  return {
    sets: listed.map((set) => reportSet(set, files, cropPx)),
    duplicates: await findDuplicates(readable, root, onProgress),
    files: files.size,
  };
}

async function list(root: string, set: SetToExamine): Promise<SetFiles & SetToExamine> {
  const { spec } = set;
  const none = { paths: [], passedOver: [] };
  const labels: [SourceListing, SourceListing] = [none, none];
  const problems: string[] = [];
  const instead: string[] = [];
  for (const source of spec.sources) {
    const before = problems.length;
    try {
      const { paths, passedOver, notes = [] } = await listSource(root, source, spec.name);
      instead.push(...notes);
      if (paths.length === 0) problems.push(noImages(root, source, spec.name));
      const others = labels[source.label];
      labels[source.label] = {
        paths: [...others.paths, ...paths],
        passedOver: [...others.passedOver, ...passedOver],
      };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems.push(error.message);
    }
    if (problems.length > before) instead.push(await foundInstead(root, source) ?? "");
  }
  return { ...set, problems, instead: instead.filter((text) => text !== ""), labels };
}

async function lookAtAll(
  paths: readonly string[],
  root: string,
  deep: boolean,
  onProgress?: OnProgress,
): Promise<Map<string, ImageFile>> {
  const files: ImageFile[] = [];
  const stage = deep ? "decoding" : "images";
  let next = 0, done = 0;
  const look = async () => {
    const buffer = lookBuffer();
    while (next < paths.length) {
      const index = next++;
      const path = resolve(root, paths[index]!);
      const file = await lookAtImage(path, buffer);
      const isDoubtful = file.header && (deep || !file.endsWell);
      files[index] = isDoubtful ? await decoded(path, file) : file;
      onProgress?.({ stage, unit: "images", done: ++done, total: paths.length });
    }
  };
  const ahead = deep ? navigator.hardwareConcurrency : AHEAD;
  await Promise.all(Array.from({ length: ahead }, look));
  return new Map(paths.map((path, index) => [path, files[index]!]));
}

async function decoded(path: string, file: ImageFile): Promise<ImageFile> {
  const result = await tryDecode(path);
  if ("image" in result) return file;
  const { bytes, start, endsWell } = file;
  return { bytes, start, endsWell, problem: result.problem };
}
