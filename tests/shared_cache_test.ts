import assert from "node:assert/strict";
import { join } from "node:path";
import { decodeImage, type RgbImage } from "../lib/image/image.ts";
import { keptImage, stampOf } from "../lib/image/kept.ts";
import { encodePng } from "../lib/image/png.ts";
import { SharedCache, sharedCache } from "../lib/io/shared_cache.ts";
import { WorkerPool } from "../lib/io/worker_pool.ts";
import type { PoolJob } from "./pool_worker.ts";
import { temporaryFolder } from "./temporary.ts";

const bytesOf = (n: number) => Uint8Array.from({ length: 1 + n % 50 }, (_, i) => (n * 7 + i) % 256);

Deno.test("what is kept is found under its key and no other, by every view of the memory", () => {
  const cache = new SharedCache(2 ** 20), other = new SharedCache(cache.memory);
  for (let n = 0; n < 5000; n++) (n % 2 ? cache : other).put(`${n}`, bytesOf(n));
  for (let n = 0; n < 5000; n++) {
    assert.deepEqual((n % 3 ? cache : other).get(`${n}`), bytesOf(n));
    assert.equal(cache.get(`no ${n}`), undefined);
  }
  const copy = cache.get("17")!;
  copy.fill(0);
  assert.deepEqual(cache.get("17"), bytesOf(17), "a copy was changed");
});

Deno.test("a cache that is full keeps what it has, and takes no more than its room", () => {
  const cache = new SharedCache(800);
  for (let n = 0; n < 20; n++) cache.put(`${n}`, new Uint8Array(100).fill(n));
  // 100 bytes take 104
  const kept = Array.from({ length: 20 }, (_, n) => n).filter((n) => cache.get(`${n}`));
  assert.deepEqual(kept, [0, 1, 2, 3, 4, 5, 6]);
  for (const n of kept) assert.deepEqual(cache.get(`${n}`), new Uint8Array(100).fill(n));
  cache.put("small", Uint8Array.of(1));
  assert.deepEqual(cache.get("small"), Uint8Array.of(1));
});

Deno.test("threads that fill a cache at once read nothing half written", async () => {
  const root = temporaryFolder();
  const images = Array.from({ length: 40 }, (_, n): RgbImage => ({
    width: 20 + n,
    height: 30,
    data: Uint8Array.from({ length: 3 * 30 * (20 + n) }, (_, i) => (n + i) % 256),
  }));
  const paths = images.map((_, n) => join(root, `${n}.png`));
  for (const [n, image] of images.entries()) await Deno.writeFile(paths[n]!, encodePng(image));
  await new Promise((resolve) => setTimeout(resolve, 2100));
  await using pool = new WorkerPool<PoolJob, string>(new URL("pool_worker.ts", import.meta.url), 3);
  const jobs = paths.flatMap((path) => [path, path, path]).map((path) =>
    pool.run(`decode ${path}`)
  );
  await Promise.all(jobs);
  for (const [n, path] of paths.entries()) {
    const stamp = stampOf(path, await Deno.stat(path))!;
    assert.deepEqual(keptImage(stamp), images[n], "what a worker decoded is known here");
    assert.deepEqual(await decodeImage(path), images[n]);
  }
});

Deno.test("an image that was changed is decoded again, and so is one that may still be changed", async () => {
  const path = join(temporaryFolder(), "image.png");
  const imageOf = (level: number): RgbImage => ({
    width: 4,
    height: 4,
    data: new Uint8Array(48).fill(level),
  });
  const long = new Date(Date.now() - 3_600_000);
  for (const level of [10, 20, 30]) {
    await Deno.writeFile(path, encodePng(imageOf(level)));
    // the times of the content before, in a file of the same size
    await Deno.utime(path, long, long);
    assert.equal(stampOf(path, await Deno.stat(path)), undefined, "it was written just now");
    assert.deepEqual(await decodeImage(path), imageOf(level));
  }
  await new Promise((resolve) => setTimeout(resolve, 2100));
  const before = stampOf(path, await Deno.stat(path))!;
  assert.deepEqual(await decodeImage(path), imageOf(30));
  assert.deepEqual(keptImage(before), imageOf(30));
  await Deno.writeFile(path, encodePng(imageOf(40)));
  await Deno.utime(path, long, long);
  assert.deepEqual(await decodeImage(path), imageOf(40));
});

Deno.test("large images are not kept", async () => {
  const path = join(temporaryFolder(), "image.png");
  await Deno.writeFile(
    path,
    encodePng({ width: 256, height: 129, data: new Uint8Array(3 * 256 * 129) }),
  );
  await new Promise((resolve) => setTimeout(resolve, 2100));
  const stamp = stampOf(path, await Deno.stat(path))!;
  await decodeImage(path);
  assert.equal(sharedCache().get(stamp), undefined);
});
