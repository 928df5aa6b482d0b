import assert from "node:assert/strict";
import { join } from "node:path";
import { type Figure, plot, save, toCSV, toLatex, writeFigure } from "../lib/mod.ts";
import { tensor } from "../lib/io/tensor.ts";
import { renderFigure } from "../lib/report/write/render.ts";
import { tableToLatex } from "../lib/report/write/latex.ts";
import { figure, table } from "./cell.ts";
import { readPdf } from "./pdf_text.ts";
import { inFolder } from "./temporary.ts";

const ROWS = [
  { backbone: "L", q: 1, acc: .9, tried: true, nested: { a: 1 } },
  { backbone: "B", q: 2, acc: .8, tried: false, nested: { a: 2 } },
];

/** A row as a session gives it. */
const RUN = {
  experiment: "grid",
  classes: ["cat", "horse"],
  head: { projectionLayers: 2, variant: "full" },
  test: { a: { acc: .5, ap: .6 }, b: { acc: .75, ap: .8 } },
};

Deno.test("plot() takes a mark and fields, and fills in the rest", async () => {
  const made = plot(ROWS, { mark: "point", x: "q", y: "acc", color: "backbone" });
  assert.deepEqual(made, {
    id: "plot",
    title: "Plot",
    caption: "acc by q and backbone.",
    columns: 1,
    rows: [
      { backbone: "L", q: 1, acc: .9, tried: "true" },
      { backbone: "B", q: 2, acc: .8, tried: "false" },
    ],
    spec: {
      width: 280,
      height: 180,
      mark: "point",
      encoding: {
        x: { field: "q", type: "quantitative", scale: { zero: false } },
        y: { field: "acc", type: "quantitative", scale: { zero: false } },
        color: { field: "backbone", type: "nominal" },
      },
    },
  });
  assert.match((await renderFigure(made)).svg, /^<svg/);
});

Deno.test("plot() takes vega-lite as it is, and what stands around a figure", async () => {
  const made = plot(ROWS, {
    width: 100,
    mark: { type: "bar" },
    encoding: { x: { field: "backbone", title: "which" }, y: { aggregate: "mean", field: "acc" } },
    row: "q",
  }, { id: "mine", title: "Mine", caption: "", columns: 2, notice: "not the paper's" });
  const { rows: _, spec, ...around } = made;
  assert.deepEqual(around, {
    ...{ id: "mine", title: "Mine", caption: "", columns: 2, notice: "not the paper's" },
  });
  assert.deepEqual(spec, {
    width: 100,
    height: 180,
    mark: { type: "bar" },
    encoding: {
      x: { field: "backbone", title: "which", type: "nominal" },
      y: { aggregate: "mean", field: "acc", type: "quantitative" },
      row: { field: "q", type: "nominal" },
    },
  });
  assert.match((await renderFigure(made)).svg, /^<svg/);
  const layered = { layer: [{ mark: "bar", encoding: { x: { field: "q", type: "ordinal" } } }] };
  assert.deepEqual(plot(ROWS, layered).spec, { width: 280, height: 180, ...layered });
});

Deno.test("rows of a session are drawn by their heads' fields and their mean measures", () => {
  const [row] = plot([RUN], { mark: "point", x: "projectionLayers", y: "acc" }).rows;
  assert.deepEqual(row, {
    experiment: "grid",
    classes: "cat, horse",
    projectionLayers: 2,
    variant: "full",
    acc: .625,
    ap: .7,
  });
});

Deno.test("what a plot is given amiss is named", () => {
  const says = (call: () => unknown, message: RegExp) => assert.throws(call, message);
  says(
    () => plot(ROWS, { mark: "pont", x: "q" }),
    /^UserError: Cannot plot: expected a mark of point, line, .*; found pont$/,
  );
  says(
    () => plot(ROWS, { mark: "point", x: "d" }),
    /expected a field of backbone, q, acc, tried; found d$/,
  );
  says(() => plot([], { mark: "point" }), /expected rows, found none$/);
  const promised = Promise.resolve(ROWS) as unknown as object[];
  says(() => plot(promised, { mark: "point" }), /found a promise; write await before it$/);
});

Deno.test("rows, tables and figures are written as CSV", () => {
  assert.equal(
    toCSV(ROWS),
    "backbone,q,acc,tried\nL,1,0.9,true\nB,2,0.8,false\n",
  );
  assert.equal(
    toCSV([RUN]),
    'projectionLayers,variant,experiment,classes,acc,ap\n2,full,grid,"cat, horse",0.625,0.7\n',
  );
  assert.equal(toCSV(plot(ROWS, { mark: "point", x: "q" })), toCSV(ROWS));
  assert.match(toCSV(table), /\n/);
});

Deno.test("rows are a table in LaTeX, all of them", () => {
  const many = Array.from({ length: 60 }, (_, q) => ({ q, name: `a_${q}` }));
  const tex = toLatex(many);
  assert.equal([...tex.matchAll(/a\\_\d+ \\\\/g)].length, 60);
  assert.match(tex, /\\caption\{60 rows\.\}/);
  assert.equal(toLatex(table), tableToLatex(table));
});

Deno.test("a table of many columns has turned headings, and fits the text's width", () => {
  const row = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`c${i}`, i]));
  const wide = toLatex([{ name: "x", ...row }]);
  assert.match(
    wide,
    /\\setlength\{\\tabcolsep\}\{2pt\}\n {2}\\resizebox\{\\textwidth\}\{!\}\{%\n {2}\\begin\{tabular\}/,
  );
  assert.match(wide, /name & \\rotatebox\{90\}\{c0\} &/);
  assert.match(wide, /\\end\{tabular\}\}\n/);
  const { c8: _, c7: __, ...narrow } = row;
  assert.doesNotMatch(toLatex([{ name: "x", ...narrow }]), /resizebox|rotatebox/);
});

/** Size of the smallest text in points, where a figure is some millimetres wide. */
async function smallestPt(pdf: Uint8Array, widthMm: number): Promise<number> {
  const { widthPt, texts } = await readPdf(pdf);
  assert.ok(texts.length > 2, "labels are drawn");
  return Math.min(...texts.map(({ sizePt }) => sizePt)) * (widthMm / 25.4 * 72) / widthPt;
}

Deno.test("a figure is saved as wide as is wanted, with text that can be read", () =>
  inFolder(async (folder) => {
    const wide: Figure = {
      ...plot(ROWS, { mark: "point", x: "q", y: "acc", width: 560 }),
      columns: 2,
    };
    const path = join(folder, "figure.pdf");
    await save(wide, path, { widthMm: 122 });
    const { widthPt } = await readPdf(await Deno.readFile(path));
    assert.ok(Math.abs(widthPt - 122 / 25.4 * 72) < .01, `${widthPt}`);
    const usual = await renderFigure(wide), narrow = await renderFigure(wide, "default", 122);
    assert.ok(await smallestPt(usual.pdf, 122) < 6, "scaled alone it is too small");
    assert.ok(await smallestPt(narrow.pdf, 122) > 6.3);
    assert.match(narrow.svg, /^<svg width="122mm"/);
    const asItWas = await renderFigure(wide, "default", 174);
    assert.equal(asItWas.svg, usual.svg, "text that is large enough stays");

    await save(wide, join(folder, "a.svg"), { widthMm: "column" });
    assert.match(await Deno.readTextFile(join(folder, "a.svg")), /^<svg width="84mm"/);
    await save(figure, join(folder, "a.png"));
    assert.deepEqual(
      (await Deno.readFile(join(folder, "a.png"))).slice(1, 4),
      Uint8Array.of(80, 78, 71),
    );
    await save(figure, join(folder, "a.json"));
    const { data } = JSON.parse(await Deno.readTextFile(join(folder, "a.json")));
    assert.deepEqual(data.values, figure.rows);
  }));

Deno.test("tables, rows and tensors are saved by the file's name", () =>
  inFolder(async (folder) => {
    const saved = async (thing: Parameters<typeof save>[0], name: string) => {
      await save(thing, join(folder, name));
      return await Deno.readTextFile(join(folder, name));
    };
    assert.equal(await saved(ROWS, "rows.csv"), toCSV(ROWS));
    assert.equal(await saved(ROWS, "rows.tex"), toLatex(ROWS));
    assert.deepEqual(JSON.parse(await saved(ROWS, "rows.json")), ROWS);
    assert.match(await saved(table, "table.md"), /\|/);
    assert.equal(await saved(table, "table.CSV"), toCSV(table));

    const path = join(folder, "tokens.npy");
    await save(tensor(Float32Array.of(1, 2, 3, 4, .5, -1), [1, 2, 3]), path);
    const bytes = await Deno.readFile(path);
    const text = String.fromCharCode(...bytes.slice(0, 128));
    assert.ok(text.startsWith("\x93NUMPY\x01\x00"));
    assert.match(text, /\{'descr': '<f4', 'fortran_order': False, 'shape': \(1, 2, 3\), \} *\n$/);
    assert.deepEqual(
      new Float32Array(bytes.slice(128).buffer),
      Float32Array.of(1, 2, 3, 4, .5, -1),
    );
    const fails = (call: Promise<void>, message: RegExp) => assert.rejects(call, message);
    await fails(save(figure, "figure.docx"), /a name of \.pdf, .* for figure; found figure\.docx$/);
    await fails(save(figure, "a.pdf", { widthMm: 5 }), /widthMm from 20 to 2000, .*; found 5$/);
    await fails(save(figure, "a.pdf", { width: 122 } as object), /found width$/);
    await fails(save(Promise.resolve(ROWS) as never, "a.csv"), /found a promise; write await/);
  }));

Deno.test("writeFigure() draws at a width, draws anew at another, and refuses what it does not know", () =>
  inFolder(async (folder) => {
    const width = async () =>
      /width="([^"]*)"/.exec(await Deno.readTextFile(join(folder, `${figure.id}.svg`)))![1];
    assert.equal(await writeFigure(folder, figure, { widthMm: 122 }), "written");
    assert.equal(await width(), "122mm");
    assert.equal(await writeFigure(folder, figure, { widthMm: 122 }), "up to date");
    assert.equal(await writeFigure(folder, figure), "written");
    assert.equal(await width(), "84mm");
    await assert.rejects(
      writeFigure(folder, figure, { width: 122 } as object),
      /^UserError: Cannot write a figure: expected options of theme, force, widthMm; found width$/,
    );
  }));
