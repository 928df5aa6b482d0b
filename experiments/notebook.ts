/**
 * The module that notebook cells import: sessions of the paper's experiments.
 *
 * ```ts ignore
 * import { openSession, show } from "rine/notebook";
 *
 * const session = await openSession({ profile: "mini" });
 * await show(await session.report("grid"));
 * ```
 * @module
 */
import {
  comparePublished,
  publishedReport as reportPublished,
  type ReportedSection,
} from "../lib/report/paper/published.ts";
import {
  openSession as openOn,
  type Session,
  type SessionOptions as Options,
} from "../lib/session/session.ts";
import { EXPERIMENTS, type ProfileName, type SectionName } from "./index.ts";

export { comparePublished };
export { show } from "../lib/session/show.ts";
export type { ProfileName, SectionName };

/** Options of a session. It finds the results that `reproduce` made with the same options. */
export interface SessionOptions extends Omit<Options, "profile"> {
  /** Default `mini`. */
  readonly profile?: ProfileName;
}

/**
 * A session of the paper's sections. Nothing is made: what asks for images, backbones or results that
 * are not there fails with what makes them.
 * @throws {UserError} where an option or a profile is unknown, or own sets are not there
 */
export function openSession(options: SessionOptions = {}): Promise<Session<SectionName>> {
  return openOn<SectionName>(EXPERIMENTS, options);
}

/** The published results, section by section, through the same code as ours. */
export function publishedReport(): Promise<ReportedSection[]> {
  return reportPublished(EXPERIMENTS);
}
