import assert from "node:assert/strict";
import { join, relative } from "node:path";
import { EXPERIMENTS } from "../experiments/index.ts";
import { mini } from "../experiments/profiles/mini.ts";
import { paper } from "../experiments/profiles/paper.ts";
import comparison from "../experiments/rine/comparison.ts";
import { beside } from "../lib/report/beside.ts";
import type { Table } from "../lib/report/table.ts";
import { averagedRows, withOwnSets } from "../lib/runs/own_sets.ts";
import { reportNotice } from "../lib/report/paper/report.ts";
import { listImages } from "../lib/data/dataset.ts";
import { readUserSets } from "../lib/data/user_sets.ts";
import { UserError } from "../lib/io/errors.ts";
import { publishedLogs } from "../lib/published/logs.ts";
import { scoreColumns } from "../lib/report/paper/columns.ts";
import { drawnSets } from "../lib/report/paper/figure_1.ts";
import { publishedRows } from "../lib/report/paper/published_rows.ts";
import type { RunRow } from "../lib/runs/config.ts";
import type { Profile } from "../lib/runs/profile.ts";
import { reportOf, type Section } from "../lib/runs/section.ts";
import { played } from "./played_world.ts";
import { temporaryFolder } from "./temporary.ts";

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = temporaryFolder("own sets ");
  for (const path of ["camera", "made by x", "empty"]) await Deno.mkdir(join(folder, path));
  for (const path of ["camera/1.jpg", "camera/2.jpg", "made by x/1.png"]) {
    await Deno.writeTextFile(join(folder, path), "");
  }
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function writeSets(folder: string, content: unknown): Promise<string> {
  const path = join(folder, "sets.json");
  await Deno.writeTextFile(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

/** Tables and figures of rows alone. */
function report(section: Section, profile: Profile, rows: readonly RunRow[]) {
  return reportOf(section, { profile, rows, printed: [], points: [] });
}

const FACES = { name: "faces", real: "camera", generated: "made by x" };

Deno.test("own sets have folders relative to their file, or absolute", () =>
  withFolder(async (folder) => {
    const path = await writeSets(folder, [
      FACES,
      {
        name: "faces-2",
        title: "Faces again",
        family: "Ours",
        real: `${folder}/camera/`,
        generated: "./made by x",
      },
    ]);
    const [first, second] = await readUserSets(path, []);
    assert.deepEqual(first, {
      name: "faces",
      title: "faces",
      family: "Own sets",
      sources: [
        { label: 0, directory: `${folder}/camera`, isDeep: true },
        { label: 1, directory: `${folder}/made by x`, isDeep: true },
      ],
      isOwn: true,
    });
    assert.deepEqual([second!.title, second!.family], ["Faces again", "Ours"]);
    assert.deepEqual(second!.sources, first.sources);
    const images = await listImages("/elsewhere", first);
    assert.deepEqual(images.map(({ label, path }) => `${label} ${path}`), [
      `0 ${folder}/camera/1.jpg`,
      `0 ${folder}/camera/2.jpg`,
      `1 ${folder}/made by x/1.png`,
    ]);
  }));

const WRONG: readonly (readonly [what: string, content: unknown, says: string])[] = [
  ["no JSON", "[{", "Cannot read FILE: expected JSON, found "],
  ["no list", { sets: [] }, "Cannot read FILE: expected a list of sets, found an object"],
  ["an empty list", [], "Cannot read FILE: expected a list of sets, found an empty one"],
  ["no object", ["faces"], "Cannot use entry 1 of FILE: expected an object, found a string"],
  [
    "an unknown field",
    [FACES, { ...FACES, fake: "x" }],
    "Cannot use entry 2 of FILE: expected the fields name, title, family, real, generated, found fake",
  ],
  [
    "a missing field",
    [{ name: "faces", real: "camera" }],
    "Cannot use generated of entry 1 of FILE: expected a text, found none",
  ],
  [
    "a field that is no text",
    [{ ...FACES, title: 3 }],
    "Cannot use title of entry 1 of FILE: expected a text, found a number",
  ],
  [
    "a name with a space",
    [{ ...FACES, name: "my faces" }],
    'Cannot use name of entry 1 of FILE: expected a letter, then letters, digits and ._-, found "my faces"',
  ],
  [
    "a name twice",
    [FACES, FACES],
    "Cannot use name of entry 2 of FILE: expected one that is not taken, found faces",
  ],
  [
    "a name of the paper's",
    [{ ...FACES, name: "progan" }],
    "Cannot use name of entry 1 of FILE: expected one that is not taken, found progan",
  ],
  [
    "one folder for both",
    [{ ...FACES, generated: "./camera/" }],
    "Cannot use generated of entry 1 of FILE: expected another folder than that of real, found FOLDER/camera",
  ],
  [
    "a missing folder",
    [{ ...FACES, real: "gone" }],
    "Cannot use real of entry 1 of FILE: expected a folder at FOLDER/gone, found none",
  ],
  [
    "an empty folder",
    [{ ...FACES, generated: "empty" }],
    "Cannot use generated of entry 1 of FILE: expected generated images in FOLDER/empty, found none",
  ],
];

for (const [what, content, says] of WRONG) {
  Deno.test(`a file of own sets with ${what} is refused in one line with file and field`, () =>
    withFolder(async (folder) => {
      const path = await writeSets(folder, content);
      const expected = says.replace("FILE", path).replace("FOLDER", folder);
      await assert.rejects(readUserSets(path, ["progan"]), (error: Error) => {
        assert(error instanceof UserError);
        assert.equal(error.message.slice(0, expected.length), expected);
        return !error.message.includes("\n");
      });
    }));
}

Deno.test("a file of own sets that is not there is named", async () => {
  await assert.rejects(readUserSets("nowhere.json", []), {
    name: "UserError",
    message: "Cannot read nowhere.json: expected a list of sets, found no such file",
  });
});

Deno.test("own sets stand in every table of test sets, and in no mean", () =>
  withFolder(async (folder) => {
    const path = await writeSets(folder, [FACES]);
    const profile = await withOwnSets(paper, relative(Deno.cwd(), path));
    assert.equal(profile.datasets, path);
    assert.equal(profile.testSets.length, 21);
    assert.match(profile.notice!, /the 20 test sets.*\(faces\)$/);

    const published = publishedRows(await publishedLogs(), paper.backboneSizes);
    const tried = (row: RunRow): RunRow =>
      row.view === "ten" ? row : { ...row, test: { ...row.test, faces: { acc: 0.25, ap: 0.125 } } };
    const rows = averagedRows(profile, published.map(tried));
    for (const experiment of EXPERIMENTS.sections) {
      const before = report(experiment, paper, published);
      const after = report(experiment, profile, rows);
      after.tables.forEach((table, t) => {
        assert.equal(table.notice, profile.notice);
        table.rows.forEach((row, r) => {
          for (const [column, cell] of Object.entries(before.tables[t]!.rows[r]!)) {
            assert.deepEqual(row[column], cell, `${table.id}, ${column}`);
          }
        });
      });
      if (["comparison", "perturbations"].includes(experiment.name)) {
        const [table] = after.tables;
        assert(table!.columns.some(({ key, name }) => key === "faces" && name === "faces"));
        assert(table!.rows.every((row) => row["faces"] === .25 || row["faces"] === .125));
        const both = beside(table!, before.tables[0]!);
        const counterparts = both.columns.map(({ paper }) => paper?.key);
        assert.deepEqual(
          counterparts,
          table!.columns.map(({ key }) => key === "faces" ? undefined : key),
        );
      }
    }
  }));

Deno.test("beside the paper's columns stand those of the mini profile, with or without own sets", () =>
  withFolder(async (folder) => {
    const whole = await withOwnSets(mini, await writeSets(folder, [FACES]));
    const table = (profile: Profile): Table => ({
      id: "table_2",
      title: "",
      caption: "",
      columns: scoreColumns(profile.testSets),
      rows: [],
    });
    const { columns } = beside(table(whole), table(paper));
    assert.deepEqual(
      columns.map(({ paper }) => paper?.key),
      [...paper.testSets.map(({ name }) => name), undefined, "AVG"],
    );
  }));

Deno.test("titles count the paper's test sets and own ones apart", () =>
  withFolder(async (folder) => {
    const titleOf = async (...sets: unknown[]) => {
      const profile = await withOwnSets(paper, await writeSets(folder, sets));
      return report(comparison, profile, []).tables[0]!.title;
    };
    assert.equal(
      report(comparison, paper, []).tables[0]!.title,
      "Table 2. Accuracy on 20 test sets",
    );
    assert.equal(await titleOf(FACES), "Table 2. Accuracy on 20 test sets and 1 added one");
    assert.equal(
      await titleOf(FACES, { ...FACES, name: "b" }),
      "Table 2. Accuracy on 20 test sets and 2 added ones",
    );
  }));

Deno.test("Figure 1 leaves own sets out, wherever they lie", () =>
  withFolder(async (folder) => {
    await Deno.rename(join(folder, "made by x"), join(folder, "diffusion"));
    const sets = await writeSets(folder, [{ ...FACES, generated: "diffusion" }]);
    assert.deepEqual(drawnSets(await withOwnSets(paper, sets)), drawnSets(paper));
  }));

Deno.test("only the mini profile's report says that differences mean nothing, own sets or not", () =>
  withFolder(async (folder) => {
    const path = await writeSets(folder, [FACES]);
    const [small, whole] = [await withOwnSets(mini, path), await withOwnSets(paper, path)];
    assert.match(reportNotice(mini).notice!, /say nothing about the method\.$/);
    assert.match(reportNotice(small).notice!, /\(faces\)\. .* say nothing about the method\.$/);
    assert.equal(reportNotice(whole).notice, `${whole.notice}.`);
    assert.deepEqual(reportNotice(paper), {});
  }));

Deno.test("no own set has the name of a set of the profile, or of what tables hold beside sets", () =>
  withFolder(async (folder) => {
    const { tables } = await played("test");
    const beside = [...tables.values()].filter(({ columns }) =>
      columns.some(({ key }) => key === "mine")
    ).flatMap(({ rows }) => rows.flatMap((row) => Object.keys(row)))
      .filter((name) => !["a", "b", "mine"].includes(name));
    const taken = [
      ...new Set(beside),
      ...["train_horse", "val_chair", "ldm_200", "progan", "dalle2"],
    ];
    assert.ok(taken.includes("perturbation") && taken.includes("AVG"));
    for (const name of taken) {
      const path = await writeSets(folder, [{ ...FACES, name }]);
      await assert.rejects(withOwnSets(paper, path), {
        name: "UserError",
        message:
          `Cannot use name of entry 1 of ${path}: expected one that is not taken, found ${name}`,
      });
    }
  }));
