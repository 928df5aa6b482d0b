/**
 * What a reproduction reports: tables, figures, and the page that sets them beside the paper's.
 * @module
 */
import { join } from "node:path";
import { type EngineName, openEngine } from "../lib/head/open_engine.ts";
import { writeReport } from "../lib/report/page.ts";
import { writeFigure, writeTable, type Written } from "../lib/report/write.ts";
import { printedCells } from "../lib/results/published.ts";
import type { RunRecord } from "../lib/results/record.ts";
import { reproduceCommand } from "./command.ts";
import { type Experiment, headingOf, type ReportExtras, type SectionReport } from "./experiment.ts";
import { featurePoints, keptPoints } from "./feature_points.ts";
import { bestRecords, type FinishedRuns } from "./finished.ts";
import type { Profile } from "./profiles/profile.ts";
import { provenance, underConditions } from "./provenance.ts";
import { publishedReport, type ReportedSection } from "./published.ts";
import type { ReproduceOptions } from "./reproduce.ts";
import { SECTIONS } from "./sections.ts";

/** A section whose runs are all there. */
export interface Done {
  readonly experiment: Experiment;
  readonly report: SectionReport;
  /** What trained its heads, as its records say. */
  readonly engines: readonly string[];
  /** What was done for it; absent where it was not asked for, and had been done before. */
  readonly line?: string;
}

/**
 * Reports of the sections that have just been run, and of those that had been run before.
 * @param names which sections, where they are done
 * @param lines what was done for those that have just been run
 */
export async function doneSections(
  finished: FinishedRuns,
  names: ReadonlySet<string>,
  lines: ReadonlyMap<string, string>,
  { profile, skipCorrupt, ...conditions }: ReproduceOptions,
  { makePoints, ...source }: Omit<ExtrasSource, "records">,
): Promise<Done[]> {
  const done: Done[] = [];
  for (const experiment of SECTIONS.filter(({ name }) => names.has(name))) {
    const line = lines.get(experiment.name);
    const section = await finished.find(experiment.name);
    if (!section) continue;
    // what was made without some images is done only for those who may leave them out
    if (!skipCorrupt && section.records.some(({ skippedImages }) => skippedImages)) continue;
    const { records } = await finished.section("grid");
    const extras = await extrasOf(experiment, profile, {
      ...source,
      records,
      makePoints: makePoints && line !== undefined,
    });
    if (!extras) continue;
    done.push({
      experiment,
      report: underConditions(experiment.report(profile, section.rows, extras), {
        ...conditions,
        ...source,
      }),
      engines: [...new Set(section.records.map(({ engine }) => engine))],
      ...(line === undefined ? {} : { line }),
    });
  }
  return done;
}

/** Where {@linkcode extrasOf} reads. */
export interface ExtrasSource {
  /** The grid's, among others. */
  readonly records: readonly RunRecord[];
  readonly folder: string;
  readonly tokensFolder: string;
  readonly engine: EngineName;
  /** Whether Figure 1's points are made where they are not there, which takes a while. */
  readonly makePoints: boolean;
}

/**
 * What a section's report shows besides rows.
 * @returns `undefined` where Figure 1's points are not there and are not to be made
 */
export async function extrasOf(
  { name }: Experiment,
  profile: Profile,
  { records, engine: engineName, makePoints, ...source }: ExtrasSource,
): Promise<ReportExtras | undefined> {
  const printed = profile.name === "paper" ? { printed: await printedCells() } : {};
  if (name !== "feature_space") return printed;
  const record = bestRecords(profile, records).at(-1)?.records[0];
  if (!record) return printed;
  const kept = await keptPoints(profile, { record, ...source });
  if (kept) return { ...printed, points: kept };
  if (!makePoints) return undefined;
  const engine = await openEngine(engineName);
  try {
    return { ...printed, points: await featurePoints(profile, { record, engine, ...source }) };
  } finally {
    await engine.dispose();
  }
}

/** Where {@linkcode writeSections} writes. */
export interface WrittenTo {
  /** Of the profile's results. */
  readonly folder: string;
  /** What has been written, in this call and in those before. */
  readonly written: Set<string>;
  /** That some test sets are not whole. */
  readonly fewer?: string | undefined;
}

/** Writes tables, figures and report; returns what to say of the sections that were asked for. */
export async function writeSections(
  done: readonly Done[],
  options: ReproduceOptions,
  { folder, written, fewer }: WrittenTo,
): Promise<string[]> {
  const { profile, theme } = options;
  const lineOf = (path: string, title: string, what: Written) => {
    if (what === "written") written.add(path);
    return `  ${path}  ${title} (${written.has(path) ? "written" : "up to date"})`;
  };
  const said: string[] = [];
  for (const { report: { tables, figures }, line } of done) {
    const lines = line === undefined ? [] : [line];
    for (const table of tables) {
      const path = join(folder, "tables");
      const what = await writeTable(path, table);
      lines.push(lineOf(join(path, `${table.id}.md`), table.title, what));
    }
    for (const figure of figures) {
      const path = join(folder, "figures");
      const what = await writeFigure(path, figure, { theme });
      lines.push(lineOf(join(path, `${figure.id}.svg`), figure.title, what));
    }
    if (line !== undefined) said.push(...lines);
  }
  const withHeading = ({ experiment, report }: ReportedSection) => ({
    heading: headingOf(experiment),
    ...report,
  });
  await writeReport(folder, {
    title: `RINE, the ${profile.name} profile`,
    ...reportNotice(profile, fewer),
    provenance: provenance(profile, options, [...new Set(done.flatMap(({ engines }) => engines))]),
    sections: done.map(withHeading),
    ...missingRemark(done, options),
    published: (await publishedReport()).map(withHeading),
    theme,
  });
  return said;
}

/** The sections that the report lacks, and what makes them. */
function missingRemark(
  done: readonly Done[],
  options: ReproduceOptions,
): { remark?: string } {
  const missing = SECTIONS.filter((section) =>
    !done.some(({ experiment }) => experiment === section)
  );
  if (missing.length === 0) return {};
  const names = missing.map(({ name }) => name);
  return {
    remark: `Not run yet: ${missing.map(headingOf).join(", ")}; ` +
      `\`${reproduceCommand(options.profile, options, names)}\``,
  };
}

/**
 * What stands at the head of the report: only the mini profile's numbers are no measure of RINE.
 * @param fewer that some sets are not whole
 */
export function reportNotice(
  { name, notice }: Profile,
  fewer?: string,
): { notice?: string } {
  const sentences = [notice, fewer].filter((one) => one !== undefined).map((one) => `${one}.`);
  if (name === "mini") {
    sentences.push(
      "Its numbers stand beside the paper's to show the same tables and figures from the same code; " +
        "their differences say nothing about the method.",
    );
  }
  return sentences.length === 0 ? {} : { notice: sentences.join(" ") };
}
