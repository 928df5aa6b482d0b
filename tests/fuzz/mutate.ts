/** Changes files as disks, strangers and other programs do: the same for the same stream. */
import { unzipSync, zipSync } from "fflate";
import type { Random } from "../../lib/random.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const LENGTHS = [0, 1, 2, 7, 8, 9, 63, 64, 65, 255, 256, 65_535, 65_536, 2 ** 31 - 1, 2 ** 32 - 1];

/** Values that readers may not have been written for. */
const ODD: readonly unknown[] = [
  ...[null, true, 0, -1, .5, 1e308, 2 ** 53, -(2 ** 31), "", "x", "NaN", "1", "..", "../../etc"],
  ...["/etc/passwd", "a\nb", "\u001b[31mred", "\u202eabc", "__proto__", "constructor", "\ud800"],
  ...[[], {}, [[]], [null], { toString: 1 }, { length: 3 }, { "": "" }, "x".repeat(5000)],
  Array.from({ length: 200 }).reduce<unknown>((inner) => [inner], 0),
];

/** One change to a file, or a few. */
export function mutated(bytes: Uint8Array, random: Random, others: readonly Uint8Array[]): Bytes {
  let changed: Bytes = bytes.slice();
  for (let times = random.chance(.6) ? 1 : 1 + random.integer(4); times > 0; times--) {
    changed = structured(changed, random) ?? changedBytes(changed, random, others);
  }
  return changed;
}

/** A change that leaves the file's form as it is; `undefined` where it has none, or by chance. */
function structured(bytes: Bytes, random: Random): Bytes | undefined {
  if (random.chance(.4)) return undefined;
  if (bytes[0] === 0x50 && bytes[1] === 0x4b) return changedZip(bytes, random);
  return changedHeader(bytes, random) ?? changedText(bytes, random);
}

function changedBytes(bytes: Bytes, random: Random, others: readonly Uint8Array[]): Bytes {
  const at = random.integer(bytes.length + 1), length = 1 + random.integer(16);
  // most of what is said of a file stands at its start
  const near = random.chance(.7) ? random.integer(Math.min(bytes.length, 400) + 1) : at;
  const view = new DataView(bytes.buffer);
  const around = (inner: Uint8Array, skip: number) =>
    joined(bytes.subarray(0, near), inner, bytes.subarray(near + skip));
  switch (random.integer(9)) {
    case 0:
      if (near < bytes.length) bytes[near]! ^= 1 << random.integer(8);
      return bytes;
    case 1:
      if (near < bytes.length) bytes[near] = random.integer(256);
      return bytes;
    case 2:
      if (near + 4 <= bytes.length) {
        view.setUint32(near, random.pick(LENGTHS), random.chance(.5));
      }
      return bytes;
    case 3:
      return around(new Uint8Array(), length);
    case 4:
      return around(bytes.slice(near, near + length * 20), 0);
    case 5:
      return around(Uint8Array.from({ length }, () => random.integer(256)), 0);
    case 6:
      return bytes.slice(0, at);
    case 7:
      return bytes.fill(0, at, at + length * 50);
    default: {
      const other = random.pick(others);
      const from = random.integer(other.length + 1);
      return joined(bytes.subarray(0, near), other.subarray(from, from + 2000));
    }
  }
}

function joined(...parts: readonly Uint8Array[]): Bytes {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** JSON with one of its values, or names, another. */
function changedText(bytes: Bytes, random: Random): Bytes | undefined {
  const value = jsonOf(new TextDecoder().decode(bytes));
  if (typeof value !== "object" || value === null) return undefined;
  return new TextEncoder().encode(JSON.stringify(changedValue(value, random)));
}

/** A safetensors file with something else in its header, whose length is right again. */
function changedHeader(bytes: Bytes, random: Random): Bytes | undefined {
  if (bytes.length < 10 || bytes[8] !== 0x7b) return undefined;
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const value = jsonOf(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  if (value === undefined) return undefined;
  const header = new TextEncoder().encode(JSON.stringify(changedValue(value, random)));
  const start = new Uint8Array(8);
  new DataView(start.buffer).setBigUint64(0, BigInt(header.length), true);
  return joined(start, header, bytes.subarray(8 + length));
}

function changedZip(bytes: Bytes, random: Random): Bytes | undefined {
  try {
    const files = unzipSync(bytes);
    const name = random.pick(Object.keys(files));
    files[name] = changedBytes(files[name]!.slice(), random, Object.values(files));
    return zipSync(files, { level: 0, mtime: "1980-01-01T00:00:00" }) as Bytes;
  } catch {
    return undefined; // a change before this one has left no archive
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A value with one of those in it, at any depth, another, gone, or under another name. */
function changedValue(value: unknown, random: Random): unknown {
  if (random.chance(.15)) return random.pick(ODD);
  if (typeof value === "string" && /^[[{]/.test(value)) {
    const inner = jsonOf(value);
    if (inner !== undefined) return JSON.stringify(changedValue(inner, random));
  }
  if (Array.isArray(value) && value.length > 0) {
    const at = random.integer(value.length);
    if (random.chance(.1)) return value.toSpliced(at, 1);
    if (random.chance(.1)) return value.toSpliced(at, 0, random.pick(ODD));
    return value.with(at, changedValue(value[at], random));
  }
  if (typeof value === "object" && value !== null && Object.keys(value).length > 0) {
    const entries = Object.entries(value);
    const at = random.integer(entries.length);
    const [name, held] = entries[at]!;
    if (random.chance(.15)) return Object.fromEntries(entries.toSpliced(at, 1));
    const renamed = random.chance(.1)
      ? `${JSON.stringify(random.pick(ODD))}`.replaceAll('"', "")
      : name;
    return Object.fromEntries(entries.with(at, [renamed, changedValue(held, random)]));
  }
  return random.pick(ODD);
}
