import assert from "node:assert/strict";
import { join } from "node:path";
import { withLock, writeFileAtomic } from "../lib/io/files.ts";
import { temporaryFolder } from "./temporary.ts";

/** More than it takes to find a file locked. */
const LIMIT_MS = 5_000;

Deno.test("withLock() lets one in at a time, and tells the other that it waits", async () => {
  const path = join(temporaryFolder(), "made", "one.lock");
  const happened: string[] = [];
  const waits = Promise.withResolvers<void>();
  const first = withLock(path, async () => {
    happened.push("first begins");
    const second = withLock(
      path,
      () => Promise.resolve(happened.push("second")),
      () => {
        happened.push("second waits");
        waits.resolve();
      },
    );
    const limit = setTimeout(waits.resolve, LIMIT_MS);
    // one that is let in says nothing
    await Promise.race([waits.promise, second]);
    clearTimeout(limit);
    await new Promise((resolve) => setTimeout(resolve, 20));
    happened.push("first ends");
    return { second };
  }, () => happened.push("first waits"));
  assert.equal(await (await first).second, 4);
  assert.deepEqual(happened, ["first begins", "second waits", "first ends", "second"]);
});

Deno.test("withLock() lets the next one in where an action fails", async () => {
  const path = join(temporaryFolder(), "one.lock");
  await assert.rejects(withLock(path, () => Promise.reject(new Error("it failed"))), /it failed/);
  assert.equal(
    await withLock(path, () => Promise.resolve("in"), () => assert.fail("it waits")),
    "in",
  );
});

Deno.test("a write that is cut off leaves the old file, and nothing beside it", async () => {
  const folder = temporaryFolder(), path = join(folder, "file.txt");
  const cutOff = async (write: (bytes: Uint8Array) => Promise<void>) => {
    await write(new TextEncoder().encode("half of the n"));
    assert.equal(await Deno.readTextFile(path), "old", "the new content shows before it is whole");
    throw new Error("the power is gone");
  };
  await writeFileAtomic(path, "old");
  await assert.rejects(writeFileAtomic(path, cutOff), /the power is gone/);
  assert.equal(await Deno.readTextFile(path), "old");
  assert.deepEqual(Array.from(Deno.readDirSync(folder), ({ name }) => name), ["file.txt"]);
  await writeFileAtomic(path, "new");
  assert.equal(await Deno.readTextFile(path), "new");
  const other = join(folder, "not", "there", "file.txt");
  await assert.rejects(writeFileAtomic(other, () => Promise.reject(new Error("no"))), /no/);
  assert.deepEqual(Array.from(Deno.readDirSync(join(folder, "not", "there"))), []);
});
