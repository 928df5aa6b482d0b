/** Small detectors that are trained side by side: what they become, what they score, what stops them. */
import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { mini } from "../experiments/profiles/mini.ts";
import { EXPERIMENTS } from "../experiments/index.ts";
import { listImages } from "../lib/data/dataset.ts";
import { hasSmallSteps } from "../lib/detectors/pixel_training.ts";
import { openDetector } from "../lib/detectors/verdict.ts";
import { exists } from "../lib/io/files.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import { makeSetup, type Setup } from "../lib/runs/setup.ts";
import { trainSideBySide } from "../lib/runs/side_by_side.ts";
import { planDetector, trainDetector } from "../lib/runs/trained_detectors.ts";
import { openMadeWorld, type World } from "../lib/runs/world.ts";
import { paper } from "../experiments/profiles/paper.ts";
import { makeSmallWorld, smallTraining } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

const data = temporaryFolder("beside_data_");
await makeSmallWorld(data);

const CHOICES = [smallTraining, {
  ...smallTraining,
  recipe: { ...smallTraining.recipe, learningRate: 1e-3 },
}];
const [set] = mini.testSets;

/** Two cores, whatever there is here, and the two detectors as they are planned. */
async function inWorld(
  action: (
    world: World,
    setup: Setup,
    planned: Awaited<ReturnType<typeof planDetector>>[],
  ) => Promise<void>,
): Promise<void> {
  const setup = {
    ...await makeSetup(EXPERIMENTS, { data, results: temporaryFolder("beside_") }),
    cores: 2,
  };
  await using world = await openMadeWorld(setup);
  await action(
    world,
    setup,
    await Promise.all(CHOICES.map((choice) => planDetector(choice, 0, world, setup))),
  );
}

Deno.test("detectors trained side by side are those trained alone, and have scored the lists", async () => {
  await inWorld(async (world, setup, planned) => {
    const images = await listImages(world.root, set!), listed = [{ images, key: "list" }];
    const told = new Map<string, number>();
    const trained = await trainSideBySide(planned, listed, [undefined], setup, {
      onProgress: ({ stage, done }) => told.set(stage, Math.max(done, told.get(stage) ?? 0)),
    });
    assert.equal(
      told.get("training Wang et al., epoch 1 of at most 1"),
      planned[0]!.training.train.length,
    );
    assert.equal(told.get("Wang et al."), images.length);
    for (const one of planned) {
      const { ready: { name, key, path } } = one;
      assert.ok("epochs" in trained.get(key)!);
      const alone = { ...setup, folder: temporaryFolder("alone_") };
      const again = await trainDetector(one, alone);
      const weights = async (folder: string) =>
        (await readSafetensors(join(folder, "detectors", `${key}.safetensors`))).tensors;
      assert.deepEqual(await weights(setup.folder), await weights(alone.folder));
      assert.deepEqual(
        "epochs" in again && again.epochs,
        (trained.get(key) as { epochs: unknown }).epochs,
      );
      const file = join(setup.folder, "scores", `${name}-${key}`, "list-0.safetensors");
      const { data: scores } = (await readSafetensors(file)).tensors.get("scores")!;
      await using detector = await openDetector(path);
      const first = await detector.detect(resolve(world.root, images[0]!.path));
      assert.equal(scores.length, images.length);
      assert.ok(Math.abs(scores[0]! - first.score) < 1e-6, `${scores[0]} is not ${first.score}`);
    }
  });
});

Deno.test("an image that cannot be decoded is told by its name when those beside have come to their end", async () => {
  await inWorld(async (_, setup, planned) => {
    const [first, second] = planned;
    const train = [{ path: "no.png", label: 1 as const }, ...second!.training.train.slice(1)];
    const { made: _made, ...profile } = setup.profile;
    const broken = { ...second!, training: { ...second!.training, train } };
    await assert.rejects(
      trainSideBySide([broken, first!], [], [undefined], { ...setup, profile }),
      /Cannot decode .*no\.png: expected an image/,
    );
    assert.ok(await exists(first!.ready.path), "the one beside it is whole");
  });
});

Deno.test("recipes of the miniature have small steps, those of the paper's size have not", () => {
  const all = ({ detectors, appendix }: typeof mini) =>
    [...detectors!.trainings, ...appendix!.detectors.trainings].map(({ recipe }) =>
      hasSmallSteps(recipe)
    );
  assert.deepEqual(new Set(all(mini)), new Set([true]));
  assert.deepEqual(new Set(all(paper)), new Set([false]));
});
