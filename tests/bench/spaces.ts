/**
 * How fast full-size networks of UFD's feature spaces are that are not CLIP's ViTs, with random
 * weights: CLIP's RN50, ImageNet's ResNet-50 and ViT-B/16.
 *
 *     deno run -A tests/bench/spaces.ts [RN50 | ResNet-50 | ViT-B/16]
 *
 * One network a process, or its peak memory is that of the one before. Needs .4 GB of disk.
 * @module
 */
import { dirname } from "node:path";
import process from "node:process";
import { openBackbone, weightsPath } from "../../lib/backbones/open.ts";
import { randomStream } from "../../lib/random.ts";
import { SPACES, writeRandomSpace } from "./random_spaces.ts";
import { temporaryFolder } from "../temporary.ts";

const BATCH = 8, REPEATS = 5, SIZE_PX = 224;

const names = Deno.args.length > 0 ? Deno.args : SPACES;
const folder = Deno.env.get("RINE_BENCH_FOLDER") ?? temporaryFolder();
const rssMb = () => Math.round(process.memoryUsage().rss / 1e6);
for (const name of names) {
  const path = weightsPath(folder, name);
  await Deno.mkdir(dirname(path), { recursive: true });
  await writeRandomSpace(path, name);
  const random = randomStream("crops");
  const rgb = Uint8Array.from({ length: BATCH * SIZE_PX ** 2 * 3 }, () => random.integer(256));
  const before = rssMb();
  await using backbone = await openBackbone(name, { folder, tap: "embedding" });
  let started = performance.now();
  await backbone.open();
  const opened = performance.now() - started;
  const { data } = await backbone.featuresOfCrops(rgb, BATCH);
  if (!data.every(Number.isFinite)) throw new Error(`${name} diverges`);
  let best = Infinity;
  for (let i = 0; i < REPEATS; i++) {
    started = performance.now();
    await backbone.featuresOfCrops(rgb, BATCH);
    best = Math.min(best, performance.now() - started);
  }
  const peak = Math.round(process.resourceUsage().maxRSS * 1024 / 1e6);
  console.log(
    `${name}: ${(best / BATCH).toFixed(1)} ms an image, ${BATCH} at once; opened in ${
      opened.toFixed(0)
    } ms; weights ${
      (backbone.weightsBytes / 1e6).toFixed(0)
    } MB, process ${before} MB before, ${rssMb()} MB after, ${peak} MB at most`,
  );
}
