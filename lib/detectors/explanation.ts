/**
 * Why an image got its score: blocks left out one by one, and parts of the image covered.
 * @module
 */
import { cover, meanColour, type Part } from "../image/cover.ts";
import type { RgbImage } from "../image/image.ts";
import { refuseUnknown, UserError } from "../io/errors.ts";
import type { Figure } from "../report/figure.ts";
import { blocksFigure, occlusionFigure } from "../report/explanation.ts";
import type { Table } from "../report/table.ts";
import type { ImageScorer } from "./image_scorer.ts";

/** How an image is covered. */
export interface ExplainOptions {
  /** Parts along each side of what is read of the image; default 8. */
  readonly cells?: number;
}

/**
 * What adds to a logit: above 0 it speaks for "generated", below for "real". Contributions do not sum
 * to the logit: blocks and parts act together.
 */
export interface Explanation {
  /** Probability in [0, 1] that the image is generated. */
  readonly score: number;
  /** What the score is the sigmoid of. */
  readonly logit: number;
  /** What is read of the image. */
  readonly view: RgbImage;
  /**
   * By block, the first first, logit − logit without the block, whose weight goes to the others in
   * proportion; absent where a detector weighs no blocks.
   */
  readonly blocks?: readonly number[];
  /**
   * By rows from the top and parts from the left, logit − logit with the part covered by the view's
   * mean colour. Zeiler & Fergus, ECCV 2014, §4.2.
   */
  readonly occlusion: readonly (readonly number[])[];
  /** None; so `show` takes it for a report. */
  readonly tables: readonly Table[];
  /** Bars of the blocks, and the map of parts over the view. */
  readonly figures: readonly Figure[];
}

const CELLS = 8;

/** Parts along a side that there may be: each costs a pass of the network. */
const MOST_CELLS = 64;

/**
 * Explains the logit of a view.
 * @throws {UserError} where an option is unknown or out of range
 */
export async function explainView(
  scorer: ImageScorer,
  view: RgbImage,
  { score, logit }: { readonly score: number; readonly logit: number },
  options: ExplainOptions,
): Promise<Explanation> {
  refuseUnknown("Cannot explain a verdict", options, ["cells"]);
  const { cells = CELLS } = options;
  const most = Math.min(MOST_CELLS, view.width, view.height);
  if (!Number.isInteger(cells) || cells < 1 || cells > most) {
    throw new UserError(
      "usage",
      `Cannot explain a verdict: expected cells, a whole number from 1 to ${most}; found ${cells}`,
    );
  }
  const without = await scorer.withoutBlocks?.([view]);
  const blocks = without?.map(([other]) => logit - other!);
  const occlusion = await occlusionOf(scorer, view, logit, cells);
  const says = { logit, score };
  return {
    score,
    logit,
    view,
    ...(blocks ? { blocks } : {}),
    occlusion,
    tables: [],
    figures: [
      ...(blocks ? [blocksFigure(blocks, says)] : []),
      occlusionFigure(view, occlusion, says),
    ],
  };
}

async function occlusionOf(
  scorer: ImageScorer,
  view: RgbImage,
  logit: number,
  cells: number,
): Promise<number[][]> {
  const colour = meanColour(view);
  const places = Array.from({ length: cells * cells }, (_, i) => i);
  const found: number[] = [];
  for (let from = 0; from < places.length; from += scorer.imagesAtOnce) {
    const covered = places.slice(from, from + scorer.imagesAtOnce)
      .map((place) =>
        cover(view, partAt(view, place % cells, Math.floor(place / cells), cells), colour)
      );
    found.push(...Array.from(await scorer.logits(covered), (other) => logit - other));
  }
  return Array.from({ length: cells }, (_, row) => found.slice(row * cells, (row + 1) * cells));
}

/** The part in a column and a row of so many along each side. */
function partAt(
  { width, height }: RgbImage,
  column: number,
  row: number,
  cells: number,
): Part {
  const edge = (cell: number, side: number) => Math.round(cell * side / cells);
  return {
    left: edge(column, width),
    top: edge(row, height),
    right: edge(column + 1, width),
    bottom: edge(row + 1, height),
  };
}
