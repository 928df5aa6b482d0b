/**
 * The published results through our own tables and figures, and against the printed ones.
 *
 * deno task published
 * @module
 */
import { UserError } from "../../io/errors.ts";
import { join } from "node:path";
import { parameterCount } from "../../detectors/rine/architecture.ts";
import { blockImportance, loadCheckpoint } from "../../detectors/rine/checkpoint.ts";
import { assertWritable, exists } from "../../io/files.ts";
import { cellNumber, type Table } from "../table.ts";
import type { ThemeName } from "../theme.ts";
import { writeFigure, writeTable } from "../write/files.ts";
import {
  type CountParameters,
  type PrintedCell,
  printedCells,
  publishedLogs,
  publishedPoints,
  publishedRows,
} from "../../published/published.ts";
import { readReleasedLogs } from "../../published/released.ts";
import { OWN } from "../../../experiments/rine/appendix.ts";
import { type Experiment, headingOf, type SectionReport } from "../../runs/section.ts";
import { paper } from "../../../experiments/profiles/paper.ts";
import { SECTIONS } from "../../../experiments/index.ts";

/** A section and what it reports. */
export interface ReportedSection {
  readonly experiment: Pick<Experiment, "name" | "section" | "title">;
  readonly report: SectionReport;
}

/** CLIP's vision transformers: number of blocks and width of a token. */
const CLIP_SIZES: Readonly<Record<string, { readonly blocks: number; readonly width: number }>> = {
  "ViT-L/14": { blocks: 24, width: 1024 },
  "ViT-B/32": { blocks: 12, width: 768 },
};

const countParameters: CountParameters = ({ backbone, projectionLayers, projectionDim }) => {
  const sizes = CLIP_SIZES[backbone];
  if (sizes === undefined) {
    throw new UserError(
      "usage",
      `Cannot count parameters: expected ${Object.keys(CLIP_SIZES).join(", ")}, found ${backbone}`,
    );
  }
  return parameterCount({ ...sizes, projectionLayers, projectionDim, ablation: "none" });
};

/**
 * The published results, section by section, through the same code as ours.
 * @param clone folder of a clone of mever-team/rine, whose logs and checkpoints are read instead of
 * the numbers that come with the project
 */
export async function publishedReport(clone?: string): Promise<ReportedSection[]> {
  const [{ points, ...logs }, printed] = await Promise.all([
    clone === undefined ? projectLogs() : clonedLogs(clone),
    printedCells(),
  ]);
  const rows = publishedRows(logs, countParameters);
  return SECTIONS.map((experiment) => ({
    experiment,
    report: experiment.report(paper, rows, { printed, points }),
  }));
}

async function projectLogs() {
  const [logs, points] = await Promise.all([publishedLogs(), publishedPoints()]);
  return { ...logs, points };
}

async function clonedLogs(clone: string) {
  const blockImportanceOf: Record<string, readonly number[]> = {};
  for (const { classes } of paper.classSets) {
    const path = join(clone, "ckpt", `model_${classes.length}class_trainable.pth`);
    if (!await exists(path)) continue;
    blockImportanceOf[classes.length] = blockImportance((await loadCheckpoint(path)).parameters);
  }
  return { ...await readReleasedLogs(clone), blockImportance: blockImportanceOf };
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

/** Where {@linkcode runPublished} writes, and how its figures look. */
export interface PublishedOptions {
  /** Folder for `tables/` and `figures/`. */
  readonly out: string;
  /** A clone of mever-team/rine to read; by default the numbers that come with the project. */
  readonly from?: string;
  /** Default `default`. */
  readonly theme?: ThemeName;
}

/**
 * Writes the published tables and figures, and compares the tables with the printed ones.
 * @returns a summary for people
 */
export async function runPublished(
  { out, from, theme = "default" }: PublishedOptions,
): Promise<string> {
  await assertWritable(out);
  const sections = await publishedReport(from);
  const lines: string[] = [];
  for (const { experiment, report } of sections) {
    const { tables, figures } = report;
    if (tables.length + figures.length > 0) lines.push(headingOf(experiment));
    for (const table of tables) {
      const written = await writeTable(join(out, "tables"), table);
      lines.push(`  ${join(out, "tables", table.id)}.md  ${table.title} (${written})`);
    }
    for (const figure of figures) {
      const written = await writeFigure(join(out, "figures"), figure, { theme });
      lines.push(`  ${join(out, "figures", figure.id)}.svg  ${figure.title} (${written})`);
    }
  }
  const tables = sections.flatMap(({ report }) => report.tables);
  return [...lines, "", ...comparisonLines(comparePublished(tables, await printedCells()))].join(
    "\n",
  );
}

function comparisonLines({ agreeing, covered, differing }: Comparison): string[] {
  return [
    `${agreeing} of ${covered} printed cells agree`,
    ...differing.map(({ cell, found }) =>
      `  Table ${cell.table}, ${
        [cell.method, cell.trainingClasses && `${cell.trainingClasses}-class`, cell.variant]
          .filter((part) => part !== "").join(", ")
      }, ${cell.generator}, ${cell.metric.toUpperCase()}: printed ${
        cell.percent!.toFixed(1)
      }, from the logs ${found}`
    ),
  ];
}
