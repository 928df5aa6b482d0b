import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { unlessDamaged, unlessMissing, UserError } from "../lib/io/errors.ts";

const ROOT = resolve(import.meta.dirname!, "..");

/** Runs one of the commands with faults. */
async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", join(ROOT, "tests/faulty_commands.ts"), ...args],
    env: { NO_COLOR: "1", DEBUG: "", ...env },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  return { code, out: text(stdout), error: text(stderr) };
}

const FAULTS: readonly (readonly [args: string[], what: RegExp, where: RegExp, command: string])[] =
  [
    [
      ["slip", "--of", "the pen; it's"],
      /^TypeError: Cannot read properties of undefined \(reading 'length'\)\n/,
      /\n +at .*slipUp .*faulty_commands\.ts:\d+:\d+\)\n/,
      'deno task slip --of "the pen; it\'s"',
    ],
    [["thread"], /it broke\n/, /\n +at .*pool_worker\.ts:\d+:\d+\n/, "deno task thread"],
    [["later"], /^Error: nobody waits/, /\n +at .*faulty_commands\.ts:/, "deno task later"],
  ];

for (const [args, what, where, command] of FAULTS) {
  Deno.test(`a fault of the program is shown with its stack and what to report: ${args[0]}`, async () => {
    const { code, out, error } = await run(args);
    assert.equal(code, 1);
    assert.equal(out, "");
    assert.match(error, what);
    assert.match(error, where);
    const [report, said, versions] = error.split("\n").slice(-3);
    assert.equal(
      report,
      "This is a fault of the program; please open an issue with these lines in the project's repository:",
    );
    assert.equal(said, `  command   ${command}`);
    assert.match(versions!, /^ {2}versions {2}rine \d\S+.*, deno \d\S+ \(.+\), onnxruntime \d\S+$/);
  });
}

Deno.test("an error for people is one line; DEBUG adds where it arose and no report", async () => {
  const line = "Cannot read a.json: expected JSON, found none";
  assert.deepEqual(await run(["advice"]), { code: 1, out: "", error: line });
  const { code, error } = await run(["advice"], { DEBUG: "1" });
  assert.equal(code, 1);
  assert.match(error, /faulty_commands\.ts/);
  assert.doesNotMatch(error, /open an issue/);
});

Deno.test("a fault of the program is no file that is damaged, and nothing that is missing", async () => {
  for (const error of [new TypeError("a slip"), new UserError("disk", "No space left")]) {
    await assert.rejects(unlessDamaged(Promise.reject(error), []), error);
    await assert.rejects(unlessMissing(() => Promise.reject(error)), error);
  }
  const damaged = new UserError("damaged", "Cannot read a.npy"), problems: string[] = [];
  assert.equal(await unlessDamaged(Promise.reject(damaged), problems), undefined);
  assert.deepEqual(problems, ["Cannot read a.npy"]);
  await assert.rejects(unlessMissing(() => Promise.reject(damaged)), damaged);
  const missing = new UserError("missing", "Cannot read b.npy");
  const told: string[] = [];
  assert.equal(
    await unlessMissing(() => Promise.reject(missing), (line) => told.push(line)),
    undefined,
  );
  assert.deepEqual(told, ["Cannot read b.npy"]);
});
