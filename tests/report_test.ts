import assert from "node:assert/strict";
import { inflateSync } from "node:zlib";
import opentype from "opentype.js";
import sharp from "sharp";
import { pngAddress } from "../lib/image/png.ts";
import type { Figure } from "../lib/report/figure.ts";
import { figureToCsv } from "../lib/report/write/csv.ts";
import { textWidth } from "../lib/report/write/font.ts";
import { svgToPdf } from "../lib/report/write/pdf.ts";
import { parseSvg, tidied, writeSvg } from "../lib/report/write/svg.ts";
import { renderFigure } from "../lib/report/write/render.ts";
import { THEMES } from "../lib/report/theme.ts";
import { writeFigure, writeTable } from "../lib/report/write/files.ts";
import { readPdf } from "./pdf_text.ts";
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

Deno.test("renderFigure() gives SVG as wide as one column, its text as text, with letters and a description", async () => {
  const { svg } = await renderFigure({ ...figure, notice: 'not "A & B"' });
  assert.match(svg, /^<svg width="84mm" height="[\d.]+mm" viewBox="0 0 /);
  const texts = [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text);
  for (const label of ["real ξ", "generated, d′", "what", "share", "not &quot;A &amp; B&quot;"]) {
    assert(texts.includes(label), `${label} in ${texts}`);
  }
  assert.match(
    svg,
    / role="img" aria-labelledby="figure_0-title figure_0-description"><title id="figure_0-title">Figure 0\. Two bars<\/title><desc id="figure_0-description">A test\. not &quot;A &amp; B&quot;\.<\/desc>/,
  );
  // a stand-in of the same widths, where the letters that come along are not read
  assert.match(svg, /font-family="Arimo, Arial, Liberation Sans, sans-serif"/);
  const [, range, font] =
    /@font-face\{font-family:Arimo;font-weight:normal;unicode-range:([^;]*);src:url\(data:font\/otf;base64,([^)]*)\)/
      .exec(svg)!;
  const face = opentype.parse(Uint8Array.fromBase64(font!).buffer);
  for (const letter of "real ξ′&") {
    assert(face.charToGlyph(letter).index > 0, `no ${letter}`);
    assert(range!.split(",").includes(`U+${letter.codePointAt(0)!.toString(16)}`), letter);
  }
  assert.equal(face.charToGlyph("Z").index, 0, "a letter that no text has");
  // at the first second of 1904, so that equal figures are equal files at any time
  const { created, modified } = face.tables.head;
  assert.deepEqual([created, modified], [-2_082_844_800, -2_082_844_800]);
  const words = new DataView(Uint8Array.fromBase64(font!).buffer);
  let sum = 0;
  for (let at = 0; at < words.byteLength; at += 4) sum = (sum + words.getUint32(at)) >>> 0;
  assert.equal(sum, 0xb1b0afba, "the sum that every font has");
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

Deno.test("renderFigure() gives a one-page PDF with its text, in a typeface that it carries along", async () => {
  const { pdf } = await renderFigure({ ...figure, notice: "a notice" });
  const { widthPt, texts, title } = await readPdf(pdf);
  assert.equal(title, "Figure 0. Two bars");
  assert.ok(Math.abs(widthPt - 84 / 25.4 * 72) < 0.01);
  const found = texts.map(({ text }) => text);
  for (const label of ["real ξ", "generated, d′", "what", "share", "a notice"]) {
    assert(found.includes(label), `${label} in ${found}`);
  }
  const share = texts.find(({ text }) => text === "share")!;
  const [left, bottom, right, top] = share.box;
  assert(top - bottom > right - left, "the title of the y axis stands upright");
  const file = new TextDecoder("latin1").decode(pdf);
  assert.match(file, /\/FontFile[23] /);
  assert.match(file, /\/BaseFont \/[A-Z]{6}\+Arimo/);
  assert.match(file, /\/S \/Figure/);
  assert.match(file, /\/Alt \(Figure 0\. Two bars\. A test\. a notice\.\)/);
});

/** What a PDF draws, with its numbers, and what it fades by. */
async function operators(svg: string): Promise<string> {
  const pdf = await svgToPdf(parseSvg(svg), 100, { title: "T", description: "D" });
  const file = new TextDecoder("latin1").decode(pdf);
  const { index, 0: head } = /\/Filter \/FlateDecode\n>>\nstream\n/.exec(file)!;
  return inflateSync(pdf.subarray(index + head.length)).toString();
}

Deno.test("svgToPdf() draws groups, clips, curves, dashes and opacity with PDF's operators", async () => {
  const drawn = await operators(
    `<svg viewBox="0 0 10 20"><defs><clipPath id="c"><rect x="1" y="2" width="3" height="4"/></clipPath></defs>` +
      `<g clip-path="url(#c)" transform="translate(2,3)" opacity="0.5">` +
      `<path fill="#f00" fill-opacity="0.5" d="M0,0Q3,0,3,3Z"/></g>` +
      `<line stroke="rgb(0, 0, 255)" stroke-dasharray="2,1" stroke-width="3" x2="4" y2="5"/></svg>`,
  );
  const after = (first: string, second: string) =>
    assert(drawn.indexOf(second, drawn.indexOf(first)) > 0, `${second} after ${first}:\n${drawn}`);
  // ten pixels are as wide as the page, from its top downwards
  assert.match(drawn, /^1 0 0 -1 0 200 cm\n/);
  after("200 cm", "10 0 0 10 0 0 cm");
  after("10 0 0 10", "1 0 0 1 2 3 cm");
  after("2 3 cm", "1 2 3 4 re\nW n");
  after("W n", "0 0 m\n2 0 3 1 3 3 c\nh");
  after("3 3 c", "1 0 0 scn");
  after("scn", "f\nQ\nQ\n");
  after("f\nQ\nQ\n", "0 0 m\n4 5 l");
  after("4 5 l", "0 0 1 SCN");
  after("0 0 1 SCN", "3 w 0 J 0 j 4 M [2 1] 0 d");
  const pdf = await svgToPdf(
    parseSvg(
      `<svg viewBox="0 0 1 1"><g opacity="0.5"><path fill-opacity="0.5" d="M0,0L1,1Z"/></g></svg>`,
    ),
    10,
    { title: "T", description: "D" },
  );
  assert.match(new TextDecoder("latin1").decode(pdf), /\/ca 0\.25\b/);
});

Deno.test("svgToPdf() says what it cannot draw", async () => {
  const refused = (svg: string, message: string) =>
    assert.rejects(operators(`<svg viewBox="0 0 1 1">${svg}</svg>`), { message });
  await refused(
    "<foreignObject/>",
    "Cannot write PDF: expected what vega draws with, found <foreignObject>",
  );
  await refused(
    `<path fill="url(#g)" d="M 0 0 L 1 1"/>`,
    "Cannot write PDF: expected a colour, found url(#g)",
  );
  await refused(
    `<image href="https://example.org/a.png"/>`,
    "Cannot write PDF: expected images as PNG or JPEG, found https://example.org/a.png",
  );
});

Deno.test("a colour that runs, as in a legend of numbers, runs in the PDF too", async () => {
  const { pdf } = await renderFigure({
    ...figure,
    rows: [{ x: 1, heat: 2 }, { x: 2, heat: 3 }],
    spec: {
      mark: "point",
      encoding: {
        x: { field: "x", type: "quantitative" },
        color: { field: "heat", type: "quantitative" },
      },
    },
  });
  const file = new TextDecoder("latin1").decode(pdf);
  assert.match(file, /\/ShadingType 2/);
});

Deno.test("svgToPdf() puts an image's pixels where the SVG has it, and those of one address once", async () => {
  const picture = { width: 2, height: 1, data: Uint8Array.of(1, 2, 3, 4, 5, 6) };
  const address = pngAddress(picture);
  const image = (x: number) => `<image x="${x}" y="4" width="6" height="3" href="${address}"/>`;
  const svg = `<svg viewBox="0 0 10 20">${image(1)}${image(2)}</svg>`;
  const drawn = await operators(svg);
  for (const x of [1, 2]) assert(drawn.includes(`6 0 0 -3 ${x} 7 cm\n/I1 Do`), drawn);
  const pdf = await svgToPdf(parseSvg(svg), 100, { title: "T", description: "D" });
  const file = new TextDecoder("latin1").decode(pdf);
  assert.equal(file.match(/\/Subtype \/Image/g)!.length, 1);
  const { index, 0: head } = /\/Subtype \/Image[^]*?>>\nstream\n/.exec(file)!;
  // a line that says how it is filtered, then its values
  assert.deepEqual([...inflateSync(pdf.subarray(index + head.length))], [2, 1, 2, 3, 4, 5, 6]);
});

Deno.test("an SVG is read and written again without what shows nothing", () => {
  const text = "a &lt; b &amp; &quot;c&quot;";
  const svg = `<svg viewBox="0 0 9 9"><g class="x"><g transform="translate(0,0)">` +
    `<path d="M0,0h9" role="y"/><path fill="#111" d="M0.12345,1L2,3" opacity="1"/>` +
    `<path fill="#111" d="M1,1L2,3" aria-label="z"/></g></g>` +
    `<text fill="none" display="none">gone</text><text fill="red">${text}</text></svg>`;
  assert.equal(parseSvg(svg).children[2]!.text, 'a < b & "c"');
  assert.equal(
    writeSvg(tidied(parseSvg(svg))!),
    `<svg viewBox="0 0 9 9"><g fill="#111"><path d="M0.12,1L2,3"/><path d="M1,1L2,3"/></g>` +
      `<text fill="red">${text}</text></svg>`,
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

Deno.test("figureToCsv() writes all digits that are sure and quotes what needs it", () => {
  const rows = [
    { size: "128\n0.18 M", value: 1 / 3 },
    { size: 'a "b", c', value: 1 },
    { size: "sum", value: .7247500000000001 + .1 },
    { size: "large", value: 2 ** 53 - 1 },
  ];
  assert.equal(
    figureToCsv({ ...figure, rows }),
    'size,value\n"128\n0.18 M",0.333333333333333\n"a ""b"", c",1\nsum,0.82475\n' +
      "large,9007199254740991\n",
  );
});
