import assert from "node:assert/strict";
import { join } from "node:path";
import { Listings } from "../lib/data/listing.ts";
import sharp from "sharp";
import { openBackbone } from "../lib/backbones/open.ts";
import type { DatasetSpec } from "../lib/data/dataset.ts";
import type { RunConfig } from "../lib/runs/config.ts";
import { execute } from "../lib/runs/execute.ts";
import type { World } from "../lib/runs/world.ts";
import { areUnreadable } from "../lib/tokens/unreadable.ts";
import { noiseImage, waveImage } from "./image_samples.ts";
import { GOLDENS } from "./goldens.ts";
import { smallSetup } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

const COUNTS = { train: 10, val: 4, test: 5 } as const;

function spec(name: string): DatasetSpec {
  return {
    name,
    title: name,
    family: "test",
    sources: [
      { label: 0, directory: `${name}/0_real` },
      { label: 1, directory: `${name}/1_fake` },
    ],
  };
}

async function makeImages(root: string, cropPx: number): Promise<void> {
  const side = cropPx + 4;
  for (const [set, count] of Object.entries(COUNTS)) {
    for (const [folder, make] of [["0_real", noiseImage], ["1_fake", waveImage]] as const) {
      await Deno.mkdir(join(root, set, folder), { recursive: true });
      for (let i = 0; i < count; i++) {
        const { data } = make(side, side + i);
        const raw = { width: side, height: side + i, channels: 3 } as const;
        await sharp(data, { raw }).png().toFile(join(root, set, folder, `${i}.png`));
      }
    }
  }
}

const CONFIG: RunConfig = {
  training: {
    detector: "rine",
    trainingSet: "own",
    classes: ["thing"],
    fraction: .8,
    backbone: "Tiny",
    head: { contrastiveWeight: .2, projectionLayers: 1, projectionDim: 8, variant: "full" },
    batchSize: 4,
    learningRate: 1e-3,
    epochs: 2,
    decayEpochs: [],
    seed: 0,
  },
  evaluation: { testSets: ["test"], view: "center", atEpochs: [1, 2] },
};

/** Runs one configuration on a folder, with results and tokens of its own in it. */
async function run(root: string, skipCorrupt: boolean) {
  await using backbone = await openBackbone("Tiny", { folder: root });
  const world: World = {
    profile: "test",
    root,
    listings: new Listings(root),
    backbones: new Map([["Tiny", backbone]]),
    trainingSets: { own: { thing: { train: spec("train"), val: spec("val") } } },
    testSets: new Map([["test", spec("test")]]),
    backbone: () => Promise.resolve(backbone),
    trainingView: (_, size) => ({ transform: { kind: "center", size }, augmentations: 1 }),
    viewTransform: (_view, size) => ({ kind: "center", size }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const changes = { tokens: join(root, "tokens"), batchSize: 3, cores: 1, skipCorrupt };
  const setup = smallSetup(root, join(root, "results"), changes);
  return await execute("test", [CONFIG], world, setup);
}

const DAMAGED = [
  "train/1_fake/3.png",
  "train/0_real/9.png",
  "val/0_real/1.png",
  "test/1_fake/0.png",
];

async function withRoots(use: (damaged: string, without: string) => Promise<void>) {
  await using backbone = await openBackbone(join(GOLDENS, "clip_hf.safetensors"));
  const roots = [temporaryFolder(), temporaryFolder()] as const;
  for (const root of roots) {
    await makeImages(root, backbone.architecture.resolutionPx);
    await Deno.mkdir(join(root, "Tiny"));
    await Deno.copyFile(
      join(GOLDENS, "clip_hf.safetensors"),
      join(root, "Tiny", "model.safetensors"),
    );
  }
  for (const path of DAMAGED) {
    await Deno.truncate(join(roots[0], path), 60);
    await Deno.remove(join(roots[1], path));
  }
  await use(...roots);
  for (const root of roots) await Deno.remove(root, { recursive: true });
}

Deno.test("a run without damaged images equals a run in which they are not there, and names them", () =>
  withRoots(async (damaged, without) => {
    const { records: [lacking] } = await run(damaged, true);
    const { records: [clean] } = await run(without, false);
    assert.deepEqual(lacking!.skippedImages, {
      train: ["train/0_real/9.png", "train/1_fake/3.png"],
      val: ["val/0_real/1.png"],
      test: { test: ["test/1_fake/0.png"] },
    });
    assert.equal("skippedImages" in clean!, false);
    lacking!.epochs.forEach(({ trainLoss, valLoss, valAcc }, e) => {
      assert(Math.abs(trainLoss - clean!.epochs[e]!.trainLoss) < 1e-3 * trainLoss);
      assert(Math.abs(valLoss - clean!.epochs[e]!.valLoss) < 1e-3);
      assert.equal(valAcc, clean!.epochs[e]!.valAcc);
    });
    lacking!.evaluations.forEach(({ test }, e) =>
      assert.deepEqual(test, clean!.evaluations[e]!.test)
    );
  }));

Deno.test("without leave to skip, a run stops at a damaged image, whatever was run before", () =>
  withRoots(async (damaged) => {
    await assert.rejects(
      run(damaged, false),
      /Cannot decode .*train.0_real.9\.png.*--skip-corrupt/,
    );
    assert.equal((await run(damaged, true)).reused, 0);
    await assert.rejects(run(damaged, false), /Cannot decode .*--skip-corrupt/);
    assert.equal((await run(damaged, true)).reused, 1);
  }));

Deno.test("once an image is mended, what was made without it is made again", () =>
  withRoots(async (damaged) => {
    const { records: [lacking] } = await run(damaged, true);
    const intact = await Deno.readFile(join(damaged, "val/0_real/0.png"));
    for (const path of DAMAGED) await Deno.writeFile(join(damaged, path), intact);
    const { records: [whole], reused } = await run(damaged, false);
    assert.equal(reused, 0);
    assert.notEqual(whole!.key, lacking!.key);
    assert.equal("skippedImages" in whole!, false);
  }));

Deno.test("a damaged image is looked at again when another of its size is in its place", async () => {
  const root = temporaryFolder("mended_"), path = "a.png", label = 0 as const;
  const { data, width, height } = noiseImage(20, 20);
  const whole = await sharp(data, { raw: { width, height, channels: 3 } }).png().toBuffer();
  const transform = { kind: "center", size: 20 } as const;
  const isUnreadable = () => areUnreadable({ images: [{ path, label }], transform }, [0], root);
  await Deno.writeFile(join(root, path), new Uint8Array(whole.length));
  for (let times = 0; times < 2; times++) assert.equal(await isUnreadable(), true);
  await Deno.writeFile(join(root, path), whole);
  assert.equal(await isUnreadable(), false);
});
