/**
 * Any list of plain objects as a table, to look at rows in a notebook.
 * @module
 */
import type { Cell, Column, Table } from "./table.ts";

/** Rows that are shown where there are more: they scroll, and are sorted and sifted. */
const LARGEST = 1000;

/** Digits that numbers of a column are told by, of the largest; and most after the point. */
const SIGNIFICANT = 4, MOST_DIGITS = 8;

/**
 * A table with a row for each object and a column for each field, in order of first appearance. Fields
 * that are the same in all rows stand in the caption, and so do the names of those that hold objects in
 * some row.
 * @param most rows that are taken
 */
export function recordsTable(records: readonly object[], most: number = LARGEST): Table {
  const fields = new Map<string, boolean>();
  for (const record of records) {
    for (const [key, value] of Object.entries(record)) {
      if (value !== undefined) fields.set(key, (fields.get(key) ?? true) && isPlain(value));
    }
  }
  const plain = [...fields].filter(([, plain]) => plain).map(([key]) => key);
  const rest = [...fields].filter(([, plain]) => !plain).map(([key]) => key);
  const rows = records.slice(0, most) as readonly Readonly<Record<string, unknown>>[];
  const isSame = (key: string) => {
    const text = JSON.stringify((records[0] as Record<string, unknown>)[key]);
    return (records as readonly Record<string, unknown>[])
      .every((record) => JSON.stringify(record[key]) === text);
  };
  const same = records.length > 1 ? plain.filter(isSame) : [];
  // rows that are all alike are rows all the same
  const alike = same.length < plain.length ? same : [];
  const keys = plain.filter((key) => !alike.includes(key));
  const count = records.length === 1 ? "1 row" : `${records.length} rows`;
  const everywhere = alike.map((key) => `${key} ${inWords(rows[0]![key])}`).join("; ");
  return {
    id: "rows",
    title: count,
    caption: [
      ...(records.length > most ? [`The first ${most}.`] : []),
      ...(everywhere === "" ? [] : [`In all rows: ${everywhere}.`]),
      ...(rest.length > 0 ? [`Not shown: ${rest.join(", ")}.`] : []),
    ].join(" "),
    columns: keys.map((key): Column => ({
      key,
      name: key,
      ...digitsOf(rows.map((row) => row[key])),
    })),
    rows: rows.map((row) => Object.fromEntries(keys.map((key) => [key, cell(row[key])]))),
  };
}

/** Digits after the point that a column's numbers have in common; none where all are whole. */
function digitsOf(values: readonly unknown[]): { digits?: number } {
  const numbers = values.filter((value) => typeof value === "number");
  if (numbers.every(Number.isInteger)) return {};
  const largest = Math.max(...numbers.filter(Number.isFinite).map(Math.abs));
  const digits = SIGNIFICANT - 1 - Math.floor(Math.log10(largest));
  const wanted = Math.min(MOST_DIGITS, Math.max(0, digits));
  // .1, .2 and .4 need one digit
  const exact = Array.from({ length: wanted }, (_, i) => i)
    .find((few) => numbers.every((value) => Number(value.toFixed(few)) === value));
  return { digits: exact ?? wanted };
}

function inWords(value: unknown): string {
  if (typeof value !== "number" || Number.isInteger(value)) return `${cell(value) ?? "–"}`;
  return `${Number(value.toPrecision(SIGNIFICANT))}`;
}

function isPlain(value: unknown): boolean {
  return Array.isArray(value)
    ? value.every((one) => !Array.isArray(one) && isPlain(one))
    : value === null || ["string", "number", "boolean"].includes(typeof value);
}

function cell(value: unknown): Cell {
  if (value === undefined || value === null) return null;
  if (typeof value === "number") return value;
  return Array.isArray(value) ? value.map(cell).join(", ") : `${value}`;
}
