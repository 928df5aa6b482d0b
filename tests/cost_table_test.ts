import assert from "node:assert/strict";
import { mini } from "../experiments/profiles/mini.ts";
import { EXPERIMENTS } from "../experiments/index.ts";
import { costTable } from "../lib/report/paper/cost.ts";
import { execute } from "../lib/runs/execute.ts";
import { keptMade, makeOnce } from "../lib/runs/made.ts";
import { rowsOf } from "../lib/runs/record.ts";
import type { Experiments, Section } from "../lib/runs/section.ts";
import { makeSetup } from "../lib/runs/setup.ts";
import { probeRun, type UfdProfile } from "../lib/runs/ufd.ts";
import { openMadeWorld } from "../lib/runs/world.ts";
import { makeSmallWorld, SMALL_BACKBONE, smallProfile, smallTraining } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

const section = EXPERIMENTS.sections.find(({ name }) => name === "cost") as Section;
/** Parameters of torchvision's ResNet with bottlenecks, one a stage, one logit. */
function resnetParameters(width: number): number {
  let count = 3 * width * 49 + 2 * width, channels = width;
  for (let stage = 0; stage < 4; stage++) {
    const inner = width * 2 ** stage, outer = 4 * inner;
    count += channels * inner + inner * inner * 9 + inner * outer + 2 * (2 * inner + outer);
    count += channels * outer + 2 * outer;
    channels = outer;
  }
  return count + channels + 1;
}

Deno.test("methods have their parameters, a time and their training's seconds, measured once", async () => {
  const data = temporaryFolder("cost_data_"), results = temporaryFolder("cost_");
  await makeSmallWorld(data);
  const ufd = { ...mini.ufd!, backbone: SMALL_BACKBONE, classes: smallTraining.classes };
  const profile: UfdProfile = {
    ...smallProfile,
    ...{ ufd, testSets: smallProfile.testSets.slice(0, 1) },
    detectors: { areTrained: true, trainings: [smallTraining] },
  };
  const experiments = { sections: [section], profiles: { mini: profile } } satisfies Experiments;
  const setup = await makeSetup(experiments, { data, results });
  await using world = await openMadeWorld(setup);
  const run = probeRun(profile, { seed: 0 });
  const testSets = profile.testSets.map(({ name }) => name);
  const { records } = await execute(
    "cost",
    [{ ...run, evaluation: { ...run.evaluation, testSets } }],
    world,
    setup,
  );
  await makeOnce(section, world, setup, {}, records);
  const made = await keptMade(section, world, setup, records);
  const rows = records.flatMap(rowsOf);
  const { rows: [probe, wang, ...others], caption } = costTable({
    ...{ profile, rows, made },
    ...{ printed: [], points: [] },
  })!;
  assert.deepEqual(others, []);
  const backbone = (await world.backbone(run.training.backbone)).at("embedding");
  const { width } = backbone.featureSizes;
  assert.equal(probe!["method"], "UFD, linear probe");
  assert.equal(probe!["trained"], width + 1);
  assert.equal(probe!["parameters"], backbone.parameterCount + width + 1);
  assert.equal(probe!["trainingSeconds"], records[0]!.timings.trainingSeconds);
  assert.equal(wang!["method"], "Wang et al., trained here");
  assert.equal(wang!["trained"], resnetParameters(4));
  assert.equal(wang!["parameters"], resnetParameters(4));
  assert.ok(wang!["trainingSeconds"] as number > 0);
  for (const row of [probe, wang]) assert.ok(row!["imageMs"] as number > 0);
  assert.match(caption, /up to \d+ images of .*\(cpu, \d+ threads\)/);
  await makeOnce(section, world, setup, {}, records);
  assert.deepEqual(await keptMade(section, world, setup, records), made, "no time is taken anew");
  assert.equal(await keptMade(section, world, setup, []), undefined, "of other heads");
});
