/**
 * A user's own sets: a JSON file that says in which folders their real and generated images lie.
 * @module
 */
import { printable, quoted, UserError } from "../io/errors.ts";
import { dirname, resolve } from "node:path";
import { readJson } from "../io/files.ts";
import { type DatasetSpec, listSource, noImages } from "./dataset.ts";

/** One entry of the file. */
export interface UserSet {
  /** Unique name, of letters, digits and `._-`; also the name of its results: `faces`. */
  readonly name: string;
  /** Name for people in tables; by default the name. */
  readonly title?: string;
  /** The group it stands in, in tables; by default `Own sets`. */
  readonly family?: string;
  /** Folder of real images, absolute or relative to the file; a segment may be `*`: every folder. */
  readonly real: string;
  /** Folder of generated images, likewise. */
  readonly generated: string;
}

const FIELDS = ["name", "title", "family", "real", "generated"] as const;

/** Longest text of a field: no path and no title is longer. */
const MAX_TEXT = 1000;

/** What results and columns of tables may be called. */
const NAME = /^[A-Za-z][\w.-]*$/;

/**
 * Reads a file of own sets and makes sure that their folders are there. The file holds a list:
 *
 * ```json
 * [{ "name": "faces", "title": "Faces", "real": "faces/camera", "generated": "/mnt/faces/made" }]
 * ```
 *
 * @param taken names that they may not have
 * @returns sets whose folders are absolute
 * @throws {UserError} in one line that names the file, where it is not JSON
 * @throws {UserError} in one line that names the file, the entry and the field
 */
export async function readUserSets(
  path: string,
  taken: Iterable<string>,
): Promise<DatasetSpec[]> {
  const entries = await readList(path);
  const names = new Set(taken);
  const specs: DatasetSpec[] = [];
  for (const [index, entry] of entries.entries()) {
    const fields = checkFields(path, index, entry);
    const { name } = fields;
    const fail = (field: string, expected: string, found: string) =>
      cannotUse(path, index, field, expected, found);
    if (!NAME.test(name)) {
      throw fail("name", "a letter, then letters, digits and ._-", quoted(JSON.stringify(name)));
    }
    if (names.has(name)) throw fail("name", "one that is not taken", name);
    names.add(name);
    const spec = {
      name,
      title: fields.title ?? name,
      family: fields.family ?? "Own sets",
      sources: [
        { label: 0, directory: absolute(path, fields.real), isDeep: true },
        { label: 1, directory: absolute(path, fields.generated), isDeep: true },
      ],
      isOwn: true,
    } as const;
    const [{ directory: real }, { directory: generated }] = spec.sources;
    if (real === generated) throw fail("generated", "another folder than that of real", generated);
    for (const source of spec.sources) {
      const what = describe(path, index, source.label === 0 ? "real" : "generated");
      const { paths } = await listSource("/", source, what);
      if (paths.length === 0) throw new UserError("missing", noImages("/", source, what));
    }
    specs.push(spec);
  }
  return specs;
}

async function readList(path: string): Promise<unknown[]> {
  const value = await readJson<unknown>(path);
  if (Array.isArray(value) && value.length > 0) return value;
  const found = value === undefined
    ? "no such file"
    : Array.isArray(value)
    ? "an empty one"
    : kindOf(value);
  throw new UserError("usage", `Cannot read ${path}: expected a list of sets, found ${found}`);
}

function checkFields(path: string, index: number, entry: unknown): UserSet {
  if (kindOf(entry) !== "an object") {
    throw new UserError(
      "usage",
      `Cannot use entry ${index + 1} of ${path}: expected an object, found ${kindOf(entry)}`,
    );
  }
  const fields = entry as Record<string, unknown>;
  const unknown = Object.keys(fields).find((field) =>
    !(FIELDS as readonly string[]).includes(field)
  );
  if (unknown !== undefined) {
    throw new UserError(
      "usage",
      `Cannot use entry ${index + 1} of ${path}: expected the fields ${FIELDS.join(", ")}, found ${
        quoted(unknown)
      }`,
    );
  }
  for (const field of FIELDS) {
    const value = fields[field];
    const isOptional = field === "title" || field === "family";
    if (value === undefined && isOptional) continue;
    if (typeof value !== "string" || value.trim() === "") {
      throw cannotUse(path, index, field, "a text", kindOf(value));
    }
    if (value.length > MAX_TEXT) {
      const found = `one of ${value.length}`;
      throw cannotUse(path, index, field, `a text of at most ${MAX_TEXT} characters`, found);
    }
    // it will stand in tables, pictures and lines on a terminal
    if (printable(value) !== value) {
      throw cannotUse(path, index, field, "a text without control characters", quoted(value));
    }
  }
  return fields as unknown as UserSet;
}

function cannotUse(
  path: string,
  index: number,
  field: string,
  expected: string,
  found: string,
): UserError {
  return new UserError(
    "usage",
    `Cannot use ${describe(path, index, field)}: expected ${expected}, found ${found}`,
  );
}

function describe(path: string, index: number, field: string): string {
  return `${field} of entry ${index + 1} of ${path}`;
}

function absolute(file: string, folder: string): string {
  const path = resolve(dirname(file), folder);
  return Deno.build.os === "windows" ? path.replaceAll("\\", "/") : path;
}

function kindOf(value: unknown): string {
  if (value === undefined) return "none";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "string" && value.trim() === "") return "an empty text";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
