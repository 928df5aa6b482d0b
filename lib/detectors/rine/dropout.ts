/**
 * Dropout's masks, drawn here and not by an engine: every engine trains on the same ones, and a
 * resumed run on those of the uninterrupted one.
 * @module
 */
import { type Random, randomStream } from "../../random.ts";
import { blocksRead, type HeadArchitecture } from "./architecture.ts";

/** A dropout layer of the head, p = .5. */
export interface DropoutLayer {
  /** Its name in the released model: `proj1.0`. */
  readonly name: string;
  /** Values a row. */
  readonly width: number;
  /** Rows an image: one a block before TIE, one after. */
  readonly rows: number;
}

/** The dropout layers in the order in which data meets them. Released: src/models.py, `Model`. */
export function dropoutLayers(architecture: HeadArchitecture): DropoutLayer[] {
  const { width, projectionLayers, projectionDim } = architecture;
  const rows = blocksRead(architecture);
  const numbers = Array.from({ length: projectionLayers }, (_, layer) => 3 * layer + 3);
  return [
    { name: "proj1.0", width, rows },
    ...numbers.map((n) => ({ name: `proj1.${n}`, width: projectionDim, rows })),
    { name: "proj2.0", width: projectionDim, rows: 1 },
    ...numbers.map((n) => ({ name: `proj2.${n}`, width: projectionDim, rows: 1 })),
    { name: "head.2", width: projectionDim, rows: 1 },
    { name: "head.5", width: projectionDim, rows: 1 },
  ];
}

// entry b holds the bits of byte b, lowest first, one a byte; as float64 it is copied in one move
const BYTE_TO_MASK = new Float64Array(
  Uint8Array.from({ length: 256 * 8 }, (_, i) => (i >> 3 >> (i & 7)) & 1).buffer,
);

/** Masks of one step at a time, in buffers that are used again. */
export class DropoutMasks {
  /** What the masks are for, in order. */
  readonly layers: readonly DropoutLayer[];
  #capacity = 0;
  #buffers: Float64Array<ArrayBuffer>[] = [];

  /** Makes no masks yet. */
  constructor(architecture: HeadArchitecture) {
    this.layers = dropoutLayers(architecture);
  }

  /**
   * Draws the masks of a step: 1 keeps a value, 0 drops it.
   * @returns [count × rows × width] for each layer, valid until the next call
   */
  draw(key: readonly (string | number)[], step: number, count: number): Uint8Array[] {
    if (count > this.#capacity) {
      this.#capacity = count;
      this.#buffers = this.layers.map(({ width, rows }) =>
        new Float64Array(4 * Math.ceil(count * rows * width / 32))
      );
    }
    const random = randomStream(...key, step);
    return this.layers.map(({ width, rows }, i) => {
      const length = count * rows * width;
      const buffer = this.#buffers[i]!;
      fill(buffer.subarray(0, 4 * Math.ceil(length / 32)), random);
      return new Uint8Array(buffer.buffer, 0, length);
    });
  }
}

/** Fills with bytes 0 and 1, 32 of them from each random number. */
function fill(buffer: Float64Array, random: Random): void {
  for (let i = 0; i < buffer.length; i += 4) {
    const bits = random.bits();
    buffer[i] = BYTE_TO_MASK[bits & 255]!;
    buffer[i + 1] = BYTE_TO_MASK[bits >>> 8 & 255]!;
    buffer[i + 2] = BYTE_TO_MASK[bits >>> 16 & 255]!;
    buffer[i + 3] = BYTE_TO_MASK[bits >>> 24]!;
  }
}
