import assert from "node:assert/strict";
import { basename, join, resolve } from "node:path";
import {
  installKernel,
  isCached,
  jupyterDataFolder,
  kernelSpec,
  removeKernel,
} from "../lib/cli/kernel.ts";
import {
  cleanNotebook,
  formatFaults,
  notebookFaults,
  notebookPaths,
  notebookScript,
  typeFaults,
} from "../lib/cli/notebook_files.ts";
import { checkNotebooks, executeNotebook, hasJupyter } from "../lib/cli/notebooks.ts";
import { EXPERIMENTS } from "../experiments/index.ts";
import { inFolder } from "./temporary.ts";

const ROOT = resolve(import.meta.dirname!, "..");
const PATHS = await notebookPaths();
const NAMES = PATHS.map((path) => basename(path, ".ipynb"));

interface Cell {
  readonly cell_type: string;
  readonly id?: string;
  readonly source: readonly string[];
}

async function cellsOf(path: string): Promise<readonly Cell[]> {
  return JSON.parse(await Deno.readTextFile(path)).cells;
}

/** A notebook of code cells in a temporary folder; the same as Jupyter would save. */
async function writeNotebook(folder: string, sources: readonly string[]): Promise<string> {
  const path = join(folder, "own notebook.ipynb");
  const cells = sources.map((source, i) => ({
    cell_type: "code",
    execution_count: null,
    id: `cell-${i}`,
    metadata: {},
    outputs: [],
    source: [source],
  }));
  const kernelspec = { display_name: "RINE (Deno)", language: "typescript", name: "rine" };
  const metadata = { kernelspec, language_info: { name: "typescript" } };
  const notebook = { cells, metadata, nbformat: 4, nbformat_minor: 5 };
  await Deno.writeTextFile(path, JSON.stringify(notebook, null, 1) + "\n");
  return path;
}

Deno.test("the notebooks carry no outputs, are formatted, and every cell has right types", async () => {
  assert.match(await checkNotebooks(), new RegExp(`^${PATHS.length} notebooks carry no outputs`));
});

Deno.test("every section of RINE's paper has a notebook, UFD's have one together, and errors and own images", async () => {
  // these stand in another section's notebook
  const guests = { appendix: "comparison", cost: "comparison", bias: "perturbations" };
  for (const [name, host] of Object.entries(guests)) {
    const script = await notebookScript(PATHS.find((path) => path.endsWith(`_${host}.ipynb`))!);
    assert.ok(script.includes(`session.report("${name}")`), name);
  }
  const sections = EXPERIMENTS.sections.filter(({ paper, name }) =>
    paper === "rine" && !(name in guests)
  ).map(({ name }): string => name);
  const script = await notebookScript(PATHS.find((path) => path.endsWith("_ufd.ipynb"))!);
  for (const { paper, name } of EXPERIMENTS.sections) {
    if (paper === "ufd") assert.ok(script.includes(`session.report("${name}")`), name);
  }
  const own = NAMES.map((name) => name.replace(/^\d\d_/, ""));
  assert.deepEqual(
    own.toSorted(),
    [...sections, "start_here", "published", "ufd", "errors", "own_images"].toSorted(),
  );
  assert.equal(NAMES[0], "00_start_here");
});

for (const path of PATHS) {
  Deno.test(`${basename(path)} is prose and short cells, with one switch of the profile`, async () => {
    const cells = await cellsOf(path);
    const [title] = cells;
    assert.equal(title?.cell_type, "markdown");
    assert.match(title.source[0]!, /^# /);
    let isAfterProse = false;
    for (const { cell_type: type, source } of cells) {
      assert.ok(type === "markdown" || isAfterProse, `prose before ${source.join("")}`);
      assert.ok(type === "markdown" || source.length <= 14, `few lines in ${source.join("")}`);
      isAfterProse = type === "markdown";
    }
    const ids = cells.map(({ id }) => id);
    assert.equal(new Set(ids).size, cells.length, "every cell has an id of its own");
    const script = await notebookScript(path);
    const switches = [...script.matchAll(/^const profile = "mini"; \/\/ or "paper"$/gm)];
    assert.equal(switches.length, basename(path) === "10_published.ipynb" ? 0 : 1);
    const section = path.replace(/^.*\d\d_|\.ipynb$/g, "");
    if (EXPERIMENTS.sections.some(({ name }) => name === section)) {
      assert.match(script, new RegExp(`session.report\\("${section}"\\)`));
    }
  });
}

Deno.test("ten questions of a Python user are answered, each in three lines at most", async () => {
  const cells = await cellsOf(PATHS[0]!);
  const answers = cells.filter(({ id }) => /^question-\d+$/.test(id ?? ""));
  assert.equal(answers.length, 10);
  for (const { source, cell_type: type } of answers) {
    assert.equal(type, "code");
    assert.ok(source.length <= 3, source.join(""));
  }
});

Deno.test("links between notebooks lead to notebooks", async () => {
  let links = 0;
  for (const path of PATHS) {
    const prose = (await cellsOf(path)).filter(({ cell_type: type }) => type === "markdown")
      .map(({ source }) => source.join("")).join("\n");
    for (const [, target] of prose.matchAll(/\]\(([^)]+\.ipynb)\)/g)) {
      assert.ok(NAMES.includes(basename(target!, ".ipynb")), `a link to ${target}`);
      links++;
    }
  }
  assert.ok(links >= PATHS.length - 1);
});

Deno.test("outputs, counts, another kernel and another format are found, and taken out", () =>
  inFolder(async (folder) => {
    const path = await writeNotebook(folder, ["const a   = 1"]);
    const notebook = JSON.parse(await Deno.readTextFile(path));
    notebook.cells[0].outputs = [{ output_type: "stream", name: "stdout", text: ["1"] }];
    notebook.cells[0].execution_count = 7;
    notebook.metadata.kernelspec.name = "deno";
    await Deno.writeTextFile(path, JSON.stringify(notebook));
    assert.deepEqual(await notebookFaults(path), [
      `${path}: expected no outputs, found some in 1 cells`,
      `${path}: expected no counts of executions, found 1`,
      `${path}: expected the kernel rine, found deno`,
    ]);
    assert.deepEqual(await formatFaults([path]), [
      `${path}: expected it formatted, found it otherwise`,
    ]);
    await cleanNotebook(path);
    assert.deepEqual(await notebookFaults(path), [
      `${path}: expected the kernel rine, found deno`,
    ]);
    assert.deepEqual(await formatFaults([path]), []);
    assert.equal(await notebookScript(path), "const a = 1;\n");
  }));

Deno.test("cleaning leaves a clean notebook byte for byte as it was", () =>
  inFolder(async (folder) => {
    const path = join(folder, basename(PATHS[0]!));
    await Deno.copyFile(PATHS[0]!, path);
    await cleanNotebook(path);
    assert.equal(await Deno.readTextFile(path), await Deno.readTextFile(PATHS[0]!));
  }));

Deno.test("a cell of wrong type is found, with its notebook's name", () =>
  inFolder(async (folder) => {
    const path = await writeNotebook(folder, [
      'import { show } from "rine";\n',
      "await show(3);",
    ]);
    const faults = await typeFaults([path]);
    assert.match(faults, /'number' is not assignable/);
    assert.match(faults, /own%20notebook\.ts:3/);
  }));

Deno.test("a section that there is not, or an option, is an error of types in a cell", () =>
  inFolder(async (folder) => {
    const path = await writeNotebook(folder, [
      'import { openSession } from "rine/notebook";\n' +
      "const session = await openSession();",
      'await session.report("gird");',
      'await session.rows("sweep");',
      'await openSession({ profil: "paper" });',
      'await openSession({ profile: "maxi" });',
    ]);
    const faults = await typeFaults([path]);
    assert.match(faults, /'"gird"' is not assignable to parameter of type '.*"grid"/);
    assert.match(faults, /'profil' does not exist/);
    assert.match(faults, /'"maxi"' is not assignable to type '.*"mini"/);
    assert.equal([...faults.matchAll(/^TS\d+/gm)].length, 3, faults);
  }));

Deno.test("a file that is no notebook is refused by name", () =>
  inFolder(async (folder) => {
    const path = join(folder, "other.ipynb");
    await Deno.writeTextFile(path, "{}");
    await assert.rejects(notebookFaults(path), /^UserError: Cannot read .*other\.ipynb/);
  }));

Deno.test("the kernel is installed, replaced and removed in the user's folder alone", () =>
  inFolder(async (folder) => {
    const path = join(folder, "kernels", "rine", "kernel.json");
    assert.match(await installKernel(folder), /Installed the kernel "RINE \(Deno\)"/);
    const first = await Deno.readTextFile(path);
    assert.doesNotMatch(await installKernel(folder), /before/);
    assert.equal(await Deno.readTextFile(path), first);
    const other = { ...JSON.parse(first), metadata: { project: "/elsewhere" } };
    await Deno.writeTextFile(path, JSON.stringify(other));
    assert.match(await installKernel(folder), /It worked on \/elsewhere before/);
    assert.equal(await Deno.readTextFile(path), first);
    assert.match(await removeKernel(folder), /^Removed/);
    assert.match(await removeKernel(folder), /^There is no kernel/);
    assert.deepEqual(await Array.fromAsync(Deno.readDir(join(folder, "kernels"))), []);
  }));

Deno.test("a kernel that starts a Deno of npx's cache is known", () => {
  const spec = kernelSpec();
  const started = (deno: string) => isCached({ ...spec, argv: ["/bin/sh", "-c", "cd", deno] });
  assert.equal(started("/home/a/.npm/_npx/0af3/node_modules/deno/deno"), true);
  assert.equal(started("C:\\Users\\a\\npm-cache\\_npx\\0af3\\deno.exe"), true);
  assert.equal(started("/usr/local/lib/node_modules/deno/deno"), false);
});

Deno.test("the kernel goes where Jupyter looks on each system", () => {
  const folder = (os: typeof Deno.build.os, env: Record<string, string>) =>
    jupyterDataFolder(os, (name) => env[name]);
  assert.equal(folder("linux", { HOME: "/home/a" }), "/home/a/.local/share/jupyter");
  assert.equal(folder("linux", { HOME: "/home/a", XDG_DATA_HOME: "/data" }), "/data/jupyter");
  assert.equal(folder("darwin", { HOME: "/Users/a" }), "/Users/a/Library/Jupyter");
  assert.equal(folder("darwin", { HOME: "/Users/a", JUPYTER_DATA_DIR: "/j" }), "/j");
  assert.throws(() => folder("linux", {}), /^UserError: Cannot find Jupyter's data folder/);
});

const jupyter = await hasJupyter();
const WITH_JUPYTER = jupyter
  ? "with Jupyter"
  : "with Jupyter (skipped: `apt-get install jupyter-nbconvert` or `pip install nbconvert`)";

Deno.test({
  name: `${WITH_JUPYTER}: a notebook runs from another folder, three times, and loses no output`,
  ignore: !jupyter,
  fn: () =>
    inFolder(async (folder) => {
      const path = await writeNotebook(folder, [
        'import { type Figure, show, type Table } from "rine";',
        'const figure: Figure = { id: "f", title: "Figure", caption: "One.", columns: 1, ' +
        'rows: [{ a: 1 }], spec: { mark: "bar", encoding: { x: { field: "a", type: "quantitative" } } } };\n' +
        'const table: Table = { id: "t", title: "Table", caption: "One.", ' +
        'columns: [{ key: "a", name: "a" }], rows: [{ a: 1 }] };\n' +
        "const image = { width: 8, height: 8, data: new Uint8Array(192) };",
        "await show(figure, table, image);",
        'await show([{ image, caption: "side" }, { image, caption: "by side" }]);',
        "await show(`in ${Deno.cwd()}`);",
      ]);
      for (let run = 0; run < 3; run++) {
        const { error } = await executeNotebook(path, folder, { cwd: folder });
        assert.equal(error, "");
        const html = await Deno.readTextFile(path.replace(/ipynb$/, "html"));
        assert.match(html, /<img alt="Figure"[^>]*src="data:image\/svg\+xml;base64,/);
        assert.match(html, /<h3>Table<\/h3>/);
        assert.match(html, /<figcaption>by side<\/figcaption>/);
        assert.equal([...html.matchAll(/src="data:image\/png;base64,/g)].length, 3);
        assert.ok(html.includes(`in ${ROOT}`));
      }
    }),
});

Deno.test({
  name: `${WITH_JUPYTER}: what a session returns shows itself, whole, as the last value of a cell`,
  ignore: !jupyter,
  fn: () =>
    inFolder(async (folder) => {
      const path = await writeNotebook(folder, [
        'import { openSession } from "rine/notebook";\nconst session = await openSession();',
        'const report = await session.published("comparison");\nreport;',
        "report.tables[1];",
        'await session.published("grid");',
        "session;",
      ]);
      const { error } = await executeNotebook(path, folder);
      assert.equal(error, "");
      const html = await Deno.readTextFile(path.replace(/ipynb$/, "html"));
      const tables = [...html.matchAll(/<h3>Table (\d)/g)].map(([, number]) => number);
      assert.deepEqual(tables, ["2", "3", "3", "1"]);
      const figures = [...html.matchAll(/<img alt="Figure (\d)/g)].map(([, number]) => number);
      assert.deepEqual(figures, ["3", "4"]);
      assert.match(html, /Session of the mini profile/);
    }),
});

Deno.test({
  name: `${WITH_JUPYTER}: without results a notebook stops with one sentence that says what to run`,
  ignore: !jupyter,
  fn: () =>
    inFolder(async (folder) => {
      const path = await writeNotebook(folder, [
        'import { openSession } from "rine/notebook";\n' +
        `const session = await openSession({ data: ${JSON.stringify(folder)} });`,
        'await session.report("grid");',
      ]);
      const { error } = await executeNotebook(path, folder);
      const [, said] = error.split(/^-+$/m).slice(-2);
      assert.ok(said, error);
      const lines = said.split("\n").filter((line) => line.trim() !== "");
      assert.match(
        lines[0]!,
        /Cannot open the mini profile.*run `deno task reproduce --data \S+` first/,
      );
      assert.doesNotMatch(error, /\bat async\b|session\.ts:\d/);
    }),
});

Deno.test({
  name: `${WITH_JUPYTER}: the published results run from nothing and come out as a page`,
  ignore: !jupyter,
  fn: () =>
    inFolder(async (folder) => {
      const path = PATHS.find((path) => path.endsWith("10_published.ipynb"))!;
      const { error } = await executeNotebook(path, folder);
      assert.equal(error, "");
      const html = await Deno.readTextFile(join(folder, "10_published.html"));
      assert.match(html, /<strong>985 of 988<\/strong> printed cells agree/);
      assert.ok([...html.matchAll(/<img alt="Figure \d/g)].length >= 6, "six figures");
      assert.ok([...html.matchAll(/<h3>Table \d/g)].length >= 7, "seven tables");
    }),
});
