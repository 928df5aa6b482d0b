/**
 * The library: images to features, features to a verdict, runs to tables and figures.
 *
 * The first lines to type:
 *
 * ```ts ignore
 * import { openDetector } from "rine";
 *
 * await using detector = await openDetector("best.safetensors"); // or a released .pth
 * const { score } = await detector.detect("photo.jpg"); // the probability that it is generated
 * for await (const found of detector.detectAll(["a.jpg", "b.png"])) console.log(found);
 * await using wang = await openDetector("blur_jpg_prob0.5.pth", { as: "wang" }); // on pixels
 * ```
 *
 * Its name is `rine` in the project's notebooks, and `rine/notebook` what opens the paper's sections
 * in a cell; elsewhere, the path of this file. Relative paths are relative to the folder that the
 * program runs in; notebooks run in the project's.
 *
 * What is where: {@linkcode openDetector} for verdicts; {@linkcode openBackbone} for features, and
 * {@linkcode extractFeatures} and {@linkcode FeatureRows} for features on disk;
 * {@linkcode decodeImage}, {@linkcode applyTransform} and {@linkcode perturb} for images;
 * {@linkcode listImages} for the sets of the paper; {@linkcode evaluateScores} for ACC and AP,
 * {@linkcode rocCurve}, {@linkcode thresholdFor}, {@linkcode calibrate} and {@linkcode compareScores} for
 * what scores are worth;
 * {@linkcode RecordStore} and {@linkcode rowsOf} for results; {@linkcode writeFigure} and
 * {@linkcode writeTable} for what is printed; {@linkcode show}, {@linkcode plot} and {@linkcode save} for
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
export {
  type Activation,
  ACTIVATIONS,
  type Pooling,
  type WeightsSettings,
} from "./backbones/families/family.ts";
export { openBackbone } from "./backbones/open.ts";
export { GAN_SETS, PROGAN_CLASSES, SYNTHBUSTER_SETS, TEST_SETS_20 } from "./data/catalog.ts";
export {
  type DatasetSpec,
  type ImageEntry,
  type Label,
  type LabelledImage,
  listImages,
  type Origin,
  type Source,
} from "./data/dataset.ts";
export type { EpochLog, HeadConfig, Json, TrainingConfig } from "./detectors/detector.ts";
export type { ExplainOptions, Explanation } from "./detectors/explanation.ts";
export type { BackboneChoice } from "./detectors/feature_scorer.ts";
export type { FeaturesElsewhere, ImageScorer } from "./detectors/image_scorer.ts";
export {
  type Detection,
  type Detector,
  type DetectorOptions,
  type HeadDetector,
  openDetector,
  type Verdict,
  verdictText,
} from "./detectors/verdict.ts";
export type { Alike } from "./image/alike.ts";
export type { Augmentation, Protocol } from "./image/augment.ts";
export type { Variation } from "./image/variation.ts";
export { decodeImage, decodeImageBytes, type RgbImage } from "./image/image.ts";
export { perturb, type Perturbation, PERTURBATIONS, type Perturbing } from "./image/perturb.ts";
export type { PixelFilter, PixelStep, PixelTransform } from "./image/pixels.ts";
export { applyTransform, type Transform, type TransformKey } from "./image/transform.ts";
export { type Problem, UserError } from "./io/errors.ts";
export { type Listed, Listings } from "./data/listing.ts";
export type { OnProgress, Progress } from "./io/progress.ts";
export type { Tensor } from "./io/tensor.ts";
export {
  averagePrecision,
  type BootstrapOptions,
  evaluateScores,
  rocAuc,
  type Scores,
  type SetScores,
  THRESHOLD,
} from "./metrics.ts";
export {
  calibrate,
  calibrated,
  type Calibration,
  type CalibrationMethod,
  CALIBRATIONS,
  reliability,
  type ReliabilityBin,
} from "./metrics/calibration.ts";
export {
  COMPARED,
  compareScores,
  type Comparison,
  type ComparisonOptions,
} from "./metrics/compare.ts";
export {
  type ChosenThreshold,
  type LabelledScore,
  rocCurve,
  type RocPoint,
  thresholdFor,
} from "./metrics/curves.ts";
export { type Device, DEVICES } from "./onnx/session.ts";
export {
  type PublishedLogs,
  publishedLogs,
  type PublishedPerturbation,
  type PublishedRun,
} from "./published/logs.ts";
export { type PrintedCell, printedCells } from "./published/printed.ts";
export { type Random, randomStream } from "./random.ts";
export type { Figure, FigureRow, Spec } from "./report/figure.ts";
export { type Cell, type Column, percentColumn, type Spread, type Table } from "./report/table.ts";
export { type ThemeName, THEMES } from "./report/theme.ts";
export { projectFeatures, type ProjectionOptions } from "./report/tsne.ts";
export { figureToCsv, tableToCsv } from "./report/write/csv.ts";
export { type FigureOptions, writeFigure, writeTable, type Written } from "./report/write/files.ts";
export { tableToLatex } from "./report/write/latex.ts";
export { tableToMarkdown } from "./report/write/markdown.ts";
export { type RenderedFigure, renderFigure } from "./report/write/render.ts";
export type { EvaluationConfig, RunConfig, RunRow } from "./runs/config.ts";
export type { ScoreSample } from "./runs/sample.ts";
export {
  type Evaluation,
  RecordStore,
  rowsOf,
  type RunRecord,
  type SkippedImages,
} from "./runs/record.ts";
export {
  bestConfiguration,
  type Configuration,
  meanScore,
  type Measured,
  rankConfigurations,
  type Selection,
  SELECTIONS,
} from "./runs/select.ts";
export type { CaptionedImage, Showable, ShownReport, ShownTraining } from "./session/media.ts";
export { CHANNELS, MARKS, plot, type PlotOptions, type PlotSpec } from "./session/plot.ts";
export { type Savable, save, type SaveOptions, toCSV, toLatex, WIDTHS_MM } from "./session/save.ts";
export { show } from "./session/show.ts";
export { extractFeatures, type ExtractOptions } from "./tokens/extract.ts";
export type { FeatureRequest } from "./tokens/request.ts";
export { type FeatureBatch, FeatureRows, type FeaturesOf } from "./tokens/rows.ts";
export type { FeatureIndex, FeatureSource } from "./tokens/set_index.ts";
export { type FeaturePaths, type FeatureSet, findFeatures } from "./tokens/store.ts";
export { readPaths } from "./tokens/paths.ts";
export type { Made, Maker } from "./tokens/made.ts";
