/**
 * `deno task detect`: whether images are generated.
 * @module
 */
import type { Command } from "commander";
import { join } from "node:path";
import { type Precision, PRECISIONS } from "../backbones/backbone.ts";
import { imagesIn } from "../data/image_folder.ts";
import { PIXEL_DETECTORS } from "../detectors/index.ts";
import { openDetector, verdictText } from "../detectors/verdict.ts";
import { UserError } from "../io/errors.ts";
import type { Experiments } from "../runs/section.ts";
import { EXIT_FAILURE, openNamed } from "./errors.ts";
import { stopOnInterrupt } from "./interrupt.ts";
import {
  backboneOrFile,
  BACKBONES_READ,
  BATCH,
  choice,
  DEVICE,
  type DeviceChoice,
  deviceOf,
  PRECISION_TEXT,
  TRUST_DEVICE,
} from "./options.ts";
import { pathOption, userPath } from "./paths.ts";

interface DetectFlags {
  readonly head: string;
  readonly backbone?: string;
  readonly backbones?: string;
  readonly device: DeviceChoice;
  readonly trustDevice: boolean;
  readonly precision?: Precision;
  readonly batch?: number;
  readonly as?: string;
  readonly transform?: string;
  readonly json: boolean;
}

/** Adds the command. */
export function registerDetect(program: Command, experiments: Experiments): void {
  program.command("detect <images...>")
    .description("whether images are generated: a score and a verdict for each")
    .addOption(
      pathOption("--head <file>", "a detector: .safetensors, or .pth as released")
        .makeOptionMandatory(),
    )
    .option("--backbone <name>", "by default the one the head says, or ViT-L/14", backboneOrFile)
    .addOption(BACKBONES_READ)
    .addOption(DEVICE)
    .addOption(TRUST_DEVICE)
    .addOption(
      choice(
        "--precision <name>",
        `${PRECISION_TEXT} (default: the one the head says, or full)`,
        PRECISIONS,
      ),
    )
    .addOption(BATCH)
    .option("--json", "a line of JSON for each image", false)
    .addOption(
      choice(
        "--as <name>",
        "whose detector the file is, where its tensors do not tell",
        PIXEL_DETECTORS.map(({ name }) => name),
      ),
    )
    .option(
      "--transform <name>",
      "whose way a detector on pixels reads images (default: original)",
    )
    .action((images: string[], flags: DetectFlags) => detect(images, flags, experiments));
}

async function detect(
  images: readonly string[],
  { head, device, trustDevice, json, ...given }: DetectFlags,
  { profiles }: Experiments,
): Promise<void> {
  stopOnInterrupt("Stopped");
  const paths = images.map(userPath);
  const options = { ...given, device: await deviceOf(device, trustDevice) };
  await using detector = await openNamed(() => openDetector(head, options));
  const files = (await Promise.all(paths.map(expand))).flat();
  const name = detector.backbone?.name;
  const { notice } = Object.values(profiles)
    .find(({ backbones }) => backbones.some((backbone) => backbone === name)) ?? {};
  if (notice !== undefined) console.error(notice);
  for await (const detection of detector.detectAll(files)) {
    const { path } = detection;
    if ("problem" in detection) {
      Deno.exitCode = EXIT_FAILURE;
      console.error(`Cannot decode ${path}: expected an image, found ${detection.problem}`);
    } else {
      console.log(json ? JSON.stringify(detection) : `${path}: ${verdictText(detection)}`);
    }
  }
}

/** A path of an image as it is; of a folder, those of its images. */
async function expand(path: string): Promise<string[]> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.stat(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new UserError(
      "missing",
      `Cannot detect: expected an image or a folder at ${path}, found none`,
    );
  }
  return info.isDirectory
    ? (await imagesIn(path, console.error)).map((name) => join(path, name))
    : [path];
}
