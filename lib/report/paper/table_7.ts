/**
 * Table 7: the best head of four classes beside other backbones and heads. Paper: appendix.
 * @module
 */
import { allClasses, APPENDIX_HEADS, appendixHead, fourClassHeads } from "../../runs/appendix.ts";
import type { RunRow } from "../../runs/config.ts";
import type { Profile } from "../../runs/profile.ts";
import type { Shown } from "../../runs/section.ts";
import { PIXEL_DETECTORS, pixelDetectorNamed } from "../../detectors/index.ts";
import type { PixelRecipe } from "../../detectors/pixel_training.ts";
import type { Table } from "../table.ts";
import { chosenRemark, seedsRemark } from "./captions.ts";
import { failedRemark, type TriedDetector, triedOf } from "./compared.ts";
import { MEASURES, noticeOf, printedRows, scoreCells, scoreColumns } from "./columns.ts";

/** Our own row's name: in the paper, whose rows are all its authors', and beside theirs. */
export const OWN = { printed: "RINE 4-cl. (ours)", shown: "RINE 4-class, ours" } as const;

/** The paper's rows, in its order; our own comes last. */
const METHODS = ["CLIP w/ FPN", "RN50 w/ FPN", ...APPENDIX_HEADS, "RINE w/ Wang"] as const;

/** None without other methods: it would only repeat a row of Tables 2 and 3. */
export function table7({ profile, rows, printed, made }: Shown): Table | undefined {
  const others = printedRows(printed.filter(({ table }) => table === 7));
  const best = fourClassHeads(profile, rows);
  const own = rows.filter(({ experiment }) => experiment === "appendix");
  const tried = triedOf(made);
  const isEmpty = others.length + own.length + tried.length === 0;
  if (isEmpty || best === undefined) return undefined;
  const shown = METHODS.flatMap((method) => {
    const run = [
      ...own.filter((row) => appendixHead(profile, row) === method),
      ...tried.filter(({ title }) => title === method),
    ];
    return MEASURES.flatMap((metric) => [
      ...others.filter((row) => row["method"] === method && row["metric"] === metric),
      ...(run.length === 0 ? [] : [{
        // beside a printed row, ours is told from it
        method: others.length === 0 ? method : `${method}, run here`,
        trainingClasses: "",
        variant: "",
        metric,
        ...scoreCells(run, metric, profile.testSets),
      }]),
    ]);
  });
  return {
    id: "table_7",
    title: "Table 7. Other backbones and heads",
    caption: `ACC and AP.${printedRemark(others.length > 0, own.length + tried.length > 0)}` +
      ranRemark(profile, own, tried, best.classes) + failedRemark(made) + chosenRemark(profile) +
      seedsRemark(best.rows, "spread"),
    ...noticeOf(profile),
    rowKeys: ["measure", "method"],
    rankWithin: "metric",
    columns: [
      { key: "measure", name: "measure" },
      { key: "method", name: "method" },
      ...scoreColumns(profile.testSets),
    ],
    rows: MEASURES.flatMap((metric) => [
      ...shown.filter((row) => row["metric"] === metric),
      {
        method: OWN.shown,
        trainingClasses: "",
        variant: "",
        metric,
        ...scoreCells(best.rows, metric, profile.testSets),
      },
    ]).map((row) => ({ ...row, measure: String(row["metric"]).toUpperCase() })),
  };
}

function printedRemark(isPrinted: boolean, isRun: boolean): string {
  if (!isPrinted) return "";
  return isRun
    ? ' Rows that say "run here" are trained here; the others are those printed in the paper.'
    : " Results of other methods are those printed in the paper.";
}

/** What the paper leaves open of the rows that ran, and what was taken. */
function ranRemark(
  profile: Profile,
  own: readonly RunRow[],
  tried: readonly TriedDetector[],
  four: readonly string[],
): string {
  const classes = allClasses(profile, four).length;
  const { vit, detectors } = profile.appendix ?? {};
  const taken = [
    ...(own.length === 0 ? [] : [
      `RINE 20-class: the 4-class configuration, trained for one epoch on all ${classes} classes` +
      (classes === four.length ? " that there are, which makes it the 4-class head" : ""),
      "UFD 4-class: UFD's probe by its own recipe, of all images of a test set",
      `RINE w/ ViT: the 4-class configuration on ${vit!.title}, at the same place of its blocks`,
    ]),
    ...(detectors?.trainings ?? []).flatMap(({ detector, recipe }) => {
      const { title } = pixelDetectorNamed(detector);
      const one = tried.find((other) => other.title === title);
      return one
        ? [`${title}: ${TAKEN[detector]!(recipe)}, ${ratesRemark(recipe)}, ${trainedRemark(one)}`]
        : [];
    }),
  ];
  return taken.length === 0 ? "" : ` Open in the paper, and taken here: ${taken.join("; ")}.`;
}

/** What the paper leaves open of a network on pixels, by the detector's name. */
const TAKEN: Readonly<Record<string, (recipe: PixelRecipe) => string>> = {
  clip_fpn: ({ network, start }) =>
    `a pyramid on the patches that blocks ${(network!["blocks"] as number[]).join(", ")} of ${
      start.kind === "backbone" ? start.name : "a transformer"
    } give, all on its one grid, ${network!["channels"]} channels a level, a linear layer on the ` +
    "levels' means, cross-entropy, trained on RINE's augmentation",
  rn50_fpn: ({ network, schedule }) =>
    `a pyramid on the maps of all four stages, ${
      network!["channels"]
    } channels a level, a linear ` +
    `layer on the levels' means, cross-entropy, all of it trained by Wang et al.'s recipe` +
    (schedule.kind === "stopping" ? " to an end that validation decides on" : ""),
  rine_wang: ({ network, start }) => {
    const { blocks, contrastiveWeight, projectionLayers, projectionDim } = network!;
    return `${
      start.kind === "detector" ? comparedTitle(start.name) : "a ResNet"
    }, frozen, the mean of ${
      blocks === "stages" ? "each stage's map" : "each bottleneck's map"
    } a token, zeros behind it up to the widest; a head of ξ ${contrastiveWeight}, ` +
      `q ${projectionLayers}, d′ ${projectionDim}, trained as RINE's on RINE's augmentation`;
  },
};

/** A detector's name in tables, by the name that it is imported or trained under. */
function comparedTitle(name: string): string {
  const released = PIXEL_DETECTORS.flatMap(({ released }) => released);
  return released.find((one) => one.name === name)?.title ?? pixelDetectorNamed(name).title;
}

/** How training images are changed, and how fast is learned. */
function ratesRemark({ augmentation, learningRate }: PixelRecipe): string {
  const { blurProbability, blurSigmaPx, jpegProbability, jpegQualities } = augmentation;
  return `blurred with p ${blurProbability} (σ ${
    blurSigmaPx.join(" to ")
  } px), compressed with p ` +
    `${jpegProbability} (quality ${jpegQualities.join(" to ")}), learning rate ${learningRate}`;
}

function trainedRemark({ reads, trained }: TriedDetector): string {
  const { classes = [], epochs = 0 } = trained ?? {};
  return `${classes.length} classes, ${epochs} ${epochs === 1 ? "epoch" : "epochs"}, one seed, ${
    reads.replace(" (original)", "")
  }`;
}
