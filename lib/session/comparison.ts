/**
 * Two detectors set by set.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { compareScores, type ComparisonOptions } from "../metrics/compare.ts";
import { columnsOf } from "../metrics/curves.ts";
import { noticeOf } from "../report/paper/columns.ts";
import type { Column, Table } from "../report/table.ts";
import type { ImageScore } from "../runs/kept_scores.ts";
import type { Profile } from "../runs/profile.ts";

const PERCENT = { unit: "%", scale: 100, digits: 1 } as const;

const MEASURES = { acc: "ACC", ap: "AP", auc: "AUC" } as const;

/**
 * ACC, AP and AUC of two detectors on the same images, set by set and on all together, with intervals
 * of their differences. Sets of one kind of images have no row of their own.
 * @throws {UserError} where the images are not the same, or there are not both kinds
 */
export function comparisonTable(
  profile: Profile,
  a: readonly ImageScore[],
  b: readonly ImageScore[],
  options: ComparisonOptions,
): Table {
  const other = a.findIndex(({ path, set }, i) => b[i]?.path !== path || b[i]?.set !== set);
  if (other >= 0 || a.length !== b.length) {
    throw new UserError(
      "usage",
      `Cannot compare detectors: expected scores of the same images, found ${a.length} and ` +
        `${b.length}${other < 0 ? "" : `, the first others at ${other}`}`,
    );
  }
  const sets = [...new Set(a.map(({ set }) => set))];
  const titles = new Map(
    [...profile.testSets, ...profile.synthbusterSets].map(({ name, title }) => [name, title]),
  );
  const rows = [...sets, ...(sets.length > 1 ? ["all together"] : [])].flatMap((set) => {
    const chosen = a.flatMap((one, i) => one.set === set || !sets.includes(set) ? [i] : []);
    const { labels, scores } = columnsOf(chosen.map((i) => a[i]!));
    if (sets.length > 1 && labels.every((label) => label === labels[0])) return [];
    const others = columnsOf(chosen.map((i) => b[i]!)).scores;
    const compared = compareScores(labels, scores, others, { key: ["compare", set], ...options });
    return compared.map(({ measure, low, high, p, ...values }) => ({
      set: titles.get(set) ?? set,
      measure: MEASURES[measure],
      ...values,
      interval: `[${percent(low)}, ${percent(high)}]`,
      p,
    }));
  });
  const columns: Column[] = [
    { key: "set", name: "test set" },
    { key: "measure", name: "measure" },
    { key: "a", name: "first", ...PERCENT },
    { key: "b", name: "second", ...PERCENT },
    { key: "difference", name: "difference", ...PERCENT },
    { key: "interval", name: "95 % interval" },
    { key: "p", name: "p", digits: 3 },
  ];
  return {
    id: "comparison_of_two",
    title: "Two detectors on the same images",
    caption: "First − second, with its 95 % percentile interval over " +
      `${
        options.resamples ?? 2000
      } resamples of the images, drawn for both alike; p is that of no ` +
      "difference, two-sided, not corrected for many sets.",
    ...noticeOf(profile),
    columns,
    rows,
  };
}

function percent(fraction: number): string {
  return (100 * fraction).toFixed(1);
}
