import assert from "node:assert/strict";
import * as v from "valibot";
import { pathToFileURL } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { comparePublished, publishedReport } from "../lib/report/paper/published.ts";
import { publishedRows } from "../lib/report/paper/published_rows.ts";
import { EXPERIMENTS } from "../experiments/index.ts";
import { testSetOf } from "../lib/data/catalog.ts";
import { paper } from "../experiments/profiles/paper.ts";
import { PUBLISHED, readPublished, readPublishedCsv } from "../lib/published/files.ts";
import { publishedLogs } from "../lib/published/logs.ts";
import { publishedPoints } from "../lib/published/points.ts";
import { printedCells } from "../lib/published/printed.ts";
import { jsonLines } from "../lib/published/logs.ts";
import { readReleasedLogs } from "../lib/published/released_pickles.ts";
import { temporaryFolder } from "./temporary.ts";

const sections = await publishedReport(EXPERIMENTS);
const tables = sections.flatMap(({ report }) => report.tables);
const printed = await printedCells();

Deno.test("985 of the 988 printed cells that the logs cover agree; three print one value", () => {
  const { agreeing, covered, differing } = comparePublished(tables, printed);
  assert.deepEqual({ agreeing, covered }, { agreeing: 985, covered: 988 });
  assert.deepEqual(
    differing.map((
      { cell, found },
    ) => [cell.table, cell.generator, cell.metric, cell.percent, found]),
    [3, 5, 7].map((table) => [table, "glide_50_27", "ap", 99.3, "99.2"]),
  );
});

Deno.test("a set that is added to the paper's own is in none of the published tables, nor in their means", async () => {
  const added = testSetOf({
    name: "x",
    title: "X",
    family: "X",
    real: 1,
    generated: 1,
    isAdded: true,
  });
  const { mini, paper } = EXPERIMENTS.profiles;
  const more = { ...paper, testSets: [...paper.testSets, added] };
  const found = await publishedReport({ ...EXPERIMENTS, profiles: { mini, paper: more } });
  assert.deepEqual(found.flatMap(({ report }) => report.tables), tables);
});

Deno.test("comparePublished() sees a cell that is off by one printed digit", () => {
  const table = tables.find(({ id }) => id === "table_2")!;
  const rows = table.rows.map((row) =>
    row["method"] === "RINE" && row["trainingClasses"] === "4"
      ? { ...row, AVG: (row["AVG"] as number) + 0.001 }
      : row
  );
  const changed = tables.map((other) => other === table ? { ...table, rows } : other);
  const { agreeing, differing } = comparePublished(changed, printed);
  assert.equal(agreeing, 984);
  assert.ok(differing.some(({ cell }) => cell.table === 2 && cell.generator === "AVG"));
});

Deno.test("a table that is missing is not counted as agreeing", () => {
  const without = tables.filter(({ id }) => id !== "table_5");
  assert.equal(comparePublished(without, printed).covered, 988 - 756);
});

Deno.test("the published logs are those that the project describes", async () => {
  const { runs, perturbations, blockImportance } = await publishedLogs();
  const count = (name: string) => runs.filter(({ experiment }) => experiment === name).length;
  assert.deepEqual(
    ["grid", "ablations", "epochs", "dataset_size", "synthbuster"].map(count),
    [288, 9, 36, 12, 24],
  );
  assert.equal(perturbations.length, 15);
  const golden = Object.values(blockImportance).map((counts) => counts.reduce((a, b) => a + b));
  assert.deepEqual(golden, [128]);
  const points = await publishedPoints();
  assert.equal(points.length, 3 * 7500);
  assert.ok(points.every(({ x, y }) => Number.isFinite(x) && Number.isFinite(y)));
});

Deno.test("a published row has the accuracy after its last epoch, and the view of its test sets", async () => {
  const logs = await publishedLogs();
  const rows = publishedRows(logs, paper.backboneSizes);
  assert.ok(logs.runs.some(({ valAcc }) => valAcc[0] !== valAcc.at(-1)));
  for (const [i, { valAcc, valLoss, trainingSet }] of logs.runs.entries()) {
    const row = rows[i]!;
    assert.equal(row.valAcc, valAcc[valAcc.length - 1]);
    assert.equal(row.valLoss, valLoss[valLoss.length - 1]);
    // the sets of §5.8 are judged by ten crops, all others by one
    assert.equal(row.view, trainingSet === "ldm" ? "ten" : "center");
  }
});

Deno.test("every published table and figure comes from a section, in the paper's numbering", () => {
  const ids = sections.flatMap(({ report }) => [...report.tables, ...report.figures])
    .map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  for (let table = 1; table <= 7; table++) assert.ok(ids.includes(`table_${table}`), `${table}`);
});

Deno.test("readReleasedLogs() reads the authors' pickles: the same runs as the project's own", async () => {
  const clone = new URL("./fixtures/released", import.meta.url).pathname;
  const read = await readReleasedLogs(clone);
  const { runs, perturbations } = await publishedLogs();
  assert.deepEqual(
    read.runs.map(({ experiment }) => experiment),
    ["grid", "ablations", "epochs", "dataset_size", "synthbuster"],
  );
  for (const run of read.runs) {
    assert.ok(
      runs.some((own) => isDeepStrictEqual({ ...own, ...run }, own)),
      `${run.experiment} is not among the project's runs`,
    );
  }
  assert.deepEqual(read.perturbations, perturbations.slice(0, 1));
  assert.deepEqual(read.points.map(({ detector }) => detector), [
    ...Array(3).fill("RINE"),
    ...Array(3).fill("UFD"),
    ...Array(3).fill("Wang"),
  ]);
  const own = await publishedPoints();
  for (const [i, j] of [[0, 0], [2, 2], [3, 7500], [8, 15002]] as const) {
    assert.ok(Math.abs(read.points[i]!.x - own[j]!.x) < 1e-3);
    assert.ok(Math.abs(read.points[i]!.y - own[j]!.y) < 1e-3);
    assert.equal(read.points[i]!.generator, own[j]!.generator);
  }
});

Deno.test("readReleasedLogs() refuses what is no clone, and a pickle that calls anything else", async () => {
  await assert.rejects(readReleasedLogs("/nowhere"), {
    name: "UserError",
    message: "Cannot read the authors' logs: expected a clone of mever-team/rine with " +
      "/nowhere/results/grid, found none",
  });
  const clone = temporaryFolder();
  try {
    await Deno.mkdir(`${clone}/results/grid`, { recursive: true });
    // os.system("true"), protocol 0
    await Deno.writeTextFile(`${clone}/results/grid/x.pickle`, "cos\nsystem\n(S'true'\ntR.");
    await assert.rejects(readReleasedLogs(clone), {
      name: "UserError",
      message:
        `Cannot read ${clone}/results/grid/x.pickle: expected a pickled log, found a call of ` +
        "os.system",
    });
  } finally {
    await Deno.remove(clone, { recursive: true });
  }
});

Deno.test("published files that are empty, cut off, changed or gone are no numbers to agree with", async () => {
  const folder = temporaryFolder("numbers_"), there = pathToFileURL(`${folder}/`);
  for (const { name } of Deno.readDirSync(PUBLISHED)) {
    await Deno.copyFile(new URL(name, PUBLISHED), `${folder}/${name}`);
  }
  const names = (await Deno.readTextFile(`${folder}/SHA256SUMS`)).trim().split("\n").slice(1)
    .map((line) => line.slice(66));
  assert.equal(names.length, 6);
  for (const name of names) {
    const path = `${folder}/${name}`, whole = await Deno.readTextFile(path);
    // whole lines, where it has some
    const half = whole.slice(0, whole.indexOf("\n", whole.length / 2) + 1 || whole.length / 2);
    const changed = whole.replace(/\d(?=\D*$)/, (digit) => `${9 - Number(digit)}`);
    for (const text of ["", half.slice(0, -1), changed, undefined]) {
      if (text === undefined) await Deno.remove(path);
      else await Deno.writeTextFile(path, text);
      const found = text === undefined ? "none" : "another";
      await assert.rejects(readPublished(name, there), {
        name: "UserError",
        message:
          `Cannot read ${path}: expected the file that comes with the project, as SHA256SUMS ` +
          `beside it says, found ${found}; \`git checkout\` brings it back`,
      });
    }
    // as Git may write it elsewhere
    await Deno.writeTextFile(path, whole.replaceAll(/\r?\n/g, "\r\n"));
    assert.ok((await readPublished(name, there)).endsWith("\r\n"));
  }
  await Deno.remove(`${folder}/SHA256SUMS`);
  await assert.rejects(readPublishedCsv("paper_tables.csv", there), /found another; /);
});

Deno.test("a published file that is cut off is named, with the line", () => {
  const form = v.looseObject({ a: v.number() });
  assert.deepEqual(jsonLines('{"a":1}\n{"a":2}\n', "x.jsonl", form), [{ a: 1 }, { a: 2 }]);
  for (const [text, found] of [['{"a":1}\n{"a"', "its end in line 1"], ['{"a":1}\n{}', "none"]]) {
    assert.throws(() => jsonLines(text!, "x.jsonl", form), (error: Error) => {
      assert.equal(error.name, "UserError");
      assert(error.message.startsWith("Cannot read line 2 of x.jsonl: expected "), error.message);
      return error.message.includes(`found ${found}`);
    });
  }
});

Deno.test("a pickled log of another form is named, with what was wanted where", async () => {
  const clone = temporaryFolder();
  await Deno.mkdir(`${clone}/results/grid`, { recursive: true });
  const path = `${clone}/results/grid/x.pickle`;
  for (
    const [pickle, says] of [
      // {"epochs": 1}, protocol 0; a list; a number whose length is that of the file
      ["(S'epochs'\nI1\nd.", "a value at config, found none"],
      ["(lI1\na.", "a value at epochs, found none"],
      ["\x80\x02\x8b\xff\xff\xff\x00.", "a pickled log, found a value of 16777215 bytes"],
    ]
  ) {
    await Deno.writeFile(path, Uint8Array.from(pickle!, (char) => char.charCodeAt(0)));
    await assert.rejects(readReleasedLogs(clone), {
      name: "UserError",
      message: `Cannot read ${path}: expected ${says}`,
    });
  }
});

Deno.test("a hyphen in the paper's tables is no number", () => {
  const hyphens = printed.filter(({ percent }) => percent === null);
  assert.equal(hyphens.length, 78);
  assert.ok(printed.every(({ percent }) => percent === null || percent > 0 && percent <= 100));
});
