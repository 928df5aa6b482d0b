import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { mini } from "../experiments/profiles/mini.ts";
import { paper } from "../experiments/profiles/paper.ts";
import { EXPERIMENTS } from "../experiments/index.ts";
import { listImages } from "../lib/data/dataset.ts";
import type { PixelRecipe } from "../lib/detectors/pixel_training.ts";
import { openDetector } from "../lib/detectors/verdict.ts";
import { exists } from "../lib/io/files.ts";
import { evaluateScores } from "../lib/metrics.ts";
import { table2 } from "../lib/report/paper/tables_2_3.ts";
import { shownOf } from "../lib/report/paper/report.ts";
import { keptMade, makeOnce } from "../lib/runs/made.ts";
import type { DetectorTraining, Profile } from "../lib/runs/profile.ts";
import type { Experiments, Section } from "../lib/runs/section.ts";
import { makeSetup, type Setup } from "../lib/runs/setup.ts";
import { planDetector, trainDetector } from "../lib/runs/trained_detectors.ts";
import { openMadeWorld, type World } from "../lib/runs/world.ts";
import { smallCommandLine } from "./command_line.ts";
import { makeSmallWorld, smallTraining } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

const section = EXPERIMENTS.sections.find(({ name }) => name === "comparison") as Section;
const SMALL: DetectorTraining = {
  ...smallTraining,
  classes: mini.detectors!.trainings[0]!.classes.slice(0, 2),
  recipe: { ...smallTraining.recipe, epochs: 2 },
};

/** A profile of two test sets and a detector to train. */
function profileOf(choice: DetectorTraining, areTrained = true): Profile {
  return {
    ...mini,
    testSets: mini.testSets.slice(0, 2),
    detectors: { areTrained, trainings: [choice] },
  };
}

const data = temporaryFolder("trained_data_");
await makeSmallWorld(data);

async function inWorld(
  profile: Profile,
  results: string,
  action: (world: World, setup: Setup) => Promise<void>,
): Promise<void> {
  const experiments = { sections: [section], profiles: { mini: profile } } satisfies Experiments;
  const setup = await makeSetup(experiments, { data, results });
  await using world = await openMadeWorld(setup);
  await action(world, setup);
}

const shownIn = async (world: World, setup: Setup) =>
  (await shownOf(setup, { section, rows: [], records: [] }, { world, makePoints: false }))!;

interface Made {
  readonly title: string;
  readonly reads: string;
  readonly test: Record<string, { acc: number; ap: number }>;
  readonly trained: { readonly classes: readonly string[]; readonly epochs: number };
}

Deno.test("a profile's detectors are trained, tried on every test set and shown, once", async () => {
  const results = temporaryFolder("trained_");
  await inWorld(profileOf(SMALL), results, async (world, setup) => {
    const told: string[] = [];
    await makeOnce(section, world, setup, {
      onProgress: ({ stage, done, total }) => told.push(`${stage}: ${done}/${total}`),
    });
    const { ready: { path }, training: { train } } = await planDetector(SMALL, 0, world, setup);
    const steps = told.filter((line) =>
      line.startsWith("training Wang et al., epoch 2 of at most")
    );
    assert.equal(
      steps.at(-1),
      `training Wang et al., epoch 2 of at most 2: ${train.length}/${train.length}`,
    );
    const [made] = await keptMade(section, world, setup) as [Made];
    assert.equal(made.reads, "centre crop 24 (original)");
    assert.deepEqual([made.trained.classes, made.trained.epochs], [SMALL.classes, 2]);
    await using detector = await openDetector(path);
    assert.equal(detector.cropPx, 24);
    for (const spec of setup.profile.testSets) {
      const images = await listImages(world.root, spec);
      const scores: number[] = [];
      for await (
        const found of detector.detectAll(images.map(({ path }) => resolve(world.root, path)))
      ) scores.push((found as { score: number }).score);
      const labels = Uint8Array.from(images, ({ label }) => label);
      assert.deepEqual(
        made.test[spec.name],
        JSON.parse(JSON.stringify(evaluateScores(labels, Float32Array.from(scores)))),
      );
    }
    const { rows: [row], caption } = table2(await shownIn(world, setup));
    assert.deepEqual([row!["method"], row!["trainingClasses"]], ["Wang et al., trained here", "2"]);
    assert.equal(row![setup.profile.testSets[1]!.name], Object.values(made.test)[1]!.acc);
    assert.match(caption, /made smaller, trained once with the first seed on zero insertion: Wang/);
    // what was trained is found, and what was scored
    await Deno.remove(join(setup.folder, "made"), { recursive: true });
    told.length = 0;
    await makeOnce(section, world, setup, { onProgress: ({ stage }) => told.push(stage) });
    assert.ok(!told.some((stage) => stage.startsWith("training")), told.join());
    assert.deepEqual(await keptMade(section, world, setup), [made]);
    // another seed or recipe is another detector
    const other = { ...SMALL, recipe: { ...SMALL.recipe, learningRate: .1 } };
    const keys = [
      (await planDetector(SMALL, 1, world, setup)).training.key,
      (await planDetector(other, 0, world, setup)).training.key,
      (await planDetector(SMALL, 0, world, setup)).training.key,
    ];
    assert.equal(new Set(keys).size, 3);
    // one bit changes: it is said, and the detector is trained again to the same bytes
    const before = await Deno.readFile(path);
    await Deno.writeFile(path, before.with(before.length - 9, before.at(-9)! ^ 4));
    const lines: string[] = [];
    const planned = await planDetector(SMALL, 0, world, setup);
    await trainDetector(planned, setup, { onDamage: (line) => lines.push(line) });
    assert.match(
      lines.join("\n"),
      /found a file that was changed since; the detector is trained again$/,
    );
    const weights = (bytes: Uint8Array) => bytes.subarray(-4000);
    assert.deepEqual(weights(await Deno.readFile(path)), weights(before));
  });
});

Deno.test("where nobody asks for it nothing is trained, and what was trained by hand is shown", async () => {
  const results = temporaryFolder("trained_");
  await inWorld(profileOf(SMALL, false), results, async (world, setup) => {
    await makeOnce(section, world, setup);
    assert.equal((await shownIn(world, setup)).made, undefined);
    assert.ok(!await exists(join(setup.folder, "detectors")));
    await trainDetector(await planDetector(SMALL, 0, world, setup), setup);
    await makeOnce(section, world, setup);
    const { rows } = table2(await shownIn(world, setup));
    assert.deepEqual(rows.map(({ method }) => method), ["Wang et al., trained here"]);
  });
});

Deno.test("a detector that diverges is left out, and the tables say so", async () => {
  const wild = { ...SMALL, recipe: { ...SMALL.recipe, learningRate: 1e30 } };
  await inWorld(profileOf(wild), temporaryFolder("trained_"), async (world, setup) => {
    await makeOnce(section, world, setup);
    const { rows, caption } = table2(await shownIn(world, setup));
    assert.deepEqual(rows, []);
    assert.match(caption, /Wang et al\. is left out: Cannot train a detector on .*its loss is/);
  });
});

Deno.test("recipes of the paper's size are the released ones, and reproduce does not train them", () => {
  const { areTrained, trainings } = paper.detectors!;
  assert.equal(areTrained, false);
  const of = ({ like, classes, recipe }: DetectorTraining) => {
    const { start, cropPx, batchSize, learningRate, augmentation } = recipe as PixelRecipe;
    const { blurProbability, jpegProbability } = augmentation;
    return [
      ...[like, classes.length, start, cropPx, batchSize, learningRate],
      ...[blurProbability, jpegProbability],
    ];
  };
  const xception = { kind: "xception", channels: [32, 64, 128, 256] };
  const imagenet = { kind: "backbone", name: "ResNet-50" };
  assert.deepEqual(trainings.map(of), [
    ["wang_0.5", 20, imagenet, 224, 64, 1e-4, .5, .5],
    ["wang_0.1", 20, imagenet, 224, 64, 1e-4, .1, .1],
    ["dmid_progan", 20, imagenet, 96, 32, 1e-4, .5, .5],
    ["patch_forensics", 20, xception, 299, 32, 1e-3, 0, 0],
    ["lgrad_4class", 4, imagenet, 224, 16, 5e-4, 0, 0],
  ]);
});

Deno.test("the command trains one, and refuses what it has no recipe or images for", async () => {
  const results = temporaryFolder("trained_");
  const run = (...words: readonly string[]) =>
    smallCommandLine(
      ...["detector", "train", ...words, "--profile", "paper", "--data", join(data, "mini")],
      ...["--results", results],
    );
  const few = ["--classes", "discs", "--epochs", "1", "--batch-size", "16"];
  const trained = await run("wang", ...few);
  assert.equal(trained.code, 0, trained.error);
  const path = /^(\S+\.safetensors): Wang et al\., 1 epoch in .*validation accuracy [\d.]+ %$/m
    .exec(trained.out)?.[1];
  assert.ok(path && await exists(path), trained.out);
  assert.match(trained.out, /It reads: centre crop 40 \(original\)/);
  assert.match(trained.error, /images of 1 class, validated on \d+; random weights at first/);
  assert.equal((await run("wang", ...few)).out, trained.out);
  for (
    const [words, message, code] of [
      [
        ["vgg"],
        /^Cannot train vgg: expected one of wang, dmid, patch_forensics, lgrad, clip_fpn, rn50_fpn, rine_wang, which the paper profile has recipes/,
        2,
      ],
      [["wang", "--classes", "horses"], /expected classes of .*; found horses$/m, 1],
      [["wang", "--classes", ","], /Expected different names, with commas between/, 2],
      [["wang", "--epochs", "0"], /Expected a whole number from 1 on/, 2],
    ] as const
  ) {
    const { code: found, error } = await run(...words);
    assert.match(error, message);
    assert.equal(found, code, error);
    assert.ok(!error.includes("fault of the program"), error);
  }
});
