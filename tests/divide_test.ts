import assert from "node:assert/strict";
import { join } from "node:path";
import { divide, type Division } from "../lib/runs/divide.ts";
import { temporaryFolder } from "./temporary.ts";

const PIECES = Array.from({ length: 40 }, (_, piece) => piece);
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** What several who divide work have in common: a folder, and what is done. */
function shared() {
  const folder = temporaryFolder("divide_");
  const done = new Map<number, string>(), twice: number[] = [];
  const divisionOf = (who: string, sizes: number, ms: number): Division<number> => ({
    atOnce: 2,
    group: (pieces) =>
      Array.from(
        { length: Math.ceil(pieces.length / sizes) },
        (_, group) => pieces.slice(group * sizes, (group + 1) * sizes),
      ),
    claimPath: (piece) => join(folder, `${piece}.lock`),
    undone: (pieces) => Promise.resolve(pieces.filter((piece) => !done.has(piece))),
    async work(pieces, isHeld) {
      for (const piece of pieces) {
        await sleep(ms);
        if (!await isHeld(piece)) continue;
        if (done.has(piece)) twice.push(piece);
        done.set(piece, who);
      }
    },
  });
  return { folder, done, twice, divisionOf };
}

Deno.test("several divide work: each piece is done once, and all come to its end", async () => {
  const { folder, done, twice, divisionOf } = shared();
  // they put pieces into groups of their own
  const all = [divisionOf("a", 20, 10), divisionOf("b", 7, 10), divisionOf("c", 10, 10)];
  await Promise.all(all.map((division) => divide(PIECES, division)));
  assert.deepEqual([done.size, twice], [PIECES.length, []]);
  const shares = [...new Set(done.values())].map((who) =>
    [...done.values()].filter((one) => one === who).length
  );
  assert.equal(shares.length, 3);
  // who has taken twenty at first, since nobody else was there, has no more than two lanes of them
  assert.ok(Math.max(...shares) <= 26, shares.join());
  assert.deepEqual(Array.from(Deno.readDirSync(folder)), []);
});

Deno.test("who finds all that is left claimed says so and waits, and does it where it is not done", async () => {
  const { done, divisionOf } = shared();
  const division = divisionOf("other", 40, 100);
  const other = divide([1, 2, 3], {
    ...division,
    // it gives up without having done the last
    work: (pieces, isHeld) => division.work(pieces.filter((piece) => piece !== 3), isHeld),
    undone: (pieces) => Promise.resolve([...pieces]),
  });
  await sleep(20);
  let waits = 0;
  await divide([1, 2, 3], { ...divisionOf("own", 2, 5), onWait: () => waits++ });
  await other;
  assert.equal(waits, 1);
  assert.equal(done.get(3), "own");
  assert.equal(done.size, 3);
});

Deno.test("what was taken from a process meanwhile is not counted as its own, and looked at again", async () => {
  const { folder, done, divisionOf } = shared();
  const division = divisionOf("own", 1, 1);
  let isFirst = true;
  await divide([5], {
    ...division,
    async work(pieces, isHeld) {
      // another's claim comes into its place, does the work and goes
      if (isFirst) await Deno.remove(join(folder, "5.lock"));
      if (isFirst) done.set(5, "other");
      isFirst = false;
      await division.work(pieces, isHeld);
    },
  });
  assert.equal(done.get(5), "other");
});

Deno.test("work that fails is told when what is beside it has come to its end, and nothing else begins", async () => {
  const { folder, done, divisionOf } = shared();
  const division = divisionOf("own", 1, 20);
  const failing = divide(PIECES, {
    ...division,
    async work(pieces, isHeld) {
      if (pieces[0] === 0) throw new Error("out of order");
      await division.work(pieces, isHeld);
    },
  });
  await assert.rejects(failing, /out of order/);
  assert.deepEqual([...done.keys()], [1]);
  assert.deepEqual(Array.from(Deno.readDirSync(folder)), []);
});
