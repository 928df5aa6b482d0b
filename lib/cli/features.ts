/**
 * Tokens of a folder of images, for use outside this project.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { basename, resolve } from "node:path";
import { openBackbone, type Precision } from "../backbones/backbone.ts";
import { extractFeatures } from "../tokens/extract.ts";
import { cropsPerImage } from "../image/transform.ts";
import { writeJson } from "../io/files.ts";
import type { Device } from "../onnx/session.ts";
import { imagesIn } from "../data/image_folder.ts";
import { ProgressDisplay } from "../io/progress_bar.ts";

/** What tokens are made of, and where they go. */
export interface FeaturesOptions {
  readonly backbone: string;
  readonly backbones: string;
  /** Folder of images; folders in it are read too. */
  readonly images: string;
  readonly transform: "center" | "ten";
  /** The `.npy` file; its index goes beside it, as `.json`. */
  readonly out: string;
  readonly device: Device;
  readonly precision: Precision;
  /** Give images that cannot be decoded rows of NaN, rather than stop at them. */
  readonly skipCorrupt: boolean;
}

/**
 * Writes the tokens of every image in a folder.
 * @returns a summary for people
 * @throws {UserError} where there is no image
 */
export async function writeFeatures(options: FeaturesOptions): Promise<string> {
  const { backbone: name, backbones, images: root, transform, out, device, precision } = options;
  if (!out.endsWith(".npy")) {
    throw new UserError("usage", `Cannot write ${out}: expected a name in .npy`);
  }
  await using backbone = await openBackbone(name, { folder: backbones, device, precision });
  const images = (await imagesIn(root)).map((path) => ({ path, label: 0 as const }));
  using display = new ProgressDisplay();
  const size = backbone.architecture.resolutionPx;
  // unfinished tokens lie beside the file they will become
  const folder = `${out}.unfinished`;
  const request = {
    images,
    generator: basename(resolve(root)),
    transform: { kind: transform, size },
    seed: 0,
    epoch: 0,
  } as const;
  const [sets] = await extractFeatures([{ ...request, backbones: [backbone] }], {
    root,
    folder,
    batchSize: 8,
    workers: navigator.hardwareConcurrency,
    skipCorrupt: options.skipCorrupt,
    onProgress: display.onProgress,
  });
  const { path, index, unreadable } = sets![0]!;
  const { source, shape, cropsPerImage: cropsOfImage, made } = index;
  await writeJson(out.replace(/\.npy$/, ".json"), {
    ...{ source, shape, cropsPerImage: cropsOfImage, made },
    // labels mean nothing here: nobody said what is real
    images: images.map(({ path }) => path),
    ...(unreadable.length > 0 ? { unreadable: unreadable.map((i) => images[i]!.path) } : {}),
  });
  await Deno.rename(path, out);
  await Deno.remove(folder, { recursive: true });
  const crops = cropsPerImage(request.transform) === 1 ? "" : ", ten rows an image";
  const lacking = unreadable.length === 0
    ? ""
    : `; ${unreadable.length} cannot be decoded: their rows are NaN`;
  return `${out}: float16 [${shape.join(", ")}] of ${images.length} images${crops}${lacking}`;
}
