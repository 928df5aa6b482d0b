/**
 * The two files that `features` writes: `OUT.npy`, and `OUT.npy.json` that says what it holds. They
 * are never of two different runs, and no other file is replaced.
 * @module
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { UserError } from "../io/errors.ts";
import { exists, naming, removeIfThere, sweepTemporaries } from "../io/files.ts";
import { COUNT } from "../io/json.ts";
import { sweepClaims, withLock } from "../io/lock.ts";
import { readSealedJson, writeSealedJson } from "../io/seal.ts";
import type { FeatureSource } from "../tokens/set_index.ts";
import { keyOfFile } from "../tokens/store.ts";

/** The JSON description that is written beside the `.npy` file. */
export interface FeaturesDescription {
  readonly kind: typeof KIND;
  /** A hash of all that the tokens depend on. */
  readonly key: string;
  /** SHA-256 of the `.npy` file. */
  readonly sha256: string;
  /** What the tokens were computed from. */
  readonly source: FeatureSource;
  /** [rows, blocks, width] */
  readonly shape: readonly number[];
  /** Consecutive rows that belong to one image. */
  readonly cropsPerImage: number;
  /** Paths of the images, in the order of their rows. */
  readonly images: readonly string[];
  /** Paths of those that cannot be decoded; their rows are NaN. Absent where there are none. */
  readonly unreadable?: readonly string[];
}

/** Marks a JSON file as a description that this command wrote. */
const KIND = "rine-features";

/** Held while the files are made. */
const LOCK = "features.lock";
const descriptionPath = (out: string) => `${out}.json`;

/**
 * Reads what an earlier call has written.
 * @returns the description, and whether its tokens are there too; they are not where that call was
 * killed between its two files
 * @throws {UserError} where one of the files is there and was not written by such a call
 */
export async function findWritten(
  out: string,
): Promise<{ description: FeaturesDescription; isWhole: boolean } | undefined> {
  const path = descriptionPath(out);
  const description = await readSealedJson<unknown>(path).then((found) => found?.value, (error) => {
    if (error instanceof UserError) return null;
    throw error;
  });
  if (description !== undefined && !isDescription(description)) throw notOurs(out, path);
  const isThere = await exists(out);
  // what is no file is not read: a pipe would wait for who writes into it
  if (isThere && !(await Deno.stat(out)).isFile) throw notOurs(out, "something that is not a file");
  const isOurs = description !== undefined &&
    (!isThere || await sha256(out) === description.sha256);
  if (isThere && !isOurs) throw notOurs(out, out);
  return description && { description, isWhole: isThere };
}

const DESCRIPTION = v.looseObject({
  kind: v.literal(KIND),
  key: v.string(),
  sha256: v.string(),
  shape: v.array(COUNT),
  images: v.array(v.string()),
  unreadable: v.optional(v.array(v.string())),
});

function isDescription(value: unknown): value is FeaturesDescription {
  return v.is(DESCRIPTION, value);
}

function notOurs(out: string, found: string): UserError {
  return new UserError(
    "disk",
    `Cannot write ${out}: expected no file there but what this command wrote, found ${found}; ` +
      "choose another --out, or move that file",
  );
}

/**
 * Puts finished tokens and their description in place of those of an earlier call. A kill at any
 * point leaves a description without tokens, or tokens and a description that belong together.
 * @param tokens the finished file; it is moved
 */
export async function placeFeatures(
  out: string,
  tokens: string,
  description: Omit<FeaturesDescription, "kind" | "sha256">,
): Promise<void> {
  const { key, ...rest } = description;
  const named: FeaturesDescription = { kind: KIND, key, sha256: await sha256(tokens), ...rest };
  // somebody else's may have come meanwhile
  await findWritten(out);
  await removeIfThere(out);
  await writeSealedJson(descriptionPath(out), named);
  await naming(out, () => Deno.rename(tokens, out));
}

/**
 * Works in the folder of unfinished tokens, under a lock. When the work succeeds, what is left in the
 * folder is deleted; when it fails, it stays, and the next call goes on from there.
 * @param onWait told that another process works there
 */
export async function inUnfinished<T>(
  out: string,
  work: (folder: string) => Promise<T>,
  onWait: () => void,
): Promise<T> {
  const folder = `${out}.unfinished`;
  try {
    return await withLock(join(folder, LOCK), async () => {
      const result = await work(folder);
      for (const name of await namesIn(folder)) {
        if (keyOfFile(name) !== undefined) await removeIfThere(join(folder, name));
      }
      return result;
    }, onWait);
  } finally {
    await sweepClaims(folder);
    await sweepTemporaries(folder, false, 0);
    // where something is left in it, or who has waited is there by now, it stays
    await Deno.remove(folder).catch(() => {});
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}
