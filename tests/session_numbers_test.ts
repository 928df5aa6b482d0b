import assert from "node:assert/strict";
import { join } from "node:path";
import { EXPERIMENTS } from "../experiments/index.ts";
import grid from "../experiments/rine/grid.ts";
import { openDetector } from "../lib/detectors/verdict.ts";
import { ProgressDisplay } from "../lib/io/progress_bar.ts";
import { openSession } from "../lib/session/session.ts";
import type { OnProgress, Progress } from "../lib/io/progress.ts";
import { tableToMarkdown } from "../lib/report/write/markdown.ts";
import type { RunRow } from "../lib/runs/config.ts";
import type { RunRecord } from "../lib/runs/record.ts";
import { readScores } from "../lib/runs/scores.ts";
import { readPaths } from "../lib/tokens/paths.ts";
import { findFeatures } from "../lib/tokens/store.ts";
import { smallCommandLine } from "./command_line.ts";
import "./small_paper.ts";
import { executeSmall, makeSmallWorld, smallProfile } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

const folder = temporaryFolder("session_");
await makeSmallWorld(folder);
const data = join(folder, "mini"), results = join(folder, "results");
const said = await smallCommandLine(
  ...["reproduce", "--profile", "paper", "--data", data, "--results", results],
  ...["--only", "comparison,dataset_size,epochs"],
);
assert.equal(said.code, 0, said.error);
const session = await openSession(EXPERIMENTS, { profile: "paper", data, results });

async function records(section: string): Promise<RunRecord[]> {
  const path = join(results, "paper", "records", section);
  const names = Array.from(Deno.readDirSync(path), ({ name }) => name);
  return await Promise.all(
    names.map(async (name) => JSON.parse(await Deno.readTextFile(join(path, name)))),
  );
}

/** The grid's best record: the highest sum of all ACC and AP, the first ξ of equals. */
const [best] = (await records("grid")).map((record) => ({
  record,
  xi: record.config.training.head["contrastiveWeight"] as number,
  sum: Object.values(record.evaluations[0]!.test).reduce((sum, { acc, ap }) => sum + acc + ap!, 0),
})).sort((a, b) => b.sum - a.sum || a.xi - b.xi).map(({ record }) => record) as [RunRecord];

Deno.test("a session's rows and tables hold the numbers of the records and of the files", async () => {
  const rows = await session.rows("grid");
  for (const { config, evaluations, epochs } of await records("grid")) {
    const row = rows.find(({ head }) =>
      head["contrastiveWeight"] === config.training.head["contrastiveWeight"]
    )!;
    assert.deepEqual(row.test, evaluations[0]!.test);
    assert.deepEqual([row.valAcc, row.valLoss], [epochs[0]!.valAcc, epochs[0]!.valLoss]);
    assert.deepEqual(row.blockImportance, evaluations[0]!.blockImportance);
  }
  for (const section of ["grid", "comparison", "dataset_size"] as const) {
    const { tables } = await session.report(section);
    assert.ok(tables.length > 0);
    for (const table of tables) {
      const written = join(results, "paper/tables", `${table.id}.md`);
      assert.equal(tableToMarkdown(table), await Deno.readTextFile(written), table.id);
    }
  }
});

Deno.test("reproduce says the best head's scores, and keeps the head where it says", async () => {
  const { config: { training }, evaluations: [evaluation] } = best;
  const percent = (measure: "acc" | "ap") => {
    const values = Object.values(evaluation!.test).map((scores) => scores[measure]!);
    return (100 * values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(1);
  };
  const kept = join(results, "paper/best_1-class.safetensors");
  assert.ok(
    said.out.includes(
      `Best 1-class: Mini-B/16, ξ ${training.head["contrastiveWeight"]}, q 1, d′ 8: ACC ${
        percent("acc")
      } %, ` +
        `AP ${percent("ap")} % over 2 test sets\n  ${kept}  its head\n`,
    ),
    said.out,
  );
  const trained = join(results, "paper", evaluation!.checkpoint);
  assert.deepEqual(await Deno.readFile(kept), await Deno.readFile(trained));
});

Deno.test("the comparison takes intervals from 1000 resamples, and shows them", async () => {
  const [record, ...others] = await records("comparison");
  assert.deepEqual(others, []);
  assert.equal(record!.config.evaluation.bootstrap, 1000);
  assert.deepEqual(record!.config.training, best.config.training);
  const { tables } = await session.report("comparison");
  const measures = tables.find(({ id }) => id === "measures")!;
  smallProfile.testSets.forEach(({ name, title }, i) => {
    const { set, ...cells } = measures.rows[i]!;
    const test = record!.evaluations[0]!.test[name]!;
    assert.equal(set, title);
    for (const key of ["accLow", "accHigh", "apLow", "apHigh", "accReal", "accGenerated", "ece"]) {
      assert.equal(typeof test[key], "number", key);
      assert.equal(cells[key], test[key], key);
    }
  });
});

Deno.test("§5.5 trains the best head on each share of the images", async () => {
  const shares = (await records("dataset_size")).map(({ config }) => config.training);
  assert.deepEqual(
    shares.sort((a, b) => a.fraction - b.fraction),
    [.5, 1].map((fraction) => ({ ...best.config.training, fraction })),
  );
});

Deno.test("a session's detector gives images the scores that the grid's best run gave them", async () => {
  const [set] = smallProfile.testSets;
  const keys = best.features.test[set!.name]!;
  const paths: string[] = [];
  for (const key of keys) {
    paths.push(...await readPaths((await findFeatures(join(data, "tokens"), key))!));
  }
  const [evaluation] = best.evaluations;
  const folder = join(results, "paper");
  const scores = (await readScores(folder, best.trainingKey, evaluation!.epoch))
    .get(evaluation!.sets[set!.name]!)!;
  assert.equal(scores.length, paths.length);
  await using detector = await session.detector();
  let i = 0;
  for await (
    const { path, ...verdict } of detector.detectAll(paths.map((one) => join(data, one)))
  ) {
    assert.ok("score" in verdict, path);
    assert.equal(path, join(data, paths[i]!));
    assert.ok(
      Math.abs(verdict.score - scores[i]!) < 1e-3,
      `${path}: ${verdict.score}, ${scores[i]}`,
    );
    i++;
  }
  assert.equal(i, paths.length);
  assert.ok(Math.max(...scores) - Math.min(...scores) > .01, "all scores are alike");
  assert.deepEqual(detector.blockImportance, best.evaluations[0]!.blockImportance);
});

Deno.test("a session's sweep gives the rows of its own records, of the session's seeds", async () => {
  const seeded = await openSession(EXPERIMENTS, { profile: "paper", data, results, seeds: [5, 6] });
  const rows = await quietly(() =>
    seeded.sweep({
      contrastiveWeights: [.3],
      projectionLayers: [2],
      projectionDims: [4],
      classSets: ["1-class"],
    })
  );
  assert.deepEqual(rows.map(({ seed }) => seed), [5, 6]);
  const swept = await records("sweep");
  assert.equal(swept.length, 2);
  for (const { seed, test, head } of rows) {
    const { contrastiveWeight, projectionLayers, projectionDim } = head;
    assert.deepEqual([contrastiveWeight, projectionLayers, projectionDim], [.3, 2, 4]);
    const { config, evaluations } = swept.find(({ config }) => config.training.seed === seed)!;
    assert.deepEqual(test, evaluations[0]!.test);
    assert.equal(config.training.classes.join(), smallProfile.classSets[0]!.classes.join());
  }
});

Deno.test("a session's detector of a row is the head after that row's epoch", async () => {
  const record = (await records("epochs"))[0]!,
    weight = ({ head }: RunRow) => head["contrastiveWeight"];
  const rows = (await session.rows("epochs"))
    .filter((row) => weight(row) === record.config.training.head["contrastiveWeight"]);
  assert.deepEqual(rows.map(({ epochs }) => epochs), [2, 3]);
  const [image] = await session.examples(smallProfile.testSets[0]!.name);
  const scores: number[] = [];
  for (const row of rows) {
    const { checkpoint } = record.evaluations.find(({ epoch }) => epoch === row.epochs)!;
    const head = join(results, "paper", checkpoint);
    await using opened = await openDetector(head, { backbones: join(data, "backbones") });
    const { score } = await (await session.detector(row)).detect(image!.image);
    assert.equal(score, (await opened.detect(image!.image)).score, `${row.epochs} epochs`);
    scores.push(score);
  }
  assert.notEqual(scores[0], scores[1]);
});

Deno.test("sweeps of whatever seeds are read again, the first that was run first", async () => {
  for (const contrastiveWeight of [.6, .3, .5]) {
    await quietly(() => session.sweep({ contrastiveWeights: [contrastiveWeight] }));
  }
  const again = (await session.rows("sweep"))
    .map(({ seed, head }) => [seed, head["contrastiveWeight"]]);
  // those of another session's seeds were trained side by side
  assert.deepEqual(again.slice(0, 2).toSorted(), [[5, .3], [6, .3]]);
  assert.deepEqual(again.slice(2), [[0, .6], [0, .3], [0, .5]]);
});

Deno.test("what a session's sweep leaves out is as in the grid's best head", async () => {
  const merits = (record: RunRecord) => record.epochs.at(-1)!;
  const [byVal] = (await records("grid")).sort((a, b) =>
    merits(b).valAcc - merits(a).valAcc || merits(a).valLoss - merits(b).valLoss
  );
  const chosen = [["test", best], ["val", byVal!]] as const;
  const weights = [];
  for (const [select, { config }] of chosen) {
    const opened = await openSession(EXPERIMENTS, { profile: "paper", data, results, select });
    const [row] = await quietly(() => opened.sweep({ projectionDims: [4] }));
    assert.equal(row!.head["contrastiveWeight"], config.training.head["contrastiveWeight"]);
    weights.push(row!.head["contrastiveWeight"]);
  }
  const [first] = smallProfile.grid.contrastiveWeights;
  assert.ok(weights.some((weight) => weight !== first), "a grid that is not read says the same");
});

Deno.test("progress of every stage never falls and ends at its total", async () => {
  const told = new Map<string, Progress[]>();
  const onProgress: OnProgress = (progress) => {
    told.set(progress.stage, [...told.get(progress.stage) ?? [], progress]);
  };
  const configs = grid.runs(smallProfile, [8, 9], []);
  await executeSmall(folder, configs, join(folder, "other"), { onProgress });
  assert.deepEqual([...told.keys()], ["tokens", "grid"]);
  for (const [stage, all] of told) {
    assert.ok(all.length > 2, stage);
    all.forEach(({ done, total }, i) => {
      assert.ok(done <= total && total === all[0]!.total, `${stage}: ${done} of ${total}`);
      if (i > 0) assert.ok(done >= all[i - 1]!.done, `${stage} falls to ${done}`);
    });
    assert.equal(all.at(-1)!.done, all.at(-1)!.total, stage);
  }
});

/** Does something and keeps what it says to itself. */
async function quietly<T>(action: () => T | Promise<T>, lines: string[] = []): Promise<T> {
  const { error } = console;
  console.error = (line: string) => void lines.push(line);
  try {
    return await action();
  } finally {
    console.error = error;
  }
}

Deno.test("where there is no terminal a stage is one line, said when it ends", async () => {
  const lines: string[] = [];
  await quietly(() => {
    using display = new ProgressDisplay(false);
    for (const stage of ["tokens", "grid"]) {
      for (let done = 0; done <= 3; done++) {
        display.onProgress({ stage, unit: "rows", done, total: 3 });
      }
      display.onProgress({ stage, unit: "rows", done: 3, total: 3 });
    }
    display.say("a line");
  }, lines);
  assert.deepEqual(lines, ["tokens: 3 of 3 rows", "grid: 3 of 3 rows", "a line"]);
});
