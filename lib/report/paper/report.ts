/**
 * What a reproduction reports: tables, figures, and the page that sets them beside the paper's.
 * @module
 */
import { dirname } from "node:path";
import type { FeaturePoint } from "../../published/points.ts";
import type { RunRow } from "../../runs/config.ts";
import { scoredRows } from "../../runs/kept_scores.ts";
import { keptMade } from "../../runs/made.ts";
import type { Profile } from "../../runs/profile.ts";
import type { RunRecord } from "../../runs/record.ts";
import { headingOf, reportOf, type Section, type Shown } from "../../runs/section.ts";
import { reproduceCommand, type Setup } from "../../runs/setup.ts";
import type { World } from "../../runs/world.ts";
import { writeReport } from "../page.ts";
import { writeResultsIndex } from "../results_index.ts";
import { keepingChecksums } from "../write/checksums.ts";
import { writeExhibits } from "../write/files.ts";
import { provenance, underConditions } from "./captions.ts";
import { featurePoints, keptPoints } from "./feature_points.ts";
import { printedOf, publishedReport, type ReportedSection } from "./published.ts";

/** A section whose runs are all on disk. */
export interface FinishedSection {
  readonly section: Section;
  /** The section's own, in the order of its runs. */
  readonly records: readonly RunRecord[];
  /** The section's own, in the order of the records, then those of the sections it depends on. */
  readonly rows: readonly RunRow[];
  /** A line on what this call did for it; absent where it was done before. */
  readonly line?: string;
}

/** A finished section with its tables and figures. */
export interface FinishedReport extends ReportedSection, FinishedSection {}

/** Which head Figure 1 looks into and whether that may take a while; where images are looked for. */
export interface ShownChoice {
  /** The grid's best head of most classes; absent where the grid is not finished. */
  readonly pointsOf?: RunRecord | undefined;
  /** Whether points are made where they are not on disk. */
  readonly makePoints: boolean;
  /** What is made of images is named by them: without a world it is not found. */
  readonly world?: World | undefined;
  /** Told, in a line for people, of points that are damaged and are made again. */
  readonly onDamage?: ((line: string) => void) | undefined;
}

/**
 * The data that a section's tables and figures are made of.
 * @returns `undefined` where it shows points that are not on disk and are not to be made, or what is
 * made of images and is not on disk
 */
export async function shownOf(
  setup: Setup,
  { section, rows, records }: Pick<FinishedSection, "section" | "rows" | "records">,
  { pointsOf, makePoints, world, onDamage }: ShownChoice,
): Promise<Shown | undefined> {
  const { profile } = setup;
  const printed = profile.isComparable ? await printedOf(section) : [];
  let points: readonly FeaturePoint[] | undefined = [];
  if (section.showsPoints && pointsOf) {
    points = await (makePoints ? featurePoints : keptPoints)(setup, pointsOf, onDamage);
  }
  if (!points) return undefined;
  const made = world && await keptMade(section, world, setup, records);
  const { makes } = section;
  if (made === undefined && makes?.reads(profile) && !makes.isOptional) return undefined;
  const shown = { profile, rows, printed, points, ...(made === undefined ? {} : { made }) };
  return section.showsScores ? { ...shown, scored: await scoredRows(records, setup) } : shown;
}

/**
 * Tables and figures of finished sections. Points of Figure 1 are made for a section that has just
 * been run; one that had been run before and has no points on disk is left out, as is one whose
 * figures are made of images and have not been made.
 */
export async function reportSections(
  setup: Setup,
  finished: readonly FinishedSection[],
  pointsOf?: RunRecord,
  world?: World,
  onDamage?: ShownChoice["onDamage"],
): Promise<FinishedReport[]> {
  const reports: FinishedReport[] = [];
  for (const one of finished) {
    const makePoints = one.line !== undefined;
    const shown = await shownOf(setup, one, { pointsOf, makePoints, world, onDamage });
    if (!shown) continue;
    reports.push({
      ...one,
      report: underConditions(
        reportOf(one.section, shown),
        setup,
        one.section.paper,
        one.records,
      ),
    });
  }
  return reports;
}

/** Options of {@linkcode writeSections}. */
export interface WritingOptions {
  /** Paths that were written, in this call and in those before; new ones are added. */
  readonly written: Set<string>;
  /** That some test sets are not whole: see `fewerImages`. */
  readonly fewer?: string | undefined;
  /** Told, in a line for people, of a file that is damaged and is written again. */
  readonly onDamage?: ((line: string) => void) | undefined;
}

/**
 * Writes tables, figures and the report into {@linkcode Setup.outputs}, and their checksums; where other
 * profiles or conditions have reports too, `index.html` over all of them.
 * @returns what to say of the sections that were run just now
 */
export async function writeSections(
  setup: Setup,
  reports: readonly FinishedReport[],
  options: WritingOptions,
): Promise<string[]> {
  const said = await keepingChecksums(
    setup.outputs,
    () => writeAll(setup, reports, options),
    options.onDamage,
  );
  await writeResultsIndex(dirname(setup.folder));
  return said;
}

async function writeAll(
  setup: Setup,
  reports: readonly FinishedReport[],
  { written, fewer }: WritingOptions,
): Promise<string[]> {
  const { experiments, profile, outputs, theme, width } = setup;
  const said: string[] = [];
  for (const { report, line } of reports) {
    const exhibits = await writeExhibits(outputs, report, { theme, widthMm: width });
    for (const one of exhibits) if (one.written === "written") written.add(one.path);
    if (line === undefined) continue;
    said.push(
      line,
      ...exhibits.map(({ path, title }) =>
        `  ${path}  ${title} (${written.has(path) ? "written" : "up to date"})`
      ),
    );
  }
  const withHeading = ({ section, report }: ReportedSection) => ({
    heading: headingOf(section),
    ...report,
  });
  const engines = reports.flatMap(({ records }) => records.map(({ engine }) => engine));
  await writeReport(outputs, {
    title: `RINE, the ${profile.name} profile`,
    ...reportNotice(profile, fewer),
    provenance: provenance(setup, [...new Set(engines)]),
    sections: reports.toSorted((a, b) => placeOf(a.section) - placeOf(b.section)).map(withHeading),
    ...missingRemark(setup, reports),
    published: (await publishedReport(experiments)).map(withHeading),
    theme,
    ...(width === undefined ? {} : { widthMm: width }),
  });
  return said;
}

/**
 * Where a section stands in the report: RINE's experiments (§5.1 first), what stands beside one of them after
 * it, then the paper's other sections and its appendix; then the same of UFD.
 */
function placeOf({ section, paper }: Section): number {
  const [, major, minor = "0"] = /§(\d+)(?:\.(\d+))?/.exec(section) ?? [];
  const within = major === undefined
    ? 9000
    : (paper === "rine" && major !== "5" ? 1000 : 0) + Number(major) * 100 + Number(minor) * 2 +
      (section.startsWith("Beside") ? 1 : 0);
  return (paper === "rine" ? 0 : 10_000) + within;
}

/** The sections that the report lacks, and what makes them. */
function missingRemark(setup: Setup, reports: readonly ReportedSection[]): { remark?: string } {
  const there = new Set(reports.map(({ section }) => section.name));
  const missing = setup.experiments.sections.filter(({ name }) => !there.has(name));
  if (missing.length === 0) return {};
  const command = reproduceCommand(setup, missing.map(({ name }) => name));
  return { remark: `Not run yet: ${missing.map(headingOf).join(", ")}; \`${command}\`` };
}

/**
 * The notice at the head of the report.
 * @param fewer that some sets are not whole
 */
export function reportNotice(
  { isComparable, notice }: Pick<Profile, "isComparable" | "notice">,
  fewer?: string,
): { notice?: string } {
  const sentences = [notice, fewer].filter((one) => one !== undefined).map((one) => `${one}.`);
  if (!isComparable) {
    sentences.push(
      "Its numbers stand beside the paper's to show the same tables and figures from the same code; " +
        "their differences say nothing about the method.",
    );
  }
  return sentences.length === 0 ? {} : { notice: sentences.join(" ") };
}
