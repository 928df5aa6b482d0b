/**
 * What the mini world holds, as plain data: the paper's training sets, test sets and Synthbuster in
 * small, in the released layout. Folders are relative to the world's root.
 * @module
 */
import { randomStream } from "../random.ts";
import type { DatasetSpec } from "./dataset.ts";
import type { GENERATORS } from "./mini_generators.ts";
import type { LeafShape } from "./mini_scene.ts";

/** Name of a simulated generator. */
export type GeneratorName = keyof typeof GENERATORS;

/** The four training classes: what horse, chair, car and cat are to the paper. */
export const MINI_CLASSES = ["discs", "squares", "triangles", "stars"] as const;

/** The generator whose images heads are trained on: what ProGAN is to the paper. */
export const MINI_TRAINING_GENERATOR = "zero_insertion_k3" satisfies GeneratorName;

/** The generator of the second training set: what latent diffusion is to the paper's §5.8. */
export const MINI_LATENT_GENERATOR = "latent_dct_fine" satisfies GeneratorName;

/** Side of an image in pixels; of those for ten-crop, `MINI_LARGE_SIZE_PX`. */
export const MINI_SIZE_PX = 76;

/** Side in pixels of the images for ten-crop. */
export const MINI_LARGE_SIZE_PX = 160;

/** Images of one folder of the full world, by what the folder is for. */
export const MINI_COUNTS = {
  /** Of each class and label. */
  train: 500,
  val: 50,
  /** Of each test set and label, spread evenly over classes where the set has them. */
  test: 100,
  /** Of COCO's stand-in, and as many from the training classes. */
  latentTrain: 300,
  latentVal: 40,
  synthbuster: 40,
} as const;

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

interface TestSetRow {
  readonly title: string;
  readonly family: string;
  /** Present where the set has a class level. */
  readonly classes?: readonly LeafShape[];
  /** Present where the set shares its real images with others. */
  readonly reals?: "imagenet" | "laion";
}

const GAN = "GAN-like", LATENT = "Latent diffusion-like";

const TEST_SETS: Readonly<Record<string, TestSetRow>> = {
  zero_insertion_k3: {
    title: "Zero insertion, 3 taps",
    family: GAN,
    classes: MINI_CLASSES,
  },
  zero_insertion_k5: {
    title: "Zero insertion, 5 taps",
    family: GAN,
    classes: ["discs", "bars"],
  },
  zero_insertion_k5_noise: {
    title: "Zero insertion, noise",
    family: GAN,
    classes: ["squares", "rings"],
  },
  checkerboard_deconv: { title: "Checkerboard", family: GAN },
  nearest_upsampling: {
    title: "Nearest neighbour",
    family: GAN,
    classes: ["stars", "bars"],
  },
  bilinear_2x: { title: "Bilinear", family: GAN },
  subpixel_shuffle: { title: "Subpixel shuffle", family: GAN },
  blended_region: { title: "Blended region", family: "Deepfake-like" },
  dark_gain_denoise: { title: "Dark gain", family: "Low-level-like" },
  cubic_sharpened: { title: "Cubic, sharpened", family: "Low-level-like" },
  cascade_refinement: { title: "Cascade", family: "Perceptual-like" },
  patch_quilting: { title: "Patch quilting", family: "Perceptual-like" },
  iterative_denoising: { title: "Iterative denoising", family: LATENT, reals: "imagenet" },
  latent_dct_fine: { title: "Latent DCT, fine", family: LATENT, reals: "laion" },
  latent_dct_fine_contrast: { title: "Latent DCT, contrast", family: LATENT, reals: "laion" },
  latent_dct_coarse: { title: "Latent DCT, coarse", family: LATENT, reals: "laion" },
  two_stage_soft: { title: "Two stages, soft", family: LATENT, reals: "laion" },
  two_stage_grainy: { title: "Two stages, grainy", family: LATENT, reals: "laion" },
  two_stage_sharp: { title: "Two stages, sharp", family: LATENT, reals: "laion" },
  palette_tokens: { title: "Palette tokens", family: "Autoregressive-like", reals: "laion" },
} satisfies Partial<Record<GeneratorName, TestSetRow>>;

const SYNTHBUSTER_SETS: Readonly<Record<string, TestSetRow>> = {
  latent_dct_fine: { title: "Latent DCT, fine", family: LATENT },
  latent_dct_wide: { title: "Latent DCT, wide", family: LATENT },
  latent_dct_noisy: { title: "Latent DCT, noise", family: LATENT },
  latent_dct_wide_contrast: { title: "Latent DCT, wide, contrast", family: LATENT },
  two_stage_soft: { title: "Two stages, soft", family: LATENT },
  two_stage_grainy: { title: "Two stages, grainy", family: LATENT },
  two_stage_sharp: { title: "Two stages, sharp", family: LATENT },
  iterative_denoising: { title: "Iterative denoising", family: LATENT },
  palette_tokens: { title: "Palette tokens", family: "Autoregressive-like" },
} satisfies Partial<Record<GeneratorName, TestSetRow>>;
function testSet([name, { title, family, classes, reals }]: [string, TestSetRow]): DatasetSpec {
  const folder = reals ? `test/diffusion_datasets/${name}` : `test/${name}`;
  const level = classes ? "/*" : "";
  return {
    name,
    title,
    family,
    sources: [
      {
        label: 0,
        directory: `${reals ? `test/diffusion_datasets/${reals}` : folder}${level}/0_real`,
      },
      { label: 1, directory: `${folder}${level}/1_fake` },
    ],
  };
}

/** The 20 test sets, in the order of the families in the paper's tables. */
export const MINI_TEST_SETS: readonly DatasetSpec[] = Object.entries(TEST_SETS).map(testSet);

/** The 9 sets of larger images, for ten-crop. */
export const MINI_SYNTHBUSTER_SETS: readonly DatasetSpec[] = Object.entries(SYNTHBUSTER_SETS).map((
  [name, { title, family }],
) => ({
  name: `large_${name}`,
  title,
  family,
  sources: [
    { label: 0, directory: "RAISEpng" },
    { label: 1, directory: `synthbuster/${name}` },
  ],
}));

function classImages(split: "train" | "val", leaf: string): DatasetSpec {
  return {
    name: `${split}_${leaf}`,
    title: leaf,
    family: GAN,
    sources: [
      { label: 0, directory: `${split}/${leaf}/0_real` },
      { label: 1, directory: `${split}/${leaf}/1_fake` },
    ],
  };
}

/** Training and validation images by class; the generated ones are the training generator's. */
export const MINI_TRAINING_SETS: Readonly<
  Record<typeof MINI_CLASSES[number], { readonly train: DatasetSpec; readonly val: DatasetSpec }>
> = {
  discs: { train: classImages("train", "discs"), val: classImages("val", "discs") },
  squares: { train: classImages("train", "squares"), val: classImages("val", "squares") },
  triangles: { train: classImages("train", "triangles"), val: classImages("val", "triangles") },
  stars: { train: classImages("train", "stars"), val: classImages("val", "stars") },
};

function latentImages(split: "train" | "valid"): DatasetSpec {
  const folder = `latent_diffusion_trainingset/${split}`;
  return {
    name: `latent_${split}`,
    title: TEST_SETS[MINI_LATENT_GENERATOR]!.title,
    family: LATENT,
    sources: [
      { label: 0, list: `${folder}/real_lsun.txt`, resolve: "lsun" },
      { label: 0, list: `${folder}/real_coco.txt`, resolve: "coco" },
      { label: 1, directory: `${folder}/*` },
    ],
  };
}

/** The second training set: images of the latent generator, real ones named in lists. */
export const MINI_LATENT_TRAINING_SET: { readonly train: DatasetSpec; readonly val: DatasetSpec } =
  {
    train: latentImages("train"),
    val: latentImages("valid"),
  };

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
