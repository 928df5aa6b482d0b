import assert from "node:assert/strict";
import { mediaBundles, type Showable } from "../lib/session/media.ts";
import type { Figure } from "../lib/report/figure.ts";
import { percentColumn, type Table } from "../lib/report/table.ts";
import { constantImage } from "./image_samples.ts";

const VEGA_LITE = "application/vnd.vegalite.v5+json";

const figure: Figure = {
  id: "figure_0",
  title: 'Figure <0> & "more"',
  caption: "A test.",
  columns: 1,
  rows: [{ name: "real", value: 0.5 }],
  spec: {
    width: 280,
    height: 60,
    mark: "bar",
    encoding: { x: { field: "value", type: "quantitative" } },
  },
};
const table: Table = {
  id: "table_0",
  title: "T",
  caption: "C.",
  notice: "not <the> paper's",
  columns: [{ key: "run", name: "run" }, percentColumn("acc", "ACC")],
  rows: [{ run: "a|b", acc: .123456 }],
};

/** First colour of every figure that is shown. */
async function colours(thing: Showable, theme?: "paper"): Promise<string[]> {
  const specs = (await mediaBundles(thing, theme)).flatMap((bundle) => bundle[VEGA_LITE] ?? []);
  return specs.map((spec) =>
    (spec as { config: { range: { category: string[] } } }).config.range.category[0]!
  );
}

Deno.test("a theme reaches a figure alone, in a list and in a report", async () => {
  for (const thing of [figure, [table, figure], { tables: [table], figures: [figure] }]) {
    assert.deepEqual(await colours(thing, "paper"), ["#808000"]);
    assert.deepEqual(await colours(thing), ["#0072b2"]);
  }
});

Deno.test("titles of figures and notices of tables are escaped where they stand in HTML", async () => {
  const [picture, text] = await mediaBundles(figure);
  assert.match(
    picture!["text/markdown"] as string,
    /^<img alt="Figure &lt;0&gt; &amp; &quot;more&quot;" /,
  );
  assert.equal(picture!["text/plain"], 'Figure <0> & "more". A test.');
  assert.equal(text!["text/markdown"], '**Figure <0> & "more".** A test.');
  const [shown] = await mediaBundles(table);
  assert.ok((shown!["text/html"] as string).includes("not &lt;the&gt; paper's"));
});

Deno.test("images with captions are as wide as they are drawn, each over its own words", async () => {
  const [bundle] = await mediaBundles([
    { image: constantImage(50, 20, 0), caption: "first <one>" },
    { image: constantImage(200, 20, 255), caption: "second" },
  ]);
  const figures = [...(bundle!["text/html"] as string).matchAll(
    /width: (\d+)px; max-width: 100%"><img alt="([^"]*)" .*?<figcaption>(.*?)<\/figcaption>/g,
  )].map(([, width, alternative, caption]) => [width, alternative, caption]);
  // 50 px are enlarged threefold
  assert.deepEqual(figures, [
    ["150", "first &lt;one&gt;", "first &lt;one&gt;"],
    ["200", "second", "second"],
  ]);
  assert.equal(
    bundle!["text/plain"],
    "first <one> (image, 50 × 20 pixels)\nsecond (image, 200 × 20 pixels)",
  );
});
