/**
 * §1: what detectors see: real, GAN and diffusion images in their feature spaces.
 *
 * deno task reproduce --only feature_space
 *
 * Expects RINE to keep generated images apart from real ones, for diffusion models as for GANs:
 * Figure 1. Projects tokens of up to 2000 images to two dimensions with t-SNE; nothing is trained.
 * @module
 */
import type { DatasetSpec } from "../../lib/data/dataset.ts";
import type { Figure, FigureRow } from "../../lib/report/figure.ts";
import type { FeaturePoint } from "../../lib/published/published.ts";
import type { RunRow } from "../../lib/runs/config.ts";
import { randomStream } from "../../lib/random.ts";
import { defineExperiment } from "../../lib/runs/section.ts";
import { noticeOf } from "../../lib/report/paper/heads.ts";
import type { Profile } from "../../lib/runs/profile.ts";
import { chosenRemark, seedsRemark } from "../../lib/report/paper/captions.ts";

/** Images of a detector that are drawn; more only lie on one another. */
const DRAWN = 2000;

const KINDS = ["real", "GAN", "diffusion"] as const;

/** §1 */
export default defineExperiment({
  name: "feature_space",
  section: "§1",
  title: "Feature spaces",
  dependsOn: ["grid"],
  runs: () => [],
  report(profile, rows, { points = [] } = {}) {
    return { tables: [], figures: points.length === 0 ? [] : [spaceFigure(profile, rows, points)] };
  },
});

/** Test sets whose images are drawn: the GANs, and those in the folder of diffusion models; none of a user's own. */
export function drawnSets({ testSets, ganSets }: Profile): DatasetSpec[] {
  return testSets.filter(({ name, sources, isOwn }) =>
    !isOwn && (
      ganSets.includes(name) ||
      sources.some((source) => "directory" in source && source.directory.includes("diffusion"))
    )
  );
}

function spaceFigure(
  profile: Profile,
  rows: readonly RunRow[],
  points: readonly FeaturePoint[],
): Figure {
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
  const kind = { field: "kind", type: "nominal", title: null, scale: { domain: KINDS } };
  const axis = { labels: false, ticks: false, grid: false, domain: false };
  return {
    id: "figure_1",
    title: "Figure 1. Feature spaces",
    caption:
      "Images in the feature spaces of the detectors, projected to two dimensions by t-SNE, " +
      `which keeps neighbours together and has no units; at most ${DRAWN} images of each are drawn.` +
      chosenRemark(profile) + seedsRemark(rows, "first"),
    ...noticeOf(profile),
    columns: 2,
    rows: data,
    spec: {
      spacing: 8,
      facet: { column: { field: "detector", type: "nominal", title: null, sort: detectors } },
      resolve: { scale: { x: "independent", y: "independent" } },
      spec: {
        width: Math.floor(570 / detectors.length),
        height: 180,
        mark: { type: "point", filled: false, size: 9, strokeWidth: 0.6 },
        encoding: {
          x: { field: "x", type: "quantitative", title: "t-SNE 1", axis, scale: { zero: false } },
          y: { field: "y", type: "quantitative", title: "t-SNE 2", axis, scale: { zero: false } },
          color: { ...kind, legend: { symbolSize: 50, symbolStrokeWidth: 1.5 } },
          shape: { ...kind, scale: { domain: KINDS, range: ["circle", "triangle-up", "diamond"] } },
        },
      },
    },
  };
}

/** Some of a detector's points, drawn at random but always the same, in their order. */
function sample(points: readonly FeaturePoint[], detector: string): FeaturePoint[] {
  const chosen = randomStream(0, "feature space", detector).permutation(points.length);
  return [...chosen.slice(0, DRAWN)].sort((a, b) => a - b).map((i) => points[i]!);
}
