/**
 * The discriminator that LGrad's classifiers need besides their own file, and where it lies.
 * @module
 */
import { dirname, join } from "node:path";
import { UserError } from "../../io/errors.ts";
import { exists } from "../../io/files.ts";
import { readCheckpointNames, readModelFile } from "../checkpoint_file.ts";
import { CheckpointTensors } from "../checkpoint_tensors.ts";
import type { ReleasedKind } from "../pixel_detector.ts";
import { buildGradientGraph, isDiscriminator, resolutionOf } from "./discriminator.ts";

const TITLE = "StyleGAN's discriminator, for LGrad";
const NAME = "stylegan_discriminator";
const FILE = "karras2019stylegan-bedrooms-256x256_discriminator.pth";

/** The discriminator as what can be imported. */
export const discriminatorKind: ReleasedKind = {
  name: NAME,
  title: TITLE,
  released: [{
    files: [FILE],
    name: NAME,
    title: TITLE,
    from: "the link in the README of github.com/chuangchuangtan/LGrad, for PyTorch",
  }],
  isCheckpoint: isDiscriminator,
  async ownTensors(checkpoint) {
    const { tensors, metadata } = await readDiscriminator(checkpoint);
    buildGradientGraph(tensors); // checks them
    return { tensors: tensors.taken(), metadata };
  },
};

/**
 * Reads a discriminator's tensors.
 * @throws {UserError} where the file is damaged
 */
export async function readDiscriminator(path: string): Promise<
  { tensors: CheckpointTensors; metadata: Readonly<Record<string, string>> }
> {
  const { tensors, metadata } = await readModelFile(path);
  return { tensors: new CheckpointTensors(path, tensors, TITLE), metadata };
}

/** The file of a discriminator that a classifier was trained with here. */
export function ownDiscriminator(classifier: string): string {
  return classifier.replace(/(\.safetensors)?$/, ".discriminator.safetensors");
}

/**
 * The discriminator that was imported.
 * @param detectors folder that holds a folder for each imported detector
 * @throws {UserError} of kind `missing`, where none was, with how to
 */
export async function importedDiscriminator(detectors: string): Promise<string> {
  const path = join(detectors, NAME, "model.safetensors");
  if (await exists(path)) return path;
  throw new UserError(
    "missing",
    `Cannot train LGrad: expected ${TITLE}, at ${path}, found none; ` +
      `\`deno task detector import ${FILE} --as ${NAME} --detectors ${detectors}\` brings it there`,
  );
}

/**
 * The discriminator's file for a classifier: its own, where it was trained here; under its released name
 * beside it; or imported where the classifier was.
 * @throws {UserError} where it is at none of these places, with how to get it there
 */
export async function discriminatorFor(classifier: string): Promise<string> {
  const folder = dirname(classifier);
  const own = ownDiscriminator(classifier);
  if (await exists(own)) return own;
  const places = [join(folder, FILE), join(folder, "..", NAME, "model.safetensors")];
  for (const place of places) if (await exists(place)) return place;
  throw new UserError(
    "missing",
    `Cannot load ${classifier}: expected ${TITLE}, at ${
      places.join(" or ")
    }, found none; import it ` +
      `with \`deno task detector import ${FILE} --as ${NAME}\`, and the classifier with --as lgrad`,
  );
}

/** Side in pixels of the images that a discriminator takes. */
export async function discriminatorSizePx(path: string): Promise<number> {
  return resolutionOf((await readCheckpointNames(path)).names);
}
