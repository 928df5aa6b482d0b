/**
 * The published results through our own tables and figures, and against the printed ones.
 * @module
 */
import { join } from "node:path";
import { blockImportance, loadCheckpoint } from "../../detectors/rine/checkpoint.ts";
import { UserError } from "../../io/errors.ts";
import { exists } from "../../io/files.ts";
import { publishedLogs } from "../../published/logs.ts";
import { publishedPoints } from "../../published/points.ts";
import { type PrintedCell, printedCells, ufdPrintedCells } from "../../published/printed.ts";
import { readReleasedLogs } from "../../published/released_pickles.ts";
import type { Profile } from "../../runs/profile.ts";
import {
  type Experiments,
  reportOf,
  type Section,
  type SectionReport,
} from "../../runs/section.ts";
import { cellNumber, type Table } from "../table.ts";
import { publishedRows } from "./published_rows.ts";
import { OWN } from "./table_7.ts";

/** What the rows are called that RINE's tables hold of UFD's released head. */
export const PROBE_IN_RINE = "Linear probe (RINE's tables)";

/** A section and what it reports. */
export interface ReportedSection {
  readonly section: Section;
  readonly report: SectionReport;
}

/**
 * The published results, section by section, through the same code as ours.
 * @param clone folder of a clone of mever-team/rine, whose logs and checkpoints are read instead of
 * the numbers that come with the project
 */
export async function publishedReport(
  { sections, profiles }: Experiments,
  clone?: string,
): Promise<ReportedSection[]> {
  const theirs = Object.values(profiles).find(({ isComparable }) => isComparable);
  if (theirs === undefined) throw new Error("Cannot show published results: no profile is theirs");
  const profile = { ...theirs, testSets: theirs.testSets.filter(({ isOwn }) => !isOwn) };
  const { points, ...logs } =
    await (clone === undefined ? projectLogs() : clonedLogs(clone, profile));
  const rows = publishedRows(logs, profile.backboneSizes);
  return await Promise.all(sections.map(async (section) => {
    const printed = await printedOf(section);
    return {
      section,
      report: reportOf(section, { profile, rows, printed, points }),
    };
  }));
}

/** The cells printed in a section's paper; to UFD's are added those of its head in RINE's tables. */
export async function printedOf({ paper }: Section): Promise<readonly PrintedCell[]> {
  const cells = await printedCells();
  if (paper === "rine") return cells;
  const own = cells.filter(({ method, table }) => method === "UFD" && (table === 2 || table === 3));
  return [
    ...await ufdPrintedCells(),
    ...own.map((cell) => ({ ...cell, method: PROBE_IN_RINE })),
  ];
}

async function projectLogs() {
  const [logs, points] = await Promise.all([publishedLogs(), publishedPoints()]);
  return { ...logs, points };
}

async function clonedLogs(clone: string, { classSets }: Profile) {
  const isFolder = await Deno.stat(clone).then((info) => info.isDirectory, () => true);
  if (!isFolder) {
    throw new UserError(
      "missing",
      `Cannot read the authors' logs: expected a clone of mever-team/rine at ${clone}, found a file`,
    );
  }
  const importances: Record<string, readonly number[]> = {};
  for (const { classes } of classSets) {
    const path = join(clone, "ckpt", `model_${classes.length}class_trainable.pth`);
    if (!await exists(path)) continue;
    importances[classes.length] = blockImportance((await loadCheckpoint(path)).parameters);
  }
  return { ...await readReleasedLogs(clone), blockImportance: importances };
}

/** A printed cell that the logs say otherwise. */
export interface Difference {
  readonly cell: PrintedCell;
  /** From the logs, in percent with one decimal. */
  readonly found: string;
}

/** How the logs' tables agree with the printed ones. */
export interface Comparison {
  readonly agreeing: number;
  /** Printed cells that the logs cover. */
  readonly covered: number;
  readonly differing: readonly Difference[];
}

/** Half of the printed digit: the paper rounds what ends in 5 up in some tables, to even in others. */
const HALF_DIGIT = 0.05 + 1e-9;

/** Compares tables with the printed cells that they have a counterpart to, to the printed digit. */
export function comparePublished(
  tables: readonly Table[],
  printed: readonly PrintedCell[],
): Comparison {
  const ours = printed.filter(isOurs);
  const differing: Difference[] = [];
  let covered = 0;
  for (const cell of ours) {
    const value = counterpart(tables, cell);
    if (value === undefined || cell.percent === null) continue;
    covered++;
    if (Math.abs(100 * value - cell.percent) > HALF_DIGIT) {
      differing.push({ cell, found: (100 * value).toFixed(1) });
    }
  }
  return { agreeing: covered - differing.length, covered, differing };
}

/** Whether a printed cell is of RINE itself; other methods have no logs to compare with. */
function isOurs({ table, method }: PrintedCell): boolean {
  return table === 4 || method === "RINE" || method === OWN.printed;
}

/** The number that stands in our table where the paper prints a cell. */
function counterpart(tables: readonly Table[], cell: PrintedCell): number | undefined {
  const rows = tables.find(({ id }) => id === `table_${cell.table}`)?.rows ?? [];
  const { method, variant, trainingClasses, metric, generator } = cell;
  // Table 4 has training classes and measures side by side, the others one below the other.
  const row = rows.find((row) =>
    row["method"] === (method === OWN.printed ? OWN.shown : method) && row["variant"] === variant &&
    (cell.table === 4 || row["trainingClasses"] === trainingClasses && row["metric"] === metric)
  );
  return cellNumber(row?.[cell.table === 4 ? `${metric}_${trainingClasses}` : generator]);
}
