/**
 * Which pixels a detector reads of an image, by its checkpoint: as its kind does; where it was trained
 * here, by crops of the size that it was trained on.
 * @module
 */
import * as v from "valibot";
import { COUNT, parseJson } from "../io/json.ts";
import { readCheckpointNames } from "./checkpoint_file.ts";
import type { PixelDetectorKind, PixelTransforms } from "./pixel_detector.ts";
import type { PixelRecipe } from "./pixel_training.ts";

const RECIPE = v.looseObject({ cropPx: COUNT });

/**
 * A checkpoint's ways to read an image: what its network's size decides, where the kind says so; of a
 * released one else the detector's own.
 * @throws {UserError} where the file is damaged, or says what this project does not write
 */
export async function transformsOf(
  kind: PixelDetectorKind,
  checkpoint: string,
): Promise<PixelTransforms> {
  if (kind.transformsOf) return await kind.transformsOf(checkpoint);
  const { metadata: { recipe } } = await readCheckpointNames(checkpoint);
  if (recipe === undefined) return kind.reads.transforms;
  const trained = parseJson<PixelRecipe>(
    recipe,
    `how the detector in ${checkpoint} was trained`,
    { form: RECIPE },
  );
  return trainedTransforms(kind, trained);
}

/** A detector's ways to read an image where it was trained here by a recipe. */
export function trainedTransforms(kind: PixelDetectorKind, recipe: PixelRecipe): PixelTransforms {
  if (kind.trainedTransforms) return kind.trainedTransforms(recipe);
  const { reads: { transforms } } = kind, { cropPx } = recipe;
  const original = transforms.original.map((step) =>
    step.kind === "crop" ? { ...step, sizePx: cropPx } : step
  );
  return { ...transforms, original };
}
