/**
 * What UFD's heads are called in tables and figures.
 * @module
 */
import { readNeighboursHead } from "../../detectors/ufd/neighbours_head.ts";
import type { RunRow } from "../../runs/config.ts";

/** Name of the linear probe. */
export const PROBE = "Linear probe";

/** `Linear probe`, or `Nearest neighbours (k = 3)`. */
export function methodOf({ detector, head }: RunRow): string {
  if (detector === "ufd_probe") return PROBE;
  const { block: _block, ...own } = head;
  return `Nearest neighbours (k = ${readNeighboursHead(own).k})`;
}

/** What a method of UFD is called beside others: `UFD, linear probe`. */
export function besideOthers(method: string): string {
  return `UFD, ${method[0]!.toLowerCase()}${method.slice(1)}`;
}

/** Rows of a section by what they are called, in the order in which they first come. */
export function byMethod<Row>(
  rows: readonly Row[],
  nameOf: (row: Row) => string,
): { readonly method: string; readonly rows: readonly Row[] }[] {
  return [...Map.groupBy(rows, nameOf)].map(([method, rows]) => ({ method, rows }));
}
