/**
 * An image in overlapping tiles, so that memory is bounded and the result is that of the whole image:
 * a place of the last map sees no farther than its context, so each place is taken from a tile in
 * which it lies at least so far from every side that is not the image's own.
 * @module
 */
import { bottlenecks, type ResnetArchitecture } from "../../backbones/resnet/architecture.ts";

/** A piece of an image, and which places of its map count. */
export interface Tile {
  /** Of the pixels that are read. */
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
  /** Of the tile's own map: first and behind the last. */
  readonly rows: readonly [number, number];
  readonly columns: readonly [number, number];
}

/** What tiles hang on. */
export interface Tiling {
  /** Pixels of an image, or of a tile, that are read at once, at most. */
  readonly limitPx: number;
  /** Distance of the places of the last map, in pixels. */
  readonly stridePx: number;
  /** How far a place sees, in pixels; a multiple of the stride. */
  readonly contextPx: number;
}

/** Stride and context of a ResNet's last map. */
export function sightOf(
  { stages }: Pick<ResnetArchitecture, "stages">,
  stemStride: 1 | 2,
): Omit<Tiling, "limitPx"> {
  // the first convolution has 7 × 7 pixels, the maximum 3 × 3 of its places
  let context = 3 + stemStride, stride = stemStride ** 2;
  stages.forEach((count, stage) => {
    bottlenecks(stage, count).forEach((_, index) => {
      context += stride;
      if (stage > 0 && index === 0) stride *= 2;
    });
  });
  return { stridePx: stride, contextPx: Math.ceil(context / stride) * stride };
}

/**
 * The tiles of an image: one, where the image is within the limit; else those that read the fewest
 * pixels. Each place of the whole image's map counts in exactly one.
 */
export function tilesOf(height: number, width: number, tiling: Tiling): Tile[] {
  const whole = { height, width };
  const { limitPx, stridePx, contextPx } = tiling;
  let best: Tile[] = [];
  let bestPx = Infinity;
  const most = Math.ceil(Math.max(height, width) / stridePx);
  for (let columns = 1; columns <= most; columns++) {
    const across = cuts(width, columns, stridePx, contextPx);
    const widest = Math.max(...across.map(({ length }) => length));
    for (let rows = 1; rows <= most; rows++) {
      const down = cuts(height, rows, stridePx, contextPx);
      const tallest = Math.max(...down.map(({ length }) => length));
      if (tallest * widest > limitPx && !(rows === most && columns === most)) continue;
      const read = sum(down) * sum(across);
      if (read < bestPx) {
        bestPx = read;
        best = down.flatMap((row) =>
          across.map((column) => ({
            ...{ top: row.start, height: row.length, rows: row.places },
            ...{ left: column.start, width: column.length, columns: column.places },
          }))
        );
      }
      break; // more rows read more
    }
    if (columns === 1 && best.length === 1 && whole.height * whole.width <= limitPx) break;
  }
  return best;
}

interface Cut {
  readonly start: number;
  readonly length: number;
  readonly places: readonly [number, number];
}

/** A side in so many parts, as even as its places allow, each with its context. */
function cuts(lengthPx: number, count: number, stridePx: number, contextPx: number): Cut[] {
  const places = Math.ceil(lengthPx / stridePx);
  const parts = Math.min(count, places);
  return Array.from({ length: parts }, (_, i) => {
    const [first, end] = [i, i + 1].map((at) => Math.round(at * places / parts)) as [
      number,
      number,
    ];
    const start = Math.max(0, first * stridePx - contextPx);
    const length = Math.min(lengthPx, end * stridePx + contextPx) - start;
    return { start, length, places: [first - start / stridePx, end - start / stridePx] };
  });
}

function sum(cuts: readonly Cut[]): number {
  return cuts.reduce((total, { length }) => total + length, 0);
}
