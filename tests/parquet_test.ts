import assert from "node:assert/strict";
import { join } from "node:path";
import { percentColumn, type Table, toCSV, toParquet } from "../lib/mod.ts";
import golden from "./golden/parquet.json" with { type: "json" };
import { GOLDENS } from "./goldens.ts";

const ROWS = [
  {
    backbone: "ViT-L/14 ξ",
    q: 1,
    acc: .1 + .2,
    tried: true,
    large: 2 ** 53 - 1,
    classes: ["a", "b"],
  },
  { backbone: "", q: -4, acc: 1e-300, tried: false, large: 2 },
  { backbone: 'x,\n"y"', q: 4, tried: true, large: -3, nothing: null },
];

Deno.test("toParquet() writes the bytes of which pyarrow and pandas read these rows", async () => {
  assert.deepEqual(toParquet(ROWS), await Deno.readFile(join(GOLDENS, "rows.parquet")));
  assert.deepEqual(golden.rows, [
    {
      backbone: "ViT-L/14 ξ",
      q: 1,
      acc: .1 + .2,
      tried: true,
      large: 2 ** 53 - 1,
      classes: "a, b",
    },
    { backbone: "", q: -4, acc: 1e-300, tried: false, large: 2, classes: null },
    { backbone: 'x,\n"y"', q: 4, acc: null, tried: true, large: -3, classes: null },
  ]);
  assert.deepEqual(golden.types, {
    backbone: "string",
    q: "int64",
    acc: "double",
    tried: "bool",
    large: "int64",
    classes: "string",
  });
  const { q, acc, tried } = golden.pandas;
  assert.deepEqual([q, acc, tried], ["int64", "float64", "bool"]);
});

Deno.test("a table is Parquet of the columns that its CSV has", () => {
  const table: Table = {
    id: "t",
    title: "T",
    caption: "",
    columns: [
      { key: "run", name: "run" },
      { ...percentColumn("acc", "ACC"), ends: ["low", "high"] },
      percentColumn("ap", "AP"),
    ],
    rows: [
      { run: "a", acc: .5, low: .4, high: .6, ap: { mean: .5, deviation: .1 } },
      { run: "b", acc: null, ap: .25 },
    ],
  };
  assert.equal(
    toCSV(table),
    "run,acc,low,high,ap,ap_deviation\na,0.5,0.4,0.6,0.5,0.1\nb,,,,0.25,\n",
  );
  const flat = [
    { run: "a", acc: .5, low: .4, high: .6, ap: .5, ap_deviation: .1 },
    { run: "b", ap: .25 },
  ];
  assert.deepEqual(toParquet(table), toParquet(flat));
  assert.throws(() => toParquet([]), /Cannot write Parquet: expected rows, found none/);
});
