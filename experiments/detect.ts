/**
 * Verdicts on images, from the command line.
 * @module
 */
import { join } from "node:path";
import { openBackbone, weightsPath } from "../lib/backbone/backbone.ts";
import { tryDecode } from "../lib/data/image_file.ts";
import { loadCheckpoint } from "../lib/head/checkpoint.ts";
import { mapBounded } from "../lib/io/bounded.ts";
import { exists } from "../lib/io/files.ts";
import type { Device } from "../lib/onnx/session.ts";
import { openDetector, type Verdict } from "../lib/run/detect.ts";
import { trainedConfig } from "../lib/run/train.ts";
import { imagesIn } from "./image_folder.ts";
import { PROFILES } from "./reproduce.ts";

/** What judges images. */
export interface DetectOptions {
  /** A head's checkpoint: safetensors, or `.pth` as released. */
  readonly head: string;
  /** Default: the one that the head says it was trained on; CLIP ViT-L/14 where it says nothing. */
  readonly backbone?: string | undefined;
  /** Folders of backbones; the first that holds the backbone is taken. */
  readonly backbones: readonly string[];
  readonly device: Device;
}

/** The released heads' backbone; they do not say so. */
const RELEASED_BACKBONE = "ViT-L/14";

/** What judges images, found and checked. */
export interface Judge {
  readonly head: string;
  readonly backbone: string;
  /** Folder of the backbone. */
  readonly folder: string;
  readonly device: Device;
  /** What must be said beside its verdicts: that they are those of a simulated world. */
  readonly notice?: string;
}

/**
 * Finds the backbone of a head.
 * @throws {RangeError} where no folder holds it
 */
export async function findJudge(
  { head, backbone, backbones, device }: DetectOptions,
): Promise<Judge> {
  const name = backbone ?? trainedConfig(await loadCheckpoint(head))?.backbone ??
    RELEASED_BACKBONE;
  const there = await Promise.all(backbones.map((folder) => exists(weightsPath(folder, name))));
  const folder = backbones[Math.max(0, there.indexOf(true))]!;
  const profile = Object.values(PROFILES).find(({ backbones }) => backbones.includes(name));
  const notice = profile?.notice === undefined ? {} : { notice: profile.notice };
  return { head, backbone: name, folder, device, ...notice };
}

/** What became of one image: a verdict, or what was found instead of an image. */
export type Detection =
  & { readonly path: string }
  & (Verdict | { readonly problem: string });

/**
 * Judges the centre crop of each image, one after the other.
 * @param paths of images, and of folders whose images are meant
 * @throws {RangeError} where a path is not there, or a folder holds no image
 * @throws {TypeError} where the head is for tokens of other sizes than the backbone's
 */
export async function* detections(
  paths: readonly string[],
  { head, backbone: name, folder, device }: Judge,
): AsyncGenerator<Detection> {
  const files = (await mapBounded(paths, expand)).flat();
  await using backbone = await openBackbone(name, { folder, device });
  await using detector = await openDetector(backbone, head);
  for (const path of files) {
    const decoded = await tryDecode(path);
    if ("problem" in decoded) {
      yield { path, problem: decoded.problem };
      continue;
    }
    const [verdict] = await detector.detect([decoded.image]);
    yield { path, ...verdict! };
  }
}

async function expand(path: string): Promise<string[]> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.stat(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new RangeError(`Cannot detect: expected an image or a folder at ${path}, found none`);
  }
  return info.isDirectory ? (await imagesIn(path)).map((name) => join(path, name)) : [path];
}
