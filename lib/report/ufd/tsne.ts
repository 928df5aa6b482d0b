/**
 * Figure 6 of UFD's paper: training images in the feature spaces that are compared, by t-SNE.
 * Paper: Ojha, Li & Lee, CVPR 2023, §3.
 * @module
 */
import { defineMaking } from "../../runs/made.ts";
import { drawSome } from "../../runs/making.ts";
import type { Shown } from "../../runs/section.ts";
import { trainingImages } from "../../runs/ufd.ts";
import type { Figure, FigureRow } from "../figure.ts";
import { nominal, panels, points, quantitative } from "../marks.ts";
import { noticeOf } from "../paper/columns.ts";
import { projectFeatures } from "../tsne.ts";

/** Kinds of images, by label. */
const KINDS = ["real", "generated"] as const;

/** Digits of places: no eye sees more. */
const DIGITS = 4;

/** A point: `space`, `kind`, `x`, `y`. */
type Point = FigureRow;

/** Images of each label of the main training set, drawn from all classes together, in every space. */
export const UFD_PROJECTIONS = defineMaking<readonly Point[]>({
  reads: ({ ufd, ...profile }) =>
    ufd && {
      sets: trainingImages({ ...profile, ufd }),
      backbones: ufd.featureSpaces.map(({ backbone }) => backbone),
    },
  async plan(materials) {
    const { profile } = materials;
    const { featureSpaces } = profile.ufd!;
    const count = Math.floor(profile.pointImages / 2);
    const drawn = [];
    for (const label of [0, 1] as const) {
      const lists = [];
      for (const spec of trainingImages(profile)) {
        lists.push(...await materials.images(spec, label));
      }
      drawn.push(drawSome(lists.flat(), count, "projection", KINDS[label]));
    }
    const spaces: {
      title: string;
      embeddings: Awaited<ReturnType<typeof materials.embeddings>>;
    }[] = [];
    for (const { backbone, title } of featureSpaces) {
      spaces.push({ title, embeddings: await materials.embeddings(drawn, backbone) });
    }
    return {
      parameters: [count, featureSpaces],
      async make() {
        const made: Point[] = [];
        for (const { title, embeddings } of spaces) {
          const parts = [await embeddings.read(0), await embeddings.read(1)];
          const features = new Float32Array(parts.reduce((sum, { rows }) => sum + rows.length, 0));
          features.set(parts[0]!.rows);
          features.set(parts[1]!.rows, parts[0]!.rows.length);
          const images = parts.flatMap((part) => part.images);
          const places = projectFeatures(features, images.length);
          images.forEach(({ label }, i) =>
            made.push({
              space: title,
              kind: KINDS[label],
              x: Number(places[2 * i]!.toPrecision(DIGITS)),
              y: Number(places[2 * i + 1]!.toPrecision(DIGITS)),
            })
          );
        }
        return made;
      },
    };
  },
});

/** A panel for each feature space; none where nothing was made. */
export function ufdFigure6({ profile, made }: Shown): Figure | undefined {
  const rows = made as readonly Point[] | undefined;
  if (!rows) return undefined;
  const spaces = [...new Set(rows.map(({ space }) => space))];
  const kind = nominal("kind", { title: null, scale: { domain: KINDS } });
  const axis = { labels: false, ticks: false, grid: false, domain: false };
  const place = (field: string, title: string) =>
    quantitative(field, { title, axis, scale: { zero: false } });
  const drawn = rows.length / spaces.length;
  return {
    id: "ufd_figure_6",
    title: "UFD Figure 6. Training images in several feature spaces",
    caption:
      `Embeddings of the centre crops of ${drawn} training images (${profile.trainedOn.main.title}` +
      ") in each network, projected to two dimensions by t-SNE, which keeps neighbours together and " +
      "has no units.",
    ...noticeOf(profile),
    columns: 2,
    rows,
    spec: {
      spacing: 8,
      ...panels(
        "space",
        { sort: spaces },
        { scale: { x: "independent", y: "independent" } },
        points(
          { width: Math.floor(560 / spaces.length), height: Math.floor(560 / spaces.length) },
          { filled: false, size: 9, strokeWidth: 0.6 },
          {
            x: place("x", "t-SNE 1"),
            y: place("y", "t-SNE 2"),
            color: { ...kind, legend: { symbolSize: 50, symbolStrokeWidth: 1.5 } },
            shape: { ...kind, scale: { domain: KINDS, range: ["circle", "triangle-up"] } },
          },
        ),
      ),
    },
  };
}
