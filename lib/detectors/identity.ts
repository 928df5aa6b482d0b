/**
 * What the scores of detectors hang on besides the images.
 * @module
 */
import type { Backbone } from "../backbones/backbone.ts";
import { contentKey } from "../io/files.ts";
import { sha256OfFile } from "../io/seal.ts";
import type { DetectorKind } from "./detector.ts";
import type { PixelDetectorKind } from "./pixel_detector.ts";

/** Names a head by its file and the backbone whose features it reads. */
export async function identityOfHead(
  { name }: DetectorKind,
  checkpoint: string,
  backbone: Backbone,
): Promise<string> {
  return contentKey([name, await sha256OfFile(checkpoint), await backbone.fingerprint()]);
}

/** Names a detector on pixels by its files and how it reads images. */
export async function identityOnPixels(
  kind: PixelDetectorKind,
  checkpoint: string,
  transform: string,
): Promise<string> {
  const besides = await kind.besides?.(checkpoint) ?? [];
  return contentKey([
    ...[kind.name, transform],
    ...await Promise.all([checkpoint, ...besides].map(sha256OfFile)),
  ]);
}
