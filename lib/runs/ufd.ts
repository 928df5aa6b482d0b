/**
 * Heads of UFD's paper as its sections plan them: the linear probe and nearest neighbours.
 * Paper: Ojha, Li & Lee, CVPR 2023.
 * @module
 */
import { UFD_RECIPE } from "../detectors/ufd/probe_head.ts";
import { NEIGHBOURS } from "../detectors/ufd/neighbours_head.ts";
import type { DatasetSpec } from "../data/dataset.ts";
import type { RunConfig } from "./config.ts";
import type { Profile, UfdProtocol } from "./profile.ts";
import { blurView, jpegView } from "./world.ts";

/** A profile that UFD's sections run in. */
export type UfdProfile = Profile & { readonly ufd: UfdProtocol };

/** A section's runs where the profile says what they run over; none where it does not. */
export function ufdRuns(
  profile: Profile,
  runs: (profile: UfdProfile) => readonly RunConfig[],
): readonly RunConfig[] {
  return profile.ufd ? runs(profile as UfdProfile) : [];
}

/** UFD's test sets in the order of its tables, then a user's own. */
export function ufdTestSets({ testSets, ufd }: Profile): readonly DatasetSpec[] {
  return [...setsNamed(testSets, ufd?.testSets), ...testSets.filter(({ isOwn }) => isOwn)];
}

/** The test sets of UFD's studies; a user's own are in its tables alone. */
export function ufdStudySets({ testSets, ufd }: Profile): readonly DatasetSpec[] {
  return setsNamed(testSets, ufd?.studySets);
}

function setsNamed(sets: readonly DatasetSpec[], names: readonly string[] = []): DatasetSpec[] {
  return names.flatMap((name) => sets.find((set) => set.name === name) ?? []);
}

/** What UFD's heads differ in. */
export interface UfdChoice {
  /** Of the probe's parameters and order, of the draw of a bank. */
  readonly seed: number;
  /** Name of the training set; default: the profile's main one. */
  readonly trainingSet?: string;
  /** Default: those of most of UFD's sections. */
  readonly classes?: readonly string[];
  /** Default: that of most of UFD's sections. */
  readonly backbone?: string;
  /** How test images are cropped; default `center`. */
  readonly view?: string;
  /** Whether it is tried on all test sets of the tables; by default on those of the studies. */
  readonly onAll?: boolean;
}

/** The linear probe by UFD's recipe. */
export function probeRun(profile: UfdProfile, choice: UfdChoice): RunConfig {
  const { batchSize, learningRate, epochs, smallestRate } = profile.ufd.probe;
  const common = runOf(profile, choice, epochs);
  return {
    ...common,
    training: {
      ...common.training,
      detector: "ufd_probe",
      batchSize,
      learningRate,
      seed: choice.seed,
      head: { ...UFD_RECIPE, smallestRate },
    },
  };
}

/** What nearest neighbours differ in besides. */
export interface NeighboursChoice extends UfdChoice {
  /** Default 1. */
  readonly k?: number;
  /** Images in the bank, half of them real; default: all, for which seeds make no difference. */
  readonly bankImages?: number;
  /** Transformer block whose CLS token is searched, counted from 1; default: the image embedding. */
  readonly block?: number;
}

/** Nearest neighbours in a bank of training images. */
export function neighboursRun(
  profile: UfdProfile,
  { k = 1, bankImages, block, ...choice }: NeighboursChoice,
): RunConfig {
  const common = runOf(profile, choice, 1);
  const head = {
    ...NEIGHBOURS,
    k,
    ...(bankImages === undefined ? {} : { bankImages, bankSeed: choice.seed }),
  };
  return {
    ...common,
    training: {
      ...common.training,
      detector: block === undefined ? "ufd_neighbours" : "ufd_block_neighbours",
      // nothing is learned by steps
      batchSize: 1,
      learningRate: 0,
      seed: bankImages === undefined ? 0 : choice.seed,
      head: block === undefined ? head : { ...head, block },
    },
  };
}

function runOf(
  profile: UfdProfile,
  { trainingSet, classes, backbone, view = "center", onAll = false }: UfdChoice,
  epochs: number,
) {
  const { ufd, trainedOn } = profile;
  return {
    training: {
      trainingSet: trainingSet ?? trainedOn.main.name,
      classes: classes ?? ufd.classes,
      fraction: 1,
      backbone: backbone ?? ufd.backbone,
      epochs,
      decayEpochs: [],
    },
    evaluation: {
      testSets: (onAll ? ufdTestSets : ufdStudySets)(profile).map(({ name }) => name),
      view,
      atEpochs: [epochs],
      sample: ufd.sample,
    },
  };
}

/** What UFD's §6.4 trains on. */
export interface TrainingSource {
  readonly trainingSet: string;
  /** For people. */
  readonly title: string;
  readonly classes: readonly string[];
}

/** The main training set, the latent one, and both together where the profile has that. */
export function trainingSources({ trainedOn, trainingSets, ufd }: UfdProfile): TrainingSource[] {
  const { main, latent } = trainedOn;
  const latentClasses = Object.keys(trainingSets[latent.name] ?? {});
  const sources = [
    { trainingSet: main.name, title: main.title, classes: ufd.classes },
    { trainingSet: latent.name, title: latent.title, classes: latentClasses },
    { trainingSet: BOTH, title: "both", classes: [...ufd.classes, ...latentClasses] },
  ];
  return sources.filter(({ trainingSet }) => trainingSets[trainingSet] !== undefined);
}

/** Name of the training set that holds the classes of the main and of the latent one. */
export const BOTH = "both";

/** A degraded view of test images: by compression or by blur, and how much. */
export interface DegradedView {
  readonly view: string;
  readonly kind: "jpeg" | "blur";
  /** Quality, or standard deviation in pixels. */
  readonly value: number;
}

/** The views of UFD's Figure 10. */
export function degradedViews({ jpegQualities, blurSigmasPx }: UfdProtocol): DegradedView[] {
  return [
    ...jpegQualities.map((value) => ({ view: jpegView(value), kind: "jpeg" as const, value })),
    ...blurSigmasPx.map((value) => ({ view: blurView(value), kind: "blur" as const, value })),
  ];
}

/** The training images of the main training set that UFD's sections learn from, class by class. */
export function trainingImages(
  { trainedOn, trainingSets, ufd }: Pick<Profile, "trainedOn" | "trainingSets" | "ufd">,
): readonly DatasetSpec[] {
  const classes = trainingSets[trainedOn.main.name] ?? {};
  return (ufd?.classes ?? []).map((name) => classes[name]!.train);
}
