/**
 * Figure 1: real, GAN and diffusion images in the feature spaces of detectors. Paper: §1.
 * @module
 */
import type { DatasetSpec } from "../../data/dataset.ts";
import type { FeaturePoint } from "../../published/points.ts";
import { randomStream } from "../../random.ts";
import type { Profile } from "../../runs/profile.ts";
import type { Shown } from "../../runs/section.ts";
import type { Figure, FigureRow } from "../figure.ts";
import { having, nominal, points as pointMarks, quantitative } from "../marks.ts";
import { TITLE_INK } from "../theme.ts";
import { chosenRemark, seedsRemark } from "./captions.ts";
import { noticeOf } from "./columns.ts";

/** Images of a detector that are drawn; more only lie on one another. */
const DRAWN = 2000;

const KINDS = ["real", "GAN", "diffusion"] as const;

/** Test sets whose images are drawn: those of GANs and of diffusion models. */
export function drawnSets({ testSets }: Profile): DatasetSpec[] {
  return testSets.filter(({ kind }) => kind !== undefined);
}

/** How many images of each of these sets are projected, where it has as many. */
export function imagesOfEach(profile: Profile): number {
  return Math.floor(profile.pointImages / drawnSets(profile).length);
}

/** The order in which a set's images are drawn, whichever detector looks at them. */
export function drawOrder(set: string, images: number): Uint32Array {
  return randomStream(0, "feature space", set).permutation(images);
}

/** A panel for each detector; none without points. */
export function figure1({ profile, rows, points: ofHead, made }: Shown): Figure | undefined {
  const points = [...ofHead, ...(made as readonly FeaturePoint[] | undefined ?? [])];
  if (points.length === 0) return undefined;
  const detectors = [...new Set(points.map(({ detector }) => detector))];
  const kindOf = ({ label, generator }: FeaturePoint) =>
    label === 0 ? KINDS[0] : profile.ganSets.includes(generator) ? KINDS[1] : KINDS[2];
  const data = detectors.flatMap((detector) =>
    sample(points.filter((point) => point.detector === detector), detector)
      .map((point): FigureRow => ({
        detector,
        generator: point.generator,
        kind: kindOf(point),
        x: point.x,
        y: point.y,
      }))
  );
  const kind = nominal("kind", { title: null, scale: { domain: KINDS } });
  const axis = { labels: false, ticks: false, grid: false, domain: false };
  const side = Math.min(200, Math.floor(580 / detectors.length));
  const panel = (detector: string) => {
    const own = data.filter((row) => row["detector"] === detector);
    // one unit for both axes: distances in all directions are alike
    const centre = (field: "x" | "y") => {
      const values = own.map((row) => Number(row[field]));
      return [Math.min(...values), Math.max(...values)] as const;
    };
    const [x, y] = [centre("x"), centre("y")];
    const half = 0.52 * Math.max(x[1] - x[0], y[1] - y[0], Number.MIN_VALUE);
    const place = (field: "x" | "y", title: string, [from, to]: readonly [number, number]) =>
      quantitative(field, {
        title,
        axis,
        scale: {
          domain: [(from + to) / 2 - half, (from + to) / 2 + half],
          nice: false,
          zero: false,
        },
      });
    return {
      title: { text: detector, anchor: "middle", color: TITLE_INK },
      ...pointMarks(
        { width: side, height: side, transform: [{ filter: having("detector", detector) }] },
        { filled: false, size: 9, strokeWidth: 0.7 },
        {
          x: place("x", "t-SNE 1", x),
          y: place("y", "t-SNE 2", y),
          color: { ...kind, legend: { symbolSize: 50, symbolStrokeWidth: 1.5 } },
          shape: {
            ...kind,
            scale: { domain: KINDS, range: ["circle", "triangle-up", "diamond"] },
          },
        },
      ),
    };
  };
  return {
    id: "figure_1",
    title: "Figure 1. Feature spaces",
    caption:
      "Images in the feature spaces of the detectors, projected to two dimensions by t-SNE, " +
      `which keeps neighbours together and has no units; at most ${DRAWN} images of each are drawn.` +
      (made === undefined
        ? ""
        : " The same images in each: RINE's representation, UFD's embedding of its frozen backbone, " +
          "and the mean over the last map of Wang et al.'s network, where there is one.") +
      chosenRemark(profile) + seedsRemark(rows, "first"),
    ...noticeOf(profile),
    columns: 2,
    rows: data,
    spec: { spacing: 8, hconcat: detectors.map(panel) },
  };
}

/** Some of a detector's points, drawn at random but always the same, in their order. */
function sample(points: readonly FeaturePoint[], detector: string): FeaturePoint[] {
  const chosen = randomStream(0, "feature space", detector).permutation(points.length);
  return [...chosen.slice(0, DRAWN)].sort((a, b) => a - b).map((i) => points[i]!);
}
