import assert from "node:assert/strict";
import { join, relative } from "node:path";
import { EXPERIMENTS } from "../experiments/index.ts";
import { mini } from "../experiments/profiles/mini.ts";
import { paper } from "../experiments/profiles/paper.ts";
import comparison from "../experiments/rine/comparison.ts";
import { beside } from "../lib/report/beside.ts";
import { formatCell, type Table } from "../lib/report/table.ts";
import { tableToCsv } from "../lib/report/write/csv.ts";
import { tableToLatex } from "../lib/report/write/latex.ts";
import { bestConfiguration, meanIfAny, meanScore } from "../lib/runs/select.ts";
import { runsFigure, setsFigure } from "../lib/session/explore.ts";
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
    "Cannot use entry 2 of FILE: expected the fields name, title, family, real, generated, list, layout, folder, found fake",
  ],
  [
    "a missing field",
    [{ real: "camera", generated: "made by x" }],
    "Cannot use name of entry 1 of FILE: expected a text, found none",
  ],
  [
    "no images",
    [{ name: "faces" }],
    "Cannot use real of entry 1 of FILE: expected a folder of real images, of generated ones, or both; or a list or a layout, found none",
  ],
  [
    "images of an unknown set",
    [{ ...FACES, real: "set:gan" }],
    "Cannot use real of entry 1 of FILE: expected the name of a set, or of an entry above, found gan",
  ],
  [
    "images of a set that has none",
    [{ name: "made", generated: "made by x" }, { ...FACES, real: "set:made" }],
    "Cannot use real of entry 2 of FILE: expected a set that has real images, found made",
  ],
  [
    "nothing but borrowed images",
    [FACES, { name: "again", real: "set:faces" }],
    "Cannot use generated of entry 2 of FILE: expected generated images beside the real ones of another set, found none",
  ],
  [
    "a list and a folder",
    [{ ...FACES, list: "x.csv" }],
    "Cannot use list of entry 1 of FILE: expected none beside generated, found x.csv",
  ],
  [
    "a list that is not there",
    [{ name: "faces", list: "gone.csv" }],
    "Cannot use list of entry 1 of FILE: expected a list at FOLDER/gone.csv, found none",
  ],
  [
    "an unknown layout",
    [{ name: "faces", layout: "gan", folder: "." }],
    "Cannot use layout of entry 1 of FILE: expected one of genimage, aigcdetect, chameleon, wildrf, synthbuster, found gan",
  ],
  [
    "a layout that is not there",
    [{ name: "faces", layout: "genimage", folder: "." }],
    "Cannot use folder of entry 1 of FILE: expected folders nature and ai in FOLDER or below it, found the folders camera, empty, made by x",
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

Deno.test("a set of generated images alone has its ACC and a dash for AP, and changes no mean", () =>
  withFolder(async (folder) => {
    const { real: _real, ...made } = FACES;
    const profile = await withOwnSets(paper, await writeSets(folder, [made]));
    assert.match(
      profile.notice!,
      /\(faces\); faces has generated images alone: ACC is the share judged right, and a dash stands for AP$/,
    );
    const published = publishedRows(await publishedLogs(), paper.backboneSizes);
    const tried = (row: RunRow): RunRow =>
      row.view === "ten" ? row : { ...row, test: { ...row.test, faces: { acc: .25 } } };
    const rows = averagedRows(profile, published.map(tried));
    let dashes = 0;
    for (const experiment of EXPERIMENTS.sections) {
      const before = report(experiment, paper, published);
      const { tables, figures } = report(experiment, profile, rows);
      assert.doesNotMatch(JSON.stringify([tables, figures]), /NaN/);
      for (const [t, table] of tables.entries()) {
        for (const [r, { faces, ...row }] of table.rows.entries()) {
          assert.deepEqual({ ...before.tables[t]!.rows[r], ...row }, before.tables[t]!.rows[r]);
          if (faces === undefined) continue;
          const isAp = [table.rows[r]!["metric"], table.rows[r]!["measure"], table.id]
            .some((name) => /^ap$|^average precision$|table_3$/i.test(String(name)));
          assert.equal(faces, isAp ? null : .25, `${table.id} ${JSON.stringify(table.rows[r])}`);
          dashes += Number(isAp);
          const column = table.columns.find(({ key }) => key === "faces")!;
          assert.equal(formatCell(faces, column), isAp ? "–" : "25.0");
        }
        if (dashes > 0 && table.id === "table_3") {
          assert.match(tableToCsv(table), /,,/);
          assert.match(tableToLatex(table), / -- /);
        }
      }
      for (const { rows } of figures) {
        for (const row of rows) {
          assert(Object.values(row).every((value) => value !== undefined && value !== null));
          if (row["set"] === "faces" && "measure" in row) assert.equal(row["measure"], "ACC");
        }
      }
    }
    assert(dashes > 0);
    const [row] = rows as [RunRow];
    assert.equal(meanIfAny(row, "ap", ["faces"]), undefined);
    assert.equal(meanIfAny(row, "acc", ["faces"]), .25);
    assert.equal(meanScore(row, "ap", ["progan", "faces"]), row.test["progan"]!.ap);
    assert.throws(() => meanScore(row, "ap", ["faces"]), {
      name: "UserError",
      message: "Cannot average ap: expected test sets with real and generated images, found one " +
        "kind alone in faces",
    });
    const alone = { ...row, averaged: ["faces"] };
    assert.equal(bestConfiguration([alone], "test")[0], alone);
    for (const figure of [runsFigure(profile, [alone]), setsFigure(profile, [row])]) {
      assert.doesNotMatch(JSON.stringify(figure), /NaN|null\}/);
      assert.equal(figure.rows.at(-1)!["AP"], "–");
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
