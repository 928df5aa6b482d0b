import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { listImages } from "../lib/data/dataset.ts";
import { PERTURBATIONS } from "../lib/image/perturb.ts";
import type { Transform } from "../lib/image/transform.ts";
import { mini } from "../experiments/profiles/mini.ts";
import { claim } from "../lib/io/lock.ts";
import { findFeatures } from "../lib/tokens/store.ts";
import { unfinish } from "./feature_sets.ts";
import { CROP_PX, extractSmall } from "./small_extraction.ts";
import { makeSmallWorld, SMALL_BACKBONE, smallProfile } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

const data = temporaryFolder("extraction_");
await makeSmallWorld(data);

/** More than two small processes take. */
const LIMIT_MS = 60_000;
const CENTER: Transform = { kind: "center", size: CROP_PX };
const TEN: Transform = { kind: "ten", size: CROP_PX };
const CROPS = 10;
/** Which of ten crops is the middle one: after those at the corners, as torchvision has them. */
const MIDDLE = 4;
const TRAIN: Transform = {
  kind: "train",
  size: CROP_PX,
  augmentation: { protocol: "released", ...mini.training },
};
const PERTURBED: readonly Transform[] = PERTURBATIONS.map((perturbation) => ({
  kind: "perturbed",
  size: CROP_PX,
  perturbation,
  protocol: "released",
  probability: 1,
  resizePx: mini.perturbation.resizePx,
}));

const isClose = (a: readonly number[], b: readonly number[]) =>
  a.every((value, i) => Math.abs(value - b[i]!) <= 2e-3 * Math.max(1, Math.abs(value)));

Deno.test("every view has tokens of its own: only the middle of ten crops is the centre crop", async () => {
  const folder = temporaryFolder("views_");
  const views = [CENTER, TEN, TRAIN, ...PERTURBED];
  const [center, ten, ...others] = await extractSmall(data, folder, views);
  const images = center!.rows.length;
  assert.equal(ten!.rows.length, images * CROPS);
  for (let image = 0; image < images; image++) {
    for (let crop = 0; crop < CROPS; crop++) {
      const isSame = isClose(ten!.rows[image * CROPS + crop]!, center!.rows[image]!);
      assert.equal(isSame, crop === MIDDLE, `crop ${crop} of image ${image}`);
    }
  }
  for (const [v, { rows }] of others.entries()) {
    assert.equal(rows.length, images);
    const same = rows.filter((row, i) => isClose(row, center!.rows[i]!));
    assert.equal(same.length, 0, JSON.stringify(views[v + 2]));
  }
  assert.equal(new Set([center!, ten!, ...others].map(({ key }) => key)).size, views.length);
});

Deno.test("epoch and seed augment images otherwise, and leave centre crops as they are", async () => {
  const folder = temporaryFolder("epochs_");
  const first = await extractSmall(data, folder, [CENTER, TRAIN]);
  for (const change of [{ epoch: 2 }, { seed: 1 }]) {
    const [center, train] = await extractSmall(data, folder, [CENTER, TRAIN], change);
    assert.deepEqual(center, first[0]);
    const same = train!.rows.filter((row, i) => isClose(row, first[1]!.rows[i]!));
    assert.ok(same.length < train!.rows.length / 2, `${same.length} are the same`);
  }
});

Deno.test("progress counts every crop once and ends at its total, also of what was there before", async () => {
  const folder = temporaryFolder("progress_");
  const [{ rows: [{ length: width }], key, rows }] = await extractSmall(data, folder, [CENTER]) as [
    { rows: [{ length: number }, ...number[][]]; key: string },
  ];
  const set = (await findFeatures(folder, key))!;
  const header = (await Deno.stat(set.path)).size - rows.length * width * 2;
  // two batches of three rows, and a bit
  await unfinish(set, 6, header + 7 * width * 2);
  const told: number[][] = [];
  await extractSmall(data, folder, [CENTER, TEN], {
    batchSize: 3,
    onDone: (...numbers) => told.push(numbers),
  });
  const total = rows.length * (1 + CROPS);
  assert.ok(told.every(([done, all], i) => all === total && done! >= (told[i - 1]?.[0] ?? 0)));
  assert.ok(told.some(([done]) => done === 6), "what was there");
  assert.equal(told.at(-1)![0], total);
});

Deno.test("rows are put on disk as often as is asked, and each time it is said how many", async () => {
  const folder = temporaryFolder("saving_");
  const saved: number[] = [];
  await extractSmall(data, folder, [CENTER], {
    ...{ batchSize: 3, saveIntervalMs: 0 },
    onDone: () => {
      for (const { name } of Deno.readDirSync(folder)) {
        if (!name.endsWith(".progress.json")) continue;
        saved.push(JSON.parse(Deno.readTextFileSync(join(folder, name))).rows);
      }
    },
  });
  assert.deepEqual(saved.slice(0, 2), [3, 6]);
});

Deno.test("two processes at one extraction end with the sets of one, and leave nothing else", async () => {
  const folder = temporaryFolder("two_");
  const module = new URL("./small_extraction.ts", import.meta.url).href;
  const words = [data, folder, [CENTER, TEN]].map((word) => JSON.stringify(word)).join();
  const program = `import { extractSmall } from "${module}";
    let done = 0;
    const onDone = (crops) => done = crops;
    const sets = await extractSmall(${words}, { onDone });
    console.log(JSON.stringify({ done, keys: sets.map(({ key }) => key) }));
    Deno.exit();`;
  const outputs = [0, 1].map(() =>
    new Deno.Command(Deno.execPath(), {
      args: ["eval", "--quiet", program],
      cwd: import.meta.dirname!,
      stdout: "piped",
      signal: AbortSignal.timeout(LIMIT_MS),
    }).output()
  );
  const said = (await Promise.all(outputs)).map(({ stdout }) =>
    JSON.parse(new TextDecoder().decode(stdout)) as { done: number; keys: string[] }
  );
  const alone = await extractSmall(data, temporaryFolder("alone_"), [CENTER, TEN]);
  const crops = alone.reduce((sum, { rows }) => sum + rows.length, 0);
  const keys = alone.map(({ key }) => key);
  for (const one of said) {
    assert.deepEqual(one.keys, keys);
    // whoever comes when all is there has nothing to tell of
    assert.ok(one.done === crops || one.done === 0, `${one.done} of ${crops}`);
  }
  assert.deepEqual(await extractSmall(data, folder, [CENTER, TEN]), alone);
  const names = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
  const endings = [".json", ".labels.npy", ".npy", ".paths.txt"];
  assert.deepEqual(names, keys.flatMap((key) => endings.map((ending) => key + ending)).sort());
});

Deno.test("where the data folder lies moves no augmentation", async () => {
  const elsewhere = temporaryFolder("elsewhere_");
  const images = await listImages(join(data, "mini"), smallProfile.testSets[0]!);
  const weights = `backbones/${SMALL_BACKBONE.replace("/", "-")}/model.safetensors`;
  for (const path of [...images.map(({ path }) => path), weights]) {
    const copy = join(elsewhere, "mini", path);
    await Deno.mkdir(dirname(copy), { recursive: true });
    await Deno.copyFile(join(data, "mini", path), copy);
  }
  const [here, there] = await Promise.all(
    [data, elsewhere].map((root) => extractSmall(root, temporaryFolder("placed_"), [TRAIN])),
  );
  assert.deepEqual(there, here);
});

Deno.test("who waits for work that is done and its file taken away claims it anew, alone", async () => {
  const path = join(temporaryFolder("claim_"), "work.lock");
  const first = (await claim(path, false))!;
  const waiting = claim(path, true);
  // until it waits for the file of the first
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(await claim(path, false), undefined);
  await first[Symbol.asyncDispose]();
  await first[Symbol.asyncDispose]();
  await using _second = (await waiting)!;
  assert.equal(await claim(path, false), undefined, "two have claimed it");
});

Deno.test("features that were taken from a process meanwhile it looks for again, and counts once", async () => {
  const folder = temporaryFolder("robbed_"), told: number[][] = [];
  const alone = await extractSmall(data, temporaryFolder("alone_"), [CENTER, TEN]);
  let isRobbed = false;
  const sets = await extractSmall(data, folder, [CENTER, TEN], {
    ...{ batchSize: 3, saveIntervalMs: 0 },
    onDone: (...numbers) => {
      told.push(numbers);
      if (isRobbed || numbers[0]! < 6) return;
      isRobbed = true;
      for (const { name } of Deno.readDirSync(folder)) {
        if (name.endsWith(".lock")) Deno.removeSync(join(folder, name));
      }
    },
  });
  assert.ok(isRobbed);
  assert.deepEqual(sets, alone);
  const [done, total] = told.at(-1)!;
  assert.equal(done, total);
  assert.ok(told.some(([done], i) => done! < (told[i - 1]?.[0] ?? 0)), "nothing was taken back");
  const names = Array.from(Deno.readDirSync(folder), ({ name }) => name);
  assert.equal(names.length, 8, names.join());
});
