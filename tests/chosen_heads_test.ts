import assert from "node:assert/strict";
import { PERTURBATIONS } from "../lib/image/perturb.ts";
import { cellText, columnHeading, type Table } from "../lib/report/table.ts";
import { tableToCsv } from "../lib/report/write/csv.ts";
import { type Played, played, rounded, rowWith, score } from "./played_world.ts";

const chosen = {
  test: { ...await played("test"), xi: .1 },
  val: { ...await played("val"), xi: .2 },
} as const;

const MEASURES = ["acc", "ap"] as const;

/** A mean of the formula, as a cell shows it. */
function mean(run: Played, measure: "acc" | "ap", sets: readonly string[] = ["a", "b"]): number {
  return rounded(sets.reduce((sum, name) => sum + score(run, name, measure), 0) / sets.length);
}

for (const [by, { tables, figures, xi }] of Object.entries(chosen)) {
  const table = (id: string) => tables.get(id)!, figure = (id: string) => figures.get(id)!;

  Deno.test(`Tables 2, 3 and 7 show the heads chosen by ${by}, set by set, own sets in no mean`, () => {
    for (const [id, measure] of [["table_2", "acc"], ["table_3", "ap"]] as const) {
      for (const classes of [1, 4]) {
        // methods of the paper may have as many classes, but not on these sets
        const row = rowWith({ rows: table(id).rows.slice(-2) }, { trainingClasses: `${classes}` });
        for (const name of ["a", "b", "mine"]) {
          assert.equal(rounded(row[name]), mean({ xi, classes }, measure, [name]), `${id} ${name}`);
        }
        assert.equal(rounded(row["AVG"]), mean({ xi, classes }, measure));
      }
    }
    for (const measure of MEASURES) {
      const row = rowWith(table("table_7"), {
        method: "RINE 4-class, ours",
        measure: measure.toUpperCase(),
      });
      assert.equal(rounded(row["AVG"]), mean({ xi, classes: 4 }, measure));
      assert.equal(rounded(row["b"]), mean({ xi, classes: 4 }, measure, ["b"]));
    }
  });

  Deno.test(`Table 4 shows the heads chosen by ${by} and what they are without each part`, () => {
    const variants = {
      "w/o contr. loss": "no contrastive loss",
      "w/o TIE": "no TIE",
      "w/o intermediate": "no intermediate",
      full: "full",
    };
    for (const [method, variant] of Object.entries(variants)) {
      for (const [sets, names] of [["all", ["a", "b"]], ["non-GAN", ["b"]]] as const) {
        const row = rowWith(table("table_4"), { method, variant: `${sets} generators` });
        for (const measure of MEASURES) {
          const [one, four] = [1, 4].map((classes) =>
            mean({ xi, classes, variant }, measure, names)
          );
          assert.equal(rounded(row[`${measure}_1`]), one, `${method} ${sets}`);
          assert.equal(rounded(row[`${measure}_4`]), four);
          assert.equal(rounded(row[`${measure}_AVG`]), rounded((one! + four!) / 2));
        }
      }
    }
  });

  Deno.test(`§5.5 has a row for each share of the images, of the heads chosen by ${by}`, () => {
    const { rows } = table("dataset_size");
    assert.deepEqual(
      rows.map((
        { training, fraction, acc, ap },
      ) => [training, fraction, rounded(acc), rounded(ap)]),
      [1, 4].flatMap((classes) =>
        [.5, 1].map((fraction) => [
          `${classes}-class`,
          fraction,
          ...MEASURES.map((measure) => mean({ xi, classes, fraction }, measure)),
        ])
      ),
    );
    const bars = figure("figure_6");
    assert.equal(bars.rows.length, 2 * 2 * 2 * 3);
    for (const fraction of [.5, 1]) {
      const cells = {
        training: "4-class",
        measure: "AP",
        set: "B",
        fraction: `${100 * fraction} %`,
      };
      const { value } = rowWith(bars, cells);
      assert.equal(rounded(value!), mean({ xi, classes: 4, fraction }, "ap", ["b"]));
    }
  });

  Deno.test(`Table 5 shows the heads chosen by ${by} on each perturbation and on none`, () => {
    assert.equal(table("table_5").rows.length, 2 * 2 * 6);
    for (const view of [...PERTURBATIONS, "no perturbation"]) {
      for (const measure of MEASURES) {
        const cells = { training: "4-class", perturbation: view, measure: measure.toUpperCase() };
        const row = rowWith(table("table_5"), cells);
        assert.equal(rounded(row["AVG"]), mean({ xi, classes: 4, view }, measure), view);
        assert.equal(rounded(row["a"]), mean({ xi, classes: 4, view }, measure, ["a"]), view);
      }
    }
  });

  Deno.test(`Table 6 sets the latent head chosen by ${by} beside the head of most classes`, () => {
    const latent = by === "test" ? { epochs: 5, xi: .1 } : { epochs: 1, xi: .2 };
    for (const measure of MEASURES) {
      const [main, other] = table("table_6").rows.filter((row) =>
        row["measure"] === measure.toUpperCase()
      );
      assert.deepEqual([main!["training"], other!["training"]], ["ProGAN", "latent diffusion"]);
      assert.deepEqual([main!["head"], main!["epochs"]], [`ξ ${xi}, q 1, d′ 8`, 1]);
      assert.deepEqual([other!["head"], other!["epochs"]], [
        `ξ ${latent.xi}, q 1, d′ 8`,
        latent.epochs,
      ]);
      const run = { ...latent, classes: 1, latent: true };
      for (const names of [["s"], ["t"]]) {
        const [name] = names;
        assert.equal(rounded(main![name!]), mean({ xi, classes: 4 }, measure, names));
      }
      assert.equal(rounded(main!["AVG"]), mean({ xi, classes: 4 }, measure, ["s", "t"]));
      assert.equal(rounded(other!["AVG"]), mean(run, measure, ["s", "t"]));
    }
  });

  Deno.test(`Figure 7 shows the blocks of the heads chosen by ${by}`, () => {
    assert.deepEqual(
      figure("figure_7").rows,
      ["1-class", "4-class"].flatMap((training) =>
        (by === "test" ? [.25, .75] : [1, 0]).map((value, i) => ({ training, block: i + 1, value }))
      ),
    );
  });

  Deno.test(`the measures of the heads chosen by ${by} stand each in its own column`, () => {
    const shown = table("measures");
    assert.equal(shown.rows.length, 2 * 3);
    const row = rowWith(shown, { training: "4-class", set: "B" });
    const cells = Object.fromEntries(
      shown.columns.map((column) => [
        `${column.key}: ${columnHeading(column)}`,
        cellText(row, column).replace(" ± 0.0", ""),
      ]),
    );
    const [acc, ap] = MEASURES.map((measure) =>
      (100 * mean({ xi, classes: 4 }, measure, ["b"])).toFixed(1)
    );
    assert.deepEqual(cells, {
      "training: training": "4-class",
      "set: test set": "B",
      "acc: ACC (%)": `${acc} [31.0, 32.0]`,
      "ap: AP (%)": `${ap} [33.0, 34.0]`,
      "auc: ROC AUC (%)": "35.0",
      "balancedAcc: balanced ACC (%)": "36.0",
      "accReal: ACC real (%)": "37.0",
      "accGenerated: ACC generated (%)": "38.0",
      "tprAt1Fpr: TPR at 1 % FPR (%)": "39.0",
      "tprAt5Fpr: TPR at 5 % FPR (%)": "41.0",
      "ece: ECE (%)": "2.0",
    });
    const best = Object.fromEntries(shown.columns.map(({ key, best }) => [key, best]));
    assert.deepEqual([best["accReal"], best["ece"]], ["max", "min"]);
    const [header] = tableToCsv(shown).split("\n");
    assert.match(header!, /^training,set,acc,acc_deviation,accLow,accLow_deviation,accHigh,/);
  });
}

Deno.test("Figure 5 shows the best and the mean of three configurations, each the mean of its seeds", () => {
  for (
    const [{ figures }, top] of [[chosen.test, [.1, .2, .4]], [chosen.val, [.1, .2, .8]]] as const
  ) {
    const { rows } = figures.get("figure_5")!;
    assert.equal(rows.length, 2 * 5 * 2 * 2);
    for (const epochs of [1, 3, 5, 10, 15]) {
      const values = top.map((xi) => mean({ xi, classes: 1, epochs }, "acc"));
      const cells = { training: "1-class", epochs, measure: "ACC" };
      const shown = ["best", "mean"].map((statistic) =>
        rounded(rowWith({ rows }, { ...cells, statistic }).value!)
      );
      assert.deepEqual(shown, [values[0], rounded((values[0]! + values[1]! + values[2]!) / 3)]);
    }
  }
});

Deno.test("Table 1 shows both choices whatever chooses, by means over seeds, own sets left out", () => {
  for (const { tables } of Object.values(chosen)) {
    assert.deepEqual(
      tables.get("table_1")!.rows.map(({ classes, selection, backbone, xi }) =>
        [classes, selection, backbone, xi].join(" ")
      ),
      ["1-class", "4-class"].flatMap((classes) => [
        `${classes} test sets Deep 0.1`,
        `${classes} validation Deep 0.2`,
      ]),
    );
    const [first] = tables.get("table_1")!.rows;
    assert.deepEqual([rounded(first!["acc"]), rounded(first!["ap"])], [
      mean({ xi: .1, classes: 1 }, "acc"),
      mean({ xi: .1, classes: 1 }, "ap"),
    ]);
    assert.equal(rounded(first!["time"]), 2.5);
  }
});

Deno.test("Figures 3 and 4 hold every head of the grid, own sets in no value", () => {
  const { figures } = chosen.val;
  const third = figures.get("figure_3")!, fourth = figures.get("figure_4")!;
  assert.equal(third.rows.length, 2 * 2 * 4 * 2 * 2);
  for (const [measure, backbone] of [["ACC", "Deep"], ["AP", "Flat"]] as const) {
    const row = rowWith(third, { training: "4-class", backbone, xi: .2, measure, seed: 0 });
    const of = measure === "ACC" ? "acc" : "ap";
    assert.equal(rounded(row.value!), mean({ xi: .2, classes: 4, backbone }, of));
  }
  assert.equal(fourth.rows.length, 2 * 4 * 2);
  const row = rowWith(fourth, { training: "1-class", xi: .1, seed: 1 });
  assert.equal(rounded(row.value!), mean({ xi: .1, classes: 1 }, "acc"));
  assert.deepEqual([row["layers"], row["dim"], row["parameters"]], ["q = 1", 8, 1000]);
});

/** Keys of a table's columns, from left to right. */
const keys = (table: Table) => table.columns.map(({ key }) => key).join(" ");

Deno.test("columns stand in the paper's order, own sets after the paper's, the mean last", () => {
  const sets = "a b mine AVG";
  const expected: Readonly<Record<string, string>> = {
    table_1: "classes selection backbone xi q dim parameters time acc ap",
    table_2: `method trainingClasses ${sets}`,
    table_3: `method trainingClasses ${sets}`,
    measures: "training set acc ap auc balancedAcc accReal " +
      "accGenerated tprAt1Fpr tprAt5Fpr ece",
    table_4: "variant method acc_1 ap_1 acc_4 ap_4 acc_AVG ap_AVG",
    dataset_size: "training fraction acc ap",
    table_5: `measure training perturbation ${sets}`,
    bias: `measure method variant ${sets}`,
    table_6: "measure training head epochs s t AVG",
    table_7: `measure method ${sets}`,
  };
  const found = [...chosen.test.tables].map(([id, table]) => [id, keys(table)]);
  assert.deepEqual(Object.fromEntries(found), expected);
  const columns = chosen.test.tables.get("table_2")!.columns.slice(2);
  assert.deepEqual(
    columns.map(({ name, group, isAdded, isPinned }) => [name, group, isAdded, isPinned]),
    [
      ["A", "GAN", undefined, undefined],
      ["B", "Others", undefined, undefined],
      ["MINE", "Own sets", true, undefined],
      ["AVG", undefined, undefined, true],
    ],
  );
});

Deno.test("cells of several seeds are mean and deviation, of one seed the number itself", async () => {
  const several = chosen.test.tables.get("table_2")!.rows.at(-1)!["AVG"];
  assert.deepEqual(several, { mean: (several as { mean: number }).mean, deviation: 0 });
  const { tables } = await played("test", [7]);
  const one = tables.get("table_2")!.rows.at(-1)!["AVG"];
  assert.equal(rounded(one), mean({ xi: .1, classes: 4 }, "acc"));
  assert.equal(typeof one, "number");
});
