import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Random, randomStream } from "../lib/random.ts";

const MASK = 2n ** 64n - 1n;
const rotate = (value: bigint, by: bigint) => (value << by | value >> (64n - by)) & MASK;

/** xoroshiro128+ 1.0 as Blackman and Vigna print it (24, 16, 37); the low halves of its numbers. */
function lowHalves(state: readonly [bigint, bigint], count: number): number[] {
  let [s0, s1] = state;
  return Array.from({ length: count }, () => {
    const low = Number(BigInt.asIntN(32, s0 + s1));
    s1 ^= s0;
    s0 = rotate(s0, 24n) ^ s1 ^ s1 << 16n & MASK;
    s1 = rotate(s1, 37n);
    return low;
  });
}

Deno.test("a stream is xoroshiro128+, started from the SHA-256 of its key as JSON", () => {
  for (const key of [[0], [7, "crop", 1, "horse/0001.png"], ["ä", -1.5]]) {
    const words = createHash("sha256").update(JSON.stringify(key)).digest();
    const word = (at: number) => BigInt(words.readUInt32LE(at));
    const state = [word(0) << 32n | word(4), word(8) << 32n | word(12)] as const;
    const random = randomStream(...key);
    assert.deepEqual(Array.from({ length: 50 }, () => random.bits()), lowHalves(state, 50));
  }
});

Deno.test("streams of keys that read alike are others, and drawing from one moves no other", () => {
  const keys = [[1, 2], [12], ["1", 2], ["1,2"], [1, "2"], [[1, 2].join()], [2, 1], [1, 2, ""]];
  const first = keys.map((key) => `${randomStream(...key).bits()}`);
  assert.equal(new Set(first).size, keys.length - 1, "only two of the keys are equal");
  const [a, b, alone] = [randomStream("a"), randomStream("b"), randomStream("a")];
  for (let i = 0; i < 10; i++) {
    assert.equal(a.uniform(), alone.uniform());
    b.uniform();
  }
});

/** A stream whose bits are always the same. */
function constantStream(bits: number): Random {
  const generator: ConstructorParameters<typeof Random>[0] = {
    clone: () => generator,
    next: () => bits,
    getState: () => [],
  };
  return new Random(generator);
}

Deno.test("the lowest bits give a range's first value, the highest its last and never what is beyond", () => {
  const [lowest, highest] = [constantStream(0), constantStream(-1)];
  assert.equal(lowest.uniform(), 0);
  assert.equal(highest.uniform(), 1 - 2 ** -32);
  assert.deepEqual([lowest.uniform(-3, 5), highest.uniform(-3, 5)], [-3, 5 - 8 * 2 ** -32]);
  assert.deepEqual([lowest.integer(6), highest.integer(6)], [0, 5]);
  assert.deepEqual([lowest.pick("abc".split("")), highest.pick("abc".split(""))], ["a", "c"]);
  assert.deepEqual([lowest.chance(0), highest.chance(1)], [false, true]);
  assert.equal(constantStream(2 ** 31 | 0).uniform(), .5);
  assert.equal(constantStream(2 ** 31 | 0).chance(.5), false);
  assert(Number.isFinite(highest.normal()), "the logarithm of 0 is never taken");
});

Deno.test("the numbers of one key are these, today as ever", () => {
  const random = randomStream(0, "pinned");
  assert.equal(random.uniform(), 0.8523760200478137);
  assert.equal(random.integer(1000), 325);
  assert.deepEqual([...random.permutation(8)], [6, 0, 2, 3, 7, 4, 5, 1]);
  for (const expected of [0.2947905071179617, 1.0746872149749755, 0.25853018287208807]) {
    assert(Math.abs(random.normal() - expected) < 1e-12);
  }
});

Deno.test("normal numbers come in pairs of one radius, by Box and Muller", () => {
  const [uniforms, normals] = [randomStream("normal"), randomStream("normal")];
  for (let i = 0; i < 20; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - uniforms.uniform()));
    const angle = 2 * Math.PI * uniforms.uniform();
    assert.equal(normals.normal(), radius * Math.cos(angle));
    assert.equal(normals.normal(), radius * Math.sin(angle));
  }
});

Deno.test("every order of a permutation comes equally often", () => {
  const random = randomStream("permutations");
  const counts = new Map<string, number>();
  for (let i = 0; i < 6000; i++) {
    const order = random.permutation(3).join("");
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  assert.deepEqual([...counts.keys()].sort(), ["012", "021", "102", "120", "201", "210"]);
  for (const [order, count] of counts) assert(Math.abs(count - 1000) < 130, `${order}: ${count}`);
  assert.deepEqual([...random.permutation(1)], [0]);
  assert.deepEqual([...random.permutation(0)], []);
});
