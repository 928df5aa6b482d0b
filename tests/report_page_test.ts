import assert from "node:assert/strict";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { beside } from "../lib/report/beside.ts";
import { htmlTable } from "../lib/report/write/html.ts";
import { tableToLatex } from "../lib/report/write/latex.ts";
import type { Figure } from "../lib/report/figure.ts";
import { type ReportSection, writeReport } from "../lib/report/page.ts";
import { percentColumn, type Table } from "../lib/report/table.ts";
import { exists } from "../lib/io/files.ts";
import { writeResultsIndex } from "../lib/report/results_index.ts";
import { temporaryFolder } from "./temporary.ts";

const paper: Table = {
  id: "table_0",
  title: "Table 0. Runs",
  caption: "By training.",
  rowKeys: ["method"],
  columns: [
    { key: "method", name: "method" },
    { key: "dim", name: "d′" },
    percentColumn("progan", "ProGAN"),
  ],
  rows: [
    { method: "RINE", dim: 128, progan: 0.95 },
    { method: "UFD <1>", dim: null, progan: 0.9 },
  ],
};
const ours: Table = {
  ...paper,
  columns: [...paper.columns.slice(0, 2), percentColumn("zero_insertion", "Zero insertion")],
  rows: [{ method: "RINE", dim: 8, zero_insertion: 0.9 }, {
    method: "new",
    dim: 8,
    zero_insertion: 0.8,
  }],
};
const figure: Figure = {
  id: "figure_0",
  title: "Figure 0. One bar",
  caption: "A test.",
  columns: 1,
  rows: [{ name: "real", value: 0.5 }],
  spec: {
    width: 280,
    height: 60,
    mark: "bar",
    encoding: { x: { field: "value", type: "quantitative", title: "share" } },
  },
};

function section(table: Table, value: number): ReportSection {
  return {
    heading: "§0 Nothing",
    tables: [table],
    figures: [{ ...figure, rows: [{ name: "real", value }] }],
  };
}

Deno.test("beside() lays columns by key, then by place, and rows by what names them", () => {
  const { columns, rows } = beside(ours, paper);
  assert.deepEqual(columns.map(({ paper }) => paper?.key), ["method", "dim", "progan"]);
  assert.deepEqual(rows.map((cells) => cells.map(({ ours, paper }) => [ours, paper])), [
    [["RINE", "RINE"], ["8", "128"], ["90.0", "95.0"]],
    [["new", undefined], ["8", undefined], ["80.0", undefined]],
    [[undefined, "UFD <1>"], [undefined, "–"], [undefined, "90.0"]],
  ]);
});

Deno.test("beside() gives differences where a column ranks its numbers, in its unit", () => {
  const { rows } = beside(ours, paper);
  assert.deepEqual(rows[0]!.map(({ difference }) => difference), [undefined, undefined, "−5.0"]);
  const equal = beside(paper, paper);
  assert.equal(equal.rows[0]![2]!.difference, "±0.0");
  const better = beside({ ...paper, rows: [{ ...paper.rows[0]!, progan: 0.9511 }] }, paper);
  assert.equal(better.rows[0]![2]!.difference, "+0.1");
});

Deno.test("beside() takes differences of what stands there, not of what it was rounded from", () => {
  const scored = (progan: number) => ({ ...paper, rows: [{ method: "RINE", dim: 8, progan }] });
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (a, b) => {
        const { ours, paper, difference } = beside(scored(a), scored(b)).rows[0]![2]!;
        const shown = Number(difference!.replace("−", "-").replace("±", ""));
        assert.equal(
          shown.toFixed(1),
          (Number(ours) - Number(paper)).toFixed(1).replace("-0.0", "0.0"),
        );
      },
    ),
  );
  const cell = beside(scored(.92351), scored(.93349)).rows[0]![2]!;
  assert.deepEqual(cell, { ours: "92.4", paper: "93.3", difference: "−0.9" });
});

Deno.test("beside() sets added columns aside when it counts places, and gives them no counterpart", () => {
  const added = { ...percentColumn("faces", "faces"), isAdded: true };
  const [method, dim, set] = ours.columns;
  const both = beside({ ...ours, columns: [method!, dim!, added, set!] }, paper);
  assert.deepEqual(both.columns.map(({ paper }) => paper?.key), [
    "method",
    "dim",
    undefined,
    "progan",
  ]);
  assert.equal(both.rows[0]![3]!.difference, "−5.0");
  const alike = { ...ours, columns: [method!, { ...dim!, isAdded: true }] };
  assert.equal(beside(alike, paper).columns[1]!.paper, undefined);
});

Deno.test("a value that there is none of is a dash, ours or the paper's", () => {
  const none = (table: Table) => ({
    ...table,
    rows: table.rows.map((row) => ({ ...row, dim: null })),
  });
  assert.deepEqual(beside(none(ours), paper).rows[0]![1]!, {
    ours: "–",
    paper: "128",
    difference: undefined,
  });
  assert.equal(beside(ours, none(paper)).rows[0]![1]!.paper, "–");
});

Deno.test("htmlTable() keeps the columns that name rows in sight, and those that ask for it", () => {
  const table: Table = {
    ...paper,
    rowKeys: ["method", "dim"],
    columns: [
      ...paper.columns.slice(0, 2),
      percentColumn("progan", "ProGAN", "GAN"),
      { ...percentColumn("AVG", "AVG"), isPinned: true },
    ],
  };
  const html = htmlTable(table);
  const cells = (name: string) =>
    [...html.matchAll(new RegExp(`class="[^"]*${name}(?: edge)?"`, "g"))].length;
  // headings of groups, headings, and a cell a row
  assert.equal(cells("pinned-left"), 1 + 2 + 2 * 2);
  assert.equal(cells("pinned-right"), 1 + 1 + 2);
  const [first, second] = [
    ...html.matchAll(/<th scope="col"[^>]* style="--left: ([\d.]+)em; --width: ([\d.]+)em">/g),
  ];
  assert.equal(first![1], "0.0");
  assert.equal(second![1], first![2], "the second column lies beside the first");
  assert.ok(Number(first![2]) > "UFD <1>".length / 2, "a name does not fit its column");
  assert.doesNotMatch(htmlTable({ ...table, rowKeys: [] }), /pinned-left/);
});

Deno.test("beside() sets no column by place where one table has more columns", () => {
  const wider = { ...ours, columns: [...ours.columns, { key: "x", name: "x" }] };
  assert.deepEqual(beside(wider, paper).columns.map(({ paper }) => paper?.key), [
    "method",
    "dim",
    undefined,
    undefined,
  ]);
});

Deno.test("writeReport() writes Markdown and one HTML file that asks for nothing else", async () => {
  const folder = temporaryFolder();
  try {
    const report = {
      title: "Paper & ours",
      notice: "Means leave out added ones (faces).",
      provenance: "Made by `deno task`: <x>.",
      sections: [section(ours, 0.25)],
      published: [section(paper, 0.5)],
      remark: "Not run yet: §1 <x>; `deno task`",
    };
    assert.equal(await writeReport(folder, report), "written");
    assert.equal(await writeReport(folder, report), "up to date");
    const markdown = await Deno.readTextFile(`${folder}/report.md`);
    assert.match(
      markdown,
      /^# Paper & ours\n\n> Means leave out added ones \(faces\)\.\n\nMade by `deno task`: \\<x>\.\n\n/,
    );
    assert.ok(markdown.includes("| RINE | 8 (128) | 90.0 (95.0, −5.0) |"), markdown);
    assert.ok(markdown.includes("| (UFD \\<1>) | (–) | (90.0) |"), markdown);
    for (const [, path] of markdown.matchAll(/!\[[^\]]*\]\(([^)]+)\)/g)) {
      assert.ok((await Deno.stat(`${folder}/${path}`)).isFile);
    }
    assert.equal([...markdown.matchAll(/!\[/g)].length, 2);

    assert.ok(markdown.endsWith("\n\nNot run yet: §1 \\<x>; `deno task`\n"), markdown);

    const html = await Deno.readTextFile(`${folder}/report.html`);
    assert.ok(html.includes('<p class="notice">Means leave out added ones (faces).</p>'));
    assert.ok(
      html.includes('<p class="provenance">Made by <code>deno task</code>: &lt;x&gt;.</p>'),
    );
    assert.ok(html.includes("<p>Not run yet: §1 &lt;x&gt;; <code>deno task</code></p>"));
    assert.ok(html.includes("UFD &lt;1&gt;"), "text is not escaped");
    assert.ok(html.includes("<small>95.0 (−5.0)</small>"));
    assert.ok(html.includes("the paper's (ours minus the paper's)"));
    assert.doesNotMatch(html, /(?:src|poster)=|url\((?!#)/, "the page fetches something");
    const [page, ...scripts] = html.split(/(?=<script)/);
    for (const [, target] of page!.matchAll(/href="([^"]*)"/g)) {
      if (target!.startsWith("#")) assert(page!.includes(`id="${target!.slice(1)}"`), target!);
      // the tables' files are of another writer
      else if (!target!.startsWith("tables/")) {
        assert((await Deno.stat(`${folder}/${target}`)).isFile);
      }
    }
    assert.deepEqual(
      [...page!.matchAll(/<a href="(tables[^"]*)"/g)].map(([, path]) => path),
      ["tables/table_0.csv", "tables/table_0.tex", "tables/table_0.md"],
    );
    assert.deepEqual(
      [...page!.matchAll(/<li><a href="#([^"]*)">([^<]*)</g)].map(([, id, text]) => [id, text]),
      [["0-nothing", "§0 Nothing"], ["table_0", paper.title], ["figure_0", figure.title]],
    );
    assert.deepEqual(
      scripts.map((script) => /^<script(?: type="text\/plain" id="([^"]*)")?>/.exec(script)?.[1]),
      ["packed-vega", "packed-vega-lite", "packed-figures", undefined, undefined],
    );
    const held = gunzipSync(Uint8Array.fromBase64(/>([^<]*)</.exec(scripts[2]!)![1]!));
    const { spec, rows } = JSON.parse(`${held}`)["paper/figures/figure_0"];
    assert.deepEqual(rows, [{ name: "real", value: .5 }]);
    assert.deepEqual([spec.mark, spec.data, spec.usermeta], ["bar", undefined, undefined]);
    assert.match(html, /@media print \{/);
    assertBalanced(page!.replace("</html>", "") + "</body></html>");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("our figures and the paper's stay apart: each has its rows, its picture and its name", async () => {
  const folder = temporaryFolder();
  await writeReport(folder, {
    title: "Both",
    sections: [section(ours, 0.25)],
    published: [section(paper, 0.5)],
    theme: "paper",
  });
  const [markdown, html] = await Promise.all(
    ["report.md", "report.html"].map((name) => Deno.readTextFile(`${folder}/${name}`)),
  );
  const pictures = [...html!.matchAll(
    /<figure data-figure="([^"]+)" [^>]*><figcaption>([^<]+)<\/figcaption><div [^>]*>(<svg .*?<\/svg>)/g,
  )];
  const expected = [["Ours", "figures", "0.25"], ["The paper's", "paper/figures", "0.5"]] as const;
  assert.equal(pictures.length, 2);
  for (const [i, [whose, path, value]] of expected.entries()) {
    assert.equal(
      await Deno.readTextFile(`${folder}/${path}/figure_0.csv`),
      `name,value\nreal,${value}\n`,
    );
    const [, name, caption, picture] = pictures[i]!;
    assert.deepEqual([name, caption], [`${path}/figure_0`, whose]);
    const svg = await Deno.readTextFile(`${folder}/${path}/figure_0.svg`);
    const own = `${path.replace("/", "-")}-figure_0-`;
    assert.equal(
      picture,
      svg.replace(/<style>.*?<\/style>/, "").replace(/(id=")/g, `$1${own}`).replace(
        /labelledby="(\S+) (\S+)"/,
        `labelledby="${own}$1 ${own}$2"`,
      ),
    );
    assert.ok(
      markdown!.includes(`${whose}:\n\n![${whose}: ${figure.title}](${path}/figure_0.svg)`),
    );
    const spec = JSON.parse(await Deno.readTextFile(`${folder}/${path}/figure_0.vl.json`));
    assert.equal(spec.config.range.category[0], "#808000");
  }
});

Deno.test("writeResultsIndex() sets the same table and figure of several reports side by side", async () => {
  const results = temporaryFolder();
  const write = (name: string, table: Table, value: number) =>
    writeReport(join(results, name), {
      title: name,
      notice: `Notice of ${name}`,
      sections: [section(table, value)],
      published: [],
    });
  await write("mini", ours, .25);
  await writeResultsIndex(results);
  assert.equal(await exists(join(results, "index.html")), false, "there is nothing to compare");
  await write("mini/seeds-0-1", { ...paper, id: "table_1" }, .5);
  await Deno.mkdir(join(results, "mini/scores/a"), { recursive: true });
  await Deno.writeTextFile(join(results, "mini/scores/a/report.html"), "<h1>no</h1>");
  await writeResultsIndex(results);
  const html = await Deno.readTextFile(join(results, "index.html"));
  const parts = [...html.matchAll(/<section id="([^"]*)"><h2>([^<]*)<\/h2>([^]*?)<\/section>/g)]
    .map(([, id, title, content]) => [
      id,
      title,
      ...[...content!.matchAll(/<h3><a href="([^"]*)">/g)].map(([, address]) => address),
    ]);
  assert.deepEqual(parts, [
    ["table_0", ours.title, "mini/report.html#table_0"],
    ["figure_0", figure.title, "mini/report.html#figure_0", "mini/seeds-0-1/report.html#figure_0"],
    ["table_1", paper.title, "mini/seeds-0-1/report.html#table_1"],
  ]);
  const files = [...html.matchAll(/(?:href|src)="([^"#]+)/g)].map(([, path]) => path!);
  assert(files.includes("mini/seeds-0-1/figures/figure_0.svg"));
  assert(files.includes("mini/seeds-0-1/tables/table_1.csv"));
  for (const path of files.filter((path) => !path.includes("tables/"))) {
    assert((await Deno.stat(join(results, path))).isFile, path);
  }
  assert.match(html, /Notice of mini<[^]*Notice of mini\/seeds-0-1</);
  assert.match(html, /<span[^>]*>UFD &lt;1&gt;</);
  assertBalanced(html.replace(/<script>[^]*<\/script>/, ""));
});

Deno.test("HTML shows every text of a table as it is", () => {
  const evil = (name: string) => `<b>${name}</b> & "more"`;
  const shown = (name: string) => `&lt;b&gt;${name}&lt;/b&gt; &amp; &quot;more&quot;`;
  const table = (whose: string): Table => ({
    ...paper,
    title: evil("title"),
    caption: evil("caption"),
    columns: [
      { key: "method", name: evil(`${whose} name`), group: evil("group"), unit: "<s>" },
      { key: "text", name: "text" },
    ],
    rows: [{ method: "RINE", text: evil(`${whose} cell`) }, { method: evil(`${whose} row`) }],
  });
  const html = htmlTable(table("our"), beside(table("our"), table("their")));
  const texts = ["title", "caption", "our name", "their name", "group", "our cell", "their cell"];
  for (const name of [...texts, "our row", "their row"]) {
    assert.ok(html.includes(shown(name)), name);
  }
  assert.ok(html.includes("(&lt;s&gt;)"));
  assert.doesNotMatch(html, /<b>|<s>/);
  assertBalanced(html);
});

Deno.test("HTML sets best, second, the paper's and the difference each in its own dress", () => {
  const scored = (values: readonly number[]) => ({
    ...paper,
    columns: [paper.columns[0]!, percentColumn("progan", "ProGAN")],
    rows: values.map((progan, i) => ({ method: `m${i}`, progan })),
  });
  const html = htmlTable(scored([.7, .9, .8]), beside(scored([.7, .9, .8]), scored([.6, .9, .85])));
  const cells = [...html.matchAll(/<td class="number">(.*?)<\/td>/g)].map(([, cell]) => cell);
  assert.deepEqual(cells, [
    '<span class="plain">70.0</span><small>60.0 (+10.0)</small>',
    '<span class="best">90.0</span><small>90.0 (±0.0)</small>',
    '<span class="second">80.0</span><small>85.0 (−5.0)</small>',
  ]);
});

/** Every element that opens closes, in order. */
function assertBalanced(html: string): void {
  const open: string[] = [];
  for (const [tag, slash, name] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)[^>]*>/g)) {
    if (["meta", "img"].includes(name!) || tag.endsWith("/>")) continue;
    if (slash === "") open.push(name!);
    else assert.equal(open.pop(), name, `${tag} closes another element`);
  }
  assert.deepEqual(open, []);
}

Deno.test("HTML says in words what the paper has alone, and what is the same", () => {
  const html = htmlTable(ours, beside(ours, paper));
  assert.match(
    html,
    /<th scope="row"[^>]*><span>UFD &lt;1&gt;<\/span><small>in the paper only<\/small><\/th>/,
  );
  const same = { ...paper, rows: [{ method: "RINE", dim: 128, progan: .9 }] };
  assert.match(
    htmlTable(same, beside(same, paper)),
    /<span class="plain">128<\/span><small>the same<\/small>/,
  );
  assert.match(html, /Zero insertion \(%\)<small>paper: ProGAN<\/small><\/th>/);
  assert.doesNotMatch(htmlTable(paper), /the same|<small>/);
});

Deno.test("a unit that four columns and more share is said once", () => {
  const scored = (count: number): Table => ({
    ...paper,
    columns: Array.from({ length: count }, (_, i) => percentColumn(`s${i}`, `S${i}`)),
    rows: [],
  });
  assert.match(htmlTable(scored(3)), />S0 \(%\)<\/th>/);
  assert.match(htmlTable(scored(4)), /By training\. Numbers are in %\.[^]*>S0<\/th>/);
  assert.match(
    tableToLatex(scored(4)),
    /By training\. Numbers are in \\%\.\}[^]* S0 & S1 & S2 & S3 /,
  );
  const [first, ...others] = scored(5).columns;
  assert.match(
    htmlTable({ ...scored(5), columns: [{ ...first!, unit: "s" }, ...others] }),
    /S1 \(%\)/,
  );
});

Deno.test("tables of more than twelve columns are printed small", () => {
  for (const [count, isWide] of [[12, false], [13, true]] as const) {
    const columns = Array.from({ length: count }, (_, i) => ({ key: `${i}`, name: `${i}` }));
    const table = { id: "x", title: "X", caption: "", columns, rows: [] };
    assert.equal(htmlTable(table).includes('class="wide"'), isWide, `${count}`);
  }
});
