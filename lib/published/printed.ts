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
  /** In percent with one decimal, as printed; `null` for a hyphen. */
  readonly percent: number | null;
}

/** Every printed cell of Tables 2, 3, 4, 5 and 7. */
export async function printedCells(): Promise<PrintedCell[]> {
  const cells = await readPublishedCsv("paper_tables.csv");
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
