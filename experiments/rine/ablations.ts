/**
 * §5.2: the best heads with one part left out.
 *
 * deno task reproduce --only ablations
 *
 * Expects the head without intermediate blocks far below the others, and the whole method on top on
 * the sets that are no GANs: Table 4. Nine heads on cached tokens: seconds in the mini profile.
 * @module
 */
import { percentColumn, spread, type Table } from "../../lib/report/table.ts";
import { type RunRow, type Variant, VARIANTS } from "../../lib/runs/config.ts";
import { meanScore } from "../../lib/runs/select.ts";
import { defineExperiment } from "../../lib/runs/section.ts";
import {
  averagedNames,
  bestHeads,
  byClassSet,
  noticeOf,
  retrained,
  testSetNames,
} from "../../lib/report/paper/heads.ts";
import type { Profile } from "../../lib/runs/profile.ts";
import { chosenRemark, seedsRemark } from "../../lib/report/paper/captions.ts";

/** Names of the variants in the paper, in its order. */
const PRINTED: readonly (readonly [Variant, string])[] = [
  ["no contrastive loss", "w/o contr. loss"],
  ["no TIE", "w/o TIE"],
  ["no intermediate", "w/o intermediate"],
  ["full", "full"],
];

/** §5.2 */
export default defineExperiment({
  name: "ablations",
  section: "§5.2",
  title: "Ablations",
  dependsOn: ["grid"],
  runs(profile, _seeds, rows) {
    const evaluation = { testSets: testSetNames(profile), view: "center", atEpochs: [1] };
    return bestHeads(profile, rows).flatMap((heads) =>
      VARIANTS.filter((variant) => variant !== "full").flatMap((variant) =>
        heads.rows.map((row) => ({ training: retrained(profile, row, { variant }), evaluation }))
      )
    );
  },
  report(profile, rows) {
    return { tables: [ablationTable(profile, rows)], figures: [] };
  },
});

function ablationTable(profile: Profile, rows: readonly RunRow[]): Table {
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
        rows: rows.filter((row) => row.variant === variant),
      }));
      const measures = (["acc", "ap"] as const).flatMap((measure) => {
        const scores = heads.map(({ rows }) => rows.map((row) => meanScore(row, measure, names)));
        const bySeed = (scores[0] ?? []).map((_, seed) =>
          scores.reduce((sum, values) => sum + values[seed]!, 0) / scores.length
        );
        return [
          ...heads.map(({ key }, i) => [`${measure}_${key}`, spread(scores[i]!)] as const),
          [`${measure}_AVG`, spread(bySeed)] as const,
        ];
      });
      return { method, variant: sets, ...Object.fromEntries(measures) };
    })
  );
  const columns = [...whole.map(({ name, classes }) => [String(classes.length), name]), [
    "AVG",
    "AVG",
  ]].flatMap(([key, name]) => [
    percentColumn(`acc_${key}`, "ACC", name),
    percentColumn(`ap_${key}`, "AP", name),
  ]);
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
      ...columns,
    ],
    rows: cells,
  };
}
