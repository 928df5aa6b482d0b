import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import sharp from "sharp";
import config from "../deno.json" with { type: "json" };
import { type DatasetSpec, listImages } from "../lib/data/dataset.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import { writeSafetensors } from "../lib/io/safetensors_writer.ts";
import type { RunRecord } from "../lib/runs/record.ts";
import type { RunConfig } from "../lib/runs/config.ts";
import { changed, type Changes, lookAt } from "./small_training.ts";
import {
  executeSmall,
  makeSmallWorld,
  openSmallWorld,
  SMALL_BACKBONE,
  type SmallChanges,
  smallProfile,
} from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

const data = temporaryFolder("running_");
await makeSmallWorld(data);

function run(
  training: Changes = {},
  evaluation: Partial<RunConfig["evaluation"]> = {},
): RunConfig {
  return {
    training: changed({
      detector: "rine",
      trainingSet: smallProfile.trainedOn.main.name,
      classes: smallProfile.classSets[0]!.classes,
      fraction: .6,
      backbone: SMALL_BACKBONE,
      head: { contrastiveWeight: .2, projectionLayers: 1, projectionDim: 8, variant: "full" },
      batchSize: 8,
      learningRate: .003,
      epochs: 2,
      decayEpochs: [2],
      seed: 0,
    }, training),
    evaluation: {
      testSets: smallProfile.testSets.map(({ name }) => name),
      view: "center",
      atEpochs: [1, 2],
      ...evaluation,
    },
  };
}

const recordsOf = async (
  configs: readonly RunConfig[],
  results = temporaryFolder("results_"),
  changes: SmallChanges = {},
) => (await executeSmall(data, configs, results, changes)).records;

/** Every file in a folder and in those that lie in it. */
async function* walk(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) yield* walk(path);
    else yield path;
  }
}

/** What does not differ from one execution to the next. */
const lasting = (records: readonly RunRecord[]) =>
  records.map(({ timings: _timings, date: _date, made: _made, ...rest }) => rest);

Deno.test("heads of several seeds and shares run together are those run alone", async () => {
  const configs = [run(), run({ seed: 1 }), run({ fraction: 1 }), run({ batchSize: 5 })];
  // one worker: all that may be trained together is
  const together = await recordsOf(configs, temporaryFolder("together_"), { setup: { cores: 1 } });
  const alone: RunRecord[] = [];
  for (const config of configs) alone.push(...await recordsOf([config]));
  assert.deepEqual(lasting(together), lasting(alone));
  const losses = together.map(({ epochs: [first] }) => first!.trainLoss);
  assert.equal(new Set(losses).size, configs.length);
});

Deno.test("rows come in the order of their configurations, each tried on its own sets and epochs", async () => {
  const [a, b] = smallProfile.testSets.map(({ name }) => name);
  const configs = [
    run({ projectionDim: 16 }, { testSets: [b!] }),
    run({}, { atEpochs: [2] }),
    run({ seed: 1 }, { testSets: [b!, a!] }),
  ];
  const { rows } = await executeSmall(data, configs, temporaryFolder("order_"), {
    setup: { cores: 1 },
  });
  assert.deepEqual(
    rows.map(({ head, seed, epochs, test }) => [
      ...[head["projectionDim"], seed, epochs],
      Object.keys(test).join(),
    ]),
    [[16, 0, 1, b], [16, 0, 2, b], [8, 0, 2, `${a},${b}`], [8, 1, 1, `${b},${a}`], [
      ...[8, 1, 2],
      `${b},${a}`,
    ]],
  );
});

Deno.test("of heads run together each has its own results, and of each epoch its own numbers", async () => {
  const configs = [run(), run({ projectionDim: 16 }), run({ contrastiveWeight: .4 })];
  const started = performance.now();
  const { rows, records } = await executeSmall(data, configs, temporaryFolder("own_"), {
    setup: { cores: 1 },
  });
  const seconds = (performance.now() - started) / 1000;
  const told = records.flatMap(({ timings }) => Object.values(timings));
  assert.ok(told.every((time) => time > 0));
  assert.ok(told.reduce((sum, time) => sum + time) < seconds, `${told} in ${seconds}`);
  const wanted = records.flatMap(({ trainingKey, epochs, evaluations }) =>
    [1, 2].map((epoch, e) => {
      assert.equal(evaluations[e]!.checkpoint, `heads/${trainingKey}-epoch${epoch}.safetensors`);
      assert.equal(evaluations[e]!.scores, `scores/${trainingKey}-epoch${epoch}`);
      return [epoch, epochs[e]!.valLoss, evaluations[e]!.test];
    })
  );
  assert.deepEqual(rows.map(({ epochs, valLoss, test }) => [epochs, valLoss, test]), wanted);
  assert.equal(new Set(rows.map(({ valLoss }) => valLoss)).size, rows.length);
});

Deno.test("what killed processes left half-written is swept, and nothing else", async () => {
  const results = temporaryFolder("swept_");
  const stale = ["heads", "scores", "records/grid"].map((folder) =>
    join(folder, `x.json.${crypto.randomUUID()}.tmp`)
  );
  const kept = ["heads/x.safetensors", "heads/mine.tmp", "records/grid/x.json"];
  for (const path of [...stale, ...kept]) {
    await Deno.mkdir(join(results, path, ".."), { recursive: true });
    await Deno.writeTextFile(join(results, path), "half");
    // names say nothing of their writers: they may live on another machine, for an hour
    const then = Date.now() / 1000 - 3700;
    await Deno.utime(join(results, path), then, then);
  }
  await recordsOf([run()], results);
  const isThere = (path: string) => Deno.stat(join(results, path)).then(() => true, () => false);
  for (const path of stale) assert.equal(await isThere(path), false, path);
  for (const path of kept) assert.equal(await isThere(path), true, path);
});

Deno.test("intervals are in the record of the run that asks for them, and in no other", async () => {
  const configs = [run(), run({}, { bootstrap: 20 })];
  const [plain, asked] = await recordsOf(configs, temporaryFolder("intervals_"), {
    setup: { cores: 1 },
  });
  const intervals = ["accLow", "accHigh", "apLow", "apHigh"];
  for (const [e, { test }] of asked!.evaluations.entries()) {
    for (const [name, scores] of Object.entries(test)) {
      const { accLow, accHigh, apLow, apHigh, ...rest } = scores;
      assert.deepEqual(rest, plain!.evaluations[e]!.test[name]);
      assert.ok(accLow! <= scores.acc && scores.acc <= accHigh!, name);
      assert.ok(0 < apLow! && apLow! <= apHigh! && apHigh! <= 1, name);
      assert.ok(intervals.every((measure) => !(measure in plain!.evaluations[e]!.test[name]!)));
    }
  }
});

Deno.test("a head says the weights, tap and precision that its tokens were made with", async () => {
  const results = temporaryFolder("says_");
  const [{ evaluations }] = await recordsOf([run()], results) as [RunRecord];
  const { backbone } = await openSmallWorld(data);
  await using _ = backbone;
  for (const { checkpoint } of evaluations) {
    const { metadata } = await lookAt(join(results, checkpoint));
    assert.deepEqual(JSON.parse(metadata["features"]!), {
      backbone: SMALL_BACKBONE,
      weights: await backbone.fingerprint(),
      tap: "ln2",
      precision: "full",
    });
  }
});

Deno.test("--force scores again what has been scored", async () => {
  const results = temporaryFolder("scored_");
  const [before] = await recordsOf([run()], results) as [RunRecord];
  for (const { scores } of before.evaluations) {
    for await (const path of walk(join(results, scores))) {
      const { tensors, metadata } = await readSafetensors(path);
      for (const { data } of tensors.values()) data.fill(.5);
      await writeSafetensors(path, tensors, metadata);
    }
  }
  const forced = await recordsOf([run()], results, { setup: { force: true } });
  assert.deepEqual(lasting(forced), lasting([before]));
});

Deno.test("a record says on which device, with which versions and when its features were made", async () => {
  const [{ features, made, versions }] = await recordsOf([run()]) as [RunRecord];
  const keys = new Set([...features.train, features.val, ...Object.values(features.test)].flat());
  const dates: string[] = [];
  for (const key of keys) {
    const index = await Deno.readTextFile(join(data, "tokens", `${key}.json`));
    dates.push(JSON.parse(index).made.date);
  }
  dates.sort();
  const { v8: _v8, ...rest } = versions;
  assert.deepEqual(made, [
    { device: "cpu", versions: rest, sets: keys.size, from: dates[0], to: dates.at(-1) },
  ]);
  assert.ok(made[0]!.from < made[0]!.to);
  assert.equal(versions["deno"], Deno.version.deno);
  assert.equal(versions["v8"], Deno.version.v8);
  assert.equal(versions["sharp"], sharp.versions.sharp);
  assert.equal(versions["libvips"], sharp.versions.vips);
  assert.equal(versions["rine"], config.version);
  assert.match(versions["onnxruntime"]!, /^\d+\.\d+\.\d+$/);
});

Deno.test("a set of features names what made its images, and real ones as such", async () => {
  const [{ features }] = await recordsOf([run()]) as [RunRecord];
  const indexOf = async (key: string) =>
    JSON.parse(await Deno.readTextFile(join(data, "tokens", `${key}.json`)));
  for (const { name, sources } of smallProfile.testSets) {
    const found = await Promise.all(features.test[name]!.map(indexOf));
    assert.deepEqual(
      found.map(({ generator }) => generator),
      sources.map(({ label }) => label === 0 ? "real" : name),
    );
  }
});

Deno.test("a further set is tried by itself: other features, heads and scores stay as they are", async () => {
  const own = temporaryFolder("further_"), results = join(own, "results");
  const tokens = join(own, "tokens");
  await makeSmallWorld(own);
  const [a, b] = smallProfile.testSets.map(({ name }) => name);
  const tryOn = async (...testSets: string[]) => {
    const { records: [record] } = await executeSmall(own, [run({}, { testSets })], results);
    return record!;
  };
  /** Of every file of tokens, heads and scores, what one that is written again has otherwise. */
  const files = async () => {
    const found = new Map<string, string>();
    for (const folder of [tokens, join(results, "heads"), join(results, "scores")]) {
      for await (const path of walk(folder)) {
        const { mtime, ino, size } = await Deno.stat(path);
        found.set(path, `${mtime?.getTime()} ${ino} ${size}`);
      }
    }
    return found;
  };
  const alone = await tryOn(a!), before = await files();
  const both = await tryOn(a!, b!), after = await files();
  for (const [path, stamp] of before) assert.equal(after.get(path), stamp, path);
  const added = [...after.keys()].filter((path) => !before.has(path));
  const folders = both.evaluations.map(({ scores }) => join(results, scores));
  const wanted = both.features.test[b!]!.filter((key) => !alone.features.test[a!]!.includes(key));
  assert.deepEqual(
    added.filter((path) => path.startsWith(tokens)).length,
    4 * wanted.length,
    "features besides those of the further set were made",
  );
  const scored = added.filter((path) => !path.startsWith(tokens));
  assert.deepEqual(scored.map((path) => dirname(path)).sort(), folders.sort());
  for (const path of scored) {
    const { tensors } = await readSafetensors(path);
    assert.deepEqual([...tensors.keys()], [both.evaluations[0]!.sets[b!]]);
  }
  for (const [e, { test }] of both.evaluations.entries()) {
    assert.deepEqual(test[a!], alone.evaluations[e]!.test[a!]);
  }
});

Deno.test("progress of runs never falls and ends at its total: rows learned from and scored", async () => {
  const told: { done: number; total: number }[] = [];
  const configs = [run(), run({ seed: 1 }), run({ projectionDim: 16 })];
  await recordsOf(configs, temporaryFolder("progress_"), {
    experiment: "grid",
    onProgress: ({ stage, done, total }) => {
      if (stage === "grid") told.push({ done, total });
    },
  });
  const [{ epochs, fraction }, { testSets, atEpochs }] = [run().training, run().evaluation];
  const counted = async (spec: DatasetSpec) => (await listImages(join(data, "mini"), spec)).length;
  const { trainingSet, classes: [name] } = run().training;
  const learned = fraction * await counted(smallProfile.trainingSets[trainingSet]![name!]!.train);
  let scored = 0;
  for (const spec of smallProfile.testSets) scored += await counted(spec);
  assert.equal(testSets.length, smallProfile.testSets.length);
  assert.equal(told[0]!.total, configs.length * (epochs * learned + atEpochs.length * scored));
  assert.ok(told.every(({ done }, i) => done >= (told[i - 1]?.done ?? 0)));
  assert.ok(told.every(({ total }) => total === told[0]!.total));
  assert.equal(told.at(-1)!.done, told[0]!.total);
});
