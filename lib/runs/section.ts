/**
 * An experiment: one section of the paper as plain data and what it reports.
 * @module
 */
import type { Figure } from "../report/figure.ts";
import type { Table } from "../report/table.ts";
import type { FeaturePoint, PrintedCell } from "../published/published.ts";
import type { RunConfig, RunRow } from "./config.ts";
import type { Profile } from "./profile.ts";

/** Tables and figures of one section. */
export interface SectionReport {
  readonly tables: readonly Table[];
  readonly figures: readonly Figure[];
}

/** What reports show besides rows. */
export interface ReportExtras {
  /** Cells printed in the paper: results of methods that are not run here. */
  readonly printed?: readonly PrintedCell[];
  /** Feature spaces of detectors in two dimensions, for Figure 1. */
  readonly points?: readonly FeaturePoint[];
}

/** One section of the paper. */
export interface Experiment {
  /** Name on the command line and of its results folder: `grid`. */
  readonly name: string;
  /** `§5.3` */
  readonly section: string;
  readonly title: string;
  /** Experiments whose rows it reads. */
  readonly dependsOn: readonly string[];
  /** Its runs, given the rows of the experiments it depends on. */
  runs(profile: Profile, seeds: readonly number[], rows: readonly RunRow[]): readonly RunConfig[];
  /** Its tables and figures, from its own rows and those of the experiments it depends on. */
  report(profile: Profile, rows: readonly RunRow[], extras?: ReportExtras): SectionReport;
}

/** A section as a heading: `§5.3 Backbone, …`, `Appendix. Other backbones and heads`. */
export function headingOf({ section, title }: Pick<Experiment, "section" | "title">): string {
  return `${section}${section.startsWith("§") ? "" : "."} ${title}`;
}

/** Types an experiment; returns it as it is. */
export function defineExperiment(experiment: Experiment): Experiment {
  return experiment;
}
