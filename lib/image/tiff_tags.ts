/**
 * Tags of a TIFF's first page, of either byte order, of TIFF and of BigTIFF.
 * https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf
 * @module
 */
import { UserError } from "../io/errors.ts";

/** Bytes of a value by its type: bytes, texts, 16 and 32 bits, ratios, undefined, 64 bits. */
const TYPE_BYTES: Readonly<Record<number, number>> = {
  1: 1,
  2: 1,
  3: 2,
  4: 4,
  5: 8,
  7: 1,
  13: 4,
  16: 8,
};

const RATIO = 5;

/** Where a tag's values lie. */
interface Entry {
  readonly type: number;
  readonly count: number;
  readonly offset: number;
}

/** The first page's tags; their values are read when they are asked for. */
export class TiffTags {
  /** Whether numbers have their least byte first. */
  readonly isLittle: boolean;
  readonly #view: DataView;
  readonly #entries = new Map<number, Entry>();

  /**
   * Reads where the tags lie.
   * @throws {UserError} where the bytes end before that
   */
  constructor(view: DataView) {
    this.#view = view;
    this.#need(8);
    this.isLittle = view.getUint8(0) === 0x49;
    const isBig = view.getUint8(2) === 43 || view.getUint8(3) === 43;
    if (isBig) this.#need(16);
    const start = isBig ? this.#uint64(8) : this.#number(4, 4);
    this.#need(start + (isBig ? 8 : 2));
    const count = isBig ? this.#uint64(start) : this.#number(start, 2);
    const each = isBig ? 20 : 12, wide = isBig ? 8 : 4;
    const first = start + (isBig ? 8 : 2);
    this.#need(first + each * count);
    for (let at = first; at < first + each * count; at += each) {
      const tag = this.#number(at, 2), type = this.#number(at + 2, 2);
      const size = TYPE_BYTES[type];
      if (size === undefined || this.#entries.has(tag)) continue;
      const values = isBig ? this.#uint64(at + 4) : this.#number(at + 4, 4);
      const here = at + each - wide;
      const offset = size * values <= wide
        ? here
        : isBig
        ? this.#uint64(here)
        : this.#number(here, 4);
      this.#entries.set(tag, { type, count: values, offset });
    }
  }

  /**
   * A tag's values; empty where the page does not have it.
   * @throws {UserError} where the bytes end before them, or they are ratios
   */
  values(tag: number): number[] {
    if (this.#entries.get(tag)?.type === RATIO) {
      throw new UserError(
        "damaged",
        `a TIFF image with ratios where whole numbers are (tag ${tag})`,
      );
    }
    return this.ratios(tag);
  }

  /**
   * A tag's values, which may be ratios; empty where the page does not have it.
   * @throws {UserError} where the bytes end before them
   */
  ratios(tag: number): number[] {
    const entry = this.#entries.get(tag);
    if (entry === undefined) return [];
    const { type, count, offset } = entry;
    const size = TYPE_BYTES[type]!;
    this.#need(offset + size * count);
    return Array.from({ length: count }, (_, i) => {
      const at = offset + size * i;
      if (type === RATIO) return this.#number(at, 4) / this.#number(at + 4, 4);
      return size === 8 ? this.#uint64(at) : this.#number(at, size);
    });
  }

  /** A tag's first value, or what is usual where the page does not have it. */
  one(tag: number, usual: number): number {
    return this.values(tag)[0] ?? usual;
  }

  #need(end: number): void {
    if (end > this.#view.byteLength) {
      throw new UserError("damaged", "a TIFF image cut off in its header");
    }
  }

  #number(at: number, size: number): number {
    if (size === 1) return this.#view.getUint8(at);
    return size === 2
      ? this.#view.getUint16(at, this.isLittle)
      : this.#view.getUint32(at, this.isLittle);
  }

  #uint64(at: number): number {
    return Number(this.#view.getBigUint64(at, this.isLittle));
  }
}
