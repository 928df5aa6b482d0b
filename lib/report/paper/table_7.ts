/**
 * Table 7: the best head of four classes beside other backbones and heads. Paper: appendix.
 * @module
 */
import { allClasses, APPENDIX_HEADS, appendixHead, fourClassHeads } from "../../runs/appendix.ts";
import type { RunRow } from "../../runs/config.ts";
import type { Profile } from "../../runs/profile.ts";
import type { Shown } from "../../runs/section.ts";
import type { Table } from "../table.ts";
import { chosenRemark, seedsRemark } from "./captions.ts";
import { MEASURES, noticeOf, printedRows, scoreCells, scoreColumns } from "./columns.ts";

/** Our own row's name: in the paper, whose rows are all its authors', and beside theirs. */
export const OWN = { printed: "RINE 4-cl. (ours)", shown: "RINE 4-class, ours" } as const;

/** The paper's rows, in its order; our own comes last. */
const METHODS = ["CLIP w/ FPN", "RN50 w/ FPN", ...APPENDIX_HEADS, "RINE w/ Wang"] as const;

/** None without other methods: it would only repeat a row of Tables 2 and 3. */
export function table7({ profile, rows, printed }: Shown): Table | undefined {
  const others = printedRows(printed.filter(({ table }) => table === 7));
  const best = fourClassHeads(profile, rows);
  const own = rows.filter(({ experiment }) => experiment === "appendix");
  const isEmpty = others.length + own.length === 0;
  if (isEmpty || best === undefined) return undefined;
  const shown = METHODS.flatMap((method) => {
    const run = own.filter((row) => appendixHead(profile, row) === method);
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
    caption: `ACC and AP.${printedRemark(others.length > 0, own.length > 0)}` +
      ranRemark(profile, own, best.classes) + chosenRemark(profile) +
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
  four: readonly string[],
): string {
  if (own.length === 0) return "";
  const classes = allClasses(profile, four).length;
  const { vit } = profile.appendix!;
  return [
    "",
    "Open in the paper, and taken here:",
    `RINE 20-class: the 4-class configuration, trained for one epoch on all ${classes} classes` +
    (classes === four.length ? " that there are, which makes it the 4-class head;" : ";"),
    "UFD 4-class: UFD's probe by its own recipe, of all images of a test set;",
    `RINE w/ ViT: the 4-class configuration on ${vit.title}, at the same place of its blocks.`,
  ].join(" ");
}
