import assert from "node:assert/strict";
import { join } from "node:path";
import { hashOfWeights, lookAtWeights } from "../lib/backbones/checksum.ts";
import { Listings } from "../lib/data/listing.ts";
import { Remembered } from "../lib/io/remembered.ts";
import { sha256 } from "../lib/io/seal.ts";
import { temporaryFolder } from "./temporary.ts";

const folder = temporaryFolder("remembered_");

/** Changes a bit of a file as a failing disk does: nothing else tells of it. */
function flipBit(path: string): void {
  const { atime, mtime } = Deno.statSync(path);
  const bytes = Deno.readFileSync(path);
  bytes[0]! ^= 1;
  Deno.writeFileSync(path, bytes);
  Deno.utimeSync(path, atime!, mtime!);
}

Deno.test("what was read is remembered as it was, through damage, until somebody writes", async () => {
  const path = join(folder, "a.txt"), memory = new Remembered();
  const read = () => memory.read("text", [path], () => Deno.readTextFile(path));
  assert.throws(read, Deno.errors.NotFound);
  await Deno.writeTextFile(path, "one");
  assert.equal(await read(), "one");
  flipBit(path);
  assert.equal(await read(), "one");
  assert.equal(await memory.read("length", [path], () => Promise.resolve(3)), 3);
  await Deno.writeTextFile(path, "three");
  assert.equal(await read(), "three");
});

Deno.test("what could not be read is not remembered", async () => {
  const path = join(folder, "b.txt"), memory = new Remembered();
  await Deno.writeTextFile(path, "one");
  await assert.rejects(memory.read("text", [path], () => Promise.reject(new Error("no"))), /no/);
  assert.equal(await memory.read("text", [path], () => Promise.resolve("yes")), "yes");
});

Deno.test("weights that were looked at are believed once; after that every bit counts again", async () => {
  const path = join(folder, "w.safetensors"), bytes = new Uint8Array([1, 2, 3]);
  await Deno.writeFile(path, bytes);
  assert.equal(await lookAtWeights(path), sha256(bytes));
  assert.equal(await hashOfWeights(path), sha256(bytes));
  flipBit(path);
  assert.equal(await hashOfWeights(path), sha256(new Uint8Array([0, 2, 3])));
  await lookAtWeights(path);
  await Deno.writeFile(path, new Uint8Array([4]));
  assert.equal(await hashOfWeights(path), sha256(new Uint8Array([4])));
});

Deno.test("sizes that were just looked at name a list as the files do, until they are forgotten", async () => {
  await Deno.writeTextFile(join(folder, "1.png"), "an image");
  const images = [{ path: "1.png", label: 0, generator: "real" } as const];
  const wanted = await new Listings(folder).look(images);
  assert.deepEqual(await new Listings(folder, new Map([["1.png", 8]])).look(images), wanted);
  const listings = new Listings(folder, new Map([["1.png", 9]]));
  assert.notDeepEqual(await listings.look(images), wanted);
  listings.forget();
  assert.deepEqual(await listings.look(images), wanted);
});
