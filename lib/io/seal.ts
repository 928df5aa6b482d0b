/**
 * Seals: a file's SHA-256 in the file itself, so that a single changed bit shows whenever it is read.
 * Files of before there were seals are read as they are.
 * @module
 */
import { createHash, type Hash } from "node:crypto";
import type { ReadableBytes } from "./byte_ranges.ts";
import { UserError } from "./errors.ts";
import type { GenericSchema } from "valibot";
import { removeIfThere, writeFileAtomic } from "./files.ts";
import { checkForm, parseJson } from "./json.ts";
import { openFile } from "./regular.ts";

/** What a sealed JSON file ends with. */
const TAIL = /^,\n {2}"seal": "([0-9a-f]{64})"\n\}\n$/;
const TAIL_LENGTH = `,\n  "seal": "${"0".repeat(64)}"\n}\n`.length;
const DIGEST = /^[0-9a-f]{64}$/;

/** What a file holds, and whether it says that it is whole. */
export interface Sealed<T> {
  readonly value: T;
  /** Not so of files that were written before there were seals. */
  readonly isSealed: boolean;
}

/**
 * Writes an object as JSON whose last field, `seal`, is the SHA-256 of all before it; whole or not
 * there, as `writeJson` does.
 */
export function writeSealedJson(path: string, value: object): Promise<void> {
  const body = JSON.stringify(value, null, 2);
  return writeFileAtomic(path, `${body.slice(0, -2)},\n  "seal": "${sha256(body)}"\n}\n`);
}

/**
 * Reads a JSON file and holds it to its seal.
 * @param remedy what to do about a file that is damaged
 * @param form what it is held to besides; anything where it is left out
 * @returns `undefined` where there is none
 * @throws {UserError} of kind `damaged`, naming the file
 */
export async function readSealedJson<T>(
  path: string,
  remedy = "delete it to have it made again",
  form?: GenericSchema,
): Promise<Sealed<T> | undefined> {
  const bad = (found: string) =>
    new UserError(
      "damaged",
      `Cannot read ${path}: expected what was written, found ${found}; ${remedy}`,
    );
  let text: string;
  try {
    // of many small files, waiting for it would be most of the work
    if (!Deno.statSync(path).isFile) throw bad("no regular file");
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  const sealed = unsealed<T>(text);
  if (sealed) {
    if (sealed === "changed") throw bad("a file that was changed since");
    return sealed;
  }
  let value: unknown;
  try {
    value = parseJson(text, path);
  } catch {
    throw bad(text === "" ? "an empty file" : `no JSON in its ${text.length} characters`);
  }
  // a seal whose own name, digits or surroundings have changed
  const [name, last] = Object.entries(value ?? {}).at(-1) ?? [];
  if (
    name === "seal" || typeof last === "string" && DIGEST.test(last) ||
    /"[^"\n]{3,5}": "[^"\n]{63,65}"\s*\}\s*$/.test(text)
  ) {
    throw bad("a seal that was changed");
  }
  if (form) checkForm(value, form, `Cannot read ${path}`, remedy);
  return { value: value as T, isSealed: false };
}

/**
 * What a sealed JSON text holds.
 * @returns `changed` where that is not what was written; `undefined` where the text does not end with a
 * seal
 */
export function unsealed<T>(text: string): Sealed<T> | "changed" | undefined {
  // the seal stands in a file's last bytes
  const tail = TAIL.exec(text.slice(-TAIL_LENGTH));
  if (!tail) return undefined;
  const body = `${text.slice(0, -TAIL_LENGTH)}\n}`;
  return sha256(body) === tail[1] ? { value: JSON.parse(body) as T, isSealed: true } : "changed";
}

/**
 * Reads what is kept to save time and can be made again: a file that is damaged goes, and that is said.
 * @param onDamage told of it
 * @param form what it is held to besides; anything where it is left out
 * @returns `undefined` where there is none that is whole
 */
export async function readOrForget<T>(
  path: string,
  onDamage: (line: string) => void = () => {},
  form?: GenericSchema,
): Promise<Sealed<T> | undefined> {
  try {
    return await readSealedJson<T>(path, "it is made again", form);
  } catch (error) {
    if (!(error instanceof UserError && error.kind === "damaged")) throw error;
    onDamage(error.message);
    await removeIfThere(path);
    return undefined;
  }
}

/** SHA-256 of text or bytes, hexadecimal. */
export function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

/**
 * SHA-256 of a file, hexadecimal, read piece by piece.
 * @throws {UserError} where something else lies there: a pipe would be waited for
 */
export async function sha256OfFile(path: string): Promise<string> {
  using file = await openFile(path);
  return (await hashOfFile(file, createHash("sha256"))).digest("hex");
}

/** A buffer that nobody reads into at the moment. */
let spare: Uint8Array<ArrayBuffer> | undefined;

async function hashOfFile(file: ReadableBytes, hash: Hash): Promise<Hash> {
  const buffer = spare ?? new Uint8Array(2 ** 20);
  spare = undefined;
  for (let count; (count = await file.read(buffer)) !== null;) {
    hash.update(buffer.subarray(0, count));
  }
  spare = buffer;
  return hash;
}

/** Name of a safetensors file's seal among its metadata, of which it is the first. */
export const SEAL_NAME = "rine.sha256";

/** What stands in the seal's place while the file is hashed. */
export const NO_SEAL: string = "0".repeat(64);

const BEFORE = new TextEncoder().encode(`{"__metadata__":{"${SEAL_NAME}":"`);
const LENGTH_BYTES = 8;

/** Where the digits of a safetensors file's seal begin. */
export const SEAL_OFFSET: number = LENGTH_BYTES + BEFORE.length;

/**
 * Holds an open safetensors file to its seal, reading all of it.
 * @returns whether it has one
 * @throws {UserError} of kind `damaged`, naming the file
 */
export async function checkSafetensorsSeal(file: ReadableBytes, path: string): Promise<boolean> {
  const bad = (found: string) =>
    new UserError("damaged", `Cannot read ${path}: expected what was written, found ${found}`);
  await file.seek(0, Deno.SeekMode.Start);
  const start = new Uint8Array(SEAL_OFFSET + NO_SEAL.length);
  for (let filled = 0; filled < start.length;) {
    const count = await file.read(start.subarray(filled));
    if (count === null) return false;
    filled += count;
  }
  const before = start.subarray(LENGTH_BYTES, SEAL_OFFSET);
  const changed = BEFORE.filter((byte, i) => byte !== before[i]).length;
  // a seal whose own name has changed; files without one differ in more
  if (changed > 2) return false;
  const digits = new TextDecoder().decode(start.subarray(SEAL_OFFSET));
  start.set(new TextEncoder().encode(NO_SEAL), SEAL_OFFSET);
  const hash = createHash("sha256").update(start);
  if (changed > 0 || (await hashOfFile(file, hash)).digest("hex") !== digits) {
    throw bad("a file that was changed since");
  }
  return true;
}
