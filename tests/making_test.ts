import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { EXPERIMENTS } from "../experiments/index.ts";
import { mini } from "../experiments/profiles/mini.ts";
import { paper } from "../experiments/profiles/paper.ts";
import type { LabelledImage } from "../lib/data/dataset.ts";
import { sectionNeeds } from "../lib/doctor/needs.ts";
import { contentKey, exists } from "../lib/io/files.ts";
import { reportSections } from "../lib/report/paper/report.ts";
import {
  latentTestSet,
  nearestAndFarthest,
  type NeighbourPair,
  neighbourPairs,
} from "../lib/report/ufd/neighbour_images.ts";
import type { SpectrumPanel } from "../lib/report/ufd/spectra.ts";
import { keptMade, makeOnce } from "../lib/runs/made.ts";
import { drawSome, type EmbeddedImages } from "../lib/runs/making.ts";
import { keysOf, planRuns } from "../lib/runs/plan.ts";
import type { Profile } from "../lib/runs/profile.ts";
import { type Experiments, reportOf, type Section } from "../lib/runs/section.ts";
import { makeSetup, type Setup } from "../lib/runs/setup.ts";
import { neighboursRun, type UfdProfile } from "../lib/runs/ufd.ts";
import { openMadeWorld, type World } from "../lib/runs/world.ts";
import { openSession } from "../lib/session/session.ts";
import { makeSmallWorld, SMALL_BACKBONE } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

const NAMES = ["ufd_tsne", "ufd_spectra", "ufd_neighbour_images"] as const;

const sections = EXPERIMENTS.sections.filter(({ name }) =>
  (NAMES as readonly string[]).includes(name)
);
const [spectra, tsne, neighbourImages] = sections as unknown as [Section, Section, Section];

const profile: Profile = { ...mini, pointImages: 24 };
const SMALL = { sections, profiles: { mini: profile, paper } } satisfies Experiments;

const data = temporaryFolder("making_");
await makeSmallWorld(data);

/** Options of a setup with results of its own. */
function fresh() {
  return { data, results: temporaryFolder("making_results_") };
}

async function inWorld(
  action: (world: World, setup: Setup) => Promise<void>,
  changes: Partial<Setup> = {},
): Promise<void> {
  const setup = { ...await makeSetup(SMALL, fresh()), ...changes };
  await using world = await openMadeWorld(setup);
  await action(world, setup);
}

/** Files that a section's figures are kept in. */
function filesOf({ folder }: Setup, { name }: Section): string[] {
  return [...Deno.readDirSync(join(folder, "made", name))].map((file) =>
    join(folder, "made", name, file.name)
  ).sort();
}

Deno.test("figures of images are made once, found again, and drawn", () =>
  inWorld(async (world, setup) => {
    for (const section of sections) {
      assert.equal(await keptMade(section, world, setup), undefined);
      await makeOnce(section, world, setup);
    }
    const finished = sections.map((section) => ({ section, records: [], rows: [] }));
    const reports = await reportSections(setup, finished, undefined, world);
    const figures = reports.flatMap(({ report }) => report.figures);
    assert.deepEqual(figures.map(({ id }) => id), [
      "ufd_figure_3",
      "ufd_figure_6",
      "ufd_figure_9",
    ]);
    for (const { notice, caption } of figures) {
      assert.equal(notice, mini.notice);
      assert.ok(!/undefined|NaN/.test(caption), caption);
    }
    const [frequencies, points, pairs] = figures.map(({ rows }) => rows);
    assert.deepEqual(
      frequencies!.map(({ images, count, cropPx }) => [images, count, cropPx]).slice(0, 2),
      [["real", 24, 64], ["zero insertion", 24, 64]],
    );
    // one of each family but the training generator's
    assert.equal(frequencies!.length, 1 + new Set(mini.testSets.map(({ family }) => family)).size);
    assert.equal(points!.length, 4 * 24);
    assert.equal(points!.filter(({ kind }) => kind === "generated").length, 2 * 24);
    // four images there are: two nearest, two farthest
    assert.equal(pairs!.length, 2 * 2 * 2);
    const distances = pairs!.filter(({ image }) => image === "test")
      .map(({ distance }) => Number(distance));
    assert.ok(distances[0]! <= distances[1]! && distances[2]! >= distances[3]!);
    assert.ok(distances[1]! <= distances[3]!, `${distances}`);

    // what is on disk is taken as it is
    const [file] = filesOf(setup, tsne), held = await Deno.readTextFile(file!);
    const made = [{ space: "s", kind: "real", x: 1, y: 2 }];
    await Deno.writeTextFile(file!, JSON.stringify({ made, check: contentKey([made]) }));
    await makeOnce(tsne, world, setup);
    assert.deepEqual(await keptMade(tsne, world, setup), made);
    await makeOnce(tsne, world, { ...setup, force: true });
    assert.equal(await Deno.readTextFile(file!), held, "made again it is the same");
    assert.deepEqual([...Deno.readDirSync(join(setup.folder, "made"))].length, 3);
  }));

Deno.test("a kept file that is damaged counts as none and is made again", () =>
  inWorld(async (world, setup) => {
    await makeOnce(spectra, world, setup);
    const [file] = filesOf(setup, spectra), whole = await Deno.readTextFile(file!);
    const damages = [
      "",
      whole.slice(0, -100),
      whole.replace(/\d/, (digit) => `${9 - Number(digit)}`),
      "null",
      "{}",
    ];
    for (const damaged of damages) {
      await Deno.writeTextFile(file!, damaged);
      assert.equal(await keptMade(spectra, world, setup), undefined, damaged.slice(0, 40));
      await makeOnce(spectra, world, setup);
      assert.equal(await Deno.readTextFile(file!), whole);
    }
    assert.deepEqual(filesOf(setup, spectra), [file], "nothing half-written is left");
  }));

Deno.test("what is kept is of its images, parameters and networks, and of no others", () =>
  inWorld(async (world, setup) => {
    for (const section of sections) await makeOnce(section, world, setup);
    const other = { ...setup, profile: { ...profile, pointImages: 22 } };
    assert.equal(await keptMade(tsne, world, other), undefined);
    assert.equal(await keptMade(spectra, world, other), undefined);
    assert.ok(await keptMade(neighbourImages, world, other), "hangs on no number of points");
    const [first, ...rest] = profile.ufd!.featureSpaces;
    const spaces = { ...profile.ufd!, featureSpaces: [...rest, first!] };
    assert.equal(
      await keptMade(tsne, world, { ...setup, profile: { ...profile, ufd: spaces } }),
      undefined,
    );
    const ufd = { ...profile.ufd!, backbone: SMALL_BACKBONE };
    assert.equal(
      await keptMade(neighbourImages, world, { ...setup, profile: { ...profile, ufd } }),
      undefined,
      "of another network's embeddings",
    );
    // an image that is another
    const [images] = await world.listings.images(
      latentTestSet(profile)!.sources.find(({ label }) => label === 1)!,
      "test",
    );
    const path = join(world.root, images!.path), bytes = await Deno.readFile(path);
    await Deno.writeFile(path, new Uint8Array([...bytes, 0]));
    world.listings.forget();
    assert.equal(await keptMade(neighbourImages, world, setup), undefined);
    assert.ok(await keptMade(tsne, world, setup), "of training images alone");
    await Deno.writeFile(path, bytes);
    world.listings.forget();
    assert.ok(await keptMade(neighbourImages, world, setup));
    // without images it is left out of a report, and an error for who makes it
    const folder = dirname(path);
    await Deno.rename(folder, `${folder} aside`);
    world.listings.forget();
    assert.equal(await keptMade(neighbourImages, world, setup), undefined);
    await assert.rejects(makeOnce(neighbourImages, world, setup), { kind: "missing" });
    await Deno.rename(`${folder} aside`, folder);
    world.listings.forget();
  }));

Deno.test("an image that cannot be decoded is an error, or is left out where that was asked for", async () => {
  const set = latentTestSet(profile)!;
  await inWorld(async (world, setup) => {
    const source = set.sources.find(({ label }) => label === 1)!;
    const [first] = await world.listings.images(source, set.name);
    const path = join(world.root, first!.path), bytes = await Deno.readFile(path);
    await Deno.writeFile(path, bytes.slice(0, bytes.length / 2));
    try {
      await assert.rejects(makeOnce(neighbourImages, world, setup), /--skip-corrupt/);
      assert.ok(!await exists(join(setup.folder, "made")), "nothing is kept of what failed");
      const skipping = { ...setup, skipCorrupt: true };
      await makeOnce(neighbourImages, world, skipping);
      const made = await keptMade(neighbourImages, world, skipping) as { images: number };
      assert.equal(made.images, 3);
      assert.equal(await keptMade(neighbourImages, world, setup), undefined);
    } finally {
      await Deno.writeFile(path, bytes);
    }
  });
});

Deno.test("embeddings are those that runs read: nothing is made beside them", async () => {
  await inWorld(async (world, setup) => {
    await makeOnce(neighbourImages, world, setup);
    const made = [...Deno.readDirSync(setup.tokens)].map(({ name }) => name)
      .filter((name) => /^[0-9a-f]+\.npy$/.test(name)).map((name) => name.replace(".npy", ""));
    const run = neighboursRun(profile as UfdProfile, { seed: 0 });
    const { runs } = await planRuns([run], world, setup);
    const read = new Set(runs.flatMap(keysOf));
    assert.equal(made.length, 3, "of two classes and a test set");
    for (const key of made) assert.ok(read.has(key));
  }, { tokens: temporaryFolder("making_tokens_") });
});

Deno.test("a session shows what was made, makes nothing, and says what does", async () => {
  const options = fresh();
  await using session = await openSession(SMALL, options);
  await assert.rejects(
    session.report("ufd_spectra"),
    /^UserError: Cannot show ufd_spectra: expected what .*; run `deno task reproduce --only ufd_spectra .*` first$/,
  );
  assert.ok(!await exists(join(session.folder, "made")));
  const setup = await makeSetup(SMALL, options);
  await using world = await openMadeWorld(setup);
  await makeOnce(spectra, world, setup);
  const { figures, tables } = await session.report("ufd_spectra");
  assert.deepEqual([figures.map(({ id }) => id), tables], [["ufd_figure_3"], []]);
});

Deno.test("nothing is shown of what was published, nor where a profile has no such sets", async () => {
  for (const section of sections) {
    const { tables, figures } = reportOf(section, {
      profile: paper,
      rows: [],
      printed: [],
      points: [],
    });
    assert.deepEqual([...tables, ...figures], []);
  }
  const { ufd: _, ...without } = profile;
  await inWorld(async (world, setup) => {
    for (const section of sections) {
      await makeOnce(section, world, setup);
      const [report] = await reportSections(
        setup,
        [{ section, records: [], rows: [] }],
        undefined,
        world,
      );
      assert.deepEqual(report!.report, { tables: [], figures: [] });
    }
    assert.ok(!await exists(join(setup.folder, "made")));
  }, { profile: without });
});

Deno.test("what a making reads is needed by its section", () => {
  const needs = sectionNeeds(sections, paper);
  assert.deepEqual([...needs.get("ufd_tsne")!.backbones], [
    "ViT-L/14",
    "RN50",
    "ResNet-50",
    "ViT-B/16",
  ]);
  const sets = [...needs.get("ufd_spectra")!.sets].filter((name) => !name.startsWith("train_"));
  assert.deepEqual(sets, [
    "deepfake",
    "seeingdark",
    "crn",
    "guided",
    "ldm_200",
    "glide_100_27",
    "dalle",
  ]);
  assert.equal(needs.get("ufd_spectra")!.backbones.size, 0);
  assert.equal(latentTestSet(paper)!.name, "ldm_200");
  assert.equal(latentTestSet(mini)!.name, "latent_dct_fine");
  assert.ok(needs.get("ufd_neighbour_images")!.sets.has("ldm_200"));
  assert.deepEqual([...needs.get("ufd_neighbour_images")!.backbones], ["ViT-L/14"]);
});

const image = (path: string): LabelledImage => ({ path, label: 1 });

/** Lists of images on a circle, by their angles in degrees. */
function circle(name: string, angles: readonly (readonly number[])[]) {
  const lists = angles.map((list, l) => list.map((_, i) => image(`${name}${l}${i}`)));
  const read = (list: number): Promise<EmbeddedImages> =>
    Promise.resolve({
      images: lists[list]!,
      width: 2,
      // of any length: only directions count
      rows: Float32Array.from(
        angles[list]!.flatMap((angle, i) =>
          [Math.cos, Math.sin].map((of) => (1 + i) * of(angle * Math.PI / 180))
        ),
      ),
    });
  return { lists, embeddings: { read } };
}

Deno.test("neighbourPairs() finds the nearest of all lists, the first of equal ones, by its cosine", async () => {
  const pairs = await neighbourPairs(
    circle("q", [[0, 40], [180, 95]]),
    circle("b", [[60, 200], [90, 60, 350]]),
  );
  const cosine = (degrees: number) => 1 - Math.cos(degrees * Math.PI / 180);
  const expected: [string, string, number][] = [
    ["q00", "b12", 10],
    ["q01", "b00", 20],
    ["q10", "b01", 20],
    ["q11", "b10", 5],
  ];
  assert.deepEqual(
    pairs.map(({ image, neighbour }) => [image.path, neighbour.path]),
    expected.map(([image, neighbour]) => [image, neighbour]),
  );
  pairs.forEach(({ distance }, i) => {
    assert.ok(Math.abs(distance - cosine(expected[i]![2])) < 1e-6, `${distance}`);
  });
  const { nearest, farthest } = nearestAndFarthest(pairs, 2);
  const paths = (list: readonly NeighbourPair[]) => list.map(({ image }) => image.path);
  assert.deepEqual(paths(nearest), ["q11", "q00"]);
  assert.equal(paths(farthest).length, 2);
  assert.deepEqual(paths(farthest).toSorted(), ["q01", "q10"]);
});

Deno.test("nearestAndFarthest() begins with the most so, and shows none twice", () => {
  const pairs = [5, 1, 4, 2, 3].map((distance) => ({
    image: image(`${distance}`),
    neighbour: image("n"),
    distance,
  }));
  const distances = (count: number) => {
    const { nearest, farthest } = nearestAndFarthest(pairs, count);
    return [nearest, farthest].map((list) => list.map(({ distance }) => distance));
  };
  assert.deepEqual(distances(1), [[1], [5]]);
  assert.deepEqual(distances(2), [[1, 2], [5, 4]]);
  assert.deepEqual(distances(3), [[1, 2], [5, 4]]);
  assert.deepEqual(nearestAndFarthest([]), { nearest: [], farthest: [] });
});

Deno.test("drawSome() draws always the same, in the list's order, and all where there are few", () => {
  const list = Array.from({ length: 50 }, (_, i) => i);
  const drawn = drawSome(list, 10, "a");
  assert.equal(new Set(drawn).size, 10);
  assert.deepEqual(drawn, drawn.toSorted((a, b) => a - b));
  assert.deepEqual(drawSome(list, 10, "a"), drawn);
  assert.notDeepEqual(drawSome(list, 10, "b"), drawn);
  assert.deepEqual(drawSome(list, 50, "a"), list);
});

Deno.test("a spectrum's crops are as large as the smallest image allows", async () => {
  await inWorld(async (world, setup) => {
    const folder = join(world.root, "odd"), sharp = (await import("sharp")).default;
    const sides = [150, 130, 33, 8, 70];
    for (const label of ["0_real", "1_fake"]) {
      await Deno.mkdir(join(folder, label), { recursive: true });
      for (const [i, side] of sides.entries()) {
        const create = { width: side, height: 160, channels: 3 as const, background: "#102030" };
        await sharp({ create }).png().toFile(join(folder, label, `${i}.png`));
      }
    }
    const spec = {
      ...mini.trainingSets["zero_insertion"]!["discs"]!.train,
      sources: [
        { label: 0 as const, directory: "odd/0_real" },
        { label: 1 as const, directory: "odd/1_fake" },
      ],
    };
    const own = {
      ...profile,
      testSets: [],
      trainingSets: { zero_insertion: { odd: { train: spec, val: spec } } },
      ufd: { ...profile.ufd!, classes: ["odd"] },
    };
    await makeOnce(spectra, world, { ...setup, profile: own });
    const made = await keptMade(spectra, world, { ...setup, profile: own }) as SpectrumPanel[];
    // that of 8 px is left out
    assert.deepEqual(made.map(({ images, sizePx }) => [images, sizePx]), [[4, 32], [4, 32]]);
    assert.ok(made[0]!.magnitudes.every((value) => value === 0));
  });
});
