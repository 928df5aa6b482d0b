/**
 * One pass of a symmetric filter, as a WebAssembly function that is assembled here: its
 * instructions on two float64 values at a time are what JavaScript lacks, and more than halve the
 * time. Opcodes: WebAssembly specification 2.0, §5.4.
 * @module
 */

type Code = readonly number[];

const I32 = 0x7f;
const F64 = 0x7c;
const V128 = 0x7b;

/** Function parameters, then local variables, in the order in which they are numbered. */
const LOCALS = {
  source: I32,
  target: I32,
  count: I32,
  stride: I32,
  weights: I32,
  radius: I32,
  bias: F64,
  end: I32,
  farthest: I32,
  before: I32,
  after: I32,
  weight: I32,
  sum0: V128,
  sum1: V128,
  sum2: V128,
  sum3: V128,
  factor: V128,
} as const;
const PARAMETER_COUNT = 7;

type Local = keyof typeof LOCALS;

const indexOf = (local: Local) => Object.keys(LOCALS).indexOf(local);
const get = (local: Local): Code => [0x20, indexOf(local)];
const set = (local: Local, value: Code): Code => [...value, 0x21, indexOf(local)];

const constant = (value: number): Code => [0x41, ...signedLeb(value)];
const add = (a: Code, b: Code): Code => [...a, ...b, 0x6a];
const subtract = (a: Code, b: Code): Code => [...a, ...b, 0x6b];
const multiply = (a: Code, b: Code): Code => [...a, ...b, 0x6c];
const equal = (a: Code, b: Code): Code => [...a, ...b, 0x46];
const less = (a: Code, b: Code): Code => [...a, ...b, 0x49];

const vector = (operation: number, ...operands: Code[]): Code => [
  ...operands.flat(),
  0xfd,
  ...leb(operation),
];
const addPairs = (a: Code, b: Code) => vector(0xf0, a, b);
const multiplyPairs = (a: Code, b: Code) => vector(0xf2, a, b);
const splat = (value: Code) => vector(0x14, value);
const floorPair = (a: Code) => vector(0x75, a);
const ALIGN_8 = 3;
const loadPair = (pointer: Code, offset: number): Code => [
  ...vector(0x00, pointer),
  ALIGN_8,
  offset,
];
const loadTwice = (pointer: Code): Code => [...vector(0x0a, pointer), ALIGN_8, 0];
const storePair = (pointer: Code, offset: number, pair: Code): Code => [
  ...vector(0x0b, pointer, pair),
  ALIGN_8,
  offset,
];

const NO_RESULT = 0x40;
const END = 0x0b;
const block = (...body: Code[]): Code => [0x02, NO_RESULT, ...body.flat(), END];
const loop = (...body: Code[]): Code => [0x03, NO_RESULT, ...body.flat(), END];
/** Leaves the enclosing block, or repeats the enclosing loop, `depth` levels out. */
const branch = (depth: number): Code => [0x0c, depth];
const branchIf = (depth: number, condition: Code): Code => [...condition, 0x0d, depth];

const VALUE_BYTES = 8;
/** Four sums of two values each are under way at once: one alone would wait for each addition. */
const SUMS = ["sum0", "sum1", "sum2", "sum3"] as const;
const PAIR_BYTES = 2 * VALUE_BYTES;
const BLOCK_BYTES = SUMS.length * PAIR_BYTES;

/** How many values `convolve` computes at a time. */
export const BLOCK_VALUES: number = BLOCK_BYTES / VALUE_BYTES;

const inBytes = (values: Code) => multiply(values, constant(VALUE_BYTES));
const eachSum = (code: (sum: Local, offset: number) => Code): Code =>
  SUMS.flatMap((sum, i) => code(sum, i * PAIR_BYTES));

const BODY: Code = [
  ...set("end", add(get("source"), inBytes(get("count")))),
  ...set("stride", inBytes(get("stride"))),
  ...set("farthest", multiply(get("stride"), get("radius"))),
  ...loop(
    set("factor", loadTwice(get("weights"))),
    eachSum((sum, offset) =>
      set(
        sum,
        addPairs(
          splat(get("bias")),
          multiplyPairs(get("factor"), loadPair(get("source"), offset)),
        ),
      )
    ),
    set("before", subtract(get("source"), get("farthest"))),
    set("after", add(get("source"), get("farthest"))),
    set("weight", add(get("weights"), inBytes(get("radius")))),
    block(loop(
      branchIf(1, equal(get("weight"), get("weights"))),
      set("factor", loadTwice(get("weight"))),
      eachSum((sum, offset) => {
        const both = addPairs(loadPair(get("before"), offset), loadPair(get("after"), offset));
        return set(sum, addPairs(get(sum), multiplyPairs(get("factor"), both)));
      }),
      set("before", add(get("before"), get("stride"))),
      set("after", subtract(get("after"), get("stride"))),
      set("weight", subtract(get("weight"), constant(VALUE_BYTES))),
      branch(0),
    )),
    eachSum((sum, offset) => storePair(get("target"), offset, floorPair(get(sum)))),
    set("source", add(get("source"), constant(BLOCK_BYTES))),
    set("target", add(get("target"), constant(BLOCK_BYTES))),
    branchIf(0, less(get("source"), get("end"))),
  ),
  END,
];

function assemble(): Uint8Array<ArrayBuffer> {
  const types = Object.values(LOCALS);
  const section = (id: number, content: Code) => [id, ...leb(content.length), ...content];
  const name = (text: string) => [text.length, ...new TextEncoder().encode(text)];
  const locals = types.slice(PARAMETER_COUNT).flatMap((type) => [1, type]);
  const code = [types.length - PARAMETER_COUNT, ...locals, ...BODY];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, PARAMETER_COUNT, ...types.slice(0, PARAMETER_COUNT), 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, 1]),
    ...section(7, [2, ...name("memory"), 2, 0, ...name("convolve"), 0, 0]),
    ...section(10, [1, ...leb(code.length), ...code]),
  ]);
}

function leb(value: number): number[] {
  return value < 0x80 ? [value] : [value & 0x7f | 0x80, ...leb(value >>> 7)];
}

function signedLeb(value: number): number[] {
  return value < 0x40 ? [value] : [value & 0x7f | 0x80, ...signedLeb(value >>> 7)];
}

const { exports } = new WebAssembly.Instance(new WebAssembly.Module(assemble()));

/** What {@linkcode convolve} reads and writes: float64 values. */
export const memory = exports["memory"] as WebAssembly.Memory;

/**
 * For each i in [0, `count`), rounded up to whole blocks of {@linkcode BLOCK_VALUES}, with
 * s(k) = source[i − k · stride] + source[i + k · stride]:
 *
 * target[i] = ⌊bias + w(0) · source[i] + w(radius) · s(radius) + … + w(1) · s(1)⌋
 *
 * summed from left to right, as SciPy does. `source`, `target` and `weights` (w(0) … w(radius)) are
 * byte offsets into {@linkcode memory}; `count` and `stride` are numbers of values.
 */
export const convolve = exports["convolve"] as (
  source: number,
  target: number,
  count: number,
  stride: number,
  weights: number,
  radius: number,
  bias: number,
) => void;
