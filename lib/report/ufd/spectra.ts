/**
 * Figure 3 of UFD's paper: which frequencies a median filter takes away of real and of generated
 * images. Paper: Ojha, Li & Lee, CVPR 2023, §3.
 * @module
 */
import type { DatasetSpec, Label, LabelledImage } from "../../data/dataset.ts";
import type { RgbImage } from "../../image/image.ts";
import { pngAddress } from "../../image/png.ts";
import { MeanSpectrum } from "../../image/spectrum.ts";
import { defineMaking } from "../../runs/made.ts";
import { drawSome, type Materials } from "../../runs/making.ts";
import type { Profile } from "../../runs/profile.ts";
import type { Shown } from "../../runs/section.ts";
import { trainingImages, ufdTestSets } from "../../runs/ufd.ts";
import type { Figure, FigureRow, Spec } from "../figure.ts";
import { nominal } from "../marks.ts";
import { noticeOf } from "../paper/columns.ts";

/** Images of a panel at most, as in the paper. */
const MOST_IMAGES = 2000;

/** Panels of generators at most. */
const MOST_GENERATORS = 8;

/** Sides of crops in pixels, at most and at least: a smaller image is left out. */
const LARGEST_PX = 256, SMALLEST_PX = 16;

/** Significant digits that are kept. */
const DIGITS = 4;

/** Side of a panel in a figure, in pixels; each frequency is drawn as a square of whole dots. */
const PANEL_PX = 120;

/** The mean spectrum of some images. */
export interface SpectrumPanel {
  readonly title: string;
  /** How many images. */
  readonly images: number;
  /** Side of their crops in pixels. */
  readonly sizePx: number;
  /** As `MeanSpectrum.mean` has them, [size, size]. */
  readonly magnitudes: readonly number[];
}

/** Which images a panel is of. */
interface PanelImages {
  readonly title: string;
  readonly label: Label;
  readonly sets: readonly DatasetSpec[];
}

/**
 * Panels: real training images; generated ones; those of the first test set of each family that the
 * training generator is not of.
 */
function panelsOf(profile: Profile): PanelImages[] {
  const sets = trainingImages(profile);
  const trained = sets[0]?.family;
  const others = ufdTestSets(profile).filter(({ isOwn, family }, i, all) =>
    !isOwn && family !== trained && all.findIndex((set) => set.family === family) === i
  );
  return [
    { title: "real", label: 0, sets },
    { title: profile.trainedOn.main.title, label: 1, sets },
    ...others.slice(0, MOST_GENERATORS - 1)
      .map((set): PanelImages => ({ title: set.fullTitle ?? set.title, label: 1, sets: [set] })),
  ];
}

/** Spectra of equally drawn images. */
export const UFD_SPECTRA = defineMaking<readonly SpectrumPanel[]>({
  reads: (profile) =>
    profile.ufd && {
      sets: [...new Set(panelsOf(profile).flatMap(({ sets }) => sets))],
      backbones: [],
    },
  async plan(materials) {
    const { profile } = materials;
    const most = Math.min(MOST_IMAGES, profile.pointImages);
    const panels = panelsOf(profile);
    const drawn: LabelledImage[][] = [];
    for (const { title, label, sets } of panels) {
      const lists = [];
      for (const spec of sets) lists.push(...await materials.images(spec, label));
      drawn.push(drawSome(lists.flat(), most, "spectra", title));
    }
    return {
      parameters: [most, LARGEST_PX, panels.map(({ title }) => title)],
      async make() {
        const made: SpectrumPanel[] = [];
        for (const [p, { title }] of panels.entries()) {
          made.push(await panelOf(title, drawn[p]!, materials));
        }
        return made;
      },
    };
  },
});

async function panelOf(
  title: string,
  images: readonly LabelledImage[],
  materials: Pick<Materials, "decode">,
): Promise<SpectrumPanel> {
  let spectrum = new MeanSpectrum(LARGEST_PX);
  for (let i = 0; i < images.length; i++) {
    const image = await materials.decode(images[i]!);
    const fits = image ? largestCrop(image) : 0;
    if (!image || fits < SMALLEST_PX) continue;
    if (fits >= spectrum.size) {
      spectrum.add(image);
      continue;
    }
    // the crop has to fit all: begin again with a smaller one
    spectrum = new MeanSpectrum(fits);
    i = -1;
  }
  const magnitudes = Array.from(spectrum.mean(), (value) => Number(value.toPrecision(DIGITS)));
  return { title, images: spectrum.count, sizePx: spectrum.size, magnitudes };
}

/** The largest power of 2 that fits into an image. */
function largestCrop({ width, height }: RgbImage): number {
  return 2 ** Math.floor(Math.log2(Math.min(width, height)));
}

/** Colours from weak to strong: viridis, which reads in grey too. */
const COLOURS = ["#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#fde725"];

/** Shares of all values between which colours change; what lies beyond has the first or the last. */
const DARKEST = .01, BRIGHTEST = .998;

/** A heat map for each panel, on one scale; none where nothing was made. */
export function ufdFigure3({ profile, made }: Shown): Figure | undefined {
  const spectra = made as readonly SpectrumPanel[] | undefined;
  if (!spectra) return undefined;
  const values = spectra.flatMap(({ magnitudes }) => magnitudes)
    .filter((value) => value > 0).map(Math.log10).sort((a, b) => a - b);
  const at = (share: number) => values[Math.floor(share * (values.length - 1))] ?? 0;
  const low = at(DARKEST), high = Math.max(at(BRIGHTEST), low + 1e-6);
  const rows = spectra.map((panel): FigureRow => ({
    images: panel.title,
    count: panel.images,
    cropPx: panel.sizePx,
    strongest: Math.max(...panel.magnitudes),
    weakest: Math.min(...panel.magnitudes),
    picture: pngAddress(heatMap(panel, low, high)),
  }));
  const frequency = (title: string | null) => ({
    datum: 0,
    type: "quantitative",
    scale: { domain: [-.5, .5], nice: false },
    axis: { title, values: [-.5, 0, .5], grid: false, format: "~g" },
  });
  const sizes = [...new Set(spectra.map(({ sizePx }) => sizePx))].sort((a, b) => a - b);
  const counts = spectra.map(({ images }) => images);
  const [fewest, most] = [Math.min(...counts), Math.max(...counts)];
  return {
    id: "ufd_figure_3",
    title: "UFD Figure 3. Frequencies of real and of generated images",
    caption:
      "Images less their 3 × 3 median, mean over colours: magnitude of the Fourier transform, " +
      `mean over ${fewest === most ? most : `${fewest} to ${most}`} images, of centre crops of ` +
      `${sizes.join(", ")} px, divided by their side; frequency 0 in the middle. Real images and ` +
      `those of ${profile.trainedOn.main.title} are of the training set, others of the first test set ` +
      "of each family. No released code draws it: crop, mean over colours and scale are chosen here.",
    ...noticeOf(profile),
    columns: 2,
    rows,
    spec: {
      spacing: 8,
      vconcat: [
        scaleStrip(low, high),
        {
          spacing: { row: 8, column: 14 },
          facet: nominal("images", { title: null, sort: spectra.map(({ title }) => title) }),
          columns: Math.ceil(spectra.length / 2),
          resolve: { axis: { x: "independent", y: "independent" } },
          spec: {
            width: PANEL_PX,
            height: PANEL_PX,
            ...picture(PANEL_PX, PANEL_PX, {
              x: frequency("cycles a pixel"),
              y: frequency(null),
              url: nominal("picture"),
            }),
          },
        },
      ],
    },
  };
}

/** Pictures of a size in pixels, stretched to it. */
function picture(width: number, height: number, encoding: Spec): Spec {
  return { mark: { type: "image", width, height, aspect: false, tooltip: null }, encoding };
}

/** The scale of colours, as a picture: a legend's gradient would be lost in PDF. */
function scaleStrip(low: number, high: number): Spec {
  const width = 180, height = 9;
  const colours = Array.from({ length: width }, (_, x) => colourOf(x / (width - 1))).flat();
  const image = { width, height: 1, data: Uint8Array.from(colours) };
  return {
    data: { values: [{}] },
    width,
    height,
    ...picture(width, height, {
      x: {
        // the middle of a logarithmic scale
        datum: 10 ** ((low + high) / 2),
        type: "quantitative",
        scale: { type: "log", domain: [10 ** low, 10 ** high], nice: false },
        axis: { title: "magnitude", orient: "top", grid: false, format: "~g" },
      },
      y: { value: height / 2 },
      url: { value: pngAddress(image) },
    }),
  };
}

/** A spectrum as a picture, weak to strong between two logarithms. */
function heatMap({ sizePx, magnitudes }: SpectrumPanel, low: number, high: number): RgbImage {
  // enlarged here, so that no viewer smooths it
  const times = Math.max(1, Math.round(256 / sizePx));
  const side = times * sizePx;
  const data = new Uint8Array(3 * side * side);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const value = magnitudes[Math.floor(y / times) * sizePx + Math.floor(x / times)]!;
      data.set(colourOf((Math.log10(value) - low) / (high - low)), 3 * (y * side + x));
    }
  }
  return { width: side, height: side, data };
}

const STOPS = COLOURS.map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));

/** A share of the way from weak to strong as R, G, B. */
function colourOf(share: number): number[] {
  const place = Math.min(1, Math.max(0, share)) * (STOPS.length - 1);
  const from = Math.min(Math.floor(place), STOPS.length - 2);
  return STOPS[from]!.map((value, c) =>
    Math.round(value + (place - from) * (STOPS[from + 1]![c]! - value))
  );
}
