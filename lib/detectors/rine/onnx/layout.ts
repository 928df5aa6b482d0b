/**
 * How a head's trained parameters lie in one array, and the chunks in which Adam goes over it.
 * @module
 */
import { sizeOf } from "../../../io/tensor.ts";
import { type HeadArchitecture, parameterShapes, trainedParameters } from "../architecture.ts";

/** Values a chunk: few enough that an update's operands stay in the cores' own caches. */
const CHUNK_LENGTH = 131_072;

/** A run of values of one parameter. */
export interface Piece {
  /** The parameter. */
  readonly name: string;
  /** Lengths of all pieces that the parameter is cut into. */
  readonly lengths: readonly number[];
  /** Which of them this is. */
  readonly index: number;
}

/** A run of values that Adam updates together: a piece of a large parameter or several small ones. */
export interface Chunk {
  /** First value, counted from the start of the array. */
  readonly offset: number;
  /** Number of values. */
  readonly length: number;
  /** What it consists of, in order. */
  readonly pieces: readonly Piece[];
}

/** Where a parameter lies. */
export interface Span {
  /** First value, counted from the start of the array. */
  readonly offset: number;
  /** Sizes of the parameter. */
  readonly shape: readonly number[];
}

/** Places of all trained parameters, one after the other in the order of their names' listing. */
export interface ParameterLayout {
  /** Number of values of all parameters. */
  readonly length: number;
  /** Place of each parameter. */
  readonly spans: ReadonlyMap<string, Span>;
  /** Cut of the whole array. */
  readonly chunks: readonly Chunk[];
}

/** The layout of an architecture's trained parameters. */
export function parameterLayout(architecture: HeadArchitecture): ParameterLayout {
  const shapes = parameterShapes(architecture);
  const spans = new Map<string, Span>();
  const chunks: { offset: number; length: number; pieces: Piece[] }[] = [];
  let offset = 0;
  for (const name of trainedParameters(architecture)) {
    const shape = shapes.get(name)!;
    const size = sizeOf(shape);
    spans.set(name, { offset, shape });
    const count = Math.ceil(size / CHUNK_LENGTH);
    const lengths = Array.from(
      { length: count },
      (_, i) => Math.min(size - i * CHUNK_LENGTH, CHUNK_LENGTH),
    );
    lengths.forEach((length, index) => {
      const piece = { name, index, lengths };
      const last = chunks.at(-1);
      if (last && last.length + length <= CHUNK_LENGTH) {
        last.pieces.push(piece);
        last.length += length;
      } else chunks.push({ offset, length, pieces: [piece] });
      offset += length;
    });
  }
  return { length: offset, spans, chunks };
}
