/**
 * `deno task features`: features of a folder of images, for use outside this project.
 * @module
 */
import type { Command } from "commander";
import { basename, resolve } from "node:path";
import { type Precision } from "../backbones/backbone.ts";
import { openBackbone } from "../backbones/open.ts";
import type { ImageEntry } from "../data/dataset.ts";
import { imagesIn } from "../data/image_folder.ts";
import { cropsPerImage } from "../image/transform.ts";
import { UserError } from "../io/errors.ts";
import { writeJson } from "../io/files.ts";
import { ProgressDisplay } from "../io/progress_bar.ts";
import { type Device, resolveDevice } from "../onnx/session.ts";
import { extractFeatures } from "../tokens/extract.ts";
import { featurePaths } from "../tokens/store.ts";
import { openNamed } from "./errors.ts";
import { stopOnInterrupt } from "./interrupt.ts";
import { BACKBONES, choice, DEVICE, type DeviceChoice, pathOption, PRECISION } from "./options.ts";

/** Adds the command. */
export function registerFeatures(program: Command): void {
  program.command("features")
    .description("tokens of a folder of images, as a NumPy file")
    .requiredOption("--backbone <name>", "which backbone")
    .addOption(
      pathOption("--images <folder>", "images; folders in it are read too").makeOptionMandatory(),
    )
    .addOption(pathOption("--out <file>", "the .npy file").makeOptionMandatory())
    .addOption(choice("--transform <name>", "how images are cropped", ["center", "ten"], "center"))
    .option("--skip-corrupt", "rows of NaN for images that cannot be decoded", false)
    .addOption(BACKBONES)
    .addOption(DEVICE)
    .addOption(PRECISION)
    .action(async (flags: Omit<FeaturesOptions, "device"> & { readonly device: DeviceChoice }) => {
      stopOnInterrupt("Stopped; the same command goes on from here");
      const device = await resolveDevice(flags.device);
      console.log(await openNamed(() => writeFeatures({ ...flags, device })));
    });
}

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
  const images: ImageEntry[] = (await imagesIn(root)).map((path) => ({
    path,
    label: 0,
    generator: basename(resolve(root)),
  }));
  using display = new ProgressDisplay();
  const size = backbone.architecture.resolutionPx;
  // unfinished tokens lie beside the file they will become
  const folder = `${out}.unfinished`;
  const request = { images, transform: { kind: transform, size }, seed: 0, epoch: 0 } as const;
  const [sets] = await extractFeatures([{ ...request, backbones: [backbone] }], {
    root,
    folder,
    batchSize: 8,
    workers: navigator.hardwareConcurrency,
    skipCorrupt: options.skipCorrupt,
    onProgress: display.onProgress,
  });
  const { key, index, unreadable } = sets![0]!;
  await writeJson(out.replace(/\.npy$/, ".json"), {
    ...index,
    // labels mean nothing here: nobody said what is real
    images: images.map(({ path }) => path),
    ...(unreadable.length > 0 ? { unreadable: unreadable.map((i) => images[i]!.path) } : {}),
  });
  await Deno.rename(featurePaths(folder, key).tokens, out);
  await Deno.remove(folder, { recursive: true });
  const crops = cropsPerImage(request.transform) === 1 ? "" : ", ten rows an image";
  const lacking = unreadable.length === 0
    ? ""
    : `; ${unreadable.length} cannot be decoded: their rows are NaN`;
  return `${out}: float16 [${index.shape.join(", ")}] of ${images.length} images${crops}${lacking}`;
}
