/**
 * The paper's sets of images, as users have them on disk.
 *
 * `train|val/<class>/{0_real,1_fake}`; `test/<generator>/{0_real,1_fake}`, for some generators with a
 * class level between; `test/diffusion_datasets/<generator>/1_fake` with shared real images;
 * `synthbuster/<generator>/` against `RAISEpng/`; `latent_diffusion_trainingset/{train,valid}/`.
 * Released: src/data.py
 * @module
 */
import type { DatasetSpec, Origin, Source } from "./dataset.ts";

const CNN_DETECTION: Origin = {
  published: "CNNDetection (Wang et al., CVPR 2020): GitHub, PeterWang512/CNNDetection",
  licence: "CC BY-NC-SA 4.0; real images under the terms of their own sources (LSUN, ImageNet, …)",
};
const UNIVERSAL_FAKE_DETECT: Origin = {
  published: "UniversalFakeDetect (Ojha et al., CVPR 2023): GitHub, " +
    "WisconsinAIVision/UniversalFakeDetect (once Yuheng-Li/…), diffusion_datasets",
  licence: "MIT (the repository); real images under the terms of ImageNet and of LAION",
};
const SYNTHBUSTER: Origin = {
  published: "Synthbuster (Bammey, IEEE OJSP 2023): Zenodo, record 10066460",
  licence: "non-commercial use, with reference to its paper and to RAISE",
};
const RAISE: Origin = {
  published: "RAISE-1k (Dang-Nguyen et al., ACM MMSys 2015): University of Trento, as PNG",
  licence: "non-commercial research, with reference to its paper",
};
const DM_IMAGE_DETECTION: Origin = {
  published: "DMimageDetection (Corvi et al., ICASSP 2023): GitHub, grip-unina/DMimageDetection, " +
    "latent_diffusion_trainingset",
  licence: "non-profit use, with reference to its paper",
};
const COCO: Origin = {
  published: "MS COCO 2014 (Lin et al., ECCV 2014): train and val images",
  licence: "images under the terms of Flickr and of their authors",
};

/** A test set as a line of the catalog. */
export interface TestSet {
  readonly name: string;
  readonly title: string;
  /** Where the title alone does not say what it is. */
  readonly fullTitle?: string;
  readonly family: string;
  readonly real: number;
  readonly generated: number;
  /** How it lies on disk; default `plain`. */
  readonly layout?: "plain" | "by class" | "imagenet" | "laion";
  /** None of the paper's: it stands in every table beside them, and in none of their means. */
  readonly isAdded?: boolean;
  /** Where it is to be had; default: where the paper's sets of its layout are. */
  readonly origin?: Origin;
}

const GAN = "Generative adversarial networks", LATENT = "Latent diffusion", GLIDE = "Glide";

const TEST_SETS: readonly TestSet[] = [
  { name: "progan", title: "ProGAN", family: GAN, real: 4000, generated: 4000, layout: "by class" },
  {
    name: "stylegan",
    title: "StyleGAN",
    family: GAN,
    real: 5991,
    generated: 5991,
    layout: "by class",
  },
  {
    name: "stylegan2",
    title: "StyleGAN2",
    family: GAN,
    real: 7988,
    generated: 7988,
    layout: "by class",
  },
  { name: "biggan", title: "BigGAN", family: GAN, real: 2000, generated: 2000 },
  {
    name: "cyclegan",
    title: "CycleGAN",
    family: GAN,
    real: 1321,
    generated: 1321,
    layout: "by class",
  },
  { name: "stargan", title: "StarGAN", family: GAN, real: 1999, generated: 1999 },
  { name: "gaugan", title: "GauGAN", family: GAN, real: 5000, generated: 5000 },
  { name: "deepfake", title: "Deepfake", family: "Deepfakes", real: 2707, generated: 2698 },
  { name: "seeingdark", title: "SITD", family: "Low level vision", real: 180, generated: 180 },
  { name: "san", title: "SAN", family: "Low level vision", real: 219, generated: 219 },
  { name: "crn", title: "CRN", family: "Perceptual loss", real: 6382, generated: 6382 },
  { name: "imle", title: "IMLE", family: "Perceptual loss", real: 6382, generated: 6382 },
  diffusion("guided", "Guided", "Guided diffusion", "imagenet"),
  { ...diffusion("ldm_200", "200 steps", LATENT, "laion"), fullTitle: "LDM 200 steps" },
  { ...diffusion("ldm_200_cfg", "200 CFG", LATENT, "laion"), fullTitle: "LDM 200 CFG" },
  { ...diffusion("ldm_100", "100 steps", LATENT, "laion"), fullTitle: "LDM 100 steps" },
  { ...diffusion("glide_100_27", "100-27", GLIDE, "laion"), fullTitle: "Glide 100-27" },
  { ...diffusion("glide_50_27", "50-27", GLIDE, "laion"), fullTitle: "Glide 50-27" },
  { ...diffusion("glide_100_10", "100-10", GLIDE, "laion"), fullTitle: "Glide 100-10" },
  diffusion("dalle", "DALL-E", "Autoregressive", "laion"),
];

function diffusion(
  name: string,
  title: string,
  family: string,
  layout: "imagenet" | "laion",
): TestSet {
  return { name, title, family, real: 1000, generated: 1000, layout };
}

function kindOf({ family, layout, isAdded }: TestSet): "gan" | "diffusion" | undefined {
  // Figure 1 and Table 4 are of the paper's sets
  if (isAdded) return undefined;
  if (family === GAN) return "gan";
  return layout === "imagenet" || layout === "laion" ? "diffusion" : undefined;
}

function folders({ name, layout = "plain" }: TestSet): Source[] {
  if (layout === "plain" || layout === "by class") {
    const level = layout === "plain" ? "" : "/*";
    return [
      { label: 0, directory: `test/${name}${level}/0_real` },
      { label: 1, directory: `test/${name}${level}/1_fake` },
    ];
  }
  return [
    { label: 0, directory: `test/diffusion_datasets/${layout}/0_real` },
    { label: 1, directory: `test/diffusion_datasets/${name}/1_fake` },
  ];
}

/** A line of the catalog as a set. */
export function testSetOf(set: TestSet): DatasetSpec {
  const { name, title, fullTitle, family, real, generated, layout, isAdded, origin } = set;
  const kind = kindOf(set);
  const isDiffusion = layout === "imagenet" || layout === "laion";
  return {
    name,
    title,
    ...(fullTitle === undefined ? {} : { fullTitle }),
    family,
    ...(kind === undefined ? {} : { kind }),
    sources: folders(set),
    expected: { real, generated },
    ...(isAdded ? { isOwn: true } : {}),
    origins: [origin ?? (isDiffusion ? UNIVERSAL_FAKE_DETECT : CNN_DETECTION)],
  };
}

/** The 20 test sets, in the order of the paper's tables. Paper: §4.1. Released: src/utils.py, `get_generators`. */
export const TEST_SETS_20: readonly DatasetSpec[] = TEST_SETS
  .filter(({ isAdded }) => !isAdded)
  .map(testSetOf);

/** Test sets that are none of the paper's. */
export const ADDED_SETS: readonly DatasetSpec[] = TEST_SETS
  .filter(({ isAdded }) => isAdded)
  .map(testSetOf);

/** Names of the test sets that are GANs: those with "gan" in their name. Paper: Table 4. */
export const GAN_SETS: readonly string[] = TEST_SETS_20
  .filter(({ kind }) => kind === "gan")
  .map(({ name }) => name);

const SYNTHBUSTER_TITLES: Readonly<Record<string, string>> = {
  "dalle2": "DALL-E 2",
  "dalle3": "DALL-E 3",
  "stable-diffusion-1-3": "SD 1.3",
  "stable-diffusion-1-4": "SD 1.4",
  "stable-diffusion-2": "SD 2",
  "stable-diffusion-xl": "SDXL",
  "glide": "Glide",
  "firefly": "Firefly",
  "midjourney-v5": "Midjourney v5",
};

/** The 9 sets of Synthbuster. Paper: §5.8. Released: src/utils.py, `get_generators`. */
export const SYNTHBUSTER_SETS: readonly DatasetSpec[] = Object.entries(SYNTHBUSTER_TITLES).map((
  [name, title],
) => ({
  name,
  title,
  family: "Synthbuster",
  sources: [
    { label: 0, directory: "RAISEpng" },
    { label: 1, directory: `synthbuster/${name}` },
  ],
  expected: { real: 1000, generated: 1000 },
  origins: [SYNTHBUSTER, RAISE],
}));

/** Classes that ProGAN's training images are of. */
export const PROGAN_CLASSES = [
  "airplane",
  "bicycle",
  "bird",
  "boat",
  "bottle",
  "bus",
  "car",
  "cat",
  "chair",
  "cow",
  "diningtable",
  "dog",
  "horse",
  "motorbike",
  "person",
  "pottedplant",
  "sheep",
  "sofa",
  "train",
  "tvmonitor",
] as const;

/** ProGAN's training or validation images of one class. */
export function proganClass(split: "train" | "val", name: string): DatasetSpec {
  const each = split === "train" ? 18_000 : 200;
  return {
    name: `${split}_${name}`,
    title: `ProGAN ${name}`,
    family: GAN,
    sources: [
      { label: 0, directory: `${split}/${name}/0_real` },
      { label: 1, directory: `${split}/${name}/1_fake` },
    ],
    expected: { real: each, generated: each },
    origins: [CNN_DETECTION],
  };
}

/**
 * The latent-diffusion training set of §5.8, whose real images are named in lists. Its authors speak
 * of 200,000 images of each label; the published validation accuracies are whole numbers of 40,000.
 */
export function ldmSet(split: "train" | "valid"): DatasetSpec {
  const folder = `latent_diffusion_trainingset/${split}`;
  const each = split === "train" ? 180_000 : 20_000;
  return {
    name: `ldm_${split}`,
    title: "Latent diffusion",
    family: LATENT,
    sources: [
      { label: 0, list: `${folder}/real_lsun.txt`, resolve: "lsun" },
      { label: 0, list: `${folder}/real_coco.txt`, resolve: "coco" },
      { label: 1, directory: `${folder}/*` },
    ],
    expected: { real: each, generated: each },
    origins: [DM_IMAGE_DETECTION, COCO, CNN_DETECTION],
  };
}
