/**
 * Released detectors tried on a profile's test sets: rows of Tables 2 and 3 beside the printed ones.
 * @module
 */
import type { LabelledImage } from "../../data/dataset.ts";
import type { ReleasedRow } from "../../detectors/pixel_detector.ts";
import { evaluateScores, type SetScores } from "../../metrics.ts";
import { averagedNames } from "../../runs/choices.ts";
import { defineMaking } from "../../runs/made.ts";
import type { Making } from "../../runs/making.ts";
import type { Profile } from "../../runs/profile.ts";
import type { Shown } from "../../runs/section.ts";
import { type Cell, meanOf } from "../table.ts";

/** Counts what the numbers hang on beside images, checkpoints and transforms. */
const VERSION = 1;

/** A released checkpoint, and what came of it. */
interface TriedDetector {
  readonly title: string;
  readonly row?: ReleasedRow;
  /** What it reads of an image, in words. */
  readonly reads: string;
  /** By test set. */
  readonly test: Readonly<Record<string, SetScores>>;
}

/**
 * Scores of the released detectors that lie in the data folder, on all test sets.
 * @param transforms how each kind reads images, by its name: `{ wang: "original" }`
 */
export function triedReleased(transforms: Readonly<Record<string, string>>): Making {
  return defineMaking<TriedDetector[]>({
    isOptional: true,
    reads: ({ testSets }) => ({ sets: testSets, backbones: [] }),
    async plan(materials) {
      const detectors = await materials.detectors(transforms);
      if (detectors.length === 0) return undefined;
      const { testSets } = materials.profile;
      const sets: { name: string; lists: (readonly LabelledImage[])[] }[] = [];
      for (const spec of testSets) {
        const real = await materials.images(spec, 0), generated = await materials.images(spec, 1);
        sets.push({ name: spec.name, lists: [...real, ...generated] });
      }
      return {
        parameters: ["released", VERSION, detectors, sets.map(({ name }) => name)],
        async make() {
          const tried: TriedDetector[] = [];
          for (const { title, row, reads, key } of detectors) {
            const test: Record<string, SetScores> = {};
            for (const { name, lists } of sets) {
              const scores = await materials.scores(key, lists);
              const labels = lists.flat().map(({ label }) => label);
              const there = [...scores.keys()].filter((i) => !Number.isNaN(scores[i]));
              test[name] = evaluateScores(
                Uint8Array.from(there, (i) => labels[i]!),
                Float32Array.from(there, (i) => scores[i]!),
              );
            }
            tried.push({ title, reads, test, ...(row ? { row } : {}) });
          }
          return tried;
        },
      };
    },
  });
}

/** A row of a table, and the printed one that it stands behind. */
export interface TriedRow {
  readonly cells: Readonly<Record<string, Cell>>;
  readonly row?: ReleasedRow;
}

/** What was made, as rows of a table of one measure. */
export function triedRows(
  { made, profile: { testSets } }: Pick<Shown, "made" | "profile">,
  metric: "acc" | "ap",
): TriedRow[] {
  return triedOf(made).map(({ title, row, test }) => {
    const value = (name: string) => test[name]![metric] ?? null;
    const averaged = averagedNames(testSets);
    return {
      ...(row ? { row } : {}),
      cells: {
        method: `${row?.method ?? title}, run here`,
        trainingClasses: row?.trainingClasses ?? "",
        variant: "",
        metric,
        ...Object.fromEntries(testSets.map(({ name }) => [name, value(name)])),
        AVG: averaged.length === 0 ? null : meanOf(averaged.flatMap((name) => value(name) ?? [])),
      },
    };
  });
}

/** A sentence for captions: what ran here, and what it reads; nothing where nothing did. */
export function triedRemark({ made, profile }: { made?: unknown; profile: Profile }): string {
  const tried = triedOf(made);
  if (tried.length === 0) return "";
  const each = tried.map(({ title, reads }) => `${title}: ${reads}`).join("; ");
  return ` "Run here" are released checkpoints on the images of the ${profile.name} profile: ${each}.`;
}

function triedOf(made: unknown): readonly TriedDetector[] {
  return made === undefined ? [] : made as readonly TriedDetector[];
}
