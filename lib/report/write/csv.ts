/**
 * Tables and the rows of figures as comma-separated values.
 * @module
 */
import type { Figure } from "../figure.ts";
import type { Cell, Spread, Table } from "../table.ts";

/**
 * The table as CSV (RFC 4180) with numbers as they are, unscaled, with all the digits that are sure.
 * Standard deviations and the ends of intervals have columns of their own.
 */
export function tableToCsv(table: Table): string {
  return figureToCsv({ rows: tableRecords(table) });
}

/**
 * A table's rows as flat records with numbers as they are, unscaled: `acc`, `acc_deviation`, and the ends
 * of intervals by their own names. Each has all fields; empty texts stand for no value.
 */
export function tableRecords({ columns, rows }: Table): Record<string, string | number>[] {
  const keys = columns.flatMap(({ key, ends = [] }) => [key, ...ends]);
  const withDeviation = new Set(keys.filter((key) => rows.some((row) => isSpread(row[key]))));
  return rows.map((row) =>
    Object.fromEntries(keys.flatMap((key): [string, string | number][] => {
      const cell = row[key] ?? "";
      if (!isSpread(cell)) {
        return withDeviation.has(key) ? [[key, cell], [`${key}_deviation`, ""]] : [[key, cell]];
      }
      return [[key, cell.mean], [`${key}_deviation`, cell.deviation]];
    }))
  );
}

/** Digits that a float64 holds whatever they are: .82475, not .8247500000000001. */
const SURE = 15;

/** Lines of comma-separated values, quoted where RFC 4180 asks for it. */
function toCsv(lines: readonly (readonly (string | number)[])[]): string {
  const quote = (value: string | number) => {
    const isExact = typeof value === "string" || Number.isInteger(value);
    const text = isExact ? `${value}` : `${Number((value as number).toPrecision(SURE))}`;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return lines.map((line) => line.map(quote).join(",") + "\n").join("");
}

/** A figure's rows as CSV, a column for each field, numbers with all the digits that are sure. */
export function figureToCsv({ rows }: Pick<Figure, "rows">): string {
  const fields = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return toCsv([fields, ...rows.map((row) => fields.map((field) => row[field] ?? ""))]);
}

function isSpread(cell: Cell | undefined): cell is Spread {
  return typeof cell === "object" && cell !== null;
}
