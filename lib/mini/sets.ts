/**
 * What the mini world holds, as plain data: the paper's training sets, test sets and Synthbuster in
 * small, in the released layout. Folders are relative to the world's root.
 * @module
 */
import type { DatasetSpec } from "../data/dataset.ts";
import type { GENERATORS } from "./generators.ts";
import type { LeafShape } from "./scene.ts";

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

/** A test set in short. */
export interface TestSetRow {
  /** Name for people. */
  readonly title: string;
  /** The group it stands in. */
  readonly family: string;
  /** Present where the set has a class level. */
  readonly classes?: readonly LeafShape[];
  /** Present where the set shares its real images with others. */
  readonly reals?: "imagenet" | "laion";
}

const GAN = "GAN-like", LATENT = "Latent diffusion-like";

/** The test sets by generator: what {@linkcode MINI_TEST_SETS} and their folders are made of. */
export const TEST_SETS: Readonly<Record<string, TestSetRow>> = {
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

/** The sets for ten-crop by generator. */
export const SYNTHBUSTER_SETS: Readonly<Record<string, TestSetRow>> = {
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
    ...(family === GAN ? { kind: "gan" } : reals ? { kind: "diffusion" } : {}),
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
