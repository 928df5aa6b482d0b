/**
 * What adds to one image's score, drawn: blocks as bars, parts of the image as a map over it.
 * @module
 */
import type { RgbImage } from "../image/image.ts";
import { pngAddress } from "../image/png.ts";
import type { Figure, Spec } from "./figure.ts";
import { nominal, ordinal, quantitative } from "./marks.ts";

/** What the detector said. */
interface Says {
  readonly score: number;
  readonly logit: number;
}

const SIGNS = ["real", "generated"] as const;

/** Which way a contribution goes. */
function signOf(contribution: number): typeof SIGNS[number] {
  return contribution < 0 ? "real" : "generated";
}

/** Colours of the two ways; dark and light, so that they are told apart in grey. */
const SIGN = nominal("speaksFor", {
  title: "speaks for",
  scale: { domain: SIGNS, range: ["#0072b2", "#f0b840"] },
});

function inWords({ score, logit }: Says): string {
  return `Score ${score.toFixed(2)}, logit ${logit.toFixed(2)}.`;
}

/** What each block adds to the logit. */
export function blocksFigure(contributions: readonly number[], says: Says): Figure {
  return {
    id: "explained_blocks",
    title: "What each block adds",
    caption:
      `${inWords(says)} By block, the logit minus what it would be if the block had no weight ` +
      "and the others shared its own: above 0 a block speaks for generated, below for real. The bars " +
      "do not sum to the logit, for blocks act together.",
    columns: 1,
    rows: contributions.map((contribution, i) => ({
      block: i + 1,
      contribution,
      speaksFor: signOf(contribution),
    })),
    spec: {
      width: 240,
      height: 130,
      mark: "bar",
      encoding: {
        x: ordinal("block", { axis: { labelOverlap: true } }),
        y: quantitative("contribution", { title: "adds to the logit" }),
        color: SIGN,
      },
    },
  };
}

/** Side of the map in pixels of 1/96 inch. */
const SIDE_PX = 150;

/** What each part of an image adds to the logit, over the image and beside it as it is. */
export function occlusionFigure(
  view: RgbImage,
  occlusion: readonly (readonly number[])[],
  says: Says,
): Figure {
  const cells = occlusion.length;
  const most = Math.max(...occlusion.flat().map(Math.abs), Number.MIN_VALUE);
  const picture = pngAddress(view);
  const rows = occlusion.flatMap((row, y) =>
    row.map((contribution, x) => ({
      left: x,
      right: x + 1,
      top: y,
      bottom: y + 1,
      contribution,
      speaksFor: signOf(contribution),
      strength: Math.abs(contribution) / most,
    }))
  );
  const place = (field: string, further: Spec = {}) =>
    quantitative(field, {
      axis: null,
      scale: { domain: [0, cells], nice: false, zero: false, ...further },
    });
  const height = Math.round(SIDE_PX * view.height / view.width);
  const image = {
    data: { values: [{ x: cells / 2, y: cells / 2, picture }] },
    mark: { type: "image", width: SIDE_PX, height, aspect: false, tooltip: null },
    encoding: {
      x: place("x"),
      y: place("y", { reverse: true }),
      url: { field: "picture", type: "nominal" },
    },
  };
  return {
    id: "explained_parts",
    title: "What each part of the image adds",
    caption: `${inWords(says)} On the left what was read of the image. On the right each part is ` +
      "coloured the more strongly the more the logit changes where it is covered by the mean colour; the " +
      `strongest changes it by ${most.toFixed(2)}.`,
    columns: 1,
    rows,
    spec: {
      hconcat: [{ width: SIDE_PX, height, layer: [image] }, {
        width: SIDE_PX,
        height,
        layer: [image, {
          mark: { type: "rect", stroke: null },
          encoding: {
            x: place("left"),
            x2: { field: "right" },
            y: place("top", { reverse: true }),
            y2: { field: "bottom" },
            color: SIGN,
            opacity: {
              ...quantitative("strength", { legend: null }),
              scale: { domain: [0, 1], range: [0.15, 0.8] },
            },
          },
        }],
      }],
      resolve: { scale: { x: "independent", y: "independent" } },
    },
  };
}
