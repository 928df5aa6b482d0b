/**
 * The library: images to tokens, tokens to a verdict, runs to tables and figures.
 *
 * The first five lines to type:
 *
 * ```ts ignore
 * import { decodeImage, openBackbone, openDetector } from "rine";
 *
 * const backbone = await openBackbone("ViT-L/14");
 * const detector = await openDetector(backbone, "model_4class_trainable.pth");
 * const [verdict] = await detector.detect([await decodeImage("photo.jpg")]);
 * console.log(verdict?.score); // the probability that the photo is generated
 * ```
 *
 * Its name is `rine` in the project's notebooks; elsewhere, the path of this file. Relative paths are
 * relative to the folder that the program runs in; notebooks run in the project's.
 *
 * What is where: {@linkcode decodeImage}, {@linkcode applyTransform} and {@linkcode perturb} for
 * images; {@linkcode openBackbone} for tokens; {@linkcode openEngine}, {@linkcode loadCheckpoint} and
 * {@linkcode trainHeads} for heads; {@linkcode openDetector} for verdicts; {@linkcode extractFeatures}
 * and {@linkcode FeatureRows} for tokens on disk; {@linkcode evaluateScores} for ACC and AP;
 * {@linkcode renderFigure} and {@linkcode tableToMarkdown} for what is printed; {@linkcode show} for
 * notebooks.
 * @module
 */
export {
  type Architecture,
  type Backbone,
  type BackboneOptions,
  type BackboneSource,
  type FeatureSizes,
  type Precision,
  PRECISIONS,
  type Tap,
  TAPS,
} from "./backbones/backbone.ts";
export { openBackbone } from "./backbones/open.ts";
export type { VitSettings } from "./backbones/families/family.ts";
export { GAN_SETS, PROGAN_CLASSES, SYNTHBUSTER_SETS, TEST_SETS_20 } from "./data/catalog.ts";
export {
  type DatasetSpec,
  type ImageEntry,
  type Label,
  listImages,
  type Origin,
  type Source,
} from "./data/dataset.ts";
export { extractFeatures, type ExtractOptions } from "./tokens/extract.ts";
export type { FeatureRequest } from "./tokens/request.ts";
export { FeatureReader, MemoryBudget } from "./tokens/reader.ts";
export { type FeatureIndex, type FeatureSet, findFeatures } from "./tokens/store.ts";
export {
  type Ablation,
  ABLATIONS,
  type HeadArchitecture,
  initialParameters,
  parameterCount,
  type Parameters,
  parameterShapes,
} from "./detectors/rine/architecture.ts";
export {
  blockImportance,
  type Checkpoint,
  loadCheckpoint,
  saveCheckpoint,
} from "./detectors/rine/checkpoint.ts";
export {
  type HeadEngine,
  type HeadGradients,
  type HeadOutput,
  type HeadPredictor,
  type HeadTrainer,
  initialState,
  type StepLoss,
  type TokenBatch,
  type TrainerOptions,
  type TrainingState,
} from "./detectors/rine/engine.ts";
export { type LinearProbe, loadLinearProbe, probeLogits } from "./detectors/ufd/probe.ts";
export {
  type EngineName,
  type EngineOptions,
  ENGINES,
  openEngine,
} from "./detectors/rine/open_engine.ts";
export { augment, type Augmentation, type Protocol } from "./image/augment.ts";
export { centerCrop, tenCrop } from "./image/crop.ts";
export { decodeImage, decodeImageBytes, type RgbImage } from "./image/image.ts";
export { perturb, type Perturbation, PERTURBATIONS, type Perturbing } from "./image/perturb.ts";
export {
  applyTransform,
  cropsPerImage,
  type Transform,
  type TransformKey,
} from "./image/transform.ts";
export type { OnProgress, Progress } from "./io/progress.ts";
export { type Tensor, tensor } from "./io/tensor.ts";
export {
  averagePrecision,
  type BootstrapOptions,
  evaluateScores,
  rocAuc,
  type Scores,
  THRESHOLD,
} from "./metrics.ts";
export {
  type CaptionedImage,
  mediaBundles,
  show,
  type Showable,
  type ShownReport,
} from "./session/show.ts";
export {
  type Device,
  DEVICE_CHOICES,
  DEVICES,
  resolveDevice,
  type Session,
} from "./onnx/session.ts";
export { Random, randomStream } from "./random.ts";
export type { Figure, FigureRow, Spec } from "./report/figure.ts";
export { figureToCsv, tableToCsv } from "./report/write/csv.ts";
export { tableToMarkdown } from "./report/write/markdown.ts";
export { tableToLatex } from "./report/write/latex.ts";
export type { MediaBundle } from "./report/write/media.ts";
export { type RenderedFigure, renderFigure } from "./report/write/render.ts";
export {
  type Cell,
  type Column,
  percentColumn,
  type Spread,
  spread,
  type Table,
} from "./report/table.ts";
export { type ThemeName, THEMES } from "./report/theme.ts";
export { projectFeatures, type ProjectionOptions } from "./report/tsne.ts";
export { type FigureOptions, writeFigure, writeTable, type Written } from "./report/write/files.ts";
export {
  type PublishedLogs,
  publishedLogs,
  type PublishedPerturbation,
  type PublishedRun,
} from "./published/logs.ts";
export { type FeaturePoint, publishedPoints } from "./published/points.ts";
export { type PrintedCell, printedCells } from "./published/printed.ts";
export { publishedRows } from "./report/paper/published_rows.ts";
export {
  type EpochLog,
  type Evaluation,
  RecordStore,
  rowsOf,
  type RunRecord,
  type SkippedImages,
} from "./runs/record.ts";
export {
  type EvaluationConfig,
  type RunConfig,
  type RunRow,
  type SetScores,
  type TrainingConfig,
  type Variant,
  VARIANTS,
} from "./runs/config.ts";
export {
  bestConfiguration,
  type Configuration,
  configurations,
  meanScore,
  rankConfigurations,
  type Selection,
  SELECTIONS,
} from "./runs/select.ts";
export { Detector, openDetector, type Verdict, verdictText } from "./detectors/open.ts";
export { scoresOf } from "./runs/score.ts";
export { FeatureRows, type FeaturesOf } from "./tokens/rows.ts";
export {
  type FailedHead,
  type HeadToTrain,
  trainedConfig,
  type TrainedHead,
  trainHeads,
  type TrainingTokens,
} from "./detectors/rine/train.ts";
