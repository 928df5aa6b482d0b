import assert from "node:assert/strict";
import { join } from "node:path";
import { featurePoints, keptPoints, type PointsSetup } from "../lib/report/paper/feature_points.ts";
import { drawnSets, figure1 } from "../lib/report/paper/figure_1.ts";
import { EXPERIMENTS } from "../experiments/index.ts";
import { mini } from "../experiments/profiles/mini.ts";
import { paper } from "../experiments/profiles/paper.ts";
import { listImages } from "../lib/data/dataset.ts";
import { openDetector } from "../lib/detectors/verdict.ts";
import { decodeImage } from "../lib/image/image.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import type { FeaturePoint } from "../lib/published/points.ts";
import { keptMade, makeOnce } from "../lib/runs/made.ts";
import type { Experiments, Section } from "../lib/runs/section.ts";
import { makeSetup } from "../lib/runs/setup.ts";
import { planDetector } from "../lib/runs/trained_detectors.ts";
import { openMadeWorld } from "../lib/runs/world.ts";
import { makeSmallWorld, SMALL_BACKBONE, smallProfile, smallTraining } from "./small_world.ts";
import {
  type HeadArchitecture,
  type Parameters,
  parameterShapes,
} from "../lib/detectors/rine/architecture.ts";
import { saveCheckpoint } from "../lib/detectors/rine/checkpoint.ts";
import { tensor } from "../lib/io/tensor.ts";
import { randomStream } from "../lib/random.ts";
import { projectFeatures } from "../lib/report/tsne.ts";
import type { Profile } from "../lib/runs/profile.ts";
import type { RunRecord } from "../lib/runs/record.ts";
import { writeFeatureSet } from "./feature_sets.ts";
import { temporaryFolder } from "./temporary.ts";

/** Sizes of the features that a head reads here. */
const BLOCKS = 2, WIDTH = 4;

/** Features in two clouds far apart. */
function clouds(count: number, width: number): Float32Array {
  const random = randomStream("clouds");
  return Float32Array.from(
    { length: count * width },
    (_, i) => random.normal() + (Math.floor(i / width) % 2 === 0 ? 6 : -6),
  );
}

Deno.test("projectFeatures() keeps two clouds apart, and equal seeds give equal points", () => {
  const count = 120, features = clouds(count, 8);
  const points = projectFeatures(features, count, { perplexity: 15, iterations: 300 });
  assert.equal(points.length, 2 * count);
  let nearestOfOwn = 0;
  for (let i = 0; i < count; i++) {
    let nearest = -1, least = Infinity;
    for (let j = 0; j < count; j++) {
      const distance = Math.hypot(
        points[2 * i]! - points[2 * j]!,
        points[2 * i + 1]! - points[2 * j + 1]!,
      );
      if (j !== i && distance < least) [nearest, least] = [j, distance];
    }
    if (nearest % 2 === i % 2) nearestOfOwn++;
  }
  assert.equal(nearestOfOwn, count);
  assert.deepEqual(projectFeatures(features, count, { perplexity: 15, iterations: 300 }), points);
  const other = projectFeatures(features, count, { perplexity: 15, iterations: 300, seed: 1 });
  assert.notDeepEqual(other, points);
});

Deno.test("projectFeatures() takes a tensor, whose first size says how many images it is of", () => {
  const features = Float32Array.from({ length: 90 }, (_, i) => (i * 37) % 19);
  const options = { perplexity: 5, iterations: 5 };
  const tensor = { data: features, shape: [30, 1, 3] };
  assert.deepEqual(
    projectFeatures(tensor, undefined, options),
    projectFeatures(features, 30, options),
  );
});

Deno.test("projectFeatures() refuses rows that do not fit, and too few of them", () => {
  assert.throws(() => projectFeatures(new Float32Array(10), 3), {
    name: "UserError",
    message: "Cannot project features: expected rows of 3 images, found 10 numbers",
  });
  assert.throws(() => projectFeatures(new Float32Array(80), 40, { perplexity: 30 }), {
    name: "UserError",
    message: "Cannot project features: expected at least 90 images, found 40",
  });
});

Deno.test("drawnSets() are the seven GANs and the eight sets of diffusion models", () => {
  const names = drawnSets(paper).map(({ name }) => name);
  assert.equal(names.length, 15);
  assert.ok(names.includes("gaugan") && names.includes("dalle") && !names.includes("san"));
});

/** Features of the label for the first block, and of the row's number for the last; returns their key. */
async function writeSet(folder: string, name: string, images: number): Promise<string> {
  const { key } = await writeFeatureSet(
    folder,
    {
      name,
      shape: [images, BLOCKS, WIDTH],
      images: Array.from({ length: images }, (_, i) => ({
        path: `${name}/${i}.png`,
        label: i % 2 as 0 | 1,
      })),
    },
    Float32Array.from(
      { length: images * BLOCKS * WIDTH },
      (_, i) => {
        const row = Math.floor(i / (WIDTH * BLOCKS));
        return Math.floor(i / WIDTH) % BLOCKS === 0 ? row % 2 : row;
      },
    ),
  );
  return key;
}

/** A head that looks at the first block alone, and hands on the first number that it finds there. */
function firstOfFirst(architecture: HeadArchitecture): Parameters {
  return new Map(
    [...parameterShapes(architecture)].map(([name, shape]) => {
      const data = new Float32Array(shape.reduce((a, b) => a * b));
      if (name === "alpha") data.fill(60, 0, architecture.projectionDim);
      const [outputs, inputs] = shape;
      for (let i = 0; name.endsWith(".weight") && i < outputs!; i++) data[i * inputs!] = 1;
      return [name, tensor(data, shape)];
    }),
  );
}

Deno.test("featurePoints() draws equally many images of each set, and keeps them for the head", async () => {
  const folder = temporaryFolder();
  const profile: Profile = { ...paper, pointImages: 120 };
  const architecture = {
    blocks: BLOCKS,
    width: WIDTH,
    projectionLayers: 1,
    projectionDim: 3,
    ablation: "none" as const,
  };
  try {
    const tokens = join(folder, "tokens");
    const test: Record<string, string[]> = {};
    for (const { name } of drawnSets(profile)) test[name] = [await writeSet(tokens, name, 50)];
    const head = join(folder, "head.safetensors");
    await saveCheckpoint(head, architecture, firstOfFirst(architecture));
    const record = {
      key: "k",
      config: { training: { detector: "rine", backbone: "ViT-L/14" } },
      features: { test },
      evaluations: [{ checkpoint: "head.safetensors" }],
    } as unknown as RunRecord;
    const setup: PointsSetup = { profile, folder, tokens, engine: "onnx" };

    assert.equal(await keptPoints(setup, record), undefined);
    const points = await featurePoints(setup, record);
    assert.equal(points.length, 120);
    assert.ok(points.every(({ detector }) => detector === "RINE"));
    const counts = drawnSets(profile).map(({ name }) =>
      points.filter(({ generator }) => generator === name).length
    );
    assert.deepEqual(counts, counts.map(() => 8));
    // the head hands on a row's label three times: so what its space holds is known
    const drawn = drawnSets(profile).flatMap((
      { name },
    ) => [...randomStream(0, "feature space", name).permutation(50).slice(0, 8)]);
    assert.deepEqual(points.map(({ label }) => label), drawn.map((row) => row % 2));
    const labels = Float32Array.from({ length: 120 * 3 }, (_, i) => drawn[Math.floor(i / 3)]! % 2);
    assert.deepEqual(
      points.flatMap(({ x, y }) => [x, y]),
      [...projectFeatures(labels, 120)],
    );
    const files = () => [...Deno.readDirSync(join(folder, "points"))].map(({ name }) => name);
    const [file] = files();
    await Deno.writeTextFile(join(folder, "points", file!), JSON.stringify(points.slice(0, 1)));
    assert.deepEqual(await featurePoints(setup, record), points.slice(0, 1), "made again");
    const another = await featurePoints(setup, { ...record, key: "another head's" });
    assert.deepEqual(another, points, "of another head with the same parameters");
    assert.equal(files().length, 2, "a head's points took another's place");

    const figure = figure1({ profile, rows: [], printed: [], points })!;
    assert.equal(figure.rows.length, points.length);
    assert.deepEqual([...new Set(figure.rows.map(({ kind }) => kind))].sort(), [
      "GAN",
      "diffusion",
      "real",
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

const section = EXPERIMENTS.sections.find(({ name }) => name === "feature_space") as Section;

Deno.test("UFD and Wang et al.'s detector look at the same images, each in its own space", async () => {
  const data = temporaryFolder("spaces_data_"), results = temporaryFolder("spaces_");
  await makeSmallWorld(data);
  const profile: Profile = {
    ...smallProfile,
    ...{ pointImages: 160, testSets: mini.testSets.filter(({ kind }) => kind).slice(0, 2) },
    ufd: { ...mini.ufd!, backbone: SMALL_BACKBONE },
    detectors: { areTrained: true, trainings: [smallTraining] },
  };
  const experiments = { sections: [section], profiles: { mini: profile } } satisfies Experiments;
  const setup = await makeSetup(experiments, { data, results });
  await using world = await openMadeWorld(setup);
  await makeOnce(section, world, setup);
  const made = await keptMade(section, world, setup) as FeaturePoint[];
  const drawn: { path: string; label: 0 | 1; generator: string }[] = [];
  for (const spec of profile.testSets) {
    const images = await listImages(world.root, spec);
    for (const i of randomStream(0, "feature space", spec.name).permutation(images.length)) {
      if (drawn.filter(({ generator }) => generator === spec.name).length === 80) break;
      drawn.push({ ...images[i]!, label: images[i]!.label, generator: spec.name });
    }
  }
  const named = (detector: string) => made.filter((point) => point.detector === detector);
  for (const detector of ["UFD", "Wang"]) {
    assert.deepEqual(
      named(detector).map(({ label, generator }) => [label, generator]),
      drawn.map(({ label, generator }) => [label, generator]),
    );
  }
  const places = (features: Float32Array) =>
    [...projectFeatures(features, drawn.length)].map((place) => Number(place.toPrecision(5)));
  const { ready: { path } } = await planDetector(smallTraining, 0, world, setup);
  await using detector = await openDetector(path);
  const backbone = (await world.backbone(SMALL_BACKBONE)).at("embedding");
  const embedded: number[] = [], means: number[] = [];
  const { tensors } = await readSafetensors(path);
  const weight = tensors.get("fc.weight")!.data, [bias] = tensors.get("fc.bias")!.data;
  for (const { path } of drawn) {
    const image = await decodeImage(join(world.root, path));
    // features are kept as float16
    embedded.push(...Float16Array.from((await backbone.features([image])).data));
    const { data } = await detector.represent([image]);
    means.push(...data);
    const logit = data.reduce((sum, value, i) => sum + value * weight[i]!, bias!);
    assert.ok(Math.abs(logit - (await detector.detect(image)).logit) < 1e-4);
  }
  const flat = (points: FeaturePoint[]) => points.flatMap(({ x, y }) => [x, y]);
  assert.deepEqual(flat(named("UFD")), places(Float32Array.from(embedded)));
  assert.deepEqual(flat(named("Wang")), places(Float32Array.from(means)));
  const ofHead = drawn.map((image) => ({ ...named("UFD")[0]!, ...image, detector: "RINE" }));
  const figure = figure1({ profile, rows: [], printed: [], points: ofHead, made })!;
  const panels = new Set(figure.rows.map(({ detector }) => detector));
  assert.deepEqual([...panels], ["RINE", "UFD", "Wang"]);
});
