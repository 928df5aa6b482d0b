/**
 * Table 4: the best heads with one part left out. Paper: §5.2.
 * @module
 */
import { readRineHead, type Variant } from "../../detectors/rine/head.ts";
import { averagedNames, bestHeads, byClassSet } from "../../runs/choices.ts";
import type { Shown } from "../../runs/section.ts";
import { meanScore } from "../../runs/select.ts";
import { meanOf, percentColumn, spread, type Table } from "../table.ts";
import { chosenRemark, seedsRemark } from "./captions.ts";
import { MEASURES, noticeOf } from "./columns.ts";

/** Names of the variants in the paper, in its order. */
const PRINTED: readonly (readonly [Variant, string])[] = [
  ["no contrastive loss", "w/o contr. loss"],
  ["no TIE", "w/o TIE"],
  ["no intermediate", "w/o intermediate"],
  ["full", "full"],
];

/** A row for each variant, over all test sets and over those that are not GANs. */
export function table4({ profile, rows }: Shown): Table {
  const whole = bestHeads(profile, rows);
  const reduced = byClassSet(profile, rows, "ablations");
  const all = averagedNames(profile.testSets);
  const averaged = [
    ["all generators", all],
    ["non-GAN generators", all.filter((name) => !profile.ganSets.includes(name))],
  ] as const;

  const cells = averaged.flatMap(([sets, names]) =>
    PRINTED.map(([variant, method]) => {
      const heads = (variant === "full" ? whole : reduced).map(({ classes, rows }) => ({
        key: String(classes.length),
        rows: rows.filter(({ head }) => readRineHead(head).variant === variant),
      }));
      const measured = MEASURES.flatMap((measure) => {
        const scores = heads.map(({ rows }) => rows.map((row) => meanScore(row, measure, names)));
        const bySeed = (scores[0] ?? []).map((_, seed) =>
          meanOf(scores.map((values) => values[seed]!))
        );
        return [
          ...heads.map(({ key }, i) => [`${measure}_${key}`, spread(scores[i]!)] as const),
          [`${measure}_AVG`, spread(bySeed)] as const,
        ];
      });
      return { method, variant: sets, ...Object.fromEntries(measured) };
    })
  );
  const groups = [...whole.map(({ name, classes }) => [String(classes.length), name]), [
    "AVG",
    "AVG",
  ]];
  return {
    id: "table_4",
    title: "Table 4. Ablations",
    caption:
      "Mean over all test sets, and over those that are not GANs, of the best heads with the " +
      "contrastive loss, the importance of blocks (TIE) or the intermediate blocks left out." +
      chosenRemark(profile) + seedsRemark(rows, "spread"),
    ...noticeOf(profile),
    rowKeys: ["variant", "method"],
    rankWithin: "variant",
    columns: [
      { key: "variant", name: "test sets" },
      { key: "method", name: "method" },
      ...groups.flatMap(([key, name]) => [
        percentColumn(`acc_${key}`, "ACC", name),
        percentColumn(`ap_${key}`, "AP", name),
      ]),
    ],
    rows: cells,
  };
}
