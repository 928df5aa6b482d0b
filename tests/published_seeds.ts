/** The published rows as if several seeds had been run. */
import type { RunRow } from "../lib/runs/config.ts";

/** Every row three times, ACC of the first seed lower and of the last higher by a hundredth. */
export function threeSeeds(rows: readonly RunRow[]): RunRow[] {
  return [0, 1, 2].flatMap((seed) =>
    rows.map((row) => ({
      ...row,
      seed,
      test: Object.fromEntries(
        Object.entries(row.test).map(([name, { ap, acc }]) => [
          name,
          { ap, acc: acc + (seed - 1) / 100 },
        ]),
      ),
    }))
  );
}
