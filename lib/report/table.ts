/**
 * Tables as data: columns, rows, and what of them is best. `write/` turns them into files.
 * @module
 */

/** Several values of one cell, from several seeds. */
export interface Spread {
  /** Arithmetic mean. */
  readonly mean: number;
  /** Standard deviation of the sample (n − 1). */
  readonly deviation: number;
}

/** Content of a cell; `null` where there is no value. */
export type Cell = string | number | Spread | null;

/** A column: where its cells come from and how they are shown. */
export interface Column {
  /** Name of the field in the rows, and the CSV's heading. */
  readonly key: string;
  /** Heading for people; the symbols ξ, ′, ± and × become LaTeX's. */
  readonly name: string;
  /** Heading over neighbouring columns of the same group. */
  readonly group?: string;
  /** `%`, `s`, `million`; shown after the heading. */
  readonly unit?: string;
  /** What numbers are multiplied by to be in the unit; default 1. CSV holds them as they are. */
  readonly scale?: number;
  /** Digits after the point; by default numbers are shown as they are. */
  readonly digits?: number;
  /** Which of the column's numbers is best, and shown so. */
  readonly best?: "max" | "min";
  /**
   * Fields of the rows with the ends of an interval around the number, shown behind it in brackets:
   * `92.5 [88.5, 96.0]`. CSV has them in columns of their own.
   */
  readonly ends?: readonly [low: string, high: string];
  /** Stays in sight where a page is narrower than the table. */
  readonly isPinned?: boolean;
  /** Added to the paper's columns: it has no counterpart there. */
  readonly isAdded?: boolean;
}

/** Some rows under headings. */
export interface Table {
  /** Name of its files: `table_1`. */
  readonly id: string;
  /** `Table 1. Best configuration by training classes`, without the notice. */
  readonly title: string;
  /** What it shows, in whole sentences. */
  readonly caption: string;
  /** Shown with the table: that the numbers are not the paper's. */
  readonly notice?: string;
  /** From left to right. */
  readonly columns: readonly Column[];
  /** From top to bottom; cells by their column's key. */
  readonly rows: readonly Readonly<Record<string, Cell>>[];
  /** Columns whose cells name a row, by which it is found in another table. */
  readonly rowKeys?: readonly string[];
  /** Best and second are looked for among rows with the same cell in this column; default: all. */
  readonly rankWithin?: string;
}

/** A column of fractions shown in percent with one digit, the highest best. */
export function percentColumn(key: string, name: string, group?: string): Column {
  return {
    key,
    name,
    ...(group === undefined ? {} : { group }),
    unit: "%",
    scale: 100,
    digits: 1,
    best: "max",
  };
}

/** Arithmetic mean; of no values `NaN`. */
export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** A cell of several seeds' values: the value itself where there is one. */
export function spread(values: readonly number[]): Cell {
  if (values.length === 0) return null;
  const mean = meanOf(values);
  if (values.length === 1) return mean;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / (values.length - 1)) };
}

/** The number that a cell is ranked by, if it holds one. */
export function cellNumber(cell: Cell | undefined): number | undefined {
  if (typeof cell === "number") return cell;
  return cell !== null && typeof cell === "object" ? cell.mean : undefined;
}

/** A cell as a person reads it. A dash stands for no value. */
export function formatCell(cell: Cell | undefined, column: Column): string {
  if (cell === null || cell === undefined) return "–";
  if (typeof cell === "string") return cell;
  const show = (value: number) => {
    const scaled = value * (column.scale ?? 1);
    return column.digits === undefined ? String(scaled) : scaled.toFixed(column.digits);
  };
  return typeof cell === "number" ? show(cell) : `${show(cell.mean)} ± ${show(cell.deviation)}`;
}

/** A row's cell as a person reads it, with its interval where the column has one. */
export function cellText(row: Readonly<Record<string, Cell>>, column: Column): string {
  const text = formatCell(row[column.key], column);
  const ends = column.ends?.flatMap((key) => cellNumber(row[key]) ?? []) ?? [];
  if (ends.length < 2) return text;
  return `${text} [${ends.map((end) => formatCell(end, column)).join(", ")}]`;
}

/** Rank of a cell in its column. */
export type Standing = "best" | "second" | undefined;

/** Which cells of a column are best and second, by rounded value: equal print, equal rank. */
export function standings(table: Table, column: Column): Standing[] {
  const { best, digits, scale = 1 } = column;
  const printed = table.rows.map((row) => {
    const value = cellNumber(row[column.key]);
    if (value === undefined || best === undefined) return undefined;
    return Number((value * scale).toFixed(digits ?? 12)) * (best === "max" ? 1 : -1);
  });
  const within = (i: number) =>
    table.rankWithin === undefined ? "" : String(table.rows[i]![table.rankWithin]);
  return printed.map((value, i) => {
    if (value === undefined) return undefined;
    const rivals = printed.filter((rival, j) => rival !== undefined && within(j) === within(i));
    const ranked = [...new Set(rivals as number[])].sort((a, b) => b - a);
    // Where all are equal none stands out.
    if (ranked.length < 2) return undefined;
    return value === ranked[0] ? "best" : value === ranked[1] ? "second" : undefined;
  });
}

/** A column's heading with its unit. */
export function columnHeading({ name, unit }: Column): string {
  return unit === undefined ? name : `${name} (${unit})`;
}

/** Columns of one unit that say it once, not each. */
const SEVERAL = 4;

/** The unit of all columns that have one, where they are several: it is said beside the table. */
export function sharedUnit({ columns }: Table): string | undefined {
  const units = columns.flatMap(({ unit }) => unit ?? []);
  return units.length >= SEVERAL && new Set(units).size === 1 ? units[0] : undefined;
}

/** The table without the unit that all its columns share; its caption says it. */
export function withUnitAside(table: Table): Table {
  const shared = sharedUnit(table);
  if (shared === undefined) return table;
  return {
    ...table,
    caption: `${table.caption} Numbers are in ${shared}.`.trimStart(),
    columns: table.columns.map(({ unit: _, ...column }) => column),
  };
}

/** Whether a column holds numbers, or would where there were any: then it is aligned to the right. */
export function isNumeric({ rows }: Table, { key, digits }: Column): boolean {
  return digits !== undefined || rows.some((row) => cellNumber(row[key]) !== undefined);
}

/** Neighbouring columns under one heading, or under none. */
export interface ColumnGroup {
  readonly heading: string | undefined;
  /** Place of the first column. */
  readonly start: number;
  /** Number of columns. */
  readonly span: number;
}

/** The groups of a table's columns from left to right; empty where no column has a heading over it. */
export function columnGroups(columns: readonly Column[]): ColumnGroup[] {
  if (columns.every(({ group }) => group === undefined)) return [];
  const starts = columns.map((_, i) => i)
    .filter((i) => i === 0 || columns[i]!.group !== columns[i - 1]!.group);
  return starts.map((start, i) => ({
    heading: columns[start]!.group,
    start,
    span: (starts[i + 1] ?? columns.length) - start,
  }));
}
