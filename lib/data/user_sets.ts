/**
 * A user's own sets: a JSON file that says where their real and generated images lie: in folders, in a
 * list, or as another collection has them.
 * @module
 */
import { listed, printable, quoted, UserError } from "../io/errors.ts";
import { dirname, resolve } from "node:path";
import { readJson } from "../io/files.ts";
import { type DatasetSpec, holdsImages, noImages, type Source } from "./dataset.ts";
import { assertListed, type LabelledLine, readLabelList } from "./label_list.ts";
import { reasonOf } from "./folder_tree.ts";
import { LAYOUTS, layoutSets } from "./layouts.ts";

/** One entry of the file. */
export interface UserSet {
  /** Unique name, of letters, digits and `._-`; also the name of its results: `faces`. */
  readonly name: string;
  /** Name for people in tables; by default the name. */
  readonly title?: string;
  /** The group it stands in, in tables; by default `Own sets`. */
  readonly family?: string;
  /**
   * Folder of real images, absolute or relative to the file; a segment may be `*`: every folder. Or
   * those of another set: `set:stylegan`. Without it there are generated images alone.
   */
  readonly real?: string;
  /** Folder of generated images, likewise; without it there are real images alone. */
  readonly generated?: string;
  /** In place of folders: a CSV file of paths and labels, as {@linkcode readLabelList} takes it. */
  readonly list?: string;
  /** In place of folders: the name of a collection, of {@linkcode LAYOUTS}; each of its sets becomes one. */
  readonly layout?: string;
  /** Where the collection lies. */
  readonly folder?: string;
}

const FIELDS = [
  "name",
  "title",
  "family",
  "real",
  "generated",
  "list",
  "layout",
  "folder",
] as const;

/** Longest text of a field: no path and no title is longer. */
const MAX_TEXT = 1000;

/** What results and columns of tables may be called. */
const NAME = /^[A-Za-z][\w.-]*$/;

/** What stands before the name of a set whose real images another one borrows. */
const BORROWED = "set:";

/**
 * Reads a file of own sets and makes sure that their images are there. The file holds a list:
 *
 * ```json
 * [
 *   { "name": "faces", "title": "Faces", "real": "faces/camera", "generated": "/mnt/faces/made" },
 *   { "name": "flux", "real": "set:faces", "generated": "flux" },
 *   { "name": "wild", "list": "labels.csv" },
 *   { "name": "genimage", "layout": "genimage", "folder": "/mnt/GenImage" }
 * ]
 * ```
 *
 * @param taken names that they may not have
 * @param known sets whose real images they may borrow, besides those of entries above
 * @returns sets whose folders are absolute, but for borrowed ones
 * @throws {UserError} in one line that names the file, where it is not JSON
 * @throws {UserError} in one line that names the file, the entry and the field
 */
export async function readUserSets(
  path: string,
  taken: Iterable<string>,
  known: readonly DatasetSpec[] = [],
): Promise<DatasetSpec[]> {
  const entries = await readList(path);
  const names = new Set(taken);
  const specs: DatasetSpec[] = [];
  for (const [index, value] of entries.entries()) {
    const fields = checkFields(path, index, value);
    const fail = (field: string, expected: string, found: string) =>
      cannotUse(path, index, field, expected, found);
    const assertName = (name: string) => {
      if (!NAME.test(name)) {
        throw fail("name", "a letter, then letters, digits and ._-", quoted(JSON.stringify(name)));
      }
      if (names.has(name)) throw fail("name", "one that is not taken", name);
    };
    assertName(fields.name);
    const at = (folder: string) => absolute(path, folder);
    const what = (field: string) => describe(path, index, field);
    const reals = realsOf(fields, [...known, ...specs], at, fail);
    for (const spec of await specsOf({ fields, reals, what, fail, at })) {
      assertName(spec.name);
      names.add(spec.name);
      specs.push(spec);
    }
  }
  return specs;
}

/** Where an entry's real images come from, if it says so. */
function realsOf(
  { real }: UserSet,
  known: readonly DatasetSpec[],
  at: Entry["at"],
  fail: Entry["fail"],
): readonly Source[] {
  if (real === undefined) return [];
  if (!real.startsWith(BORROWED)) return [{ label: 0, directory: at(real), isDeep: true }];
  const name = real.slice(BORROWED.length);
  const lender = known.find((spec) => spec.name === name);
  const sources = lender?.sources.filter(({ label }) => label === 0) ?? [];
  if (sources.length > 0) return sources;
  const able = known.filter((spec) => spec.sources.some(({ label }) => label === 0));
  const expected = lender
    ? "a set that has real images"
    : "the name of a set, or of an entry above";
  const others = able.length === 0 ? "" : `; there are ${listed(able.map(({ name }) => name))}`;
  throw fail("real", expected, `${quoted(name)}${others}`);
}

/** An entry of the file, and how its errors begin. */
interface Entry {
  readonly fields: UserSet;
  /** Where its real images come from. */
  readonly reals: readonly Source[];
  /** What an error says of a field. */
  readonly what: (field: string) => string;
  readonly fail: (field: string, expected: string, found: string) => UserError;
  /** The file's folder. */
  readonly at: (path: string) => string;
}

/** The sets that an entry stands for: one, or all of a collection. */
async function specsOf(entry: Entry): Promise<DatasetSpec[]> {
  const { fields, reals, what, fail } = entry;
  const [first, second] = (["generated", "list", "layout"] as const)
    .filter((field) => fields[field] !== undefined);
  if (second !== undefined) throw fail(second, `none beside ${first}`, quoted(fields[second]));
  if (first !== "layout" && fields.folder !== undefined) {
    throw fail("folder", "a layout beside it", "none");
  }
  // borrowed images are where their own set says
  if (fields.real?.startsWith(BORROWED) === false) await assertImages(what("real"), reals);
  if (first === "layout") return await collectionSets(entry);
  const { name, title = name, family = "Own sets" } = fields;
  const made = first === "list" ? await listedSources(entry) : await madeSources(entry);
  return [{ name, title, family, sources: [...reals, ...made], isOwn: true }];
}

async function madeSources({ fields, reals, what, fail, at }: Entry): Promise<Source[]> {
  const { real, generated } = fields;
  if (generated === undefined) {
    if (real !== undefined && !real.startsWith(BORROWED)) return [];
    const expected = real === undefined
      ? "a folder of real images, of generated ones, or both; or a list or a layout"
      : "generated images beside the real ones of another set";
    throw fail(real === undefined ? "real" : "generated", expected, "none");
  }
  const directory = at(generated);
  if (reals.some((source) => "directory" in source && source.directory === directory)) {
    throw fail("generated", "another folder than that of real", directory);
  }
  const made: Source = { label: 1, directory, isDeep: true };
  await assertImages(what("generated"), [made]);
  return [made];
}

async function listedSources({ fields, reals, what, at }: Entry): Promise<Source[]> {
  const list = at(fields.list!);
  let images: LabelledLine[];
  try {
    images = await readLabelList(list);
  } catch (error) {
    if (error instanceof UserError) throw error;
    const found = reasonOf(error);
    throw new UserError(
      "missing",
      `Cannot use ${what("list")}: expected a list at ${list}, found ${found}`,
    );
  }
  await assertListed(list, images);
  const labels = new Set(images.map(({ label }) => label));
  return ([0, 1] as const)
    .filter((label) => labels.has(label) && (label === 1 || reals.length === 0))
    .map((label) => ({ label, list, resolve: "csv" }));
}

async function collectionSets({ fields, reals, what, fail, at }: Entry): Promise<DatasetSpec[]> {
  const { name, layout, folder } = fields;
  const known = LAYOUTS.find((one) => one.name === layout);
  if (known === undefined) {
    throw fail("layout", `one of ${LAYOUTS.map((one) => one.name).join(", ")}`, quoted(layout));
  }
  if (folder === undefined) throw fail("folder", "a text", "none");
  const title = fields.title ?? known.title;
  const sets = await layoutSets(known, at(folder), what("folder"));
  const specs = sets.map(({ part, sources }): DatasetSpec => ({
    name: part === "" ? name : `${name}_${part.replaceAll(/[^\w.-]/g, "_")}`,
    title: part === "" ? title : part,
    ...(part === "" ? {} : { fullTitle: `${title} ${part}` }),
    family: fields.family ?? title,
    sources: reals.length === 0
      ? sources
      : [...reals, ...sources.filter(({ label }) => label === 1)],
    isOwn: true,
    origins: [known.origin],
  }));
  for (const { sources } of specs) {
    await assertImages(what("folder"), sources.filter((source) => !reals.includes(source)));
  }
  return specs;
}

async function assertImages(what: string, sources: readonly Source[]): Promise<void> {
  for (const source of sources) {
    if (!await holdsImages("/", source, what)) {
      throw new UserError("missing", noImages("/", source, what));
    }
  }
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
    if (value === undefined && field !== "name") continue;
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
