import assert from "node:assert/strict";
import { mediaBundles } from "../lib/session/media.ts";
import { show, showing, showingReport } from "../lib/session/show.ts";
import { figure, inKernel, type Shown, table } from "./cell.ts";
import { noiseImage } from "./image_samples.ts";

const DISPLAY = Symbol.for("Jupyter.display");

/** Shows the last value of a cell as Deno's kernel does. */
async function lastValue(value: object): Promise<Shown[]> {
  return await inKernel(async () => {
    const method = (value as Record<symbol, () => Promise<object>>)[DISPLAY]!;
    assert.deepEqual(await method(), {}, "nothing is left to the kernel");
  });
}

Deno.test("what shows itself shows all its outputs, as show() does", async () => {
  const report = { tables: [table], figures: [figure] };
  const image = { image: noiseImage(8, 8), caption: "c" };
  const row = { experiment: "grid", test: { a: { acc: .5, ap: .6 } } };
  for (const thing of [figure, table, report, [image], [row], { row, figure }]) {
    // an SVG's clip paths are numbered on
    const outputs = (shown: readonly Shown[]) =>
      shown.map(({ bundle: { "image/svg+xml": svg, "text/markdown": picture, ...rest } }) => ({
        ...rest,
        has: [svg, picture].map((one) => one !== undefined),
      }));
    const wanted = outputs(await inKernel(() => show(thing)));
    assert.deepEqual(outputs(await lastValue(showing(thing))), wanted);
  }
  const [alone] = await lastValue(showing(row));
  assert.match(alone!.bundle["text/plain"] as string, /\*\*1 rows?\*\*/);
  const [part] = await lastValue(showingReport(report, "default").tables[0]!);
  assert.match(part!.bundle["text/html"] as string, /Runs &lt;now&gt;/);
  const [side] = await lastValue(showing(image));
  assert.match(side!.bundle["text/html"] as string, /<figcaption>c/);
});

Deno.test("figures that show themselves keep the session's look, and so does show()", async () => {
  const shown = showing(figure, "paper");
  const [paper] = await mediaBundles(figure, "paper");
  const [usual] = await mediaBundles(figure);
  assert.notEqual(paper!["image/png"], usual!["image/png"]);
  for (const [first] of [await lastValue(shown), await inKernel(() => show(shown))]) {
    assert.equal(first!.bundle["image/png"], paper!["image/png"]);
  }
});

Deno.test("what shows itself is frozen plain data for everybody else", () => {
  for (const thing of [figure, table, { tables: [table], figures: [figure] }, [{ a: 1 }]]) {
    const shown = showing(thing as object);
    assert.deepEqual(shown, thing);
    assert.equal(JSON.stringify(shown), JSON.stringify(thing));
    assert.deepEqual(Object.keys(shown), Object.keys(thing));
    assert.deepEqual(structuredClone(shown), structuredClone(thing));
    assert.ok(Object.isFrozen(shown));
  }
  assert.equal(Object.isFrozen(figure), false, "what was given is left as it was");
});

Deno.test("what shows itself prints as one line", () => {
  const says = (thing: object, line: string) => assert.equal(Deno.inspect(showing(thing)), line);
  says(figure, "Figure: Figure 0. Two bars (2 rows)");
  says(table, "Table: Table 0. Runs <now> (2 rows, 2 columns)");
  says(
    { tables: [table], figures: [figure] },
    "Report: Table 0. Runs <now>; Figure 0. Two bars",
  );
  says([{ q: 1, loss: 2 }], "1 rows of q, loss");
  says([], "no rows");
  const image = { image: noiseImage(8, 4), caption: "real" };
  says(image, "real (image, 8 × 4 pixels)");
  says([image, image], "Images: real (image, 8 × 4 pixels); real (image, 8 × 4 pixels)");
  const row = {
    experiment: "grid",
    classes: ["cat", "horse"],
    backbone: "Mini-L/8",
    head: { projectionLayers: 2, variant: "full" },
    epochs: 1,
    test: { a: { acc: .5, ap: .5 }, b: { acc: .75, ap: .5 } },
  };
  const line =
    "grid: cat+horse on Mini-L/8, projectionLayers 2, variant full, epochs 1: ACC 62.5 %";
  says({ row, epochs: [], figure }, line);
  says(
    row,
    line,
  );
});
