/**
 * What a reproduction says of its runs when it ends: the best heads, and what was left out.
 * @module
 */
import { detectorNamed } from "../detectors/index.ts";
import { averagedNames, bestHeads } from "../runs/choices.ts";
import type { RunRow } from "../runs/config.ts";
import type { Profile } from "../runs/profile.ts";
import type { RunRecord } from "../runs/record.ts";
import { meanScore } from "../runs/select.ts";

/**
 * The best run of each class set, chosen as the profile chooses, and where its head lies.
 * @param heads paths by class set
 */
export function bestLines(
  profile: Profile,
  rows: readonly RunRow[],
  heads: ReadonlyMap<string, string>,
): string[] {
  const percent = (measure: "acc" | "ap", rows: readonly RunRow[]) => {
    const scores = rows.map((row) => meanScore(row, measure));
    const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
    return `${(100 * mean).toFixed(1)} %`;
  };
  return bestHeads(profile, rows).flatMap(({ name, rows: best }) => {
    const [{ detector: kind, backbone, head, seed }] = best;
    const detector = detectorNamed(kind);
    const seeds = best.length === 1 ? "" : `, mean of ${best.length} seeds`;
    const path = heads.get(name);
    return [
      `Best ${name}: ${backbone}, ${detector.describeHead(detector.readHead(head))}: ` +
      `ACC ${percent("acc", best)}, AP ${percent("ap", best)} over ${
        averagedNames(profile.testSets).length
      } test sets${seeds}`,
      ...(path === undefined
        ? []
        : [`  ${path}  its head${best.length === 1 ? "" : `, of seed ${seed}`}`]),
    ];
  });
}

/** How many images were left out, because they cannot be decoded; nothing where none were. */
export function skippedLines(records: readonly RunRecord[]): string[] {
  const skipped = records.flatMap(({ skippedImages }) => skippedImages ?? []);
  const count = (lists: readonly (readonly string[])[]) => new Set(lists.flat()).size;
  const tests = [...new Set(skipped.flatMap(({ test }) => Object.keys(test)))];
  const parts = [
    ["training", count(skipped.map(({ train }) => train))],
    ["validation", count(skipped.map(({ val }) => val))],
    ...tests.map((name) => [name, count(skipped.map(({ test }) => test[name] ?? []))] as const),
  ] as const;
  const said = parts.filter(([, images]) => images > 0).map(([set, images]) =>
    `${images} of ${set}`
  );
  return said.length === 0
    ? []
    : [`Left out images that cannot be decoded: ${said.join(", ")}; the records name them`, ""];
}

/** Heads whose training diverged; nothing where none did. */
export function failedLines(records: readonly RunRecord[]): string[] {
  const failed = records.flatMap(({ failed }) => failed ?? []);
  if (failed.length === 0) return [];
  const heads = failed.length === 1 ? "a run" : `${failed.length} runs`;
  return [
    `Left out ${heads} whose training diverged (--learning-rate takes a lower one): ${failed[0]}`,
    "",
  ];
}
