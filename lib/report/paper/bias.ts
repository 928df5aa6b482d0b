/**
 * What detectors owe to formats and sizes: ACC and AP on test images as they are and on the same
 * images brought to one size and one format, and the change.
 * @module
 */
import { averagedNames, bestHeads } from "../../runs/choices.ts";
import type { RunRow } from "../../runs/config.ts";
import type { Profile } from "../../runs/profile.ts";
import type { Shown } from "../../runs/section.ts";
import { meanIfAny } from "../../runs/select.ts";
import { ALIKE_VIEW } from "../../runs/world.ts";
import type { Figure, FigureRow } from "../figure.ts";
import { nominal, panels, quantitative } from "../marks.ts";
import { type Cell, cellNumber, spread, type Table } from "../table.ts";
import { besideOthers, methodOf } from "./methods.ts";
import { comparedName, triedOf } from "./compared.ts";
import { chosenRemark, seedsRemark } from "./captions.ts";
import { MEASURES, noticeOf, scoreCells, scoreColumns } from "./columns.ts";

/** What of a row is compared. */
type Tried = Pick<RunRow, "test">;

/** A method on images as they are, and on the same ones made alike: a row for each seed, in one order. */
interface Pair {
  readonly method: string;
  readonly plain: readonly Tried[];
  readonly alike: readonly Tried[];
}

/** Three rows for each measure and method: as they are, alike, and the change. */
export function biasTable({ profile, rows, made }: Shown): Table | undefined {
  const pairs = pairsOf(profile, rows, made);
  if (pairs.length === 0) return undefined;
  return {
    id: "bias",
    title: "Formats and sizes. Test images as they are, and all alike",
    caption:
      `ACC and AP on the test images as they are and on the same images made alike: ${
        alikeWords(profile)
      }. Change is in percentage points. ` +
      "A detector that falls on such images owes its numbers in part to files' formats and sizes, " +
      "or to traces so fine that this treatment takes them away." +
      chosenRemark(profile) + seedsRemark(rows, "spread"),
    ...noticeOf(profile),
    rowKeys: ["measure", "method", "variant"],
    columns: [
      { key: "measure", name: "measure" },
      { key: "method", name: "method" },
      { key: "variant", name: "images" },
      // the best of a column would be picked from numbers and their differences
      ...scoreColumns(profile.testSets).map(({ best: _best, ...column }) => column),
    ],
    rows: MEASURES.flatMap((metric) =>
      pairs.flatMap(({ method, plain, alike }) => {
        const shared = { measure: metric.toUpperCase(), method };
        return [
          { ...shared, variant: "as they are", ...scoreCells(plain, metric, profile.testSets) },
          { ...shared, variant: "alike", ...scoreCells(alike, metric, profile.testSets) },
          {
            ...shared,
            variant: "change",
            ...changeCells({ method, plain, alike }, metric, profile),
          },
        ];
      })
    ),
  };
}

/** The change of each measure: a point for each method and test set, and their mean. */
export function biasFigure({ profile, rows, made }: Shown): Figure | undefined {
  const pairs = pairsOf(profile, rows, made);
  if (pairs.length === 0) return undefined;
  const averaged = new Set(averagedNames(profile.testSets));
  const data = MEASURES.flatMap((metric) =>
    pairs.flatMap((pair): FigureRow[] => {
      const cells = changeCells(pair, metric, profile);
      const shared = { measure: metric.toUpperCase(), method: pair.method };
      return profile.testSets.filter(({ name }) => averaged.has(name)).map(({ name, title }) => ({
        ...shared,
        set: title,
        change: cellNumber(cells[name])!,
      }));
    })
  );
  const methods = pairs.map(({ method }) => method);
  const x = (options = {}) =>
    quantitative("change", {
      axis: {
        title: "change (points)",
        labelExpr: "datum.value === 0 ? '0' : format(datum.value * 100, '+.3~g')",
      },
      ...options,
    });
  const y = nominal("method", { title: null, sort: methods });
  return {
    id: "bias_figure",
    title: "Formats and sizes. What changes where all images are alike",
    caption:
      `A point for each test set, a line at the mean over them: ACC and AP on images made alike (${
        alikeWords(profile)
      }) less those on the same images as they are.` +
      chosenRemark(profile) + seedsRemark(rows, "mean"),
    ...noticeOf(profile),
    columns: 2,
    rows: data,
    spec: {
      spacing: 12,
      ...panels("measure", { sort: MEASURES.map((metric) => metric.toUpperCase()) }, {}, {
        width: 210,
        height: { step: 17 },
        layer: [
          {
            mark: { type: "rule", color: "#888", strokeWidth: .75 },
            encoding: { x: { datum: 0, type: "quantitative" } },
          },
          {
            mark: { type: "point", filled: false, size: 14, strokeWidth: .8, opacity: .8 },
            encoding: { x: x(), y },
          },
          {
            mark: { type: "tick", thickness: 2, size: 13, color: "black" },
            encoding: { x: x({ aggregate: "mean" }), y },
          },
        ],
      }),
    },
  };
}

/** `short side to 256 px, its middle square, JPEG of quality 96`. */
function alikeWords({ alike: { sidePx, jpegQuality } }: Profile): string {
  return `short side resized to ${sidePx} px, the middle square of it, JPEG of quality ${jpegQuality}`;
}

function pairsOf(profile: Profile, all: readonly RunRow[], made: unknown): Pair[] {
  const own = all.filter(({ experiment }) => experiment === "bias");
  const alike = own.filter(({ view }) => view === ALIKE_VIEW);
  const heads = bestHeads(profile, all).map(({ name, classes, rows }) => ({
    method: `RINE, ${name}`,
    plain: rows,
    of: (row: RunRow) => row.detector === "rine" && row.classes.join() === classes.join(),
  }));
  const others = Map.groupBy(own.filter(({ view }) => view !== ALIKE_VIEW), methodOf);
  const ufd = [...others].map(([method, plain]) => ({
    method: besideOthers(method),
    plain,
    of: (row: RunRow) => row.detector !== "rine" && methodOf(row) === method,
  }));
  const onFeatures = [...heads, ...ufd].flatMap(({ method, plain, of }) => {
    const found = plain.map(({ seed }) => alike.find((row) => of(row) && row.seed === seed));
    const rows = found.filter((row) => row !== undefined);
    // a head that diverged has no rows
    const kept = plain.filter((_, i) => found[i] !== undefined);
    return rows.length === 0 ? [] : [{ method, plain: kept, alike: rows }];
  });
  const onPixels = triedOf(made).flatMap((one) =>
    one.alike ? [{ method: comparedName(one), plain: [one], alike: [{ test: one.alike }] }] : []
  );
  return [...onFeatures, ...onPixels];
}

/** Cells of the change, seed by seed. */
function changeCells(
  { plain, alike }: Pair,
  measure: string,
  { testSets }: Profile,
): Record<string, Cell> {
  const change = (names: readonly string[]) =>
    spread(plain.flatMap((row, i) => {
      const before = meanIfAny(row, measure, names), after = meanIfAny(alike[i]!, measure, names);
      return before === undefined || after === undefined ? [] : after - before;
    }));
  return {
    ...Object.fromEntries(testSets.map(({ name }) => [name, change([name])])),
    AVG: change(averagedNames(testSets)),
  };
}
