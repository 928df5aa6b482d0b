/**
 * The cells of the paper's tables as they are printed.
 * @module
 */
import { readPublishedCsv } from "./files.ts";

/** A cell of a table as the paper prints it. */
export interface PrintedCell {
  /** Number of the table. */
  readonly table: number;
  /** As the paper calls it. */
  readonly method: string;
  /** How many classes it was trained on, `AVG` for the mean over them; empty where not said. */
  readonly trainingClasses: string;
  /** Table 4: the generators averaged over; Table 5: the perturbation. */
  readonly variant: string;
  /** What is printed. */
  readonly metric: "acc" | "ap";
  /** Name of the test set, or `AVG`. */
  readonly generator: string;
  /** In percent, as printed, with one decimal in RINE's tables and two in UFD's; `null` for a hyphen. */
  readonly percent: number | null;
}

/** Every printed cell of RINE's Tables 2, 3, 4, 5 and 7. */
export function printedCells(): Promise<PrintedCell[]> {
  return readCells("paper_tables.csv");
}

/**
 * Printed cells of UFD's Tables 2 and 3, in percent with two digits, as far as they have been read in a
 * source; of others there is none. Sets are named as in RINE's tables.
 */
export function ufdPrintedCells(): Promise<PrintedCell[]> {
  return readCells("ufd_tables.csv");
}

async function readCells(file: string): Promise<PrintedCell[]> {
  const cells = await readPublishedCsv(file);
  return cells.map(({ table, method, trainingClasses, variant, metric, generator, percent }) => ({
    table: Number(table),
    method: method!,
    trainingClasses: trainingClasses!,
    variant: variant!,
    metric: metric as "acc" | "ap",
    generator: generator!,
    percent: percent === "" ? null : Number(percent),
  }));
}
