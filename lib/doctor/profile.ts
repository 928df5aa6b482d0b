/**
 * Which of a profile's sets and backbones are on disk, and which sections can run with them.
 * @module
 */
import { join, resolve } from "node:path";
import { openBackbone } from "../backbones/open.ts";
import type { Origin } from "../data/dataset.ts";
import { DETECTORS_FOLDER, knownDetectors } from "../detectors/import.ts";
import { PIXEL_DETECTORS } from "../detectors/index.ts";
import { quoted, UserError } from "../io/errors.ts";
import type { OnProgress } from "../io/progress.ts";
import type { Setup } from "../runs/setup.ts";
import { type Examination, examine, type SetToExamine } from "./examine.ts";
import { examineIntegrity, type Integrity } from "./integrity.ts";
import { type Needs, profileSets, sectionNeeds } from "./needs.ts";
import type { SetReport } from "./set_report.ts";

/** Which sections to examine, and how closely. */
export interface DoctorOptions {
  /** Names of sections that are asked for; all where there are none. */
  readonly only: readonly string[];
  /** Decode every image, and hold all that was made to its checksums. */
  readonly deep: boolean;
  readonly onProgress?: OnProgress;
}

/** A backbone of the profile. */
export interface BackboneReport {
  readonly name: string;
  /** Why it cannot be opened; absent where it can. */
  readonly problem?: string;
}

/** Whether a section can run. */
export interface SectionReport {
  readonly name: string;
  readonly section: string;
  readonly title: string;
  readonly canRun: boolean;
  /** Why it cannot run, a few words each; empty where it can. */
  readonly problems: readonly string[];
}

/** A set that is not there, and where it is to be had. */
export interface MissingSet {
  readonly name: string;
  /** Whether a section that is asked for needs it. */
  readonly isNeeded: boolean;
  readonly origins: readonly Origin[];
}

/** A released detector of Tables 2 and 3: whether its row can be run, and what it takes. */
export interface DetectorReport {
  /** Its name in tables. */
  readonly title: string;
  readonly canRun: boolean;
  /** Where it is to be had, and the command that takes it in; absent where it is there. */
  readonly problem?: string;
}

/** All that was found. */
export interface DoctorReport extends Examination {
  readonly profile: string;
  readonly root: string;
  /** Why nothing was looked at, where nothing was. */
  readonly notice?: string;
  /** Side of a crop, pixels. */
  readonly cropPx: number;
  readonly isDeep: boolean;
  readonly backbones: readonly BackboneReport[];
  /** Of a world that is made there are none. */
  readonly detectors: readonly DetectorReport[];
  readonly missing: readonly MissingSet[];
  /** The sections that are asked for. */
  readonly sections: readonly SectionReport[];
  /** Whether all of them can run. */
  readonly canRun: boolean;
  /** What is damaged of all that this project has written; absent where it was not looked at. */
  readonly integrity?: Integrity;
}

/** Sets that a problem names; of more it says how many. */
const MAX_NAMED = 4;

/** Where no backbone says otherwise. */
const DEFAULT_CROP_PX = 224;

/**
 * Examines a profile's sets and backbones: all of them, or those that the sections asked for need.
 * A world that is made counts as there where it is not made yet: it is made when it is needed.
 */
export async function examineProfile(
  setup: Pick<Setup, "experiments" | "profile" | "root" | "data" | "results" | "tokens">,
  { only, deep, onProgress }: DoctorOptions,
): Promise<DoctorReport> {
  const { experiments, profile, root } = setup;
  const needs = sectionNeeds(experiments.sections, profile);
  const asked = experiments.sections.filter(({ name }) => only.length === 0 || only.includes(name));
  const needed = new Set(asked.flatMap(({ name }) => [...needs.get(name)!.sets]));
  const isMade = !profile.made || await profile.made.seedOf(root) !== undefined;
  const sets = profileSets(profile).filter(({ spec }) =>
    (only.length === 0 || needed.has(spec.name)) && (isMade || spec.isOwn)
  );
  const { reports: backbones, cropPx } = isMade
    ? await backbonesOf(
      new Set([
        ...profile.backbones,
        ...asked.flatMap(({ name }) => [...needs.get(name)!.backbones]),
      ]),
      root,
    )
    : { reports: [], cropPx: DEFAULT_CROP_PX };
  const examined = await examine(sets, {
    root,
    cropPx,
    deep,
    ...(onProgress ? { onProgress } : {}),
  });
  const sections = asked.map(({ name, section, title }) => {
    const problems = problemsOf(needs.get(name)!, examined.sets, backbones, cropPx);
    return { name, section, title, canRun: problems.length === 0, problems };
  });
  return {
    profile: profile.name,
    root,
    cropPx,
    isDeep: deep,
    ...(isMade
      ? {}
      : { notice: `No ${profile.name} world in ${root} yet: \`deno task reproduce\` makes it` }),
    backbones,
    detectors: profile.made ? [] : await detectorsOf(root),
    ...examined,
    missing: missingSets(sets, examined.sets, needed),
    sections,
    canRun: sections.every(({ canRun }) => canRun),
    ...(deep ? { integrity: await examineIntegrity(setup, onProgress) } : {}),
  };
}

async function detectorsOf(root: string): Promise<DetectorReport[]> {
  const folder = join(root, "detectors");
  const isUsual = resolve(folder) === resolve(DETECTORS_FOLDER);
  const where = isUsual ? "" : ` --detectors ${quoted(folder)}`;
  const known = await knownDetectors(folder);
  return await Promise.all(known.map(async ({ title, detector, name, files, from, path }) => {
    const problem = path === undefined
      ? `needs ${files[0]}, from ${from}; then ` +
        `\`deno task detector import FILE --as ${detector} --name ${name}${where}\``
      : await missingBesides(detector, path);
    return { title, canRun: problem === undefined, ...(problem === undefined ? {} : { problem }) };
  }));
}

/** What is said of another file that a detector needs, where it is not there. */
async function missingBesides(detector: string, path: string): Promise<string | undefined> {
  try {
    await PIXEL_DETECTORS.find(({ name }) => name === detector)?.besides?.(path);
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
}

async function backbonesOf(backbones: Iterable<string>, root: string) {
  const reports: BackboneReport[] = [];
  let cropPx = 0;
  for (const name of backbones) {
    try {
      const { architecture } = await openBackbone(name, { folder: join(root, "backbones") });
      cropPx = Math.max(cropPx, architecture.resolutionPx);
      reports.push({ name });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      reports.push({ name, problem: error.message });
    }
  }
  return { reports, cropPx: cropPx || DEFAULT_CROP_PX };
}

function problemsOf(
  needs: Needs,
  sets: readonly SetReport[],
  backbones: readonly BackboneReport[],
  cropPx: number,
): string[] {
  const own = sets.filter(({ name }) => needs.sets.has(name));
  const absent = own.filter(({ problems }) => problems.length > 0).map(({ name }) => name);
  const closed = backbones.filter(({ name, problem }) => problem && needs.backbones.has(name))
    .map(({ name }) => name);
  const corrupt = own.reduce(
    (sum, { real, generated }) => sum + real.unreadable.length + generated.unreadable.length,
    0,
  );
  const small = own.filter(({ name, real, generated }) =>
    needs.tenCropSets.has(name) && real.tooSmall + generated.tooSmall > 0
  ).map(({ name }) => name);
  return [
    ...(absent.length > 0 ? [`needs ${named(absent)}`] : []),
    ...(closed.length > 0 ? [`needs ${closed.join(", ")}`] : []),
    ...(corrupt > 0
      ? [`stops at ${corrupt} images that cannot be decoded, without --skip-corrupt`]
      : []),
    ...(small.length > 0 ? [`needs ${cropPx} px for ten crops in ${named(small)}`] : []),
  ];
}

/** Names of sets, as many as a line takes. */
function named(names: readonly string[]): string {
  const some = names.slice(0, MAX_NAMED).join(", ");
  return names.length > MAX_NAMED ? `${some} and ${names.length - MAX_NAMED} more sets` : some;
}

function missingSets(
  sets: readonly SetToExamine[],
  reports: readonly SetReport[],
  needed: ReadonlySet<string>,
): MissingSet[] {
  return sets.filter((_, i) => reports[i]!.problems.length > 0).map(({ spec }) => ({
    name: spec.name,
    isNeeded: needed.has(spec.name),
    origins: spec.origins ?? [],
  }));
}
