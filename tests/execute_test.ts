import assert from "node:assert/strict";
import { join } from "node:path";
import { loadCheckpoint } from "../lib/detectors/rine/checkpoint.ts";
import type { HeadEngine, HeadTrainer } from "../lib/detectors/rine/engine.ts";
import { openEngine } from "../lib/detectors/rine/open_engine.ts";
import { exists } from "../lib/io/files.ts";
import { claim } from "../lib/io/lock.ts";
import { WorkerPool } from "../lib/io/worker_pool.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import { encodeSafetensors, writeSafetensors } from "../lib/io/safetensors_writer.ts";
import { tensor } from "../lib/io/tensor.ts";
import { RecordStore, type RunRecord } from "../lib/runs/record.ts";
import type { RunConfig } from "../lib/runs/config.ts";
import { planRuns } from "../lib/runs/plan.ts";
import type { HeadsJob } from "../lib/runs/worker.ts";
import { FeatureRows } from "../lib/tokens/rows.ts";
import { checkpointPath, type FailedHead, statePath } from "../lib/detectors/detector.ts";
import { trainWith } from "../lib/detectors/rine/train.ts";
import {
  executeSmall,
  makeSmallWorld,
  openSmallWorld,
  SMALL_BACKBONE,
  type SmallChanges,
  smallProfile,
  smallSetup,
} from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

const data = temporaryFolder("execute_");
await makeSmallWorld(data);
const tokensFolder = join(data, "tokens");
const EPOCHS = 3;
/** More than two small processes take. */
const LIMIT_MS = 60_000;

/** A run with fields of its training, or of its head, changed. */
function run(
  { projectionDim = 8, ...changes }: Partial<RunConfig["training"]> & { projectionDim?: number } =
    {},
  view = "center",
): RunConfig {
  return {
    training: {
      detector: "rine",
      trainingSet: smallProfile.trainedOn.main.name,
      classes: smallProfile.classSets[0]!.classes,
      fraction: 1,
      backbone: SMALL_BACKBONE,
      head: { contrastiveWeight: .2, projectionLayers: 1, projectionDim, variant: "full" },
      batchSize: 8,
      learningRate: .003,
      epochs: EPOCHS,
      decayEpochs: [3],
      seed: 0,
      ...changes,
    },
    evaluation: {
      testSets: smallProfile.testSets.map(({ name }) => name),
      view,
      atEpochs: [1, EPOCHS],
    },
  };
}

const RUNS = [run(), run({ projectionDim: 16 })];

const executeRuns = async (
  configs: readonly RunConfig[],
  results: string,
  changes: SmallChanges = {},
) => (await executeSmall(data, configs, results, changes)).records;

/** What does not differ from one execution to the next. */
const lasting = (records: readonly RunRecord[]) =>
  records.map(({ timings: _timings, date: _date, made: _made, ...rest }) => rest);

/** Names and parameters of the heads in a results folder. */
async function headsIn(results: string): Promise<Map<string, unknown>> {
  const names = Array.from(Deno.readDirSync(join(results, "heads")), ({ name }) => name).sort();
  return new Map(
    await Promise.all(names.map(async (name) => {
      const { architecture, parameters } = await loadCheckpoint(join(results, "heads", name));
      return [name, { architecture, parameters }] as const;
    })),
  );
}

const wholeFolder = temporaryFolder("whole_");
const wholeRecords = await executeRuns(RUNS, wholeFolder);

/** An engine whose process dies at the nth step. */
function dying(engine: HeadEngine, steps: number): HeadEngine {
  let left = steps;
  const mortal = (trainer: HeadTrainer): HeadTrainer => ({
    ...trainer,
    step: (...args) => {
      if (left-- === 0) throw new Error("killed");
      return trainer.step(...args);
    },
    state: () => trainer.state(),
    dispose: () => trainer.dispose(),
  });
  return {
    name: engine.name,
    backend: engine.backend,
    predictor: (...args) => engine.predictor(...args),
    gradients: (...args) => engine.gradients(...args),
    trainer: async (options) => mortal(await engine.trainer(options)),
    dispose: () => engine.dispose(),
  };
}

/** The two heads as they are trained, their tokens, and an engine. */
async function openTraining() {
  const { world, backbone } = await openSmallWorld(data);
  await using _ = backbone;
  const { runs } = await planRuns(RUNS, world, smallSetup(data, wholeFolder));
  const heads = runs.map(({ trainingKey, config }) => ({
    key: trainingKey,
    config: config.training,
    keepEpochs: config.evaluation.atEpochs,
  }));
  const features = { folder: tokensFolder, ...runs[0]!.features };
  using rows = await FeatureRows.open(tokensFolder, features.train[0]!);
  const batches = Array.from(rows.batches(run().training.batchSize), ({ count }) => count);
  const engine = await openEngine("onnx");
  return {
    heads,
    /** Of the images that both learn from in each epoch. */
    batches,
    /** Trains until a step at which the process dies. */
    killAt: async (step: number, folder: string, saveIntervalMs: number) => {
      const killed = trainWith(heads, features, {
        engine: dying(engine, step),
        folder,
        onRows: () => {},
        saveIntervalMs,
      });
      await assert.rejects(killed, /killed/);
    },
    /** Trains to the end, and returns how many rows were learned from. */
    finish: async (folder: string) => {
      let rows = 0;
      const onRows = (count: number) => void (rows += count);
      const trained = await trainWith(heads, features, { engine, folder, onRows });
      assert.ok(trained.every((head) => !("problem" in head)));
      return rows;
    },
    [Symbol.asyncDispose]: () => engine.dispose(),
  };
}

Deno.test("a training that is killed in any epoch goes on to the heads of one that was not", async () => {
  await using training = await openTraining();
  const { heads: { length: heads }, batches } = training;
  const rowsOf = (counts: readonly number[]) => heads * counts.reduce((sum, n) => sum + n, 0);
  const whole = EPOCHS * rowsOf(batches), steps = heads * batches.length;
  assert.equal(await training.finish(temporaryFolder("unkilled_")), whole);
  const expected = await headsIn(wholeFolder);
  // a batch is behind when all heads have learned from it
  for (
    const [saveIntervalMs, death, behind] of [
      [0, 1, 0],
      [0, heads + 1, rowsOf(batches.slice(0, 1))],
      [0, steps - 1, rowsOf(batches.slice(0, -1))],
      [0, steps + heads, rowsOf([...batches, batches[0]!])],
      [1e9, steps - 1, 0],
      [1e9, steps + heads, rowsOf(batches)],
      [1e9, 2 * steps + 1, 2 * rowsOf(batches)],
    ] as const
  ) {
    const folder = temporaryFolder("killed_"), what = `killed at step ${death}`;
    await training.killAt(death, folder, saveIntervalMs);
    assert.equal(await training.finish(folder), whole - behind, what);
    assert.deepEqual(await headsIn(folder), expected, what);
  }
});

Deno.test("a killed training begins again where a head is wanted that it has behind it and is gone", async () => {
  await using training = await openTraining();
  const { heads, batches } = training;
  const rows = batches.reduce((sum, count) => sum + count);
  const folder = temporaryFolder("lost_");
  await training.killAt(heads.length * batches.length + 1, folder, 1e9);
  await Deno.remove(join(folder, checkpointPath(heads[0]!.key, 1)));
  assert.equal(await training.finish(folder), (EPOCHS + EPOCHS - 1) * rows);
  assert.deepEqual(await headsIn(folder), await headsIn(wholeFolder));
});

Deno.test("--force makes every head again, also where a state or an older head lies there", async () => {
  const results = temporaryFolder("force_");
  const records = await executeRuns(RUNS, results);
  const [head] = Array.from(Deno.readDirSync(join(results, "heads")), ({ name }) => name);
  const path = join(results, "heads", head!);
  const { tensors, metadata } = await readSafetensors(path);
  const zeros = [...tensors].map(([name, { data, shape }]) =>
    [name, tensor(new Float32Array(data.length), shape)] as const
  );
  await writeSafetensors(path, zeros, metadata);
  await Deno.writeTextFile(join(results, statePath(head!.replace(/-epoch.*/, ""))), "no state");
  assert.deepEqual(
    lasting(await executeRuns(RUNS, results, { setup: { force: true } })),
    lasting(records),
  );
  assert.deepEqual(await headsIn(results), await headsIn(wholeFolder));
});

/** Seconds of training that records tell of: no two trainings take equally long. */
const trainings = (records: readonly RunRecord[]) =>
  new Set(records.map(({ timings }) => timings.trainingSeconds));

Deno.test("a head that several views try is trained once, whatever is missing", async () => {
  const results = temporaryFolder("views_");
  const views = ["center", "blur", "noise"].map((view) => run({}, view));
  const records = await executeRuns(views, results, { setup: { force: true } });
  const checkpoints = new Set(
    records.flatMap(({ evaluations }) => evaluations.map(({ checkpoint }) => checkpoint)),
  );
  assert.equal(checkpoints.size, 2);
  assert.equal(trainings(records).size, 1, "views trained heads of their own");
  assert.deepEqual(records[0]!.evaluations, wholeRecords[0]!.evaluations);
  const epochs = new Set(records.map(({ epochs }) => JSON.stringify(epochs)));
  assert.equal(epochs.size, 1);
});

Deno.test("--force trains a head once, however many experiments try it", async () => {
  const results = temporaryFolder("forced_");
  const before = await executeRuns(RUNS, results);
  const changes = { setup: { force: true }, forced: new Set<string>() };
  const grid = await executeRuns(RUNS, results, changes);
  const ablations = await executeRuns(RUNS, results, { ...changes, experiment: "ablations" });
  assert.equal(trainings([...before, ...grid]).size, 2 * RUNS.length);
  assert.deepEqual(trainings(ablations), trainings(grid));
});

Deno.test("two processes on one folder do each thing once, and say that they wait", async () => {
  const results = temporaryFolder("two_");
  const module = new URL("./small_world.ts", import.meta.url).href;
  const words = [data, RUNS, results].map((word) => JSON.stringify(word)).join();
  const program = `import { executeSmall } from "${module}";
    const onWait = () => console.log("waiting");
    const { records, reused } = await executeSmall(${words}, { onWait });
    console.log(JSON.stringify({ reused, dates: records.map(({ date }) => date) }));
    Deno.exit();`;
  const start = () => {
    const { stdout } = new Deno.Command(Deno.execPath(), {
      args: ["eval", "--quiet", program],
      cwd: import.meta.dirname!,
      stdout: "piped",
      // one that does not say that it waits would wait for ever
      signal: AbortSignal.timeout(LIMIT_MS),
    }).spawn();
    return stdout.pipeThrough(new TextDecoderStream()).getReader();
  };
  let freed = "";
  // neither can begin before both wait
  const claims = join(results, "claims");
  const held = await Promise.all(
    wholeRecords.map(({ trainingKey }) => claim(join(claims, `${trainingKey}.lock`), false)),
  );
  const processes = [start(), start()];
  for (const output of processes) assert.equal((await output.read()).value, "waiting\n");
  freed = new Date().toISOString();
  for (const own of held) await own![Symbol.asyncDispose]();
  const said = await Promise.all(processes.map(async (output) => {
    let rest = "";
    for (let part; !(part = await output.read()).done;) rest += part.value;
    return JSON.parse(rest) as { reused: number; dates: string[] };
  }));
  assert.deepEqual(said.map(({ reused }) => reused), [0, 0]);
  assert.equal(await exists(claims), false, "claims are left");
  assert.deepEqual(said[0]!.dates, said[1]!.dates);
  for (const date of said[0]!.dates) assert.ok(date >= freed, "it was not waited");
  assert.deepEqual(await headsIn(results), await headsIn(wholeFolder));
  const store = new RecordStore(results);
  const found = await Promise.all(wholeRecords.map(({ key }) => store.find("grid", key)));
  assert.deepEqual(lasting(found as RunRecord[]), lasting(wholeRecords));
});

Deno.test("a head that diverges has a record that says so, and costs no other", async () => {
  const results = temporaryFolder("diverged_");
  const mad = run({ learningRate: 1e30 });
  const { rows, records: [failed, ...others] } = await executeSmall(data, [mad, ...RUNS], results);
  assert.match(
    failed!.failed!,
    /ξ 0.2, q 1, d′ 8, seed 0: its loss is (NaN|Infinity) at step \d.*; try a lower learning rate$/,
  );
  assert.deepEqual([failed!.epochs, failed!.evaluations], [[], []]);
  assert.deepEqual(lasting(others), lasting(wholeRecords));
  assert.equal(rows.length, RUNS.length * 2);
  // it is not tried again for nothing
  const again = await executeSmall(data, [mad, ...RUNS], results);
  assert.equal(again.reused, 1 + RUNS.length);
  assert.deepEqual(again.records[0], failed);
});

Deno.test("features of test sets are not read where every head has diverged", async () => {
  const { world, backbone } = await openSmallWorld(data);
  await using _ = backbone;
  const results = temporaryFolder("none_left_");
  const { runs: [planned] } = await planRuns(
    [run({ learningRate: 1e30 })],
    world,
    smallSetup(data, results),
  );
  const { trainingKey: key, config: { training, evaluation }, features } = planned!;
  await using pool = new WorkerPool<HeadsJob, FailedHead[]>(
    new URL("../lib/runs/worker.ts", import.meta.url),
    1,
  );
  const [head] = await pool.run({
    ...{ detector: training.detector, folder: results },
    compute: { engine: "onnx", device: "cpu", threads: 1 },
    features: { folder: tokensFolder, ...features },
    sets: [{ name: "gone", features: ["0123456789abcdef"], key: "gone" }],
    heads: [{ key, config: training, keepEpochs: evaluation.atEpochs }],
  });
  assert.match(head!.problem, /its loss is/);
});

Deno.test("a head that its last step made no numbers is named, and not kept", async () => {
  const results = temporaryFolder("last_step_");
  const { training, evaluation } = run({ learningRate: 1e30, batchSize: 10_000, epochs: 1 });
  const config = { training, evaluation: { ...evaluation, atEpochs: [1] } };
  for (const force of [false, true]) {
    const [record] = await executeRuns([config], results, { setup: { force } });
    assert.match(record!.failed!, /its loss is NaN at step 1, in epoch 1; try/);
  }
  assert.equal(await exists(join(results, "heads")), false);
});

Deno.test("a head that is damaged or gone is made again, which is said, and costs no other", async () => {
  const results = temporaryFolder("cut_");
  const records = await executeRuns(RUNS, results);
  const store = new RecordStore(results);
  const [{ evaluations }] = records as [RunRecord];
  const path = join(results, evaluations.at(-1)!.checkpoint), whole = await Deno.readFile(path);
  const other = await Deno.readFile(join(results, records[1]!.evaluations.at(-1)!.checkpoint));
  const flipped = whole.slice();
  flipped[flipped.length - 9]! ^= 4;
  const { tensors, metadata } = await readSafetensors(path);
  tensors.get("alpha")!.data[0] = NaN;
  // as heads were written before there were seals
  const unsealed = encodeSafetensors(tensors, metadata);
  const damages: [what: string, bytes: Uint8Array | undefined, says?: RegExp][] = [
    ["cut off", whole.subarray(0, 1000), /: expected .*, found .*; it is made again$/],
    ["empty", new Uint8Array(), /found 0 bytes, an empty file; it is made again$/],
    ["a flipped bit", flipped, /found a file that was changed since; it is made again$/],
    ["another's", other, /expected a head of the run's configuration, found another's/],
    ["no number", unsealed, /expected numbers in alpha, found others; it is made again$/],
    ["gone", undefined],
  ];
  for (const [what, bytes, says] of damages) {
    if (bytes) {
      await Deno.writeFile(path, bytes);
      for (const { key } of records) await store.remove("grid", key);
    } else await Deno.remove(path);
    const lines: string[] = [];
    const again = await executeRuns(RUNS, results, { onDamage: (line) => lines.push(line) });
    assert.deepEqual(lasting(again), lasting(wholeRecords), what);
    assert.deepEqual(await readTensors(path), await tensorsOf(whole), what);
    assert.equal(lines.length, says ? 1 : 0, what);
    if (says) {
      assert.ok(lines[0]!.startsWith(`Cannot use ${path}: `), lines.join());
      assert.match(lines[0]!, says);
    }
  }
});

const readTensors = async (path: string) => (await readSafetensors(path)).tensors;

async function tensorsOf(bytes: Uint8Array) {
  const path = join(temporaryFolder(), "head.safetensors");
  await Deno.writeFile(path, bytes);
  return await readTensors(path);
}

Deno.test("records that are damaged, another run's or of another form are made again, said once", async () => {
  const results = temporaryFolder("records_");
  const records = await executeRuns(RUNS, results);
  const store = new RecordStore(results);
  const [first, second] = records as [RunRecord, RunRecord];
  const path = store.path("grid", first.key), text = await Deno.readTextFile(path);
  // as they were written before there were seals
  const unsealed = (record: unknown) => JSON.stringify(record, null, 2) + "\n";
  const measured = (acc: unknown) => {
    const [one, ...others] = first.evaluations;
    const [name, scores] = Object.entries(one!.test)[0]!;
    const test = { ...one!.test, [name]: { ...scores, acc } };
    return unsealed({ ...first, evaluations: [{ ...one!, test }, ...others] });
  };
  const damages: Readonly<Record<string, string>> = {
    "a flipped digit": text.replace(/"ap": 0\.(\d)/, (_, digit) => `"ap": 0.${digit ^ 1}`),
    "another run's": await Deno.readTextFile(store.path("grid", second.key)),
    "cut off": text.slice(0, 300),
    "empty": "",
    "a changed seal": text.replace(/"seal": "./, (start) => `${start.slice(0, -1)}x`),
    "a changed name of the seal": text.replace('"seal"', '"sfal"'),
    "words for numbers": measured("x"),
    "no accuracy": measured(7),
    "no evaluations": unsealed({ ...first, evaluations: [] }),
    "another configuration's": unsealed({ ...first, config: second.config }),
    "nothing": "{}",
  };
  for (const [what, damaged] of Object.entries(damages)) {
    assert.notEqual(damaged, text, what);
    await Deno.writeTextFile(path, damaged);
    const lines: string[] = [];
    const again = await executeRuns(RUNS, results, { onDamage: (line) => lines.push(line) });
    assert.deepEqual(lasting(again), lasting(wholeRecords), what);
    assert.equal(lines.length, 1, what);
    assert.ok(lines[0]!.includes(path) && /; the run is done again$/.test(lines[0]!), lines.join());
  }
  // what was written before there were seals is believed, and has one from then on
  await Deno.writeTextFile(path, unsealed(first));
  const lines: string[] = [];
  const { reused } = await executeSmall(data, RUNS, results, {
    onDamage: (line) => lines.push(line),
  });
  assert.deepEqual([reused, lines], [RUNS.length, []]);
  assert.match(await Deno.readTextFile(path), /"seal": "[0-9a-f]{64}"\n\}\n$/);
});

Deno.test("scores that are damaged or gone are made again", async () => {
  const results = temporaryFolder("scores_");
  const [record] = await executeRuns(RUNS.slice(0, 1), results) as [RunRecord];
  const folder = join(results, record.evaluations[0]!.scores);
  const [{ name }] = Array.from(Deno.readDirSync(folder)) as [Deno.DirEntry];
  const path = join(folder, name), whole = await Deno.readFile(path);
  const flipped = whole.slice();
  flipped[flipped.length - 2]! ^= 1;
  const store = new RecordStore(results);
  for (const bytes of [flipped, undefined]) {
    const lines: string[] = [];
    if (bytes) await Deno.writeFile(path, bytes);
    else await Deno.remove(folder, { recursive: true });
    if (bytes) await store.remove("grid", record.key);
    const again = await executeRuns(RUNS.slice(0, 1), results, {
      onDamage: (line) => lines.push(line),
    });
    assert.deepEqual(lasting(again), lasting(wholeRecords.slice(0, 1)));
    assert.deepEqual(await Deno.readFile(path), whole);
    assert.equal(lines.length, bytes ? 1 : 0);
    assert.ok(lines.every((line) => line.includes(path)));
  }
});

Deno.test("epochs to keep that a training does not have are refused before it starts", async () => {
  const results = temporaryFolder("epochs_");
  for (const atEpochs of [[EPOCHS + 1], [2, 1], []]) {
    const config = { ...run(), evaluation: { ...run().evaluation, atEpochs } };
    await assert.rejects(executeRuns([config], results), /expected atEpochs rising to 3, found/);
  }
  assert.equal(await exists(join(results, checkpointPath("x", 1))), false);
});
