/**
 * Sets of images as they lie on disk: which folders hold the real and the generated ones.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { resolve } from "node:path";
import { type FileBelow, FolderTree, isHidden, type TreeEntry } from "./folder_tree.ts";
import { readLabelList } from "./label_list.ts";

/** 0 real, 1 generated. */
export type Label = 0 | 1;

/**
 * Where images of one label come from. Folders are relative to the data root, or absolute, with `/`
 * between.
 */
export type Source =
  | {
    readonly label: Label;
    /** A folder; one segment may be `*` and stands for every folder there (the class level). */
    readonly directory: string;
    /** Whether folders in it are read too, as in users' own sets. */
    readonly isDeep?: boolean;
  }
  | {
    readonly label: Label;
    /** A text file with one image name a line; `csv`: with labels, of both kinds. */
    readonly list: string;
    /** How names become files: see {@linkcode listSource}. */
    readonly resolve: "lsun" | "coco" | "csv";
  };

/** Where a set is to be had, in names that outlive links. */
export interface Origin {
  /** Who published it, and under which name it is found. */
  readonly published: string;
  /** What may be done with it. */
  readonly licence: string;
}

/** One set of images. */
export interface DatasetSpec {
  /** Unique name; also the name of its results: `stylegan`. */
  readonly name: string;
  /** Name for people: `StyleGAN`. */
  readonly title: string;
  /** Name for people where its family does not stand beside it; default the title: `LDM 200 steps`. */
  readonly fullTitle?: string;
  /** The group it stands in: `GAN`, `Low level vision`, … */
  readonly family: string;
  /**
   * What Figure 1 shows its generated images as: those of GANs, and those published as of diffusion
   * models; other sets are not in it.
   */
  readonly kind?: "gan" | "diffusion";
  /** Where its images come from; what comes first is listed first. */
  readonly sources: readonly Source[];
  /** Images of each label in the published set. */
  readonly expected?: { readonly real: number; readonly generated: number };
  /**
   * A user's own, or added to the catalog: it stands in every table beside the paper's sets, and in none
   * of their means.
   */
  readonly isOwn?: boolean;
  /** Where it is to be had; several where it is put together from several. */
  readonly origins?: readonly Origin[];
}

/** An image, and what it is. */
export interface LabelledImage {
  /** Path relative to the data root, or absolute, with `/` between. */
  readonly path: string;
  /** Whether it is real or generated. */
  readonly label: Label;
}

/** One image of a set. */
export interface ImageEntry extends LabelledImage {
  /** Name of the set it belongs to. */
  readonly generator: string;
}

/** What a source holds. */
export interface SourceListing {
  /** Paths of its images, as {@linkcode ImageEntry} has them, by UTF-16 code unit. */
  readonly paths: readonly string[];
  /** Paths of the files that are not images by name, and are passed over. */
  readonly passedOver: readonly string[];
  /** What else to know, in lines for people: links that are not followed, folders without images. */
  readonly notes?: readonly string[];
}

/**
 * Formats that are decoded, and formats that people keep images in beside them: those are listed
 * too, and refused by name when they are read, rather than missed in silence.
 */
const IMAGE_EXTENSIONS = new Set(
  "png jpg jpeg jpe jfif webp bmp dib gif tif tiff pbm pgm ppm pnm avif heic heif jp2 j2k jxl tga ico qoi"
    .split(" "),
);

/** Whether a file's name is an image's. Names that start with a dot are the system's own. */
export function isImageName(name: string): boolean {
  const dot = name.lastIndexOf(".");
  return dot > 0 && !isHidden(name) && IMAGE_EXTENSIONS.has(name.slice(dot + 1).toLowerCase());
}

/**
 * Lists a set's images in an order that does not depend on the file system: sources as declared,
 * then paths by UTF-16 code unit.
 *
 * @throws {UserError} as {@linkcode listSource}, and where a source holds no image
 */
export async function listImages(root: string, spec: DatasetSpec): Promise<ImageEntry[]> {
  const entries: ImageEntry[] = [];
  const generator = spec.name;
  for (const source of spec.sources) {
    const { label } = source, { paths } = await listSource(root, source, generator);
    if (paths.length === 0) throw new UserError("missing", noImages(root, source, generator));
    for (const path of paths) entries.push({ path, label, generator });
  }
  return entries;
}

/** Says that a source holds no image. */
export function noImages(root: string, source: Source, name: string): string {
  const where = resolve(root, "directory" in source ? source.directory : source.list);
  const kind = source.label === 0 ? "real" : "generated";
  return `Cannot use ${name}: expected ${kind} images in ${where}, found none`;
}

/**
 * Lists one source of a set. Files that are not images by name are passed over, as are hidden files
 * and folders, and folders in it, unless the source is deep. Links count as what they lead to; an image whose link leads nowhere, or that a list
 * names and the disk does not have, is listed, and reported by whoever reads it.
 *
 * List files of the latent-diffusion training set: `lsun` turns `class_name.png` into
 * `train/class/0_real/name.png`; `coco` turns `name.jpg` into `coco/train2014/COCO_train2014_name.jpg`
 * where that is there, else into `coco/val2014/COCO_val2014_name.jpg`.
 * Released: src/data.py, `TrainingDatasetLDM`. `csv` is {@linkcode readLabelList}'s.
 *
 * @param name what to call the set in errors
 * @throws {UserError} in one line, where a folder or list is missing or may not be read
 */
export async function listSource(
  root: string,
  source: Source,
  name: string,
): Promise<SourceListing> {
  const tree = new FolderTree(root, name);
  if ("list" in source && source.resolve === "csv") {
    const images = await readLabelList(resolve(root, source.list));
    const paths = images.filter(({ label }) => label === source.label).map(({ path }) => path);
    return { paths: paths.sort(), passedOver: [] };
  }
  if ("list" in source) {
    const names = await tree.lines(source.list);
    const paths = source.resolve === "lsun"
      ? await lsunPaths(names, source.list, tree)
      : await cocoPaths(names, tree);
    return { paths: paths.sort(), passedOver: [] };
  }
  const paths: string[] = [];
  const passedOver: string[] = [];
  const notes: string[] = [];
  const onNote = (line: string) => notes.push(line);
  const folders = await tree.expand(source.directory);
  for (const folder of folders) {
    const before = paths.length;
    for (const { name, kind, path } of await filesOf(tree, folder, source.isDeep, onNote)) {
      if (isImageName(name) && kind !== "folder") paths.push(path);
      else if (kind === "file" && !isHidden(name)) passedOver.push(path);
      else if (kind === "broken link") notes.push(leadsNowhere(resolve(root, path)));
    }
    // of one folder alone its reader says so
    if (paths.length === before && folders.length > 1) {
      notes.push(`${resolve(root, folder)} holds no image, and folders beside it do`);
    }
  }
  return {
    paths: paths.sort(),
    passedOver: passedOver.sort(),
    ...(notes.length === 0 || paths.length === 0 ? {} : { notes }),
  };
}

/**
 * Whether a source holds an image, without a look at more of it than that takes.
 * @throws {UserError} as {@linkcode listSource}
 */
export async function holdsImages(root: string, source: Source, name: string): Promise<boolean> {
  if ("list" in source) return (await listSource(root, source, name)).paths.length > 0;
  const tree = new FolderTree(root, name);
  const isImage = ({ name, kind }: TreeEntry) => isImageName(name) && kind !== "folder";
  for (const folder of await tree.expand(source.directory)) {
    const files = source.isDeep
      ? await tree.below(folder, () => {}, isImage)
      : await tree.read(folder, isImage);
    if (files.some(isImage)) return true;
  }
  return false;
}

/** Says that a link is passed over. */
export function leadsNowhere(path: string): string {
  return `${path} is a link that leads nowhere or in a circle`;
}

async function filesOf(
  tree: FolderTree,
  folder: string,
  isDeep = false,
  onNote: (line: string) => void,
): Promise<FileBelow[]> {
  if (isDeep) return await tree.below(folder, onNote);
  return (await tree.read(folder)).map(({ name, kind, isLink }) => ({
    ...{ name, kind, isLink },
    path: `${folder}/${name}`,
  }));
}

async function lsunPaths(
  names: readonly string[],
  list: string,
  tree: FolderTree,
): Promise<string[]> {
  const folders = new Set<string>();
  const paths = names.map((name) => {
    const split = name.indexOf("_");
    if (split < 1) throw tree.error(`class_name.png in ${list}`, name);
    const folder = `train/${name.slice(0, split)}/0_real`;
    folders.add(folder);
    return `${folder}/${name.slice(split + 1)}`;
  });
  for (const folder of folders) await tree.assertFolder(folder);
  return paths;
}

async function cocoPaths(names: readonly string[], tree: FolderTree): Promise<string[]> {
  const training = "coco/train2014/COCO_train2014_", validation = "coco/val2014/COCO_val2014_";
  const present = new Set<string>();
  const missing: unknown[] = [];
  for (const folder of ["coco/train2014", "coco/val2014"]) {
    try {
      for (const { name } of await tree.read(folder)) present.add(`${folder}/${name}`);
    } catch (error) {
      missing.push(error);
    }
  }
  if (missing.length === 2) throw missing[0];
  return names.map((name) => present.has(training + name) ? training + name : validation + name);
}
