import assert from "node:assert/strict";
import { join } from "node:path";
import { loadCheckpoint } from "../lib/head/checkpoint.ts";
import type { HeadEngine, HeadTrainer } from "../lib/head/engine.ts";
import { openEngine } from "../lib/head/open_engine.ts";
import { exists } from "../lib/io/files.ts";
import { readSafetensors, writeSafetensors } from "../lib/io/safetensors.ts";
import { tensor } from "../lib/io/tensor.ts";
import { RecordStore, type RunRecord } from "../lib/results/record.ts";
import type { RunConfig } from "../lib/results/run.ts";
import { planRuns } from "../lib/run/plan.ts";
import { checkpointPath, statePath, trainHeads } from "../lib/run/train.ts";
import {
  executeSmall,
  makeSmallWorld,
  openSmallWorld,
  SMALL_BACKBONE,
  smallProfile,
} from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

const data = temporaryFolder("execute_");
await makeSmallWorld(data);
const tokensFolder = join(data, "tokens");
const EPOCHS = 3;

function run(changes: Partial<RunConfig["training"]> = {}, view = "center"): RunConfig {
  return {
    training: {
      trainingSet: smallProfile.trainedOn.main.name,
      classes: smallProfile.classSets[0]!.classes,
      fraction: 1,
      backbone: SMALL_BACKBONE,
      contrastiveWeight: .2,
      projectionLayers: 1,
      projectionDim: 8,
      variant: "full",
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

const executeRuns = (configs: readonly RunConfig[], results: string, force = false) =>
  executeSmall(data, configs, results, force);

/** What does not differ from one execution to the next. */
const lasting = (records: readonly RunRecord[]) =>
  records.map(({ timings: _timings, date: _date, ...rest }) => rest);

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

const whole = temporaryFolder("whole_");
const wholeRecords = await executeRuns(RUNS, whole);

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

Deno.test("a training that is killed in any epoch goes on to the heads of one that was not", async () => {
  const { world, backbone } = await openSmallWorld(data);
  await using _ = backbone;
  const { runs } = await planRuns(RUNS, world, { engine: "onnx", seed: 0, tokensFolder });
  const heads = runs.map(({ trainingKey, config }) => ({
    key: trainingKey,
    config: config.training,
    keepEpochs: config.evaluation.atEpochs,
  }));
  const tokens = { folder: tokensFolder, ...runs[0]!.tokens };
  const engine = await openEngine("onnx");
  const expected = await headsIn(whole);
  const steps = 2 * EPOCHS; // of the two heads in one epoch, at least
  for (const [saveIntervalMs, deaths] of [[0, [1, 3, steps]], [1e9, [steps + 1]]] as const) {
    for (const death of deaths) {
      const folder = temporaryFolder("killed_");
      const mortal = dying(engine, death);
      await assert.rejects(
        trainHeads(heads, tokens, mortal, folder, () => {}, saveIntervalMs),
        /killed/,
      );
      let rows = 0;
      const trained = await trainHeads(heads, tokens, engine, folder, (n) => rows += n);
      assert.ok(trained.every((head) => !("problem" in head)));
      assert.deepEqual(await headsIn(folder), expected, `killed at step ${death}`);
    }
  }
  await engine.dispose();
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
  assert.deepEqual(lasting(await executeRuns(RUNS, results, true)), lasting(records));
  assert.deepEqual(await headsIn(results), await headsIn(whole));
});

Deno.test("a head that several views try is trained once, whatever is missing", async () => {
  const results = temporaryFolder("views_");
  const views = ["center", "blur", "noise"].map((view) => run({}, view));
  const records = await executeRuns(views, results, true);
  const checkpoints = new Set(
    records.flatMap(({ evaluations }) => evaluations.map(({ checkpoint }) => checkpoint)),
  );
  assert.equal(checkpoints.size, 2);
  assert.deepEqual(records[0]!.evaluations, wholeRecords[0]!.evaluations);
  const epochs = new Set(records.map(({ epochs }) => JSON.stringify(epochs)));
  assert.equal(epochs.size, 1);
});

Deno.test("two processes on one folder end with the records and heads of one alone", async () => {
  const results = temporaryFolder("two_");
  const module = new URL("./small_world.ts", import.meta.url).href;
  const words = [data, RUNS, results].map((word) => JSON.stringify(word)).join();
  const start = () =>
    new Deno.Command(Deno.execPath(), {
      args: [
        "eval",
        "--quiet",
        `import { executeSmall } from "${module}"; await executeSmall(${words}); Deno.exit();`,
      ],
      cwd: import.meta.dirname!,
      stderr: "piped",
    }).output();
  const outputs = await Promise.all([start(), start()]);
  for (const { code, stderr } of outputs) {
    assert.equal(code, 0, new TextDecoder().decode(stderr));
  }
  assert.deepEqual(await headsIn(results), await headsIn(whole));
  const store = new RecordStore(results);
  const found = await Promise.all(wholeRecords.map(({ key }) => store.find("grid", key)));
  assert.deepEqual(lasting(found as RunRecord[]), lasting(wholeRecords));
});

Deno.test("a head that diverges is named, and the others are kept", async () => {
  const results = temporaryFolder("diverged_");
  const mad = run({ learningRate: 1e30 });
  await assert.rejects(executeRuns([mad, ...RUNS], results), (error: Error) => {
    assert.equal(error.name, "RangeError");
    assert.match(error.message, /ξ 0.2, q 1, d′ 8, seed 0: its loss is (NaN|Infinity) at step \d/);
    return true;
  });
  assert.deepEqual(lasting(await executeRuns(RUNS, results)), lasting(wholeRecords));
});

Deno.test("a damaged head is named, with what to do", async () => {
  const results = temporaryFolder("damaged_");
  const [{ key, evaluations }] = await executeRuns(RUNS.slice(0, 1), results) as [RunRecord];
  const path = join(results, evaluations[0]!.checkpoint);
  const { tensors, metadata } = await readSafetensors(path);
  tensors.get("alpha")!.data[0] = NaN;
  await writeSafetensors(path, tensors, metadata);
  await new RecordStore(results).remove("grid", key);
  await assert.rejects(executeRuns(RUNS.slice(0, 1), results), (error: Error) => {
    assert.ok(error.message.includes(path), error.message);
    assert.match(error.message, /numbers in alpha.*delete the file and run again/);
    return true;
  });
});

Deno.test("epochs to keep that a training does not have are refused before it starts", async () => {
  const results = temporaryFolder("epochs_");
  for (const atEpochs of [[EPOCHS + 1], [2, 1], []]) {
    const config = { ...run(), evaluation: { ...run().evaluation, atEpochs } };
    await assert.rejects(executeRuns([config], results), /expected atEpochs rising in 1…3/);
  }
  assert.equal(await exists(join(results, checkpointPath("x", 1))), false);
});
