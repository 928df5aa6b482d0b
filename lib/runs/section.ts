/**
 * A section of a paper: its runs as plain data, and the tables and figures that show them.
 * @module
 */
import type { FeaturePoint } from "../published/points.ts";
import type { PrintedCell } from "../published/printed.ts";
import type { Figure } from "../report/figure.ts";
import type { Table } from "../report/table.ts";
import type { RunConfig, RunRow, ScoredRow } from "./config.ts";
import type { Making } from "./making.ts";
import type { Profile } from "./profile.ts";

/** Tables and figures of one section. */
export interface SectionReport {
  readonly tables: readonly Table[];
  readonly figures: readonly Figure[];
}

/** What tables and figures are made of. */
export interface Shown {
  readonly profile: Profile;
  /** The section's own, and those of the sections it depends on. */
  readonly rows: readonly RunRow[];
  /** Cells printed in the paper: results of methods that are not run here; often none. */
  readonly printed: readonly PrintedCell[];
  /** Feature spaces of detectors in two dimensions, for Figure 1; often none. */
  readonly points: readonly FeaturePoint[];
  /** Measured scores of the section's own rows, where it {@linkcode Section.showsScores}; absent otherwise. */
  readonly scored?: readonly ScoredRow[];
  /** What the section {@linkcode Section.makes}, as plain data; absent where that is not on disk. */
  readonly made?: unknown;
}

/** A table or a figure as a function of what it is made of; `undefined` where there is nothing to show. */
export type Exhibit = (shown: Shown) => Table | Figure | undefined;

/** The papers whose sections there are. */
export const PAPERS = ["rine", "ufd"] as const;

/** Name of a paper: RINE's (ECCV 2024), or UFD's (CVPR 2023), which it stands on. */
export type PaperName = typeof PAPERS[number];

/** One section of a paper. */
export interface Section<Name extends string = string> {
  /** Name on the command line and of its records' folder: `grid`. */
  readonly name: Name;
  /** The paper that it is of. */
  readonly paper: PaperName;
  /** `§5.3`; of another paper than RINE's with its name: `UFD §5` */
  readonly section: string;
  readonly title: string;
  /** Sections whose rows it reads. */
  readonly dependsOn: readonly string[];
  /** Whether it shows {@linkcode Shown.points}, which take a while to make. */
  readonly showsPoints?: boolean;
  /** Whether it shows {@linkcode Shown.scored}. */
  readonly showsScores?: boolean;
  /** How {@linkcode Shown.made} is made of images and features; absent where rows are all it shows. */
  readonly makes?: Making;
  /** Its runs, given the rows of the sections it depends on. */
  runs(profile: Profile, seeds: readonly number[], rows: readonly RunRow[]): readonly RunConfig[];
  /** Its tables and figures, in their order. */
  readonly shows: readonly Exhibit[];
}

/** A section as a heading: `§5.3 Backbone, …`, `Appendix. Other backbones and heads`. */
export function headingOf({ section, title }: Pick<Section, "section" | "title">): string {
  return `${section}${section.startsWith("§") ? "" : "."} ${title}`;
}

/** Types a section; returns it as it is. */
export function defineSection<const Name extends string>(section: Section<Name>): Section<Name> {
  return section;
}

/** A section's tables and figures. */
export function reportOf({ shows }: Section, shown: Shown): SectionReport {
  const made = shows.map((exhibit) => exhibit(shown)).filter((one) => one !== undefined);
  return {
    tables: made.filter((one): one is Table => !("spec" in one)),
    figures: made.filter((one): one is Figure => "spec" in one),
  };
}

/** What the library is told of the papers: their sections, and the profiles they run in. */
export interface Experiments<Name extends string = string> {
  /** Every section, each after those whose rows it reads. */
  readonly sections: readonly Section<Name>[];
  /** By name; the first is the default. */
  readonly profiles: Readonly<Record<string, Profile>>;
}
