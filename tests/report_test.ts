import assert from "node:assert/strict";
import { inflateSync } from "node:zlib";
import sharp from "sharp";
import { pngAddress } from "../lib/image/png.ts";
import type { Figure } from "../lib/report/figure.ts";
import { scoreScale } from "../lib/report/marks.ts";
import { figureToCsv } from "../lib/report/write/csv.ts";
import { textWidth } from "../lib/report/write/font.ts";
import { svgToPdf } from "../lib/report/write/pdf.ts";
import { renderFigure } from "../lib/report/write/render.ts";
import { THEMES } from "../lib/report/theme.ts";
import { writeFigure, writeTable } from "../lib/report/write/files.ts";
import { inFolder } from "./temporary.ts";

const figure: Figure = {
  id: "figure_0",
  title: "Figure 0. Two bars",
  caption: "A test.",
  columns: 1,
  rows: [{ name: "real ξ", value: 0.5 }, { name: "generated, d′", value: 0.75 }],
  spec: {
    width: 240,
    height: 100,
    mark: "bar",
    encoding: {
      x: { field: "name", type: "nominal", title: "what" },
      y: { field: "value", type: "quantitative", title: "share" },
    },
  },
};

Deno.test("renderFigure() gives SVG without text elements, as wide as one column", async () => {
  const { svg } = await renderFigure(figure);
  assert.match(svg, /^<svg width="84mm" height="[\d.]+mm" viewBox="0 0 /);
  assert.ok(!svg.includes("<text"), "text depends on installed fonts");
  const wordless = await renderFigure({
    ...figure,
    rows: [{ name: "", value: 0.5 }, { name: " ", value: 0.75 }],
  });
  assert.ok(svg.length > wordless.svg.length + 2000, "labels left no outlines");
});

Deno.test("renderFigure() gives PNG of 300 dots per inch with ink where the labels are", async () => {
  const { png } = await renderFigure(figure);
  const { width, height, density } = await sharp(png).metadata();
  assert.equal(width, Math.round(84 / 25.4 * 300));
  assert.equal(density, 300);
  const strip = await sharp(png).extract({
    left: 0,
    top: Math.floor(height * 0.8),
    width,
    height: Math.floor(height * 0.15),
  }).stats();
  assert.ok(strip.channels[0]!.min < 60, "no dark pixel below the bars");
});

Deno.test("renderFigure() gives a one-page PDF whose cross-references are right", async () => {
  const { pdf } = await renderFigure(figure);
  const text = new TextDecoder("latin1").decode(pdf);
  assert.ok(text.startsWith("%PDF-1.4\n"));
  const [, width] = text.match(/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]/)!;
  assert.ok(Math.abs(Number(width) - 84 / 25.4 * 72) < 0.01);
  const table = Number(text.match(/startxref\n(\d+)/)![1]);
  assert.ok(text.slice(table).startsWith("xref\n"));
  const places = [...text.slice(table).matchAll(/^(\d{10}) 00000 n $/gm)].map((m) => Number(m[1]));
  assert.ok(places.length >= 5);
  places.forEach((place, i) => assert.ok(text.slice(place).startsWith(`${i + 1} 0 obj\n`)));
  const stream = text.match(/\/Length (\d+) \/Filter \/FlateDecode >>\nstream\n/)!;
  const start = stream.index! + stream[0].length;
  const content = inflateSync(pdf.subarray(start, start + Number(stream[1]))).toString();
  assert.ok(content.split("\n").filter((line) => line.endsWith(" c")).length > 300, "few curves");
  assert.ok(!/NaN|undefined|Infinity/.test(content));
});

Deno.test("svgToPdf() draws groups, clips, curves and opacity with PDF's operators", () => {
  const pdf = svgToPdf(
    `<svg viewBox="0 0 10 20"><defs><clipPath id="c"><path d="M 0 0 L 9 0 L 9 9 Z"/></clipPath></defs>` +
      `<g clip-path="url(#c)" transform="matrix(1 0 0 1 2 3)">` +
      `<path fill="#ff0000" fill-opacity="0.5" stroke="none" d="M 0 0 Q 3 0 3 3 Z"/></g>` +
      `<g opacity="0.25"><path fill="none" stroke="#000000" stroke-dasharray="2 1" d="M 1 1 L 2 2"/></g></svg>`,
    100,
    "T",
  );
  const text = new TextDecoder("latin1").decode(pdf);
  const streams = [...text.matchAll(/\/Length (\d+) \/Filter \/FlateDecode >>\nstream\n/g)].map((
    m,
  ) =>
    inflateSync(pdf.subarray(m.index + m[0].length, m.index + m[0].length + Number(m[1])))
      .toString()
  );
  assert.equal(streams.length, 2);
  assert.equal(
    streams[0],
    [
      "10 0 0 -10 0 200 cm",
      "q",
      "1 0 0 1 2 3 cm",
      "0 0 m\n9 0 l\n9 9 l\nh",
      "W n",
      "q",
      "/G0 gs",
      "1 0 0 rg",
      "0 0 m\n2 0 3 1 3 3 c\nh",
      "f",
      "Q",
      "Q",
      "q",
      "/G1 gs",
      "/X0 Do",
      "Q",
    ].join("\n"),
  );
  assert.match(streams[1]!, /^q\n0 0 0 RG\n1 w\n0 J\n0 j\n4 M\n\[2 1\] 0 d\n1 1 m\n2 2 l\nS\nQ$/);
  assert.match(text, /\/MediaBox \[0 0 100 200\]/);
  assert.match(text, /\/G0 << \/ca 0.5 \/CA 1 >> \/G1 << \/ca 0.25 \/CA 0.25 >>/);
  const refused = (svg: string, found: string) =>
    assert.throws(() => svgToPdf(`<svg viewBox="0 0 1 1">${svg}</svg>`, 10, "T"), {
      name: "Error",
      message: `Cannot write PDF: expected ${found}`,
    });
  refused("<text/>", "groups, paths and images, found <text>");
  refused(`<path fill="url(#g)" d="M 0 0 L 1 1"/>`, "plain colours, found url(#g)");
});

Deno.test("svgToPdf() puts an image's pixels where the SVG has it, and those of one address once", () => {
  const picture = { width: 2, height: 1, data: Uint8Array.of(1, 2, 3, 4, 5, 6) };
  // as resvg writes it, with a space
  const address = pngAddress(picture).replace(",", ", ");
  const image = (x: number) =>
    `<image x="${x}" y="4" width="6" height="3" xlink:href="${address}"/>`;
  const pdf = svgToPdf(`<svg viewBox="0 0 10 20">${image(1)}${image(2)}</svg>`, 100, "T");
  const text = new TextDecoder("latin1").decode(pdf);
  const streams = [...text.matchAll(/\/Length (\d+) \/Filter \/FlateDecode >>\nstream\n/g)]
    .map((m) =>
      inflateSync(pdf.subarray(m.index + m[0].length, m.index + m[0].length + Number(m[1])))
    );
  assert.equal(streams.length, 2);
  assert.equal(
    streams[0]!.toString(),
    [
      "10 0 0 -10 0 200 cm",
      ...["q", "6 0 0 -3 1 7 cm", "/I0 Do", "Q"],
      ...["q", "6 0 0 -3 2 7 cm", "/I0 Do", "Q"],
    ].join("\n"),
  );
  // a line that says how it is filtered, then its values
  assert.deepEqual([...streams[1]!], [2, 1, 2, 3, 4, 5, 6]);
  assert.match(text, /\/XObject << \/I0 6 0 R >>/);
  assert.match(
    text,
    /6 0 obj\n<< \/Type \/XObject \/Subtype \/Image \/Width 2 \/Height 1 .*\/Predictor 15 .*\/Columns 2 >>/,
  );
});

Deno.test("equal figures give equal bytes, and every theme its own", async () => {
  const drawn = await Promise.all(
    [...THEMES, THEMES[0]].map((theme) => renderFigure(figure, theme)),
  );
  assert.ok(drawn[0]!.svg === drawn.at(-1)!.svg);
  assert.deepEqual(drawn[0]!.png, drawn.at(-1)!.png);
  assert.deepEqual(drawn[0]!.pdf, drawn.at(-1)!.pdf);
  assert.ok(drawn[0]!.svg !== drawn[1]!.svg);
});

Deno.test("a notice stands on the face of a figure", async () => {
  const plain = await renderFigure(figure);
  const noticed = await renderFigure({ ...figure, notice: "mini profile" });
  assert.ok(noticed.svg.length > plain.svg.length + 1000);
});

Deno.test("renderFigure() refuses a figure that vega-lite would warn of", async () => {
  const wrong = { ...figure, spec: { mark: "bar", encoding: { shape: { field: "name" } } } };
  await assert.rejects(renderFigure(wrong), /Cannot draw figure: .*shape/);
});

Deno.test("textWidth() gives the advance widths of the typeface", () => {
  // Arimo has Arial's: 1139/2048 for a digit, 569/2048 for a space, 1479/2048 for C.
  assert.ok(Math.abs(textWidth("0", 2048) - 1139) < 1e-9);
  assert.ok(Math.abs(textWidth("C 0", 2048) - (1479 + 569 + 1139)) < 1e-9);
  assert.ok(textWidth("bold", 10, "bold") > textWidth("bold", 10));
  for (const symbol of "ξ′τ×±−§≤") {
    assert.notEqual(
      textWidth(symbol, 2048),
      textWidth("\u{10ffff}", 2048),
      `no glyph for ${symbol}`,
    );
  }
});

Deno.test("writeFigure() draws once, again when rows, theme or a file changed, and when forced", async () => {
  await inFolder(async (folder) => {
    assert.equal(await writeFigure(folder, figure), "written");
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), [
      "figure_0.csv",
      "figure_0.pdf",
      "figure_0.png",
      "figure_0.svg",
      "figure_0.vl.json",
    ]);
    assert.equal(await writeFigure(folder, figure), "up to date");
    assert.equal(await writeFigure(folder, figure, { force: true }), "written");
    assert.equal(await writeFigure(folder, figure, { theme: "paper" }), "written");
    const rows = [{ name: "real", value: 0.25 }];
    assert.equal(await writeFigure(folder, { ...figure, rows }, { theme: "paper" }), "written");
    assert.equal(Deno.readTextFileSync(`${folder}/figure_0.csv`), "name,value\nreal,0.25\n");
    Deno.removeSync(`${folder}/figure_0.png`);
    assert.equal(await writeFigure(folder, { ...figure, rows }, { theme: "paper" }), "written");
    const spec = JSON.parse(Deno.readTextFileSync(`${folder}/figure_0.vl.json`));
    assert.deepEqual(spec.data, { url: "figure_0.csv" });
    Deno.writeTextFileSync(`${folder}/figure_0.vl.json`, "{");
    assert.equal(await writeFigure(folder, { ...figure, rows }, { theme: "paper" }), "written");
  });
});

Deno.test("writeTable() leaves files alone that hold the same", async () => {
  await inFolder(async (folder) => {
    const table = {
      id: "table_0",
      title: "T",
      caption: "C.",
      columns: [{ key: "a", name: "a" }],
      rows: [{ a: 1 }],
    };
    assert.equal(await writeTable(folder, table), "written");
    assert.equal(await writeTable(folder, table), "up to date");
    assert.equal(await writeTable(folder, { ...table, rows: [{ a: 2 }] }), "written");
    assert.equal(Deno.readTextFileSync(`${folder}/table_0.csv`), "a\n2\n");
  });
});

Deno.test("figureToCsv() writes numbers unrounded and quotes what needs it", () => {
  const rows = [{ size: "128\n0.18 M", value: 1 / 3 }, { size: 'a "b", c', value: 1 }];
  assert.equal(
    figureToCsv({ ...figure, rows }),
    'size,value\n"128\n0.18 M",0.3333333333333333\n"a ""b"", c",1\n',
  );
});

Deno.test("scoreScale() holds all values with room, within 0 and 1", () => {
  assert.deepEqual(scoreScale([{ value: 0.801 }, { value: 0.93 }])["domain"], [0.75, 0.95]);
  assert.deepEqual(scoreScale([{ value: 0.001 }, { value: 1 }])["domain"], [0, 1]);
});
