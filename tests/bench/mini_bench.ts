/**
 * What the mini world costs: an image painted, a generator's pass, an image from nothing to its
 * file, and an image's tokens.
 *
 *     deno bench --allow-all tests/bench/mini_bench.ts
 *
 * @module
 */
import { join } from "node:path";
import { openBackbone } from "../../lib/backbones/open.ts";
import { makeMiniBackbones, MINI_BACKBONES } from "../../lib/mini/backbones.ts";
import { makeMiniWorld } from "../../lib/mini/make.ts";
import { GENERATORS } from "../../lib/mini/generators.ts";
import { photograph, sceneMaterial } from "../../lib/mini/scene.ts";
import { type GeneratorName, MINI_LARGE_SIZE_PX, MINI_SIZE_PX } from "../../lib/mini/sets.ts";
import { randomStream } from "../../lib/random.ts";
import { temporaryFolder } from "../temporary.ts";

const BATCH = 64;
const RESOLUTION_PX = 64;

const root = temporaryFolder("mini_bench_");
await makeMiniBackbones({ root, seed: 0 });

const material = sceneMaterial(0);
let count = 0;
for (const size of [MINI_SIZE_PX, MINI_LARGE_SIZE_PX]) {
  Deno.bench(`photograph of ${size} px`, { group: "image" }, () => {
    photograph(size, "mixed", material, randomStream(count++));
  });
}

const real = photograph(MINI_SIZE_PX, "mixed", material, randomStream("real"));
for (const name of Object.keys(GENERATORS) as GeneratorName[]) {
  Deno.bench(name, () => {
    GENERATORS[name](real, randomStream(count++));
  });
}

const SCALE = .02;
for (const workers of [1, 2]) {
  let worlds = 0;
  Deno.bench(
    `world of scale ${SCALE} by ${workers} workers`,
    { group: "world", n: 3, warmup: 1 },
    async () => {
      const folder = join(root, `world-${workers}-${worlds++}`);
      await makeMiniWorld({ root: folder, seed: 0, scale: SCALE, workers });
    },
  );
}

const crops = Uint8Array.from(
  { length: BATCH * RESOLUTION_PX ** 2 * 3 },
  (_, i) => (i * 2654435761 >>> 24),
);
for (const { name } of MINI_BACKBONES) {
  const backbone = await openBackbone(name, { folder: join(root, "backbones") });
  Deno.bench(`${name}, ${BATCH} crops`, { group: "tokens" }, async () => {
    await backbone.featuresOfCrops(crops, BATCH);
  });
}
