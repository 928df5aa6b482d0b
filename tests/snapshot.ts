import assert from "node:assert/strict";

/**
 * Holds a text to the one in `tests/snapshots/`. A missing snapshot fails: it is written only where
 * RINE_UPDATE_SNAPSHOTS is 1, to be looked at before it is committed.
 */
export function assertSnapshot(name: string, text: string): void {
  const url = new URL(`./snapshots/${name}`, import.meta.url);
  if (Deno.env.get("RINE_UPDATE_SNAPSHOTS") === "1") Deno.writeTextFileSync(url, text);
  let expected: string;
  try {
    expected = Deno.readTextFileSync(url);
  } catch {
    assert.fail(`no snapshot ${name}: run with RINE_UPDATE_SNAPSHOTS=1 and look at what it writes`);
  }
  assert.equal(text, expected);
}

/** JSON with numbers rounded to four significant digits, so that the last bits do not matter. */
export function roundedJson(value: unknown): string {
  const round = (_key: string, value: unknown) =>
    typeof value === "number" ? Number(value.toPrecision(4)) : value;
  return JSON.stringify(value, round, 2) + "\n";
}
