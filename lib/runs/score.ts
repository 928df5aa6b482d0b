/**
 * Scores test sets with many heads at once: every batch of tokens is read once.
 * @module
 */
import { join } from "node:path";
import { assertFinite, blockImportance } from "../detectors/rine/checkpoint.ts";
import type { HeadEngine, HeadPredictor } from "../detectors/rine/engine.ts";
import { writeSafetensors } from "../io/safetensors.ts";
import { evaluateScores } from "../metrics.ts";
import type { Evaluation } from "./record.ts";
import type { SetScores } from "./config.ts";
import { FeatureRows } from "../tokens/rows.ts";
import { loadKept, PREDICTION_BATCH } from "../detectors/rine/train.ts";

/** A trained head on disk, and where its scores go. Paths relative to the results folder. */
export interface HeadToTry {
  readonly epoch: number;
  readonly checkpoint: string;
  readonly scores: string;
}

/**
 * Scores test sets. The score of an image is the sigmoid of its logit; of an image with ten crops,
 * the sigmoid of their mean logit. Paper: §5.8. Released: src/utils.py, `evaluation`.
 * @param bootstrap number of resamples for intervals of ACC and AP; none where it is undefined
 * @param tokens keys of each test set's tokens, by name
 * @param onRows told of rows that a head has scored
 */
export async function evaluateHeads(
  heads: readonly HeadToTry[],
  bootstrap: number | undefined,
  tokensFolder: string,
  tokens: Readonly<Record<string, readonly string[]>>,
  engine: HeadEngine,
  folder: string,
  onRows: (rows: number) => void,
): Promise<Evaluation[]> {
  const predictors: HeadPredictor[] = [];
  const importance: number[][] = [];
  const scores = heads.map(() => new Map<string, Float32Array>());
  const results = heads.map((): Record<string, SetScores> => ({}));
  try {
    for (const { checkpoint } of heads) {
      const path = join(folder, checkpoint);
      const { architecture, parameters } = await loadKept(path);
      assertFinite(parameters, `Cannot try the head in ${path}`, "delete the file and run again");
      predictors.push(await engine.predictor(architecture, parameters));
      importance.push(blockImportance(parameters));
    }
    for (const [name, keys] of Object.entries(tokens)) {
      using rows = await FeatureRows.open(tokensFolder, keys);
      const crops = rows.cropsPerImage;
      const logits = heads.map(() => new Float32Array(rows.count));
      let offset = 0;
      for (const { tokens, count } of rows.batches(PREDICTION_BATCH)) {
        for (const [h, predictor] of predictors.entries()) {
          logits[h]!.set((await predictor.predict(tokens, count)).logits, offset);
        }
        offset += count;
        onRows(count * heads.length);
      }
      const labels = rows.labels.filter((_, row) => row % crops === 0);
      for (const h of heads.keys()) {
        const perImage = scoresOf(logits[h]!, crops);
        scores[h]!.set(name, perImage);
        results[h]![name] = evaluateScores(
          labels,
          perImage,
          bootstrap === undefined ? undefined : { resamples: bootstrap, key: [name] },
        );
      }
    }
  } finally {
    for (const predictor of predictors) await predictor.dispose();
  }
  await Promise.all(heads.map((head, h) =>
    writeSafetensors(
      join(folder, head.scores),
      [...scores[h]!].map(([name, data]) => [name, { data, shape: [data.length] }] as const),
    )
  ));
  return heads.map((head, h) => ({
    ...head,
    blockImportance: importance[h]!,
    test: results[h]!,
  }));
}

/** Probabilities that images are generated, as float32. Released: src/utils.py, `evaluation`. */
export function scoresOf(logits: Float32Array, cropsPerImage: number): Float32Array {
  return Float32Array.from({ length: logits.length / cropsPerImage }, (_, image) => {
    let sum = 0;
    for (let crop = 0; crop < cropsPerImage; crop++) sum += logits[image * cropsPerImage + crop]!;
    return 1 / (1 + Math.exp(-sum / cropsPerImage));
  });
}
