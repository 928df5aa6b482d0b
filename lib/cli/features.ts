/**
 * `deno task features`: features of a folder of images, for use outside this project.
 * @module
 */
import type { Command } from "commander";
import { basename, resolve } from "node:path";
import type { Precision } from "../backbones/backbone.ts";
import { openBackbone } from "../backbones/open.ts";
import { imagesIn } from "../data/image_folder.ts";
import { Listings } from "../data/listing.ts";
import { cropsPerImage } from "../image/transform.ts";
import { UserError } from "../io/errors.ts";
import type { OnProgress } from "../io/progress.ts";
import { ProgressDisplay } from "../io/progress_bar.ts";
import { defaultBatch } from "../onnx/batch.ts";
import type { Device } from "../onnx/session.ts";
import { extractFeatures } from "../tokens/extract.ts";
import { type FeatureRequest, nameFeatures } from "../tokens/request.ts";
import { openNamed } from "./errors.ts";
import {
  type FeaturesDescription,
  findWritten,
  inUnfinished,
  placeFeatures,
} from "./features_output.ts";
import { GOES_ON, stopOnInterrupt } from "./interrupt.ts";
import {
  backboneOrFile,
  BACKBONES_READ,
  BATCH,
  choice,
  DEVICE,
  type DeviceChoice,
  deviceOf,
  PRECISION,
  TRUST_DEVICE,
} from "./options.ts";
import { pathOption } from "./paths.ts";

/** Adds the command. */
export function registerFeatures(program: Command): void {
  program.command("features")
    .description("tokens of a folder of images, as a NumPy file")
    .requiredOption("--backbone <name>", "which backbone", backboneOrFile)
    .addOption(
      pathOption("--images <folder>", "images; folders in it are read too").makeOptionMandatory(),
    )
    .addOption(pathOption("--out <file>", "the .npy file").makeOptionMandatory())
    .addOption(choice("--transform <name>", "how images are cropped", ["center", "ten"], "center"))
    .option("--skip-corrupt", "rows of NaN for images that cannot be decoded", false)
    .addOption(BACKBONES_READ)
    .addOption(DEVICE)
    .addOption(TRUST_DEVICE)
    .addOption(PRECISION)
    .addOption(BATCH)
    .action(async (flags: FeaturesFlags) => {
      stopOnInterrupt(GOES_ON);
      const device = await deviceOf(flags.device, flags.trustDevice);
      console.log(await openNamed(() => writeFeatures({ ...flags, device })));
    });
}

interface FeaturesFlags extends Omit<FeaturesOptions, "device"> {
  readonly device: DeviceChoice;
  readonly trustDevice: boolean;
}

/** What features are made of, and where they go. */
export interface FeaturesOptions {
  readonly backbone: string;
  readonly backbones?: string;
  /** Folder of images; folders in it are read too. */
  readonly images: string;
  readonly transform: "center" | "ten";
  /** The `.npy` file; its description goes beside it, as `.npy.json`. */
  readonly out: string;
  readonly device: Device;
  readonly precision: Precision;
  /** Crops that go through the backbone at once; by default as the device has it. */
  readonly batch?: number;
  /** Give images that cannot be decoded rows of NaN, rather than stop at them. */
  readonly skipCorrupt: boolean;
}

/**
 * Writes the features of every image in a folder, or finds them written.
 * @returns a summary for people
 * @throws {UserError} where there is no image, or a file of another origin would be replaced
 */
export async function writeFeatures(options: FeaturesOptions): Promise<string> {
  const { backbone: name, backbones, images: root, transform, out, device, precision } = options;
  if (!out.endsWith(".npy")) {
    throw new UserError("choice", `Cannot write ${out}: expected a name in .npy`);
  }
  await using backbone = await openBackbone(name, {
    ...(backbones === undefined ? {} : { folder: backbones }),
    ...{ device, precision },
  });
  const request: FeatureRequest = {
    // labels mean nothing here: nobody said what is real
    images: (await imagesIn(root, console.error)).map((path) => ({ path, label: 0 })),
    generator: basename(resolve(root)),
    transform: { kind: transform, size: backbone.architecture.resolutionPx },
    seed: 0,
    epoch: 0,
    backbones: [backbone],
  };
  using display = new ProgressDisplay();
  const onDamage = (line: string) => display.say(line);
  const work = (folder: string) =>
    findOrMake(request, root, folder, options, display.onProgress, onDamage);
  const onWait = () => display.say(`Another process writes ${out}; waiting for it`);
  const { shape, images, unreadable } = await inUnfinished(out, work, onWait);
  const crops = cropsPerImage(request.transform) === 1 ? "" : ", ten rows an image";
  const lacking = unreadable === undefined
    ? ""
    : `; ${unreadable.length} cannot be decoded: their rows are NaN`;
  return `${out}: float16 [${shape.join(", ")}] of ${images.length} images${crops}${lacking}`;
}

async function findOrMake(
  request: FeatureRequest,
  root: string,
  folder: string,
  { out, skipCorrupt, device, batch = defaultBatch(device) }: FeaturesOptions,
  onProgress: OnProgress,
  onDamage: (line: string) => void,
): Promise<Pick<FeaturesDescription, "shape" | "images" | "unreadable">> {
  const found = await findWritten(out);
  const listings = new Listings(root);
  if (found?.isWhole && !found.description.unreadable) {
    const [names] = await nameFeatures([request], listings);
    if (found.description.key === names![0]) return found.description;
  }
  const [sets] = await extractFeatures([request], {
    ...{ root, listings, folder, skipCorrupt, onProgress, onDamage },
    batchSize: batch,
    workers: navigator.hardwareConcurrency,
  });
  const { key, path, index, unreadable } = sets![0]!;
  const images = request.images.map(({ path }) => path);
  const described = {
    ...{ key, source: index.source, shape: index.shape, cropsPerImage: index.cropsPerImage },
    images,
    ...(unreadable.length > 0 ? { unreadable: unreadable.map((i) => images[i]!) } : {}),
  };
  await placeFeatures(out, path, described);
  return described;
}
