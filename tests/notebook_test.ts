import { UserError } from "../lib/io/errors.ts";
import assert from "node:assert/strict";
import { decodeImageBytes } from "../lib/image/image.ts";
import { inOneLine, isNotebook } from "../lib/session/kernel.ts";
import { mediaBundles } from "../lib/session/media.ts";
import { CellProgress, progressMedia } from "../lib/session/progress.ts";
import { show } from "../lib/session/show.ts";
import type { Figure } from "../lib/report/figure.ts";
import { figure, inKernel, table } from "./cell.ts";
import { noiseImage } from "./image_samples.ts";

const VEGA = "application/vnd.vega.v5+json", VEGA_LITE = "application/vnd.vegalite.v5+json";

Deno.test("a figure is shown as vega-lite with its rows, as Vega, SVG, PNG and text", async () => {
  const [picture, caption] = await mediaBundles(figure);
  assert.ok(picture && caption);
  const spec = picture[VEGA_LITE] as Record<string, unknown>;
  assert.equal(spec["$schema"], "https://vega.github.io/schema/vega-lite/v5.json");
  assert.deepEqual(spec["data"], { values: figure.rows });
  assert.match(JSON.stringify(spec["title"]), /Not the paper's/);
  // as large as a notebook's own text
  const { axis } = spec["config"] as { axis: { labelFontSize: number } };
  assert.ok(axis.labelFontSize > 12 && axis.labelFontSize < 14, `${axis.labelFontSize} pixels`);
  const vega = picture[VEGA] as Record<string, unknown>;
  assert.equal(vega["$schema"], "https://vega.github.io/schema/vega/v5.json");
  assert.ok(Array.isArray(vega["marks"]));
  assert.match(picture["image/svg+xml"] as string, /^<svg .*<path/s);
  const png = await decodeImageBytes(
    Uint8Array.fromBase64(picture["image/png"] as string),
    "figure",
  );
  assert.ok(png.width > 900, "84 mm at 300 dots an inch");
  const [, shownPx] = /width: (\d+)px/.exec(picture["text/markdown"] as string)!;
  const [, drawnPx] = /viewBox="0 0 (\d+)/.exec(picture["image/svg+xml"] as string)!;
  assert.equal(Number(shownPx), Math.round(1.35 * Number(drawnPx)));
  assert.equal(picture["text/plain"], "Figure 0. Two bars. A test.");
  assert.equal(caption["text/markdown"], "**Figure 0. Two bars.** A test.");
});

Deno.test("no front end prefers the Markdown picture of a figure to vega-lite by being HTML", async () => {
  const [picture] = await mediaBundles(figure);
  assert.equal(picture!["text/html"], undefined);
  const [, data] = /src="data:image\/svg\+xml;base64,([^"]+)"/.exec(
    picture!["text/markdown"] as string,
  )!;
  assert.match(new TextDecoder().decode(Uint8Array.fromBase64(data!)), /^<svg .*<path/s);
});

Deno.test("marks of a figure have tooltips where a front end draws it", async () => {
  const [picture] = await mediaBundles(figure);
  assert.match(JSON.stringify(picture![VEGA]), /"tooltip":\{"signal":"datum"\}/);
});

Deno.test("two figures on one page share no id", async () => {
  const other = { ...figure, rows: figure.rows.slice(1) };
  const [ids, others] = await Promise.all([figure, other].map(async (figure) => {
    const [picture] = await mediaBundles(figure);
    const svg = picture!["image/svg+xml"] as string;
    const ids = [...svg.matchAll(/\bid="([^"]+)"/g)].map(([, id]) => id!);
    for (const [, used] of svg.matchAll(/url\(#([^)]+)\)/g)) assert.ok(ids.includes(used!));
    return ids;
  }));
  assert.ok(ids!.length > 0, "the figure clips");
  assert.equal(ids!.find((id) => others!.includes(id)), undefined);
});

Deno.test("a figure of very many marks is shown as PNG and not as SVG", async () => {
  const rows = Array.from({ length: 8000 }, (_, i) => ({ x: i, y: i * 7919 % 1000 }));
  const [picture] = await mediaBundles({
    ...figure,
    rows,
    spec: {
      ...figure.spec,
      mark: "point",
      encoding: {
        x: { field: "x", type: "quantitative" },
        y: { field: "y", type: "quantitative" },
      },
    },
  });
  assert.equal(picture!["image/svg+xml"], undefined);
  assert.match(picture!["text/markdown"] as string, /data:image\/png/);
});

Deno.test("a table is shown as HTML that escapes and as Markdown, both with the notice", async () => {
  const [bundle] = await mediaBundles(table);
  const html = bundle!["text/html"] as string;
  assert.match(html, /Runs &lt;now&gt;/);
  assert.match(html, /<span class="best">75.0<\/span>/);
  assert.match(html, /Not the paper's/);
  assert.match(bundle!["text/plain"] as string, /\| b \| \*\*75.0\*\* \|/);
});

Deno.test("a report is shown tables first", async () => {
  const bundles = await mediaBundles({ tables: [table], figures: [figure] });
  assert.deepEqual(bundles.map((bundle) => Object.keys(bundle)[0]), [
    "text/html",
    VEGA,
    "text/markdown",
  ]);
});

Deno.test("an image is shown as a PNG of its pixels", async () => {
  const image = noiseImage(130, 20);
  const [bundle] = await mediaBundles(image);
  const png = Uint8Array.fromBase64(bundle!["image/png"] as string);
  assert.deepEqual(await decodeImageBytes(png, "png"), image);
  assert.equal(bundle!["text/plain"], "image, 130 × 20 pixels");
});

Deno.test("a very small image is enlarged by a whole factor, pixel by pixel", async () => {
  const image = noiseImage(50, 2);
  const [bundle] = await mediaBundles(image);
  const { width, height, data } = await decodeImageBytes(
    Uint8Array.fromBase64(bundle!["image/png"] as string),
    "png",
  );
  assert.deepEqual([width, height], [150, 6]);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (Math.floor(y / 3) * 50 + Math.floor(x / 3)) * 3;
      const at = (y * width + x) * 3;
      assert.deepEqual(data.slice(at, at + 3), image.data.slice(from, from + 3));
    }
  }
});

Deno.test("captioned images stand side by side in HTML that escapes", async () => {
  const [bundle] = await mediaBundles([
    { image: noiseImage(8, 8), caption: "a < b" },
    { image: noiseImage(9, 9), caption: "c" },
  ]);
  const html = bundle!["text/html"] as string;
  assert.equal([...html.matchAll(/<img [^>]*src="data:image\/png;base64,/g)].length, 2);
  assert.match(html, /<figcaption>a &lt; b<\/figcaption>/);
  assert.equal(bundle!["text/plain"], "a < b (image, 8 × 8 pixels)\nc (image, 9 × 9 pixels)");
});

Deno.test("a list of objects is shown as a table of what is plain in them", async () => {
  const [bundle] = await mediaBundles([
    { q: 1, classes: ["cat", "horse"], test: { a: { acc: 1 } }, loss: 1 / 3 },
    { q: 2, isBest: true, classes: [] },
  ]);
  assert.equal(
    bundle!["text/plain"],
    "**2 rows**\n\nNot shown: test.\n\n" +
      "| q | classes | loss | isBest |\n| --: | :-- | --: | :-- |\n" +
      "| 1 | cat, horse | 0.3333 | – |\n| 2 |  | – | true |\n",
  );
  const [many] = await mediaBundles(Array.from({ length: 60 }, (_, i) => ({ i })));
  assert.match(many!["text/plain"] as string, /60 rows[^]*The first 50\.[^]*\| 49 \|\n$/);
  const html = many!["text/html"] as string;
  assert.equal([...html.matchAll(/<td class="number"/g)].length, 60, "all rows are reached");
  assert.doesNotMatch(html, /The first/);
  const [very] = await mediaBundles(Array.from({ length: 1001 }, (_, i) => ({ i })));
  assert.match(very!["text/html"] as string, /1001 rows[^]*The first 1000\./);
});

Deno.test("what is the same in all rows is said once, and a column's numbers have the same digits", async () => {
  const row = { set: "a", rate: .001, seconds: 1 / 3, classes: ["cat", "horse"] };
  const [bundle] = await mediaBundles([
    { ...row, acc: .5, tiny: 4.077e-5, count: 1_234_567, step: .1 },
    { ...row, acc: .75, tiny: .3821, count: 2, step: .25 },
    { ...row, acc: 1, tiny: .1, count: 3, step: .2 },
  ]);
  assert.equal(
    bundle!["text/plain"],
    "**3 rows**\n\nIn all rows: set a; rate 0.001; seconds 0.3333; classes cat, horse.\n\n" +
      "| acc | tiny | count | step |\n| --: | --: | --: | --: |\n" +
      "| 0.50 | 0.0000 | 1234567 | 0.10 |\n" +
      "| 0.75 | 0.3821 | 2 | 0.25 |\n" +
      "| 1.00 | 0.1000 | 3 | 0.20 |\n",
  );
  const [alike] = await mediaBundles([{ a: 1 }, { a: 1 }]);
  assert.equal(alike!["text/plain"], "**2 rows**\n\n\n\n| a |\n| --: |\n| 1 |\n| 1 |\n");
});

Deno.test("rows of results are shown with their heads' fields", async () => {
  const test = { a: { acc: .5, ap: .6 } };
  const rows = [1, 2].map((q) => ({ experiment: "grid", head: { q, variant: "full" }, test }));
  const [bundle] = await mediaBundles(rows);
  assert.equal(
    bundle!["text/plain"],
    "**2 rows**\n\nIn all rows: variant full; acc 0.5; ap 0.6; experiment grid. Not shown: test.\n\n" +
      "| q |\n| --: |\n| 1 |\n| 2 |\n",
  );
});

Deno.test("rows of results are shown with their means, whole numbers as they are", async () => {
  const row = { experiment: "grid", parameterCount: 263_681, seed: 20_251_122 };
  const test = { a: { acc: .5, ap: .6 }, b: { acc: 1, ap: .8 } };
  const [bundle] = await mediaBundles([{ ...row, test }]);
  assert.match(
    bundle!["text/plain"] as string,
    /\| 0\.75 \| 0\.7 \| grid \| 263681 \| 20251122 \|\n$/,
  );
});

Deno.test("a list of tables and figures is shown one by one", async () => {
  const bundles = await mediaBundles([table, figure]);
  assert.deepEqual(bundles.map((bundle) => Object.keys(bundle)[0]), [
    "text/html",
    VEGA,
    "text/markdown",
  ]);
});

Deno.test("what lacks a field that is shown is refused by it", async () => {
  const { caption: _caption, columns: _columns, ...rest } = figure;
  const says = (thing: object, message: string) =>
    assert.rejects(show(thing as Figure), { name: "UserError", message });
  await says(
    rest,
    "Cannot show a figure: expected id, title, caption, columns, rows, spec; found no caption, columns",
  );
  await says(
    { tables: [table] },
    "Cannot show a report: expected tables, figures; found no figures",
  );
  await says({ shape: [1] }, "Cannot show a tensor: expected shape, data; found no data");
});

Deno.test("a tensor is shown by its shape", async () => {
  const [bundle] = await mediaBundles({ shape: [2, 3], data: new Float32Array(6) });
  assert.equal(bundle!["text/plain"], "tensor of shape [2, 3]");
});

Deno.test("what cannot be shown is named, with what to do", async () => {
  const wanted =
    "Cannot show: expected a figure, a table, a report, an image, images with captions, rows or text; ";
  for (
    const [thing, found] of [
      [Promise.resolve(table), "a promise; write await before it"],
      [undefined, "undefined"],
      [3, "3"],
      [[Promise.resolve(3)], "a promise; write await before it"],
      [[1, 2], "a list of something else"],
      [
        { score: .5, isGenerated: false },
        "an object of score, isGenerated; in [ ] it is shown as a row",
      ],
    ] as const
  ) {
    await assert.rejects(show(thing as unknown as string), {
      name: "UserError",
      message: `${wanted}found ${found}`,
    });
  }
});

Deno.test("show() waits until each thing is shown, in order, as bundles", async () => {
  assert.equal(isNotebook(), false);
  const shown = await inKernel(async () => {
    assert.equal(isNotebook(), true);
    await show("# A", table, figure, [{ image: noiseImage(8, 8), caption: "c" }], noiseImage(3, 3));
  });
  assert.deepEqual(shown.map(({ bundle }) => Object.keys(bundle)[0]), [
    "text/markdown",
    "text/html",
    VEGA,
    "text/markdown",
    "text/html",
    "image/png",
  ]);
  for (const { bundle, options } of shown) {
    assert.equal(options.raw, true);
    assert.equal(typeof bundle["text/plain"], "string");
  }
});

Deno.test("progress is one output that is drawn again in place and ends with what was told last", async () => {
  const shown = await inKernel(async () => {
    await using progress = new CellProgress();
    for (let done = 0; done <= 50; done++) {
      progress.onProgress({ stage: "tokens", unit: "crops", done, total: 50 });
    }
    progress.onProgress({ stage: "grid", unit: "rows", done: 3, total: 9 });
  });
  assert.ok(shown.length >= 2 && shown.length < 50, `drawn ${shown.length} times`);
  assert.deepEqual(
    shown.map(({ options }) => options.update),
    shown.map((_, i) => i > 0),
  );
  assert.equal(new Set(shown.map(({ options }) => options.display_id)).size, 1);
  assert.equal(
    shown.at(-1)!.bundle["text/plain"],
    "tokens: 50 of 50 crops\ngrid: 3 of 9 rows",
  );
});

Deno.test("two progress displays do not draw over one another; none is shown where nothing is told", async () => {
  const shown = await inKernel(async () => {
    await using _nothing = new CellProgress();
    for (const stage of ["a", "b"]) {
      await using progress = new CellProgress();
      progress.onProgress({ stage, unit: "rows", done: 1, total: 1 });
    }
  });
  const ids = new Set(shown.map(({ options }) => options.display_id));
  assert.equal(ids.size, 2);
});

Deno.test("progress is a bar and a line for each stage", () => {
  const bundle = progressMedia([{ stage: "a & b", unit: "rows", done: 1, total: 4 }]);
  assert.equal(
    bundle["text/html"],
    '<div><progress value="1" max="4"></progress> a &amp; b: 1 of 4 rows</div>',
  );
});

Deno.test("an error for people is one line in a notebook; others keep their stack trace", async () => {
  const fail = (error: Error) => inOneLine(() => Promise.reject(error)).catch((caught) => caught);
  const forPeople = new UserError("missing", "Cannot show: expected runs, found none");
  const fault = new Error("a fault of the program");
  const outside = new UserError("usage", "outside");
  await fail(outside);
  assert.match(outside.stack!, /\n +at /);
  await inKernel(async () => {
    assert.equal(await fail(forPeople), forPeople);
    assert.equal(await fail(fault), fault);
  });
  assert.equal(forPeople.stack, "UserError: Cannot show: expected runs, found none");
  assert.match(fault.stack!, /\n +at /);
});

Deno.test("outside a notebook show() prints text", async () => {
  const script = `import { show } from "${new URL("../lib/session/show.ts", import.meta.url)}";
    await show("hello", { width: 2, height: 1, data: new Uint8Array(6) });`;
  const { stdout, success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--config", new URL("../deno.json", import.meta.url).pathname, script],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  assert.equal(new TextDecoder().decode(stdout), "hello\nimage, 2 × 1 pixels\n");
});
