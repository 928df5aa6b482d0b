/**
 * Any list of plain objects as a table, to look at rows in a notebook.
 * @module
 */
import type { Cell, Table } from "./table.ts";

/** Rows that are shown where there are more. */
const LARGEST = 50;

/**
 * A table with a row for each object and a column for each field, in order of first appearance. Fields
 * that hold objects in some row are left out; the caption names them.
 * @param most rows that are taken
 */
export function recordsTable(records: readonly object[], most: number = LARGEST): Table {
  const fields = new Map<string, boolean>();
  for (const record of records) {
    for (const [key, value] of Object.entries(record)) {
      if (value !== undefined) fields.set(key, (fields.get(key) ?? true) && isPlain(value));
    }
  }
  const keys = [...fields].filter(([, plain]) => plain).map(([key]) => key);
  const rest = [...fields].filter(([, plain]) => !plain).map(([key]) => key);
  const count = records.length === 1 ? "1 row" : `${records.length} rows`;
  return {
    id: "rows",
    title: count,
    caption: [
      ...(records.length > most ? [`The first ${most}.`] : []),
      ...(rest.length > 0 ? [`Not shown: ${rest.join(", ")}.`] : []),
    ].join(" "),
    columns: keys.map((key) => ({ key, name: key })),
    rows: records.slice(0, most).map((record) =>
      Object.fromEntries(keys.map((key) => [key, cell((record as Record<string, unknown>)[key])]))
    ),
  };
}

function isPlain(value: unknown): boolean {
  return Array.isArray(value)
    ? value.every((one) => !Array.isArray(one) && isPlain(one))
    : value === null || ["string", "number", "boolean"].includes(typeof value);
}

function cell(value: unknown): Cell {
  if (value === undefined || value === null) return null;
  if (typeof value === "number") {
    return Number.isInteger(value) ? value : Number(value.toPrecision(4));
  }
  return Array.isArray(value) ? value.map(cell).join(", ") : `${value}`;
}
