import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { readOrForget, readSealedJson, writeSealedJson } from "../lib/io/seal.ts";
import { readSafetensors, verifySafetensors } from "../lib/io/safetensors.ts";
import {
  writeLargeSafetensors,
  writeSafetensors,
  writeSealedSafetensors,
} from "../lib/io/safetensors_writer.ts";
import { tensor } from "../lib/io/tensor.ts";
import { temporaryFolder } from "./temporary.ts";

const folder = temporaryFolder("seal_");
const VALUE = { name: "a", numbers: [1.5, -2e-7], nested: { text: "é" } };

/** Reads a file with each bit changed in turn; every one has to be noticed. */
async function everyBit(path: string, read: () => Promise<unknown>): Promise<void> {
  const whole = await Deno.readFile(path);
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const damaged = whole.slice();
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    await Deno.writeFile(path, damaged);
    await assert.rejects(read, (error: Error) => {
      assert.equal(error.name, "UserError", `bit ${bit}: ${error.stack}`);
      assert.ok(error.message.includes(path), error.message);
      return true;
    }, `bit ${bit} was not noticed`);
  }
  await Deno.writeFile(path, whole);
}

Deno.test("sealed JSON is read as it was written, and its seal is SHA-256 of what stands before", async () => {
  const path = join(folder, "value.json");
  await writeSealedJson(path, VALUE);
  assert.deepEqual(await readSealedJson(path), { value: VALUE, isSealed: true });
  const before = JSON.stringify(VALUE, null, 2);
  const seal = createHash("sha256").update(before).digest("hex");
  assert.equal(
    await Deno.readTextFile(path),
    `${before.slice(0, -2)},\n  "seal": "${seal}"\n}\n`,
  );
  assert.deepEqual(JSON.parse(await Deno.readTextFile(path)), { ...VALUE, seal });
});

Deno.test("each single bit of a sealed JSON file is noticed", async () => {
  const path = join(folder, "bits.json");
  await writeSealedJson(path, VALUE);
  await everyBit(path, () => readSealedJson(path));
  assert.deepEqual((await readSealedJson(path))?.value, VALUE);
});

Deno.test("JSON from before there were seals is read, what is no JSON is not", async () => {
  const path = join(folder, "old.json");
  await Deno.writeTextFile(path, JSON.stringify([VALUE]));
  assert.deepEqual(await readSealedJson(path), { value: [VALUE], isSealed: false });
  for (const text of ["", "{", "null,"]) {
    await Deno.writeTextFile(path, text);
    await assert.rejects(readSealedJson(path), /expected what was written, found .*; delete it/);
  }
  const lines: string[] = [];
  assert.equal(await readOrForget(path, (line) => lines.push(line)), undefined);
  assert.match(lines.join(), /old\.json: .*; it is made again$/);
  assert.equal(await readSealedJson(path), undefined, "it is still there");
  await assert.rejects(readSealedJson(folder), /found no regular file/);
});

const TENSORS = [["a", tensor(Float32Array.of(1, 2, 3), [3])]] as const;

Deno.test("each single bit of a sealed safetensors file is noticed, and others know nothing of seals", async () => {
  const path = join(folder, "sealed.safetensors"), plain = join(folder, "plain.safetensors");
  await writeSealedSafetensors(path, TENSORS, { head: "x" });
  await writeSafetensors(plain, TENSORS, { head: "x" });
  assert.equal(await verifySafetensors(path), true);
  assert.equal(await verifySafetensors(plain), false);
  assert.deepEqual(await readSafetensors(path), await readSafetensors(plain));
  await everyBit(path, () => readSafetensors(path));
});

Deno.test("the seal of a file that is written tensor by tensor is that of one written at once", async () => {
  const path = join(folder, "large.safetensors"), whole = join(folder, "whole.safetensors");
  const [[name, { data, shape }]] = TENSORS;
  const bytes = () => Promise.resolve(new Uint8Array(data.buffer as ArrayBuffer));
  await writeLargeSafetensors(path, [{ name, dtype: "F32", shape, bytes }], { head: "x" }, true);
  await writeSealedSafetensors(whole, TENSORS, { head: "x" });
  assert.deepEqual(await Deno.readFile(path), await Deno.readFile(whole));
});
