import assert from "node:assert/strict";
import { runsFigure, setsFigure } from "../lib/session/explore.ts";
import { mini } from "../experiments/profiles/mini.ts";
import { meanScore } from "../lib/runs/select.ts";
import type { RunRow } from "../lib/runs/config.ts";
import type { Spec } from "../lib/report/figure.ts";

Deno.test("figures of no rows, or of a promise, are refused with what to do", () => {
  for (const draw of [runsFigure, setsFigure]) {
    assert.throws(() => draw(mini, []), /^UserError: Cannot draw runs: .*; found none$/);
    assert.throws(
      () => draw(mini, Promise.resolve([]) as unknown as RunRow[]),
      /found a promise; write await before it$/,
    );
  }
});

Deno.test("a measure that is not there is named beside those that are", () => {
  const row = { test: { set: { acc: .5, ap: .5 } } } as unknown as RunRow;
  assert.throws(() => meanScore(row, "accuracy"), /expected it for set, found acc, ap$/);
  assert.throws(() => meanScore(row, "acc", ["other"]), /expected it for other, found set$/);
});

Deno.test("the size of runs is drawn to a logarithmic scale", () => {
  const { x } = runsFigure(mini, [ROW]).spec["encoding"] as { x: { scale: { type: string } } };
  assert.equal(x.scale.type, "log");
});

Deno.test("rows of another detector are drawn beside RINE's, without ξ, q and d′", () => {
  const other: RunRow = { ...ROW, detector: "other", head: { rank: 4 } };
  const runs = runsFigure(mini, [ROW, other]);
  assert.deepEqual(runs.rows.map((row) => row["ξ"]), [.3, undefined]);
  assert.equal(runs.rows[1]!["value"], runs.rows[0]!["value"]);
  assert.deepEqual(runs.spec["params"], [], "a menu offers no value that is not there");
  const sets = setsFigure(mini, [other]).rows;
  assert.deepEqual(sets.map(({ value }) => value), [.5, .7]);
});

/** Fields by channel, layer by layer. */
function channels(spec: Spec): Record<string, unknown>[] {
  const layers = (spec["layer"] ?? [spec]) as readonly Spec[];
  return layers.map(({ encoding }) =>
    Object.fromEntries(
      Object.entries(encoding as Record<string, Spec>)
        .filter(([channel]) => channel !== "tooltip")
        .map(([channel, { field, aggregate }]) => [
          channel,
          aggregate === undefined ? field : `${aggregate} ${field}`,
        ]),
    )
  );
}

const ROW: RunRow = {
  experiment: "sweep",
  detector: "rine",
  trainingSet: mini.trainedOn.main.name,
  classes: mini.classSets[1]!.classes,
  fraction: 1,
  backbone: "Mini-B/16",
  head: { contrastiveWeight: .3, projectionLayers: 2, projectionDim: 16, variant: "full" },
  epochs: 1,
  seed: 0,
  view: "center",
  parameterCount: 1234,
  valLoss: 1,
  valAcc: .5,
  test: { bilinear_2x: { acc: .5, ap: .9 }, zero_insertion_k3: { acc: .7, ap: .8 } },
};

Deno.test("runs are drawn by size and mean ACC, and told by what they were trained with", () => {
  const runs = runsFigure(mini, [ROW]);
  const { value, AP, ...told } = runs.rows[0]!;
  assert.deepEqual(told, {
    training: "2-class",
    backbone: "Mini-B/16",
    "ξ": .3,
    "q": 2,
    "d′": 16,
    parameters: 1234,
  });
  assert.equal(Number(value).toFixed(6), "0.600000");
  // text: a number's format would show none as 0
  assert.equal(AP, "85.0%");
  assert.deepEqual(channels(runs.spec), [
    { x: "parameters", y: "value", color: "training", shape: "backbone" },
  ]);
  assert.deepEqual(runs.spec["params"], [], "no menu has one value");
  const latent = { ...ROW, trainingSet: mini.trainedOn.latent.name };
  assert.equal(runsFigure(mini, [latent]).rows[0]!["training"], "latent DCT");
});

Deno.test("sets are drawn from the worst to the best run, under their titles", () => {
  const sets = setsFigure(mini, [ROW]);
  const titles = mini.testSets.filter(({ name }) => name in ROW.test).map(({ title }) => title);
  assert.deepEqual(new Set(sets.rows.map(({ set }) => set)), new Set(titles));
  const row = sets.rows.find(({ value }) => value === .7)!;
  assert.deepEqual([row["AP"], row["set"]], [
    "80.0%",
    mini.testSets.find(({ name }) => name === "zero_insertion_k3")!.title,
  ]);
  assert.deepEqual(channels(sets.spec), [
    { y: "set", x: "min value", x2: "max value" },
    { y: "set", x: "value", color: "training" },
  ]);
});
