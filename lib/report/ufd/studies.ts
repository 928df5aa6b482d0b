/**
 * Figures of UFD's studies: feature spaces, training sources, sizes of the bank, compression and blur,
 * blocks, classes. Paper: Ojha, Li & Lee, CVPR 2023.
 * @module
 */
import type { RunRow } from "../../runs/config.ts";
import type { Profile } from "../../runs/profile.ts";
import type { Shown } from "../../runs/section.ts";
import { meanScore } from "../../runs/select.ts";
import { degradedViews, trainingSources, type UfdProfile, ufdStudySets } from "../../runs/ufd.ts";
import type { Figure, FigureRow } from "../figure.ts";
import { lines, nominal, ordinal, panels, points, quantitative, scores } from "../marks.ts";
import { seedsRemark } from "../paper/captions.ts";
import { MEASURE_ENCODING, MEASURES, noticeOf } from "../paper/columns.ts";
import { meanOf } from "../table.ts";
import { methodOf } from "../paper/methods.ts";

/** Kinds of test sets that a mean is taken over: what was trained on is a GAN. */
const KINDS = ["GANs", "others"] as const;

/** A study: which rows stand at which step of the axis. */
interface Study {
  readonly number: number;
  readonly title: string;
  readonly caption: string;
  readonly axis: string;
  /** Whether the steps are an order, and a line leads from one to the next. */
  readonly isOrder?: boolean;
  /** From left to right. */
  readonly steps: readonly string[];
  readonly stepOf: (row: RunRow) => string;
}

/** Feature spaces: accuracy of the probe. */
export function ufdFigure5({ profile, rows: all }: Shown): Figure | undefined {
  const rows = all.filter(({ experiment }) => experiment === "ufd_feature_spaces");
  const { ufd } = profile;
  if (!ufd || rows.length === 0) return undefined;
  const titles = new Map(ufd.featureSpaces.map(({ backbone, title }) => [backbone, title]));
  return studyFigure(profile, rows, {
    number: 5,
    title: "Linear probe by feature space",
    caption: "The linear probe on the embeddings of each network.",
    axis: "feature space",
    isOrder: false,
    steps: [...titles.values()],
    stepOf: ({ backbone }) => titles.get(backbone)!,
  });
}

/** Training sources, of the probe and of nearest neighbours: Figures 7 and 14. */
export function ufdFigure7({ profile, rows: all }: Shown): Figure | undefined {
  const rows = all.filter(({ experiment }) => experiment === "ufd_sources");
  if (!profile.ufd || rows.length === 0) return undefined;
  const sources = trainingSources(profile as UfdProfile);
  return studyFigure(profile, rows, {
    number: 7,
    title: "Training source",
    caption:
      "Heads trained on each source of generated images and its real ones; UFD's Figures 7 " +
      "and 14.",
    axis: "trained on",
    isOrder: false,
    steps: sources.map(({ title }) => title),
    stepOf: (row) => sources.find(({ trainingSet }) => trainingSet === row.trainingSet)!.title,
  });
}

/** Size of the bank. */
export function ufdFigure8({ profile, rows: all }: Shown): Figure | undefined {
  const rows = all.filter(({ experiment }) => experiment === "ufd_bank_size");
  if (!profile.ufd || rows.length === 0) return undefined;
  const sizes = profile.ufd.bankImages.map((count) => count.toLocaleString("en"));
  return studyFigure(profile, rows, {
    number: 8,
    title: "Number of training images",
    caption: "Nearest neighbours in a bank of so many training images, half of them real; which " +
      "classifier UFD's figure shows was not published.",
    axis: "images in the bank",
    steps: [...sizes, "all"],
    stepOf: ({ head }) =>
      Number(head["bankImages"] ?? NaN).toLocaleString("en").replace("NaN", "all"),
  });
}

/** Block of the network. */
export function ufdFigure12({ profile, rows: all }: Shown): Figure | undefined {
  const rows = all.filter(({ experiment }) => experiment === "ufd_blocks");
  if (!profile.ufd || rows.length === 0) return undefined;
  return studyFigure(profile, rows, {
    number: 12,
    title: "Block of the backbone",
    caption:
      "Nearest neighbours by the CLS token that a Transformer block gives. UFD's L0, before " +
      "any block, is not run: there that token is the same for every image.",
    axis: "block",
    steps: profile.ufd.blocks.map(String),
    stepOf: ({ head }) => String(head["block"]),
  });
}

/** Number of training classes. */
export function ufdFigure13({ profile, rows: all }: Shown): Figure | undefined {
  const rows = all.filter(({ experiment }) => experiment === "ufd_classes");
  if (!profile.ufd || rows.length === 0) return undefined;
  return studyFigure(profile, rows, {
    number: 13,
    title: "Number of training classes",
    caption:
      "Nearest neighbours in banks of the images of so many classes; which ones UFD took was " +
      "not published.",
    axis: "classes",
    steps: profile.ufd.classSets.map(({ length }) => String(length)),
    stepOf: ({ classes }) => String(classes.length),
  });
}

const FRAME = { width: 198, height: 140 };

/** Means over GANs and over all other sets, a panel for each head. */
function studyFigure(
  profile: Profile,
  rows: readonly RunRow[],
  { number, title, caption, axis, isOrder = true, steps, stepOf }: Study,
): Figure {
  const methods = [...new Set(rows.map(methodOf))];
  const data = methods.flatMap((method) =>
    steps.flatMap((step) => {
      const own = rows.filter((row) => methodOf(row) === method && stepOf(row) === step);
      if (own.length === 0) return [];
      return kindsOf(profile).flatMap(({ kind, names }) =>
        MEASURES.map((measure): FigureRow => ({
          method,
          step,
          kind,
          measure: measure.toUpperCase(),
          value: meanOf(own.map((row) => meanScore(row, measure, names))),
        }))
      );
    })
  );
  const encoding = {
    x: ordinal("step", {
      sort: steps,
      title: axis,
      axis: { labelAngle: steps.some(({ length }) => length > 8) ? -30 : 0 },
    }),
    y: scores("mean over test sets", data),
    color: MEASURE_ENCODING,
    shape: MEASURE_ENCODING,
  };
  const kind = nominal("kind", {
    title: null,
    scale: { domain: KINDS },
    legend: { symbolType: "stroke", symbolSize: 150, symbolStrokeWidth: 1.5 },
  });
  return {
    id: `ufd_figure_${number}`,
    title: `UFD Figure ${number}. ${title}`,
    caption: `${caption} Means over the test sets that are GANs and over the others.` +
      seedsRemark(rows, "mean"),
    ...noticeOf(profile),
    columns: methods.length > 1 ? 2 : 1,
    rows: data,
    spec: panels(
      "method",
      { sort: methods },
      {},
      isOrder ? lines(FRAME, { ...encoding, strokeDash: kind }) : points(
        FRAME,
        { size: 60, strokeWidth: 1.5 },
        { ...encoding, shape: nominal("kind", { title: null, scale: { domain: KINDS } }) },
      ),
    ),
  };
}

function kindsOf(profile: Profile): { kind: typeof KINDS[number]; names: string[] }[] {
  const names = ufdStudySets(profile).map(({ name }) => name);
  const isGan = (name: string) => profile.ganSets.includes(name);
  return [
    { kind: KINDS[0], names: names.filter(isGan) },
    { kind: KINDS[1], names: names.filter((name) => !isGan(name)) },
  ];
}

/** Compression and blur. */
export function ufdFigure10({ profile, rows }: Shown): Figure | undefined {
  const own = rows.filter(({ experiment }) => experiment === "ufd_robustness");
  if (!profile.ufd || own.length === 0) return undefined;
  const views = degradedViews(profile.ufd);
  const axes = { jpeg: "JPEG quality", blur: "blur σ (px)" };
  const names = ufdStudySets(profile).map(({ name }) => name);
  const data = views.flatMap(({ view, kind, value: amount }) =>
    [...new Set(own.map(methodOf))].flatMap((method): FigureRow[] => {
      const tried = own.filter((row) => row.view === view && methodOf(row) === method);
      if (tried.length === 0) return [];
      return MEASURES.map((measure) => ({
        method,
        axis: axes[kind],
        amount,
        measure: measure.toUpperCase(),
        value: meanOf(tried.map((row) => meanScore(row, measure, names))),
      }));
    })
  );
  return {
    id: "ufd_figure_10",
    title: "UFD Figure 10. Robustness to compression and blur",
    caption: "Test images compressed by JPEG or blurred before they are cropped; means over the " +
      "test sets." + seedsRemark(own, "mean"),
    ...noticeOf(profile),
    columns: 2,
    rows: data,
    spec: {
      spacing: 12,
      hconcat: Object.entries(axes).map(([kind, title]) =>
        lines({
          width: 250,
          height: 140,
          transform: [{ filter: { field: "axis", equal: title } }],
        }, {
          x: quantitative("amount", {
            title,
            scale: { zero: false, nice: false, padding: 8, reverse: kind === "jpeg" },
            axis: { values: views.filter((view) => view.kind === kind).map(({ value }) => value) },
          }),
          y: scores("mean over test sets", data),
          color: MEASURE_ENCODING,
          shape: MEASURE_ENCODING,
          strokeDash: nominal("method", {
            title: null,
            legend: { symbolType: "stroke", symbolSize: 150, symbolStrokeWidth: 1.5 },
          }),
        })
      ),
    },
  };
}
