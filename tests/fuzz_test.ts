import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { UserError } from "../lib/io/errors.ts";
import { randomStream } from "../lib/random.ts";
import { mutated } from "./fuzz/mutate.ts";
import { READERS } from "./fuzz/readers.ts";
import { faultOf, trials, tryReading } from "./fuzz/try.ts";
import { runDeno } from "./command_line.ts";
import { inFolder } from "./temporary.ts";

const INPUTS = 400, LIMIT_MS = 5000;
const CASES = resolve(import.meta.dirname!, "fuzz/cases");

Deno.test("of files that were changed at random each is read, or refused in a line", async () => {
  const seen = new Map<string, number>();
  for await (
    const { reader, index, outcome, message, ms } of trials({ seed: 7, from: 0, count: INPUTS })
  ) {
    seen.set(reader, (seen.get(reader) ?? 0) + 1);
    assert.notEqual(outcome, "raw", `${reader} ${index}: ${message}`);
    assert(ms < LIMIT_MS, `${reader} ${index} took ${ms} ms`);
  }
  assert.deepEqual([...seen.keys()].sort(), READERS.map(({ name }) => name).sort());
});

Deno.test("every reader reads its files as they were written", async () => {
  for (const reader of READERS) {
    await inFolder(async (folder) => {
      for (const name of await reader.prepare(folder)) {
        const { outcome, message } = await tryReading(reader, folder, name);
        const isRefused = name === "d.png" || name === "neighbours.safetensors" || name === "c.jpg";
        if (!isRefused) assert.equal(outcome, "read", `${reader.name} ${name}: ${message}`);
      }
    });
  }
});

Deno.test("what once failed is read, or refused in a line", async () => {
  for (const reader of READERS) {
    const kept = await Array.fromAsync(Deno.readDir(join(CASES, reader.name))).catch(() => []);
    if (kept.length === 0) continue;
    await inFolder(async (folder) => {
      const names = await reader.prepare(folder);
      for (const { name: file } of kept) {
        const name = names.find((name) => name.endsWith(file.slice(file.indexOf("-") + 1)));
        assert(name, `${reader.name} has no file as ${file}`);
        const original = await Deno.readFile(join(folder, name));
        await Deno.copyFile(join(CASES, reader.name, file), join(folder, name));
        const { outcome, message, ms } = await tryReading(reader, folder, name);
        assert.notEqual(outcome, "raw", `${reader.name} ${file}: ${message}`);
        assert(ms < LIMIT_MS, `${reader.name} ${file} took ${ms} ms`);
        await Deno.writeFile(join(folder, name), original);
      }
    });
  }
});

Deno.test("the same seed changes files alike, another otherwise", () => {
  const bytes = new TextEncoder().encode('{"a":[1,2,{"b":"c"}]}'.repeat(3));
  const of = (seed: number) => mutated(bytes, randomStream(seed, "x"), [bytes]);
  assert.deepEqual(of(1), of(1));
  assert.notDeepEqual(of(1), of(2));
});

Deno.test("what is no word for people is a fault, and what says it is not", () => {
  const fault = (message: string) => faultOf(new UserError("damaged", message));
  assert.equal(fault("Cannot read a: expected JSON, found none"), undefined);
  assert.match(fault("Cannot read properties of undefined (reading 'x')")!, /^raw: /);
  assert.match(fault("Cannot read a: x is not a function")!, /^raw: /);
  assert.match(faultOf(new TypeError("x"))!, /^TypeError: x\n +at /);
  assert.match(faultOf(new Deno.errors.NotFound("x"))!, /^no word for people/);
});

Deno.test("deno task fuzz ends with a table, and with 2 for words that are off", async () => {
  const { code, out } = await runDeno(["task", "--quiet", "fuzz", "--cases", "20", "--seed", "3"]);
  assert.match(out, /\| all \| 20 \| \d+ \| \d+ \| 0 \| \d+\.\d s \| \d+ MB \|$/);
  assert.equal(code, 0);
  const wrong = await runDeno(["task", "--quiet", "fuzz", "--only", "cakes"]);
  assert.match(wrong.error, /^Cannot fuzz cakes: expected one of images, safetensors/);
  assert.equal(wrong.code, 2);
});
