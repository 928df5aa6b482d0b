import assert from "node:assert/strict";
import { join } from "node:path";
import { mini } from "../experiments/profiles/mini.ts";
import { paper } from "../experiments/profiles/paper.ts";
import { EXPERIMENTS } from "../experiments/index.ts";
import { openBackbone } from "../lib/backbones/open.ts";
import { addPyramidLogits, initialPyramid } from "../lib/detectors/pyramid/layers.ts";
import { openPatchMaps } from "../lib/detectors/pyramid/patch_maps.ts";
import { resnetPyramidOf } from "../lib/detectors/pyramid/resnet.ts";
import { IMAGENET_NORMALISATION as normalisation } from "../lib/detectors/resnet/checkpoint.ts";
import { ResnetTrainer, stateBefore } from "../lib/detectors/resnet/trainer.ts";
import { openDetector } from "../lib/detectors/verdict.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import { writeSafetensors } from "../lib/io/safetensors_writer.ts";
import type { Tensor } from "../lib/io/tensor.ts";
import { GraphBuilder } from "../lib/onnx/graph.ts";
import { openSession, ortTensor } from "../lib/onnx/session.ts";
import { randomStream } from "../lib/random.ts";
import { keptMade, makeOnce } from "../lib/runs/made.ts";
import type { DetectorTraining, Profile } from "../lib/runs/profile.ts";
import type { Experiments, Section } from "../lib/runs/section.ts";
import { makeSetup } from "../lib/runs/setup.ts";
import { openMadeWorld } from "../lib/runs/world.ts";
import { GOLDENS } from "./goldens.ts";
import { assertClose } from "./head_golden.ts";
import { makeSmallWorld } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

const { metadata, tensors } = await readSafetensors(join(GOLDENS, "cnn_training.safetensors"));
const number = (name: string) => Number(metadata[name]);
const adam = { beta1: number("beta1"), beta2: number("beta2"), epsilon: number("eps") };

/** The golden's tensors by the names that a checkpoint has. */
const under = (...prefixes: string[]): Map<string, Tensor> =>
  new Map(
    prefixes.flatMap((prefix) =>
      [...tensors].filter(([name]) => name.startsWith(prefix))
        .map(([name, value]) => [name.slice(prefix.length).replace(/^body\./, ""), value] as const)
    ).filter(([name]) => !name.endsWith("num_batches_tracked")),
  );

Deno.test("three steps of a ResNet with a pyramid have the losses, parameters and statistics of torchvision's", async () => {
  const start = under("fpn.param.", "fpn.buffer.");
  const weights = resnetPyramidOf("golden", start);
  const network = { weights, stemStride: 2, adam, head: addPyramidLogits } as const;
  const trainer = new ResnetTrainer(network, stateBefore(start), { threads: 1 });
  const { data: images, shape: [count, , height, width] } = tensors.get("pixels")!;
  const batch = { images, count: count!, height: height!, width: width! };
  const labels = Uint8Array.from(tensors.get("labels")!.data);
  const losses: number[] = [];
  for (let step = 0; step < number("steps"); step++) {
    losses.push(await trainer.step(batch, labels, number("learningRate")));
  }
  const { tensors: found } = trainer.state();
  await trainer.dispose();
  assertClose(losses, tensors.get("fpn.losses")!.data, 1e-4, "losses");
  for (const [name, { data }] of under("fpn.buffer3.")) {
    assertClose(found.get(name)!.data, data, 1e-4, name);
  }
  const off = [...under("fpn.param3.")].flatMap(([name, { data }]) =>
    [...data].map((expected, i) => Math.abs(expected - found.get(name)!.data[i]!))
  );
  assert.ok(off.every((by) => by <= 5e-5), `parameters are off by ${Math.max(...off)}`);
  const far = off.filter((by) => by > 2e-6).length;
  assert.ok(far <= off.length / 1000, `${far} of ${off.length} are off by over 2e-6`);
});

/** A picture of noise. */
function noise(name: string, sizePx: number) {
  const random = randomStream(0, "picture", name);
  const data = Uint8Array.from({ length: sizePx * sizePx * 3 }, () => random.integer(256));
  return { data, width: sizePx, height: sizePx };
}

/** A ResNet with a pyramid as training leaves it on disk. */
async function writeCheckpoint(without: readonly string[] = []): Promise<string> {
  const path = join(temporaryFolder("pyramid_"), "detector.safetensors");
  const all = under("fpn.param3.", "fpn.buffer3.");
  await writeSafetensors(path, [...all].filter(([name]) => !without.includes(name)), {
    detector: "rn50_fpn",
    recipe: JSON.stringify({ cropPx: 40 }),
  });
  return path;
}

Deno.test("a checkpoint that is open has the logits that it had in training, and gives the levels' means", async () => {
  const path = await writeCheckpoint();
  await using detector = await openDetector(path);
  assert.deepEqual([detector.title, detector.cropPx], ["RN50 w/ FPN", 40]);
  const all = under("fpn.param3.", "fpn.buffer3.");
  const weights = resnetPyramidOf(path, all);
  const network = { weights, stemStride: 2, adam, normalisation, head: addPyramidLogits } as const;
  const trainer = new ResnetTrainer(network, stateBefore(all), { threads: 1 });
  for (const name of ["one", "two"]) {
    const image = noise(name, 40);
    const [expected] = await trainer.logits({
      ...{ images: image.data, count: 1, height: 40, width: 40 },
    });
    const { logit } = await detector.detect(image);
    assert.ok(Math.abs(logit - expected!) <= 1e-4 * Math.abs(expected!), `${logit}, ${expected}`);
    const { data } = await detector.represent([image]);
    const { data: last } = all.get("fc.weight")!, [bias] = all.get("fc.bias")!.data;
    const decided = data.reduce((sum, x, i) => sum + x * last[i]!, bias!);
    assert.ok(Math.abs(decided - expected!) <= 1e-4 * Math.abs(expected!));
  }
  await trainer.dispose();
});

Deno.test("a checkpoint whose pyramid is not that of its ResNet is refused", async () => {
  await assert.rejects(
    openDetector(await writeCheckpoint(["fpn.layer_blocks.3.0.weight"])),
    /^UserError: Cannot load .*: expected the tensors of a feature pyramid .*, found fpn\.layer_blocks\.3\.0\.weight none for/,
  );
  const last = [3].flatMap((level) =>
    ["inner", "layer"].flatMap((kind) =>
      ["weight", "bias"].map((part) => `fpn.${kind}_blocks.${level}.0.${part}`)
    )
  );
  await assert.rejects(
    openDetector(await writeCheckpoint(last)),
    /^UserError: Cannot load .*found fc\.weight/,
  );
});

const section = EXPERIMENTS.sections.find(({ name }) => name === "appendix") as Section;
const data = temporaryFolder("pyramid_data_");
await makeSmallWorld(data);

const NARROW = { kind: "random", width: 4, stages: [1, 1, 1, 1] } as const;
const SMALLER = { cropPx: 24, batchSize: 16, epochs: 2 } as const;

/** What RINE w/ Wang starts from. */
const WANG: DetectorTraining = {
  ...mini.detectors!.trainings[0]!,
  classes: mini.detectors!.trainings[0]!.classes.slice(0, 2),
  recipe: { ...mini.detectors!.trainings[0]!.recipe, ...SMALLER, start: NARROW },
};

/** The miniature's networks, smaller still. */
const TRAININGS: readonly DetectorTraining[] = mini.appendix!.detectors.trainings.map((one) => ({
  ...one,
  classes: one.classes.slice(0, 2),
  recipe: {
    ...one.recipe,
    ...SMALLER,
    // a transformer takes crops of its own size
    ...(one.recipe.start.kind === "backbone" ? { cropPx: one.recipe.cropPx } : {}),
    ...(one.recipe.start.kind === "random" ? { start: NARROW } : {}),
  },
}));

Deno.test("networks of the appendix are trained once and tried on every test set", async () => {
  const profile: Profile = {
    ...mini,
    testSets: mini.testSets.slice(0, 2),
    detectors: { areTrained: true, trainings: [WANG] },
    appendix: { ...mini.appendix!, detectors: { areTrained: true, trainings: TRAININGS } },
  };
  const experiments = { sections: [section], profiles: { mini: profile } } satisfies Experiments;
  const setup = await makeSetup(experiments, { data, results: temporaryFolder("pyramid_") });
  await using world = await openMadeWorld(setup);
  const stages: string[] = [];
  const onProgress = ({ stage }: { stage: string }) => stages.push(stage);
  await makeOnce(section, world, setup, { onProgress });
  assert.deepEqual(
    [...new Set(stages)].filter((stage) => stage.endsWith("epoch 1 of at most 2")),
    ["training RN50 w/ FPN, epoch 1 of at most 2", "training Wang et al., epoch 1 of at most 2"],
    "what another starts from is trained first",
  );
  const made = await keptMade(section, world, setup) as {
    title: string;
    trained: { epochs: number };
    test: Record<string, { acc: number }>;
  }[];
  assert.deepEqual(
    made.map(({ title, trained, test }) => [title, trained.epochs, Object.keys(test)]),
    ["CLIP w/ FPN", "RN50 w/ FPN", "RINE w/ Wang"].map((
      title,
    ) => [title, 2, profile.testSets.map(({ name }) => name)]),
  );
  await Deno.remove(join(setup.folder, "made"), { recursive: true });
  stages.length = 0;
  await makeOnce(section, world, setup, { onProgress });
  assert.ok(!stages.some((stage) => stage.startsWith("training")), stages.join());
  assert.deepEqual(await keptMade(section, world, setup), made);
});

Deno.test("the paper's networks of Table 7 are of its size, and reproduce does not train them", () => {
  const { areTrained, trainings } = paper.appendix!.detectors;
  assert.equal(areTrained, false);
  assert.deepEqual(
    trainings.map(({ detector, classes, recipe: { start, cropPx, epochs, network } }) => [
      ...[detector, classes.join(), start, cropPx, epochs, network],
    ]),
    [
      [
        ...["clip_fpn", "car,cat,chair,horse", { kind: "backbone", name: "ViT-L/14" }, 224, 1],
        { blocks: [6, 12, 18, 24], channels: 256 },
      ],
      [
        ...["rn50_fpn", "car,cat,chair,horse", { kind: "backbone", name: "ResNet-50" }],
        ...[224, 10, { channels: 256 }],
      ],
      [
        ...["rine_wang", "car,cat,chair,horse", { kind: "detector", name: "wang_0.1" }, 224, 1],
        {
          ...{ blocks: "bottlenecks", contrastiveWeight: .2 },
          ...{ projectionLayers: 2, projectionDim: 1024 },
        },
      ],
    ],
  );
});

Deno.test("maps of a transformer are its blocks' patches, row after row", async () => {
  const folder = join(data, "mini", "backbones");
  const choice = { backbone: "Mini-L/8", backbones: folder, blocks: [2, 8] };
  await using maps = await openPatchMaps(choice, { threads: 1 });
  await using backbone = await openBackbone("Mini-L/8", { folder, tap: "patches", threads: 1 });
  // more than go through the backbone at once
  const count = 9, bytes = 64 * 64 * 3;
  const rgb = new Uint8Array(count * bytes);
  for (let i = 0; i < count; i++) rgb.set(noise(`map ${i}`, 64).data, i * bytes);
  const found = await maps.read({ rgb, count, height: 64, width: 64 });
  const patches = maps.grid ** 2;
  assert.equal(patches, 64);
  for (const image of [0, 8]) {
    const one = rgb.subarray(image * bytes, (image + 1) * bytes);
    const { data } = await backbone.featuresOfCrops(one, 1);
    choice.blocks.forEach((block, level) => {
      const size = patches * maps.width;
      assertClose(
        found[level]!.subarray(image * size, (image + 1) * size),
        data.subarray((block - 1) * size, block * size),
        1e-5,
        `block ${block} of image ${image}`,
      );
    });
  }
  await assert.rejects(
    maps.read({ rgb, count, height: 32, width: 32 }),
    /^UserError: Cannot read Mini-L\/8: expected crops of 64 px, found 32 × 32$/,
  );
  await assert.rejects(
    openPatchMaps({ ...choice, blocks: [4, 9] }),
    /^UserError: Cannot read patches of Mini-L\/8: expected blocks from 1 to 8, found 4, 9$/,
  );
});

Deno.test("a pyramid on a transformer scores its maps, and is refused on other weights", async () => {
  const sizes = { maps: [128, 128], channels: 4 };
  const own = initialPyramid(sizes, .5, randomStream(0, "clip"));
  const folder = join(data, "mini", "backbones");
  const blocks = [2, 8];
  await using maps = await openPatchMaps(
    { backbone: "Mini-L/8", backbones: folder, blocks },
    { threads: 1 },
  );
  const path = join(temporaryFolder("pyramid_"), "detector.safetensors");
  const write = (weights: string) =>
    writeSafetensors(path, [...own], {
      detector: "clip_fpn",
      weights,
      recipe: JSON.stringify({ cropPx: 64, start: { name: "Mini-L/8" }, network: { blocks } }),
    });
  await write((await maps.describe()).weights);
  const image = noise("scored", 64);
  const tokens = await maps.read({ rgb: image.data, count: 1, height: 64, width: 64 });
  const g = new GraphBuilder();
  const inputs = sizes.maps.map((width, level) => g.input(`${level}`, "float32", [1, width, 8, 8]));
  const weight = (name: string) => g.float(own.get(name)!.data, own.get(name)!.shape);
  g.output("logits", addPyramidLogits(g, weight, inputs), "float32", [1, 1]);
  const session = await openSession(g.build(), { threads: 1 });
  const { logits } = await session.run(Object.fromEntries(tokens.map((values, level) => {
    const map = new Float32Array(values.length); // [128, 8, 8] of [64, 128]
    values.forEach((value, i) => map[i % 128 * 64 + Math.floor(i / 128)] = value);
    return [`${level}`, ortTensor("float32", map, [1, 128, 8, 8])];
  })));
  await session.release();
  await using detector = await openDetector(path, { backbones: folder });
  const { logit } = await detector.detect(image);
  const expected = logits!.data[0] as number;
  assert.ok(Math.abs(logit - expected) <= 1e-4 * Math.abs(expected), `${logit}, ${expected}`);
  await write("0123456789abcdef float32");
  await assert.rejects(
    openDetector(path, { backbones: folder }),
    /expected the weights of Mini-L\/8 that it was trained on \(SHA-256 0123456789ab…\), found others/,
  );
});
