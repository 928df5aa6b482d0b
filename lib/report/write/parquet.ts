/**
 * Rows as Parquet, which pandas and polars read with their types: `pandas.read_parquet`.
 * @module
 */
import { type ColumnSource, parquetWriteBuffer } from "hyparquet-writer";
import type { FigureRow } from "../figure.ts";

/** Numbers that are whole are int64, others float64; texts that are true or false are booleans. */
type Kind = "INT64" | "DOUBLE" | "BOOLEAN" | "STRING";

/**
 * Rows as a Parquet file, a column for each field. Null where a row has no such field, or an empty text
 * in a column of numbers. Equal rows give equal bytes.
 */
export function rowsToParquet(rows: readonly FigureRow[]): Uint8Array {
  const fields = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const columnData = fields.map((name): ColumnSource => {
    const values = rows.map((row) => row[name]);
    const type = kindOf(values);
    const empty = type === "STRING" ? undefined : "";
    return {
      name,
      type,
      data: values.map((value) =>
        value === undefined || value === empty ? null : valueAs(type, value)
      ),
    };
  });
  return new Uint8Array(parquetWriteBuffer({ columnData, createdBy: "rine" }));
}

function kindOf(values: readonly (string | number | undefined)[]): Kind {
  const held = values.filter((value) => value !== undefined && value !== "");
  if (held.length === 0) return "STRING";
  if (held.every((value) => Number.isSafeInteger(value))) return "INT64";
  if (held.every((value) => typeof value === "number")) return "DOUBLE";
  return held.every((value) => value === "true" || value === "false") ? "BOOLEAN" : "STRING";
}

function valueAs(type: Kind, value: string | number): unknown {
  if (type === "INT64") return BigInt(value);
  if (type === "BOOLEAN") return value === "true";
  return type === "STRING" ? `${value}` : value;
}
