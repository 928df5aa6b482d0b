/** Several taps read in one pass through a backbone, and sets of features made along with others. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { PRECISIONS, type Tap } from "../lib/backbones/backbone.ts";
import { openBackbone } from "../lib/backbones/open.ts";
import { quantizedPath, quantizeWeights } from "../lib/backbones/quantize.ts";
import { readVitWeights } from "../lib/backbones/vit/weights.ts";
import { listImages } from "../lib/data/dataset.ts";
import { randomStream } from "../lib/random.ts";
import { extractFeatures } from "../lib/tokens/extract.ts";
import type { FeatureRequest } from "../lib/tokens/request.ts";
import { unfinish } from "./feature_sets.ts";
import { GOLDENS } from "./goldens.ts";
import { CROP_PX } from "./small_extraction.ts";
import { makeSmallWorld, openSmallWorld, smallProfile } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

const data = temporaryFolder();
await makeSmallWorld(data);

const TOGETHER: readonly (readonly Tap[])[] = [
  ["ln2", "embedding"],
  ["embedding", "block"],
  ["block", "ln2", "embedding"],
];

Deno.test("what one pass reads at several taps is what a pass for each reads, bit for bit", async () => {
  const COUNT = 5;
  const folder = temporaryFolder(), path = join(folder, "model.safetensors");
  await Deno.copyFile(join(GOLDENS, "clip_hf.safetensors"), path);
  await quantizeWeights(await readVitWeights(path), quantizedPath(path));
  for (const precision of PRECISIONS) {
    await using backbone = await openBackbone(path, { precision });
    const bytes = COUNT * backbone.architecture.resolutionPx ** 2 * 3;
    const random = randomStream("one pass");
    const rgb = Uint8Array.from({ length: bytes }, () => random.integer(256));
    for (const taps of TOGETHER) {
      const together = await backbone.featuresAt(taps, rgb, COUNT);
      for (const [t, tap] of taps.entries()) {
        await using alone = await openBackbone(path, { precision, tap });
        assert.deepEqual(together[t], await alone.featuresOfCrops(rgb, COUNT), `${taps}: ${tap}`);
      }
    }
  }
});

/** Sets of one test set of the small world: at some taps now, at others later. */
async function extract(
  folder: string,
  { now, later, view }: { now: readonly Tap[]; later: readonly Tap[]; view?: "ten" },
) {
  const { world, backbone } = await openSmallWorld(data);
  await using _ = backbone;
  const images = await listImages(world.root, smallProfile.testSets[0]!);
  const request = (tap: Tap, kind: "center" | "ten" = "center"): FeatureRequest => ({
    images,
    generator: "tiny",
    transform: { kind, size: CROP_PX },
    seed: 0,
    epoch: 0,
    backbones: [backbone.at(tap)],
  });
  let asked = 0, total = 0;
  const sets = await extractFeatures(now.map((tap) => request(tap)), {
    root: world.root,
    folder,
    batchSize: 8,
    workers: 2,
    later: () => {
      asked++;
      return Promise.resolve(later.map((tap) => request(tap, view)));
    },
    onProgress: (progress) => total = progress.total,
  });
  return { images: images.length, asked, total, sets: sets.flat() };
}

async function rowsOf(folder: string): Promise<Map<string, number[]>> {
  const rows = new Map<string, number[]>();
  for await (const { name } of Deno.readDir(folder)) {
    if (!name.endsWith(".npy") || name.endsWith(".labels.npy")) continue;
    const key = name.slice(0, -".npy".length);
    rows.set(key, [...await Deno.readFile(join(folder, name))]);
  }
  return rows;
}

Deno.test("a set that is wanted later is made along where the same pass fills it, with the bytes that it has alone", async () => {
  const along = temporaryFolder(), alone = temporaryFolder();
  const first = await extract(along, { now: ["ln2"], later: ["embedding", "block"] });
  assert.deepEqual([first.asked, first.total], [1, 3 * first.images]);
  const made = await rowsOf(along);
  assert.equal(made.size, 3);
  for (const tap of ["ln2", "embedding", "block"] as const) {
    await extract(alone, { now: [tap], later: [] });
  }
  assert.deepEqual(made, await rowsOf(alone));
  // all is there: nobody asks what is wanted later
  const again = await extract(along, { now: ["block", "embedding"], later: ["ln2"] });
  assert.deepEqual([again.asked, again.total], [0, 0]);
});

Deno.test("a set of other crops is not made along", async () => {
  const folder = temporaryFolder();
  const { total, images } = await extract(folder, { now: ["ln2"], later: ["block"], view: "ten" });
  assert.equal(total, images);
  assert.equal((await rowsOf(folder)).size, 1);
});

Deno.test("sets of one pass that were stopped at different rows end with the same bytes", async () => {
  const folder = temporaryFolder();
  const { sets } = await extract(folder, { now: ["ln2", "embedding"], later: [] });
  const whole = await rowsOf(folder);
  for (const [i, rows] of [9, 3].entries()) {
    const set = sets[i]!, [total] = set.index.shape;
    const { size } = await Deno.stat(set.paths.features);
    await unfinish(set, rows, 128 + rows * (size - 128) / total);
  }
  await extract(folder, { now: ["embedding", "ln2"], later: [] });
  assert.deepEqual(await rowsOf(folder), whole);
});
