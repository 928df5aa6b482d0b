/**
 * The mini world's folders and files: what lies where, made how, in which format.
 * @module
 */
import { randomStream } from "../random.ts";
import type { LeafShape } from "./scene.ts";
import {
  type GeneratorName,
  MINI_CLASSES,
  MINI_COUNTS,
  MINI_LARGE_SIZE_PX,
  MINI_LATENT_GENERATOR,
  MINI_SIZE_PX,
  MINI_TRAINING_GENERATOR,
  SYNTHBUSTER_SETS,
  TEST_SETS,
} from "./sets.ts";

/** A folder of images, all made alike. */
export interface MiniFolder {
  /** Relative to the world's root. */
  readonly path: string;
  /** Number of images. */
  readonly count: number;
  /** Width and height of an image. */
  readonly sizePx: number;
  /** Outline of the leaves. */
  readonly shape: LeafShape | "mixed";
  /** What the images passed through; absent where they are real. */
  readonly generator?: GeneratorName;
  /** `even`: every second image PNG, the others JPEG. */
  readonly format: "png" | "jpeg" | "even";
  /** Before each file's number. */
  readonly prefix?: string;
}

/**
 * All folders of the world, in the order they are made.
 * @param scale share of the full world's images; a folder never has fewer than 2
 */
export function miniFolders(scale: number): MiniFolder[] {
  const scaled = (count: number) => Math.max(2, Math.round(count * scale));
  const small = { sizePx: MINI_SIZE_PX, shape: "mixed", format: "even" } as const;
  const folders: MiniFolder[] = [];
  const addPair = (
    parent: string,
    shape: MiniFolder["shape"],
    count: number,
    generator: GeneratorName,
  ) => {
    folders.push({ ...small, path: `${parent}/0_real`, shape, count });
    folders.push({ ...small, path: `${parent}/1_fake`, shape, count, generator });
  };
  for (const split of ["train", "val"] as const) {
    for (const leaf of MINI_CLASSES) {
      addPair(`${split}/${leaf}`, leaf, scaled(MINI_COUNTS[split]), MINI_TRAINING_GENERATOR);
    }
  }
  const count = scaled(MINI_COUNTS.test);
  for (const reals of ["imagenet", "laion"]) {
    folders.push({ ...small, path: `test/diffusion_datasets/${reals}/0_real`, count });
  }
  for (const [name, { classes, reals }] of Object.entries(TEST_SETS)) {
    const generator = name as GeneratorName;
    if (reals) {
      folders.push({ ...small, path: `test/diffusion_datasets/${name}/1_fake`, count, generator });
    } else if (classes) {
      for (const leaf of classes) {
        addPair(`test/${name}/${leaf}`, leaf, scaled(MINI_COUNTS.test / classes.length), generator);
      }
    } else addPair(`test/${name}`, "mixed", count, generator);
  }
  folders.push(...latentFolders(scaled), ...synthbusterFolders(scaled(MINI_COUNTS.synthbuster)));
  return folders;
}

/**
 * Real images of the latent set are PNG where they come from the training classes and JPEG where
 * they come from COCO's stand-in; generated ones follow them leaf for leaf and format for format.
 */
function latentFolders(scaled: (count: number) => number): MiniFolder[] {
  return LATENT_SPLITS.flatMap(({ split, coco, cocoIds, count }): MiniFolder[] => {
    const parent = `latent_diffusion_trainingset/${split}`;
    const common = { sizePx: MINI_SIZE_PX, generator: MINI_LATENT_GENERATOR } as const;
    return [
      {
        path: `coco/${coco}`,
        prefix: `COCO_${coco}_${cocoIds}`,
        count: scaled(count),
        sizePx: MINI_SIZE_PX,
        shape: "mixed",
        format: "jpeg",
      },
      {
        ...common,
        path: `${parent}/mixed`,
        count: scaled(count),
        shape: "mixed",
        format: "jpeg",
      },
      ...MINI_CLASSES.map((leaf) => ({
        ...common,
        path: `${parent}/${leaf}`,
        count: scaled(count / MINI_CLASSES.length),
        shape: leaf,
        format: "png" as const,
      })),
    ];
  });
}

/** COCO's images have numbers of twelve digits, none of them in both of its folders. */
const LATENT_SPLITS = [
  { split: "train", coco: "train2014", cocoIds: "0000000", count: MINI_COUNTS.latentTrain },
  { split: "valid", coco: "val2014", cocoIds: "0000001", count: MINI_COUNTS.latentVal },
] as const;

function synthbusterFolders(count: number): MiniFolder[] {
  const large = { sizePx: MINI_LARGE_SIZE_PX, shape: "mixed", format: "png", count } as const;
  return [
    { ...large, path: "RAISEpng" },
    ...Object.keys(SYNTHBUSTER_SETS).map((name) => ({
      ...large,
      path: `synthbuster/${name}`,
      generator: name as GeneratorName,
    })),
  ];
}

/** Name of a folder's file number `index`, counted from 0. */
export function miniFileName({ prefix = "", format }: MiniFolder, index: number): string {
  const isPng = format === "png" || (format === "even" && index % 2 === 0);
  return `${prefix}${`${index}`.padStart(5, "0")}.${isPng ? "png" : "jpg"}`;
}

/** Quality that a JPEG file is written with, 80 to 97. It depends on the file and not on its label. */
export function miniJpegQuality(seed: number, path: string): number {
  return 80 + randomStream(seed, "mini quality", path).integer(18);
}

/** The latent set's lists of real images: file, relative to the world's root, and its lines. */
export function miniLists(scale: number): { path: string; lines: string[] }[] {
  const folders = miniFolders(scale);
  const filesOf = (path: string) => {
    const folder = folders.find((candidate) => candidate.path === path)!;
    return Array.from({ length: folder.count }, (_, index) => miniFileName(folder, index));
  };
  return LATENT_SPLITS.flatMap(({ split, coco }) => {
    const parent = `latent_diffusion_trainingset/${split}`;
    const lsun = MINI_CLASSES.flatMap((leaf) => {
      const png = filesOf(`train/${leaf}/0_real`).filter((name) => name.endsWith(".png"));
      const wanted = filesOf(`${parent}/${leaf}`).length;
      // validation takes its images from the other end, so that it shares none with training
      const taken = split === "train" ? png.slice(0, wanted) : png.slice(-wanted);
      return taken.map((name) => `${leaf}_${name}`);
    });
    const cocoNames = filesOf(`coco/${coco}`).map((name) => name.slice(`COCO_${coco}_`.length));
    return [
      { path: `${parent}/real_lsun.txt`, lines: lsun },
      { path: `${parent}/real_coco.txt`, lines: cocoNames },
    ];
  });
}

/** Names of files by their folder, relative to the world's root. */
export type MiniFiles = Readonly<Record<string, readonly string[]>>;

/** All files of the world: images, and the latent set's lists. */
export function miniFiles(scale: number): MiniFiles {
  const files: Record<string, string[]> = {};
  for (const folder of miniFolders(scale)) {
    files[folder.path] = Array.from(
      { length: folder.count },
      (_, index) => miniFileName(folder, index),
    );
  }
  for (const { path } of miniLists(scale)) {
    const slash = path.lastIndexOf("/");
    (files[path.slice(0, slash)] ??= []).push(path.slice(slash + 1));
  }
  return files;
}
