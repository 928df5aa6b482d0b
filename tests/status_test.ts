import assert from "node:assert/strict";
import { join } from "node:path";
import { defineSection } from "../lib/runs/section.ts";
import type { RunRecord } from "../lib/runs/record.ts";
import { Status } from "../lib/runs/status.ts";
import { makeSmallWorld, smallSetup } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

Deno.test("a head counts as trained where those of all its epochs are there", async () => {
  const data = temporaryFolder("status_"), results = temporaryFolder("results_");
  await makeSmallWorld(data);
  await using status = await Status.open(smallSetup(data, results));
  const look = async () => (await status.section("epochs")).runs![0]!;
  const { trainingKey, config: { evaluation: { atEpochs } } } = await look();
  assert.ok(atEpochs.length > 1);
  await Deno.mkdir(join(results, "heads"));
  for (const epoch of atEpochs) {
    assert.equal((await look()).isTrained, false, `before epoch ${epoch}`);
    await Deno.writeTextFile(
      join(results, "heads", `${trainingKey}-epoch${epoch}.safetensors`),
      "",
    );
  }
  assert.equal((await look()).isTrained, true);
});

/** A record of one evaluated head. */
function recordOf(experiment: string): RunRecord {
  const log = { epoch: 1, learningRate: 1, trainLoss: 1, valLoss: 1, valAcc: 1 };
  const evaluation = { epoch: 1, checkpoint: "", scores: "", sets: {}, test: {} };
  return {
    ...{ key: "", trainingKey: "", profile: "mini", experiment, engine: "", versions: {} },
    config: {
      training: {
        ...{ detector: "rine", trainingSet: "own", classes: ["a"], fraction: 1, backbone: "b" },
        ...{ head: {}, batchSize: 1, learningRate: 1, epochs: 1, decayEpochs: [], seed: 0 },
      },
      evaluation: { testSets: [], view: "center", atEpochs: [1] },
    },
    features: { train: [], val: [], test: {} },
    ...{ made: [], parameterCount: 1, epochs: [log], evaluations: [evaluation] },
    timings: { trainingSeconds: 0, evaluationSeconds: 0 },
    date: "",
  };
}

Deno.test("rows of a section that several others read stand once, behind its own", async () => {
  const sectionOf = (name: string, dependsOn: readonly string[]) =>
    defineSection({
      name,
      paper: "rine",
      section: "§1",
      title: name,
      dependsOn,
      runs: () => [],
      shows: [],
    });
  const sections = [sectionOf("a", []), sectionOf("b", ["a"]), sectionOf("c", ["a", "b"])];
  const folder = temporaryFolder("rows_"), setup = smallSetup(folder, folder);
  const experiments = { sections, profiles: setup.experiments.profiles };
  await using status = new Status({ ...setup, experiments }, "no world");
  for (const section of sections) status.add(section, [], [recordOf(section.name)]);
  const { own, rows } = await status.section("c");
  assert.deepEqual(own.map(({ experiment }) => experiment), ["c"]);
  assert.deepEqual(rows.map(({ experiment }) => experiment), ["c", "a", "b"]);
});
