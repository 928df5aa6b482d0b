/**
 * Holds a whole small reproduction to the numbers that it had: `golden/reproduction.json`. They are
 * compared to 1e-4, so that another processor passes; the two engines agree to 1e-5.
 *
 * Where numbers are meant to change, make the golden anew and look at what changed before it is
 * committed:
 *
 * RINE_UPDATE_GOLDENS=1 deno test --allow-all tests/reproduction_golden_test.ts && git diff --stat
 *
 * It is never made by itself: without it, and where CI is set, the test fails.
 */

import assert from "node:assert/strict";
import { makeSmallReproduction, type Reproduced, reproduceSmall } from "./small_reproduction.ts";
import { temporaryFolder } from "./temporary.ts";

const GOLDEN = new URL("./golden/reproduction.json", import.meta.url);
const TOLERANCE = 1e-4;
/** More differences than so many are counted only. */
const MAX_SHOWN = 8;

/** A reproduction whose other sections start from heads chosen by the test sets, and by validation. */
interface Golden {
  readonly test: Reproduced;
  /** Its runs are those that `test` does not have. */
  readonly val: Reproduced;
}

const data = temporaryFolder("golden_");
await makeSmallReproduction(data);

function readGolden(): Golden {
  if (Deno.env.get("RINE_UPDATE_GOLDENS") === "1") {
    assert.equal(Deno.env.get("CI"), undefined, "goldens are not made where CI is set");
    return { test: made, val: madeByValidation };
  }
  try {
    return JSON.parse(Deno.readTextFileSync(GOLDEN)) as Golden;
  } catch (error) {
    assert.fail(`no golden to hold numbers to: ${(error as Error).message}; see this test's head`);
  }
}

const results = temporaryFolder("golden_results_");
const made = await reproduceSmall(data, results, "test");
const madeByValidation = without(await reproduceSmall(data, results, "val"), made);
const golden = readGolden();

/** A reproduction without the runs of another. */
function without({ runs, ...rest }: Reproduced, other: Reproduced): Reproduced {
  const others = Object.entries(runs).map(([name, own]) => {
    const known = new Set(other.runs[name]!.map((run) => JSON.stringify(run)));
    return [name, own.filter((run) => !known.has(JSON.stringify(run)))] as const;
  });
  return { ...rest, runs: Object.fromEntries(others) };
}

/** Where two values differ, by path; numbers by more than the tolerance. */
function* differences(found: unknown, expected: unknown, path = ""): Generator<string> {
  if (typeof found === "number" && typeof expected === "number") {
    if (Math.abs(found - expected) <= TOLERANCE) return;
  } else if (isParent(found) && isParent(expected)) {
    if (Array.isArray(found) !== Array.isArray(expected)) yield `${path}: list and object`;
    for (const key of new Set([...Object.keys(expected), ...Object.keys(found)])) {
      yield* differences(found[key], expected[key], `${path}/${key}`);
    }
    return;
  } else if (found === expected) return;
  yield `${path}: ${JSON.stringify(found)} where ${JSON.stringify(expected)} was`;
}

function isParent(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function assertAsBefore(found: unknown, expected: unknown): void {
  const all = [...differences(found, expected)];
  const more = all.length > MAX_SHOWN ? `\n… and ${all.length - MAX_SHOWN} more` : "";
  assert.ok(all.length === 0, `\n${all.slice(0, MAX_SHOWN).join("\n")}${more}\n`);
}

for (const name of Object.keys(golden.test.runs)) {
  Deno.test(`the runs of ${name} come out as before`, () => {
    assertAsBefore(made.runs[name], golden.test.runs[name]);
    assertAsBefore(madeByValidation.runs[name], golden.val.runs[name]);
  });
}

Deno.test("there are the sections, tables, figures, heads and scores of before, and no others", () => {
  const namesOf = ({ test, val }: Golden) =>
    [test, val].map(({ runs, reports, files }) => [
      Object.keys(runs),
      Object.keys(reports),
      files,
    ]);
  assert.deepEqual(namesOf({ test: made, val: madeByValidation }), namesOf(golden));
});

Deno.test("tables and figures of all sections have the cells of before, however heads are chosen", () => {
  assertAsBefore(made.reports, golden.test.reports);
  assertAsBefore(madeByValidation.reports, golden.val.reports);
  assert.ok([...differences(madeByValidation.reports, made.reports)].length > 0);
});

Deno.test("the other engine comes to the same numbers", async () => {
  const other = await reproduceSmall(data, temporaryFolder("golden_other_"), "test", "tensorflow");
  assertAsBefore(other, golden.test);
});

/** A row or run a line, so that what changes can be seen. */
function inLines(value: unknown, depth: number, indent = ""): string {
  const round = (_key: string, value: unknown) =>
    typeof value === "number" ? Number(value.toFixed(6)) : value;
  if (depth === 0 || !isParent(value)) return JSON.stringify(value, round);
  const isList = Array.isArray(value);
  const lines = Object.entries(value).map(([key, child]) =>
    `${indent} ${isList ? "" : `${JSON.stringify(key)}: `}${
      inLines(child, depth - 1, indent + " ")
    }`
  );
  const [open, close] = isList ? "[]" : "{}";
  return `${open}\n${lines.join(",\n")}\n${indent}${close}`;
}

if (golden.test === made) Deno.writeTextFileSync(GOLDEN, inLines(golden, 4) + "\n");
