import assert from "node:assert/strict";
import { runsFigure, setsFigure } from "../lib/session/explore.ts";
import { mini } from "../experiments/profiles/mini.ts";
import { meanScore } from "../lib/runs/select.ts";
import type { RunRow } from "../lib/runs/config.ts";

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
