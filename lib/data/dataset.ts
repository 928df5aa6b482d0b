/**
 * Sets of images as they lie on disk: which folders hold the real and the generated ones.
 * @module
 */
import { join } from "node:path";

/** 0 real, 1 generated. */
export type Label = 0 | 1;

/** Where images of one label come from. Folders are relative to the data root, with `/` between. */
export type Source =
  | {
    readonly label: Label;
    /** A folder; one segment may be `*` and stands for every folder there (the class level). */
    readonly directory: string;
  }
  | {
    readonly label: Label;
    /** A text file with one image name a line. */
    readonly list: string;
    /** How names become files: see {@linkcode listImages}. */
    readonly resolve: "lsun" | "coco";
  };

/** One set of images. */
export interface DatasetSpec {
  /** Unique name; also the name of its results: `stylegan`. */
  readonly name: string;
  /** Name for people: `StyleGAN`. */
  readonly title: string;
  /** The group it stands in: `GAN`, `Low level vision`, … */
  readonly family: string;
  readonly sources: readonly Source[];
  /** Images of each label in the published set. */
  readonly expected?: { readonly real: number; readonly generated: number };
}

/** One image of a set. */
export interface ImageEntry {
  /** Path relative to the data root, with `/` between. */
  readonly path: string;
  readonly label: Label;
  /** Name of the set it belongs to. */
  readonly generator: string;
}

const IMAGE_EXTENSIONS = new Set(["png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff"]);

/** Whether a file's name ends like an image's. */
export function isImageName(name: string): boolean {
  return IMAGE_EXTENSIONS.has(name.slice(name.lastIndexOf(".") + 1).toLowerCase());
}

/**
 * Lists a set's images in an order that does not depend on the file system: sources as declared,
 * then paths by UTF-16 code unit. Files that are not images by name are passed over.
 *
 * List files of the latent-diffusion training set: `lsun` turns `class_name.png` into
 * `train/class/0_real/name.png`; `coco` finds `COCO_train2014_*` and `COCO_val2014_*` in
 * `coco/train2014/` and `coco/val2014/`. Released: `src/data.py`.
 *
 * @throws {RangeError} where a folder or list is missing, or holds no image
 */
export async function listImages(root: string, spec: DatasetSpec): Promise<ImageEntry[]> {
  const entries: ImageEntry[] = [];
  for (const source of spec.sources) {
    const where = "directory" in source ? source.directory : source.list;
    const paths = "directory" in source
      ? (await Promise.all(
        (await expandDirectory(root, source.directory, spec)).map((folder) =>
          imagesIn(root, folder, spec)
        ),
      )).flat()
      : await imagesOfList(root, source.list, source.resolve, spec);
    if (paths.length === 0) {
      throw new RangeError(
        `Cannot use ${spec.name}: expected ${source.label === 0 ? "real" : "generated"} images in ${
          join(root, where)
        }, found none`,
      );
    }
    paths.sort((a, b) => (a < b ? -1 : 1));
    for (const path of paths) entries.push({ path, label: source.label, generator: spec.name });
  }
  return entries;
}

async function expandDirectory(root: string, pattern: string, spec: DatasetSpec) {
  const segments = pattern.split("/");
  const star = segments.indexOf("*");
  if (star < 0) return [pattern];
  const parent = segments.slice(0, star).join("/");
  const folders: string[] = [];
  for (const { name, isFile } of await readFolder(root, parent, spec)) {
    if (!isFile) folders.push([parent, name, ...segments.slice(star + 1)].join("/"));
  }
  return folders;
}

async function imagesIn(root: string, folder: string, spec: DatasetSpec): Promise<string[]> {
  const paths: string[] = [];
  for (const { name, isFile } of await readFolder(root, folder, spec)) {
    if (isFile && isImageName(name)) paths.push(`${folder}/${name}`);
  }
  return paths;
}

async function readFolder(root: string, folder: string, spec: DatasetSpec) {
  const path = join(root, folder);
  const found: { name: string; isFile: boolean }[] = [];
  try {
    for await (const { name, isFile, isSymlink } of Deno.readDir(path)) {
      found.push({ name, isFile: isSymlink ? (await Deno.stat(join(path, name))).isFile : isFile });
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      throw new RangeError(`Cannot use ${spec.name}: expected a folder at ${path}, found none`);
    }
    throw error;
  }
  return found;
}

async function imagesOfList(
  root: string,
  list: string,
  resolve: "lsun" | "coco",
  spec: DatasetSpec,
): Promise<string[]> {
  let text: string;
  try {
    text = await Deno.readTextFile(join(root, list));
  } catch {
    throw new RangeError(
      `Cannot use ${spec.name}: expected a list at ${join(root, list)}, found none`,
    );
  }
  const names = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  return names.map((name) => {
    if (resolve === "coco") {
      return `coco/${name.includes("val2014") ? "val2014" : "train2014"}/${name}`;
    }
    const split = name.indexOf("_");
    if (split < 1) {
      throw new RangeError(
        `Cannot use ${spec.name}: expected class_name.png in ${list}, found ${name}`,
      );
    }
    return `train/${name.slice(0, split)}/0_real/${name.slice(split + 1)}`;
  });
}
