import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { isForPeople, UserError } from "../lib/io/errors.ts";
import {
  assertWritable,
  contentKey,
  exists,
  readJson,
  removeIfThere,
  writeFileAtomic,
  writeJson,
} from "../lib/io/files.ts";
import { withLock } from "../lib/io/lock.ts";
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

const names = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name).sort();

Deno.test("a write that is cut off leaves the old file whole, and nothing beside it", async () => {
  const folder = temporaryFolder(), path = join(folder, "made", "result.json");
  await writeFileAtomic(path, "the old content");
  const broken = writeFileAtomic(path, async (write) => {
    await write(new TextEncoder().encode("the new con"));
    const [temporary] = names(dirname(path)).filter((name) => name.endsWith(".tmp"));
    assert.equal(Deno.readTextFileSync(join(dirname(path), temporary!)), "the new con");
    assert.equal(Deno.readTextFileSync(path), "the old content", "while it is being written");
    throw new Error("out of order");
  });
  await assert.rejects(broken, { name: "Error", message: "out of order" });
  assert.equal(await Deno.readTextFile(path), "the old content");
  assert.deepEqual(names(dirname(path)), ["result.json"]);
});

Deno.test("a file is there only once it is whole, with all its pieces in their order", async () => {
  const folder = temporaryFolder(), path = join(folder, "large.bin");
  const pieces = [1, 70_000, 0, 3].map((length, i) => new Uint8Array(length).fill(i + 1));
  await writeFileAtomic(path, async (write) => {
    for (const piece of pieces) await write(piece);
    assert(!await exists(path));
  });
  assert.deepEqual(await Deno.readFile(path), new Uint8Array(await new Blob(pieces).arrayBuffer()));
  await writeFileAtomic(path, "ü");
  assert.deepEqual([...await Deno.readFile(path)], [0xc3, 0xbc], "shorter than before");
  await writeFileAtomic(path, Uint8Array.of(7, 0));
  assert.deepEqual([...await Deno.readFile(path)], [7, 0]);
});

Deno.test("where a file cannot be written, the error says which and why, in one line", async () => {
  const folder = temporaryFolder();
  await Deno.mkdir(join(folder, "taken", "full"), { recursive: true });
  await assert.rejects(writeFileAtomic(join(folder, "taken"), "text"), (error: Error) => {
    assert.equal(error.name, "UserError");
    assert(error.message.startsWith(`Cannot write ${folder}/taken: `), error.message);
    assert(!error.message.includes(".tmp"), error.message);
    return true;
  });
  assert.deepEqual(names(folder), ["taken"]);
});

Deno.test("JSON is written for people, and read back or named where it is none", async () => {
  const path = join(temporaryFolder(), "value.json");
  assert.equal(await readJson(path), undefined);
  await writeJson(path, { a: [1, { b: "ü" }] });
  const text = '{\n  "a": [\n    1,\n    {\n      "b": "ü"\n    }\n  ]\n}\n';
  assert.equal(await Deno.readTextFile(path), text);
  assert.deepEqual(await readJson(path), { a: [1, { b: "ü" }] });
  await Deno.writeTextFile(path, "{oops");
  await assert.rejects(readJson(path), (error: Error) => {
    assert(error instanceof UserError);
    assert(error.message.startsWith(`Cannot read ${path}: expected JSON, found `));
    return true;
  });
});

Deno.test("a content key is SHA-256 over the parts, each ended by a zero byte", () => {
  const expected = (text: string, length: number) =>
    createHash("sha256").update(text).digest("hex").slice(0, length);
  assert.equal(contentKey([{ a: 1 }, "b"]), expected('{"a":1}\0"b"\0', 16));
  assert.equal(contentKey([new TextEncoder().encode("raw")], 64), expected("raw\0", 64));
  assert.notEqual(contentKey(["ab", "c"]), contentKey(["a", "bc"]));
});

Deno.test("errors about a user's data, words or machine are for people, a fault of the code is not", () => {
  for (
    const error of [
      new UserError("missing", "none there"),
      new UserError("damaged", "not whole"),
      new UserError("usage", "no such word"),
      new UserError("disk", "it is full"),
      new Deno.errors.NotFound(),
      new Deno.errors.PermissionDenied(),
      new Deno.errors.NotCapable(),
      new Error("No space left on device (os error 28)"),
    ]
  ) assert(isForPeople(error), error.name);
  for (const other of [new Error("it broke"), new ReferenceError(), "text", undefined]) {
    assert(!isForPeople(other), `${other}`);
  }
});

Deno.test("what is there is told from what is not, and removing what is not there is no error", async () => {
  const path = join(temporaryFolder(), "file");
  assert.equal(await exists(path), false);
  await removeIfThere(path);
  await Deno.writeTextFile(path, "");
  assert.equal(await exists(path), true);
  await removeIfThere(path);
  assert.equal(await exists(path), false);
  await assertWritable(join(path, "made"));
  assert.deepEqual(names(join(path, "made")), [], "nothing of the trial stays");
  await Deno.writeTextFile(join(path, "taken"), "");
  await assert.rejects(assertWritable(join(path, "taken")), {
    name: "UserError",
    kind: "disk",
    message: /^Cannot write into .*taken: .*; choose another folder or change its permissions$/,
  });
});

Deno.test("withLock() lets nobody in by a lock file that has been removed while they waited", async () => {
  const path = join(temporaryFolder(), "one.lock");
  const pause = () => new Promise((resolve) => setTimeout(resolve, 50));
  const happened: string[] = [];
  const waits = Promise.withResolvers<void>();
  const { second, third } = await withLock(path, async () => {
    const second = withLock(path, () => Promise.resolve(happened.push("second")), waits.resolve);
    await waits.promise;
    await Deno.remove(path);
    // who comes now locks a new file of that name
    const isIn = Promise.withResolvers<void>();
    const third = withLock(path, async () => {
      isIn.resolve();
      await pause();
      await pause();
      happened.push("third");
    });
    await isIn.promise;
    return { second, third };
  });
  await Promise.all([second, third]);
  assert.deepEqual(happened, ["third", "second"]);
});
