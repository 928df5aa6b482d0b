/**
 * Figure 9 of UFD's paper: the images of latent diffusion that are nearest to and farthest from the
 * generated training images, beside their nearest neighbours. Paper: Ojha, Li & Lee, CVPR 2023, §6.
 * @module
 */
import type { DatasetSpec, LabelledImage } from "../../data/dataset.ts";
import { type Nearest, Searcher, slabsOf } from "../../detectors/ufd/search.ts";
import { centerCrop } from "../../image/crop.ts";
import { pngAddress } from "../../image/png.ts";
import { resizeBilinear } from "../../image/resize.ts";
import { defineMaking } from "../../runs/made.ts";
import type { Materials } from "../../runs/making.ts";
import type { Profile } from "../../runs/profile.ts";
import type { Shown } from "../../runs/section.ts";
import { trainingImages, ufdTestSets } from "../../runs/ufd.ts";
import type { Figure, FigureRow } from "../figure.ts";
import { nominal, quantitative } from "../marks.ts";
import { noticeOf } from "../paper/columns.ts";

/** Pairs in a row. */
const PAIRS = 5;

/** Side that larger crops are shown at, in pixels. */
const SHOWN_PX = 112;

/** An image and its nearest neighbour. */
export interface NeighbourPair {
  readonly image: LabelledImage;
  readonly neighbour: LabelledImage;
  /** 1 − cosine. */
  readonly distance: number;
}

/** A pair as it is kept: which row, its place in it, and both pictures. */
interface PicturedPair {
  readonly row: "nearest" | "farthest";
  readonly distance: number;
  /** Path and picture, of the image and of its neighbour. */
  readonly shown: readonly { readonly path: string; readonly picture: string }[];
}

interface Made {
  /** What the images' set is called. */
  readonly title: string;
  readonly images: number;
  readonly bank: number;
  readonly pairs: readonly PicturedPair[];
}

/**
 * The test set that is looked through: that of the latent training set's generator; else of its
 * family; else the first of diffusion models.
 */
export function latentTestSet(profile: Profile): DatasetSpec | undefined {
  const sets = ufdTestSets(profile).filter(({ kind }) => kind === "diffusion");
  const [own] = Object.values(profile.trainingSets[profile.trainedOn.latent.name] ?? {});
  return sets.find(({ title }) => title === own?.train.title) ??
    sets.find(({ family }) => family === own?.train.family) ?? sets[0];
}

/** The nearest of a list, the nearest first, then the farthest, the farthest first. */
export function nearestAndFarthest(
  pairs: readonly NeighbourPair[],
  count: number = PAIRS,
): { readonly nearest: readonly NeighbourPair[]; readonly farthest: readonly NeighbourPair[] } {
  const sorted = pairs.toSorted((a, b) => a.distance - b.distance);
  // few images are not shown twice
  const shown = Math.min(count, Math.floor(sorted.length / 2));
  return {
    nearest: sorted.slice(0, shown),
    farthest: sorted.slice(sorted.length - shown).reverse(),
  };
}

/** Images of which embeddings can be read. */
interface EmbeddedLists {
  readonly lists: readonly (readonly LabelledImage[])[];
  readonly embeddings: Awaited<ReturnType<Materials["embeddings"]>>;
}

/**
 * Each image with the one of a bank that is nearest to it; of equally near ones the first. Lists of
 * the bank are read one after the other.
 */
export async function neighbourPairs(
  of: EmbeddedLists,
  bank: EmbeddedLists,
): Promise<NeighbourPair[]> {
  const queries = [];
  for (const list of of.lists.keys()) queries.push(await of.embeddings.read(list));
  const images = queries.flatMap((part) => part.images);
  const best: (NeighbourPair | undefined)[] = images.map(() => undefined);
  const searcher = await Searcher.open(queries[0]!.width);
  try {
    for (const list of bank.lists.keys()) {
      const { images: neighbours, rows, width } = await bank.embeddings.read(list);
      const slabs = slabsOf(rows, width);
      let at = 0;
      for (const part of queries) {
        const { distances, places }: Nearest = await searcher.nearest(slabs, part.rows, 1);
        part.images.forEach((image, i) => {
          const distance = distances[i]!, known = best[at + i];
          if (known && known.distance <= distance) return;
          best[at + i] = { image, neighbour: neighbours[places[i]!]!, distance };
        });
        at += part.images.length;
      }
    }
  } finally {
    await searcher.dispose();
  }
  return best.filter((pair) => pair !== undefined);
}

/** The nearest neighbours of a test set in the main training set, and their pictures. */
export const UFD_NEIGHBOUR_IMAGES = defineMaking<Made>({
  reads(profile) {
    const { ufd } = profile;
    const set = latentTestSet(profile);
    if (!ufd || !set) return undefined;
    return { sets: [...trainingImages(profile), set], backbones: [ufd.backbone] };
  },
  async plan(materials) {
    const { profile } = materials;
    const { backbone } = profile.ufd!;
    const set = latentTestSet(profile)!;
    const generated = async (specs: readonly DatasetSpec[]): Promise<EmbeddedLists> => {
      const lists = [];
      for (const spec of specs) lists.push(...await materials.images(spec, 1));
      return { lists, embeddings: await materials.embeddings(lists, backbone) };
    };
    const test = await generated([set]), bank = await generated(trainingImages(profile));
    const cropPx = await materials.resolutionPx(backbone);
    return {
      parameters: [PAIRS, SHOWN_PX, cropPx],
      async make() {
        const pairs = await neighbourPairs(test, bank);
        const { nearest, farthest } = nearestAndFarthest(pairs);
        const shownOf = async (image: LabelledImage) => ({
          path: image.path,
          picture: await pictureOf(image, cropPx, materials),
        });
        const pictured = async (row: PicturedPair["row"], list: readonly NeighbourPair[]) => {
          const made: PicturedPair[] = [];
          for (const { image, neighbour, distance } of list) {
            made.push({ row, distance, shown: [await shownOf(image), await shownOf(neighbour)] });
          }
          return made;
        };
        return {
          title: set.fullTitle ?? set.title,
          images: pairs.length,
          bank: bank.lists.reduce((sum, list) => sum + list.length, 0),
          pairs: [...await pictured("nearest", nearest), ...await pictured("farthest", farthest)],
        };
      },
    };
  },
});

/** The crop that the backbone sees. */
async function pictureOf(
  image: LabelledImage,
  cropPx: number,
  materials: Pick<Materials, "decode">,
): Promise<string> {
  const crop = centerCrop((await materials.decode(image))!, cropPx);
  return pngAddress(cropPx <= SHOWN_PX ? crop : resizeBilinear(crop, SHOWN_PX, SHOWN_PX));
}

/** Side of a picture, and between pictures of a pair, pairs, and rows; in pixels. */
const SIDE_PX = 58, GAP_PX = 2, PAIR_GAP_PX = 9, ROW_PX = 78;

/** Two rows of pairs with their distances; none where nothing was made. */
export function ufdFigure9({ profile, made }: Shown): Figure | undefined {
  const found = made as Made | undefined;
  if (!found || found.pairs.length === 0) return undefined;
  const { title, images, bank, pairs } = found;
  const kinds = ["nearest", "farthest"] as const;
  const rows = kinds.flatMap((kind) =>
    pairs.filter(({ row }) => row === kind).flatMap(({ distance, shown }, i) =>
      shown.map(({ path, picture }, s): FigureRow => ({
        row: kind,
        pair: i + 1,
        image: s === 0 ? "test" : "training",
        distance,
        path,
        // left edges and middles in the figure
        x: i * (2 * SIDE_PX + GAP_PX + PAIR_GAP_PX) + s * (SIDE_PX + GAP_PX) + SIDE_PX / 2,
        y: kinds.indexOf(kind) * ROW_PX + SIDE_PX / 2,
        picture,
      }))
    )
  );
  const width = PAIRS * (2 * SIDE_PX + GAP_PX + PAIR_GAP_PX) - PAIR_GAP_PX;
  const height = 2 * ROW_PX;
  const pixels = (field: string, reach: number, further: Record<string, unknown> = {}) =>
    quantitative(field, {
      axis: null,
      scale: { domain: [0, reach], nice: false, zero: false, ...further },
    });
  const place = { x: pixels("x", width), y: pixels("y", height, { reverse: true }) };
  return {
    id: "ufd_figure_9",
    title: "UFD Figure 9. Images nearest to and farthest from the training images",
    caption:
      `Of ${images} images (${title}) those that are nearest to the ${bank} generated training ` +
      `images (${profile.trainedOn.main.title}) and those that are farthest from them, the first of ` +
      "each row most so. Beside each, on the right, the training image that is nearest to it, and below " +
      `their distance, 1 − cosine of the embeddings by ${profile.ufd?.backbone}. Crops as the network ` +
      "sees them.",
    ...noticeOf(profile),
    columns: 2,
    rows,
    spec: {
      width,
      height,
      view: { stroke: null },
      layer: [
        {
          mark: {
            type: "image",
            width: SIDE_PX,
            height: SIDE_PX,
            aspect: false,
            tooltip: null,
          },
          encoding: { ...place, url: nominal("picture") },
        },
        {
          transform: [{ filter: { field: "image", equal: "test" } }],
          mark: {
            type: "text",
            dx: SIDE_PX / 2 + GAP_PX / 2,
            dy: SIDE_PX / 2 + 8,
            fontSize: 9.4,
            color: "#222",
            tooltip: null,
          },
          encoding: { ...place, text: quantitative("distance", { format: ".3f" }) },
        },
        {
          transform: [{ filter: "datum.image === 'test' && datum.pair === 1" }],
          mark: {
            type: "text",
            angle: 270,
            fontSize: 10,
            fontWeight: "bold",
            color: "#222",
            tooltip: null,
          },
          encoding: { ...place, x: { value: -9 }, text: nominal("row") },
        },
      ],
    },
  };
}
