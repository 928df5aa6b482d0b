/**
 * Two tables of one shape beside each other, cell by cell: ours and the paper's.
 * @module
 */
import { type Cell, cellNumber, cellText, type Column, formatCell, type Table } from "./table.ts";

/** A cell of ours and its counterpart, as people read them. */
export interface BesideCell {
  /** `undefined` where we have no such row. */
  readonly ours: string | undefined;
  /** `undefined` where the paper has no such cell. */
  readonly paper: string | undefined;
  /**
   * Our number minus the paper's, in the column's unit, taken of the rounded numbers that people see;
   * only in columns where larger or smaller is better.
   */
  readonly difference: string | undefined;
}

/** A column of ours and its counterpart. */
export interface BesideColumn {
  /** As our table has it. */
  readonly ours: Column;
  /** `undefined` where the paper has no such column. */
  readonly paper: Column | undefined;
}

/** Two tables, cell by cell. */
export interface BesideTable {
  /** In our table's order. */
  readonly columns: readonly BesideColumn[];
  /** Our rows, then those that only the paper has; a cell for each column. */
  readonly rows: readonly (readonly BesideCell[])[];
}

/**
 * Finds for each cell of ours the paper's counterpart.
 *
 * Columns are matched by key. Those without a match are matched by position, where both tables have
 * equally many columns (added ones not counted): so the mini profile's test sets stand beside the
 * paper's. Rows are matched by the cells of `rowKeys`; rows that only the paper has come last.
 */
export function beside(ours: Table, paper: Table): BesideTable {
  const places = ours.columns.filter(({ isAdded }) => !isAdded);
  const samePlaces = places.length === paper.columns.length;
  const columns = ours.columns.map((column) => ({
    ours: column,
    paper: column.isAdded ? undefined : paper.columns.find(({ key }) => key === column.key) ??
      (samePlaces ? paper.columns[places.indexOf(column)] : undefined),
  }));
  const theirs = new Map(paper.rows.map((row) => [rowName(paper, row), row]));
  const rows = ours.rows.map((row) => {
    const name = rowName(ours, row);
    const counterpart = theirs.get(name);
    theirs.delete(name);
    return columns.map((column) => cellBeside(column, row, counterpart));
  });
  for (const row of theirs.values()) {
    rows.push(columns.map((column) => cellBeside(column, undefined, row)));
  }
  return { columns, rows };
}

type Row = Readonly<Record<string, Cell>>;

function rowName({ rowKeys = [] }: Table, row: Row): string {
  return JSON.stringify(rowKeys.map((key) => row[key] ?? null));
}

function cellBeside(
  { ours, paper }: BesideColumn,
  row: Row | undefined,
  counterpart: Row | undefined,
): BesideCell {
  const printed = paper === undefined ? undefined : counterpart?.[paper.key];
  const own = cellNumber(row?.[ours.key]), theirs = cellNumber(printed);
  return {
    ours: row === undefined ? undefined : cellText(row, ours),
    paper: paper === undefined || printed === undefined ? undefined : formatCell(printed, paper),
    difference: ours.best === undefined || own === undefined || theirs === undefined
      ? undefined
      : signed(shown(own, ours) - shown(theirs, paper!), ours.digits ?? 3),
  };
}

/** A number rounded as people read it. */
function shown(value: number, { scale = 1, digits = 3 }: Column): number {
  return Number((value * scale).toFixed(digits));
}

function signed(value: number, digits: number): string {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return `±${text}`;
  return `${value < 0 ? "−" : "+"}${text}`;
}
