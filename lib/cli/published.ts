/**
 * `deno task published`: the authors' results through our tables and figures, and how they agree with
 * the printed ones.
 * @module
 */
import type { Command } from "commander";
import { assertWritable } from "../io/files.ts";
import { printedCells } from "../published/printed.ts";
import { comparePublished, type Comparison, publishedReport } from "../report/paper/published.ts";
import type { ThemeName } from "../report/theme.ts";
import { writeExhibits } from "../report/write/files.ts";
import { type Experiments, headingOf } from "../runs/section.ts";
import { THEME, WIDTH } from "./options.ts";
import { pathOption } from "./paths.ts";

/** Adds the command. */
export function registerPublished(program: Command, experiments: Experiments): void {
  program.command("published")
    .description("the authors' results through our tables and figures, against the printed ones")
    .addOption(
      pathOption("--out <folder>", "where tables and figures go", "results/published"),
    )
    .addOption(pathOption("--from <folder>", "a clone of mever-team/rine to read instead"))
    .addOption(THEME)
    .addOption(WIDTH)
    .action(async (flags: PublishedOptions) => {
      console.log((await publishedLines(experiments, flags)).join("\n"));
    });
}

/** Where {@linkcode publishedLines} writes, and how its figures look. */
export interface PublishedOptions {
  /** Folder for `tables/` and `figures/`. */
  readonly out: string;
  /** A clone of mever-team/rine to read; by default the numbers that come with the project. */
  readonly from?: string;
  /** Default `default`. */
  readonly theme?: ThemeName;
  /** Width of figures in millimetres; default that of the columns that each is wide. */
  readonly width?: number;
}

/**
 * Writes the published tables and figures, and compares the tables with the printed ones.
 * @returns a summary for people
 */
export async function publishedLines(
  experiments: Experiments,
  { out, from, theme = "default", width }: PublishedOptions,
): Promise<string[]> {
  await assertWritable(out);
  const sections = await publishedReport(experiments, from);
  const lines: string[] = [];
  for (const { section, report } of sections) {
    const exhibits = await writeExhibits(out, report, { theme, widthMm: width });
    if (exhibits.length > 0) lines.push(headingOf(section));
    for (const { path, title, written } of exhibits) lines.push(`  ${path}  ${title} (${written})`);
  }
  const tables = sections.flatMap(({ report }) => report.tables);
  return [...lines, "", ...comparisonLines(comparePublished(tables, await printedCells()))];
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
