/**
 * Heads of RINE's appendix: other backbones and other numbers of training classes, around the grid's best
 * head of four classes. Paper: appendix, Table 7, which says little of how they were trained.
 * @module
 */
import type { HeadChoice } from "./choices.ts";
import { bestHeads, type ClassSetHeads, retrained, testSetNames } from "./choices.ts";
import type { RunConfig, RunRow } from "./config.ts";
import type { AppendixProtocol, Profile } from "./profile.ts";
import type { Configuration } from "./select.ts";
import { probeRun, type UfdProfile } from "./ufd.ts";

/** A profile that the appendix runs in. */
export type AppendixProfile = UfdProfile & { readonly appendix: AppendixProtocol };

/** Rows of Table 7 that are heads on a backbone's features, as the paper calls them. */
export const APPENDIX_HEADS = ["RINE 20-class", "UFD 4-class", "RINE w/ ViT"] as const;

/** A row of Table 7 that is a head on a backbone's features. */
export type AppendixHead = typeof APPENDIX_HEADS[number];

/** The grid's best head of four classes, one row a seed; `undefined` where there is none. */
export function fourClassHeads(
  profile: Profile,
  rows: readonly RunRow[],
): (ClassSetHeads & { readonly rows: Configuration }) | undefined {
  return bestHeads(profile, rows).find(({ classes }) => classes.length === 4);
}

/** The appendix's runs, given the grid's rows; none where the profile has no appendix. */
export function appendixRuns(profile: Profile, rows: readonly RunRow[]): readonly RunConfig[] {
  const four = fourClassHeads(profile, rows);
  if (!isAppendixProfile(profile) || !four) return [];
  const { appendix: { vit } } = profile;
  const testSets = testSetNames(profile);
  return four.rows.flatMap((row) => {
    const head = (changes: Partial<HeadChoice>): RunConfig => ({
      training: retrained(profile, row, changes),
      evaluation: { testSets, view: "center", atEpochs: [1] },
    });
    const { training, evaluation: { sample: _, ...evaluation } } = probeRun(profile, {
      seed: row.seed,
      classes: four.classes,
    });
    return [
      head({ classes: allClasses(profile, four.classes) }),
      // RINE's tables count all images of a test set, UFD's a sample
      { training, evaluation: { ...evaluation, testSets } },
      head({ backbone: vit.backbone }),
    ];
  });
}

function isAppendixProfile(profile: Profile): profile is AppendixProfile {
  return profile.appendix !== undefined && profile.ufd !== undefined;
}

/** All classes of the main training set, some of them first. */
export function allClasses(
  { trainingSets, trainedOn }: Profile,
  first: readonly string[],
): readonly string[] {
  return [...new Set([...first, ...Object.keys(trainingSets[trainedOn.main.name] ?? {})])];
}

/** Which row of Table 7 a row of the appendix's runs is of. */
export function appendixHead(
  { appendix }: Profile,
  { detector, backbone }: Pick<RunRow, "detector" | "backbone">,
): AppendixHead {
  if (detector !== "rine") return "UFD 4-class";
  return backbone === appendix?.vit.backbone ? "RINE w/ ViT" : "RINE 20-class";
}
