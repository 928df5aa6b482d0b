/**
 * Verdicts on images, from the command line.
 * @module
 */
import { join } from "node:path";
import { openBackbone } from "../lib/backbone/backbone.ts";
import { tryDecode } from "../lib/data/image_file.ts";
import type { Device } from "../lib/onnx/session.ts";
import { openDetector, type Verdict } from "../lib/run/detect.ts";
import { imagesIn } from "./image_folder.ts";
import { PROFILES } from "./reproduce.ts";

/** Which images, and what judges them. */
export interface DetectOptions {
  readonly backbone: string;
  /** Folder of backbones. */
  readonly backbones: string;
  /** A head's checkpoint: safetensors, or `.pth` as released. */
  readonly head: string;
  readonly device: Device;
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
  { head, backbone: name, backbones: folder, device }: DetectOptions,
): AsyncGenerator<Detection> {
  const files = (await Promise.all(paths.map(expand))).flat();
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

/** What must be said beside a backbone's verdicts: that they are those of a simulated world. */
export function detectionNotice(backbone: string): string | undefined {
  return Object.values(PROFILES).find(({ backbones }) => backbones.includes(backbone))?.notice;
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
