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
  const [rows, columns] = countsOf(height, width, tiling);
  const across = cuts(width, columns, tiling);
  return cuts(height, rows, tiling).flatMap((row) =>
    across.map((column): Tile => ({
      ...{ top: row.start, height: row.length, rows: row.places },
      ...{ left: column.start, width: column.length, columns: column.places },
    }))
  );
}

/** In how many parts either side goes. */
function countsOf(
  height: number,
  width: number,
  { limitPx, stridePx, contextPx }: Tiling,
): [rows: number, columns: number] {
  if (height * width <= limitPx) return [1, 1];
  // a tile of one place is the least
  const limit = Math.max(limitPx, (stridePx + 2 * contextPx) ** 2);
  const down = Math.ceil(height / stridePx), across = Math.ceil(width / stridePx);
  const longest = (lengthPx: number, places: number, parts: number) =>
    Math.min(lengthPx, Math.ceil(places / parts) * stridePx + 2 * contextPx);
  let best: [number, number] = [down, across];
  let bestPx = Infinity;
  for (let columns = 1; columns <= across; columns++) {
    const widest = longest(width, across, columns);
    const tallest = Math.floor(limit / widest);
    const most = Math.floor((tallest - 2 * contextPx) / stridePx);
    if (tallest < height && most < 1) continue;
    const rows = tallest >= height ? 1 : Math.ceil(down / most);
    const readPx = rows * longest(height, down, rows) * columns * widest;
    if (readPx >= bestPx) continue;
    bestPx = readPx;
    best = [rows, columns];
  }
  return best;
}

interface Cut {
  readonly start: number;
  readonly length: number;
  readonly places: readonly [number, number];
}

/** A side in so many parts, as even as its places allow, each with its context. */
function cuts(lengthPx: number, parts: number, { stridePx, contextPx }: Tiling): Cut[] {
  const places = Math.ceil(lengthPx / stridePx);
  const edge = (part: number) => Math.round(part * places / parts);
  return Array.from({ length: parts }, (_, part) => {
    const [first, end] = [edge(part), edge(part + 1)];
    const start = Math.max(0, first * stridePx - contextPx);
    const length = Math.min(lengthPx, end * stridePx + contextPx) - start;
    return { start, length, places: [first - start / stridePx, end - start / stridePx] };
  });
}
