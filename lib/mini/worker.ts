/**
 * Makes images of the mini world on a thread of its own.
 * @module
 */
import sharp from "sharp";
import { writeFileAtomic } from "../io/files.ts";
import { serveJobs } from "../io/worker_pool.ts";
import { randomStream } from "../random.ts";
import { GENERATORS } from "./generators.ts";
import type { Picture } from "./picture.ts";
import { photograph, type SceneMaterial, sceneMaterial } from "./scene.ts";
import { miniFileName, type MiniFolder, miniJpegQuality } from "./layout.ts";

/** Some files of one folder. */
export interface MiniJob {
  /** The world's folder. */
  readonly root: string;
  /** The world's seed. */
  readonly seed: number;
  /** What the files are to show. */
  readonly folder: MiniFolder;
  /** Numbers of the files. */
  readonly indexes: readonly number[];
}

// one image at a time for each worker: more threads would only wait for each other
sharp.concurrency(1);
sharp.cache(false);

let material: SceneMaterial | undefined;

async function makeImages({ root, seed, folder, indexes }: MiniJob) {
  material ??= sceneMaterial(seed);
  for (const index of indexes) {
    const path = `${folder.path}/${miniFileName(folder, index)}`;
    const real = photograph(
      folder.sizePx,
      folder.shape,
      material,
      randomStream(seed, "mini scene", path),
    );
    const made = folder.generator === undefined
      ? real
      : GENERATORS[folder.generator](real, randomStream(seed, "mini generator", path));
    await writeFileAtomic(`${root}/${path}`, await encode(made, path, seed));
  }
  return { result: indexes.length };
}

/** PNG, or JPEG of a quality that does not depend on the label. */
function encode({ width, height, data }: Picture, path: string, seed: number): Promise<Uint8Array> {
  const bytes = new Uint8ClampedArray(data.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = 255 * data[i]!;
  const image = sharp(bytes, { raw: { width, height, channels: 3 } });
  if (path.endsWith(".png")) return image.png({ compressionLevel: 3 }).toBuffer();
  return image.jpeg({ quality: miniJpegQuality(seed, path) }).toBuffer();
}

serveJobs(makeImages);
