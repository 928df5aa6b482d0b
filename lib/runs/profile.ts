/**
 * A profile: the papers' protocol as data, at one scale.
 * @module
 */
import type { DatasetSpec, Source } from "../data/dataset.ts";
import type { PixelRecipe } from "../detectors/pixel_training.ts";
import type { Alike } from "../image/alike.ts";
import type { Augmentation } from "../image/augment.ts";
import type { OnProgress } from "../io/progress.ts";
import type { ScoreSample } from "./sample.ts";
import type { Selection } from "./select.ts";

/** Values that §5.3's grid runs over. */
export interface GridValues {
  readonly contrastiveWeights: readonly number[];
  readonly projectionLayers: readonly number[];
  readonly projectionDims: readonly number[];
}

/** Training images of one class and the images its runs are validated on. */
export interface ClassImages {
  readonly train: DatasetSpec;
  readonly val: DatasetSpec;
}

/** A training set by name, and what people call its generator. */
export interface NamedSet {
  readonly name: string;
  readonly title: string;
}

/** Sizes of a network that its cost follows from. */
export interface BackboneSizes {
  /** Number of Transformer blocks (n). */
  readonly blocks: number;
  /** Width of a token (d). */
  readonly width: number;
  /** Tokens of an image, class token included. */
  readonly length: number;
  /** Multiplications and additions of an image, of a network that is no transformer. */
  readonly flops?: number;
}

/** How images and backbones are made that nobody has to bring. */
export interface MadeWorld {
  /**
   * Makes images and weights, or finds them made.
   * @returns sizes in bytes of files that were looked at, by path relative to the root
   */
  make(options: MakingOptions): Promise<ReadonlyMap<string, number>>;
  /** The seed that the world in a folder was made from; `undefined` where there is none. */
  seedOf(root: string): Promise<number | undefined>;
  /** Makes images again that are not as they were made, of those that are about to be read. */
  mend(options: MendingOptions): Promise<void>;
  /**
   * Reads every file of the world in a folder.
   * @returns how many there are, and a line for each that is not as it was made
   */
  damaged(root: string): Promise<{ readonly files: number; readonly damaged: readonly string[] }>;
  /** Images that a source holds once the world is made. */
  count(source: Source): number;
}

/** What a world is made with. */
export interface MakingOptions {
  /** Folder that images and `backbones/` go to. */
  readonly root: string;
  /** What every random choice in it comes from. */
  readonly seed: number;
  readonly onProgress?: OnProgress;
  /** Told that another process makes it and is waited for. */
  readonly onWait?: (() => void) | undefined;
  /** Told, in a line for people, of a file that is damaged and is made again. */
  readonly onDamage?: ((line: string) => void) | undefined;
}

/** What of a world is looked at closely. */
export interface MendingOptions extends Pick<MakingOptions, "root" | "seed" | "onDamage"> {
  /** Paths relative to the root; others than the world's are passed over. */
  readonly images: readonly string[];
}

/** A feature space: a backbone, and what figures call it. */
export interface FeatureSpace {
  readonly backbone: string;
  readonly title: string;
}

/** How training images are varied; the protocol says how qualities are drawn. */
export interface AugmentationRounds extends Omit<Augmentation, "protocol"> {
  /** Augmentations of each image; epochs beyond as many see them again in the same order. */
  readonly augmentations: number;
}

/** What the sections of UFD's paper run over. Paper: Ojha, Li & Lee, CVPR 2023. */
export interface UfdProtocol {
  /** Backbone of all sections but the one that compares feature spaces. */
  readonly backbone: string;
  /** The feature spaces that are compared, in the order of Figure 5. */
  readonly featureSpaces: readonly FeatureSpace[];
  /** Names of its test sets, in the order of its tables. */
  readonly testSets: readonly string[];
  /** Names of those that its studies are tried on. */
  readonly studySets: readonly string[];
  /** Classes that everything but the section on classes is trained on. */
  readonly classes: readonly string[];
  /** Classes trained on, few first, in Figure 13. */
  readonly classSets: readonly (readonly string[])[];
  /** Values of k. */
  readonly neighbours: readonly number[];
  /** The probe's training; epochs are the most that there may be. */
  readonly probe: {
    readonly batchSize: number;
    readonly learningRate: number;
    readonly epochs: number;
    /** AdamW's smallest rate: below it training ends. */
    readonly smallestRate: number;
  };
  /** What the probe's training images go through. */
  readonly augmentation: AugmentationRounds & {
    /** Short side that images are resized to first, in pixels. */
    readonly shortSidePx: number;
  };
  /** Images in the bank of neighbours, half of them real, in Figure 8; all of them come last. */
  readonly bankImages: readonly number[];
  /** Transformer blocks whose CLS token is searched in Figure 12, counted from 1. */
  readonly blocks: readonly number[];
  /** Figure 10: qualities of JPEG, and standard deviations of blur in pixels. */
  readonly jpegQualities: readonly number[];
  readonly blurSigmasPx: readonly number[];
  /** Which scores its tables measure. */
  readonly sample: ScoreSample;
}

/** What RINE's appendix runs over besides the grid. Paper: Table 7. */
export interface AppendixProtocol {
  /** The vision transformer that is no CLIP, of "RINE w/ ViT": which one was not published. */
  readonly vit: FeatureSpace;
  /** The rows that are networks on pixels; which they are was not published in full. */
  readonly detectors: ComparedDetectors;
}

/** A detector on pixels that is trained on a profile's images, for the comparison. */
export interface DetectorTraining {
  /** Name of the detector: `wang`. */
  readonly detector: string;
  /** Name of the released checkpoint that it is trained like: then it stands behind that one's row. */
  readonly like?: string;
  /** Classes of the main training set. */
  readonly classes: readonly string[];
  readonly recipe: PixelRecipe;
}

/** Detectors on pixels of a table that can be trained on a profile's images. */
export interface ComparedDetectors {
  readonly trainings: readonly DetectorTraining[];
  /** Whether `reproduce` trains them; where it does not, those are shown that somebody has trained. */
  readonly areTrained: boolean;
}

/** Everything an experiment needs to know of the world it runs in. */
export interface Profile {
  readonly name: string;
  /** Folder of its images and backbones in the data folder; empty where that is the data folder itself. */
  readonly folder: string;
  /** Makes images and backbones; absent where a person brings them. */
  readonly made?: MadeWorld;
  /** Whether its numbers can be set beside the printed ones: then other methods' stand in its tables. */
  readonly isComparable: boolean;
  /** Crops that go through a backbone at once on the CPU, where nobody says otherwise. */
  readonly batchSize: number;
  /** Images drawn for each detector of Figure 1: t-SNE takes time with the square of their number. */
  readonly pointImages: number;
  /** Sizes of its backbones by name, for estimates before they are there. */
  readonly backboneSizes: Readonly<Record<string, BackboneSizes>>;
  /** Said on the face of every table and figure where its numbers are not the paper's. */
  readonly notice?: string;
  /** Deep and fine first, as ViT-L/14 before ViT-B/32. */
  readonly backbones: readonly string[];
  /** The class sets of the paper, by name: `1-class`, `2-class`, `4-class`. */
  readonly classSets: readonly { readonly name: string; readonly classes: readonly string[] }[];
  /** By training set (`progan`, `ldm`), then by class. */
  readonly trainingSets: Readonly<Record<string, Readonly<Record<string, ClassImages>>>>;
  /** The training set of all sections, and the one that §5.8 sets beside it. */
  readonly trainedOn: { readonly main: NamedSet; readonly latent: NamedSet };
  /** The 20 test sets, in the order of the paper's tables, and a user's own after them. */
  readonly testSets: readonly DatasetSpec[];
  /** File that names a user's own sets, where there are some. */
  readonly datasets?: string;
  /** Names of the test sets that are GANs, for Table 4's "non-GAN" columns. */
  readonly ganSets: readonly string[];
  /** The 9 sets of §5.8. */
  readonly synthbusterSets: readonly DatasetSpec[];
  readonly grid: GridValues;
  /** Values of the LDM trainings of §5.8. */
  readonly ldmGrid: GridValues;
  /** Common to all trainings. */
  readonly training: AugmentationRounds & {
    readonly batchSize: number;
    readonly learningRate: number;
  };
  /** §5.6: the share of images perturbed, and the side that perturbed ones are resized to. */
  readonly perturbation: { readonly probability: number; readonly resizePx: number };
  /** The one size and the one format that images of both classes are brought to, to see what a detector owes to either. */
  readonly alike: Alike;
  /**
   * Draws of everything random: the heads of each seed learn from images augmented for them and are
   * tried on images perturbed for them, and those of a single seed on so many perturbations. With 1,
   * all heads share one draw.
   */
  readonly draws: number;
  /** §5.4: epochs evaluated, and where the rate falls. */
  readonly epochs: {
    readonly atEpochs: readonly number[];
    readonly decayEpochs: readonly number[];
  };
  /** §5.5: shares of the training images. */
  readonly fractions: readonly number[];
  /** What UFD's sections run over; without it they have no runs. */
  readonly ufd?: UfdProtocol;
  /** Detectors on pixels that Tables 2 and 3 compare with, trained here. */
  readonly detectors?: ComparedDetectors;
  /** What RINE's appendix runs over; without it, or without UFD's, it has no runs. */
  readonly appendix?: AppendixProtocol;
  /** By what the best runs are chosen that other sections start from; default `test`. */
  readonly selection?: Selection;
}
