/** A kernel that notes what is shown, and things to show. */

import type { Figure } from "../lib/report/figure.ts";
import { percentColumn, type Table } from "../lib/report/table.ts";

/** Two bars. */
export const figure: Figure = {
  id: "figure_0",
  title: "Figure 0. Two bars",
  caption: "A test.",
  notice: "Not the paper's",
  columns: 1,
  rows: [{ name: "real", value: 0.5 }, { name: "generated", value: 0.8 }],
  spec: {
    width: 280,
    height: 60,
    mark: { type: "bar", clip: true },
    encoding: {
      x: { field: "value", type: "quantitative" },
      y: { field: "name", type: "nominal" },
    },
  },
};

/** Two rows. */
export const table: Table = {
  id: "table_0",
  title: "Table 0. Runs <now>",
  caption: "By training.",
  notice: "Not the paper's",
  columns: [{ key: "run", name: "run" }, percentColumn("acc", "ACC")],
  rows: [{ run: "a", acc: 0.5 }, { run: "b", acc: 0.75 }],
};

/** One output of a cell. */
export interface Shown {
  readonly bundle: Record<string, unknown>;
  readonly options: { raw?: boolean; display_id?: string; update?: boolean };
}

/** Runs an action as a kernel does, and returns what it showed. */
export async function inKernel(action: () => Promise<void>): Promise<Shown[]> {
  const shown: Shown[] = [];
  const kernel = Deno as { jupyter: unknown };
  kernel.jupyter = {
    display: async (bundle: Shown["bundle"], options: Shown["options"]) => {
      await Promise.resolve();
      shown.push({ bundle, options });
    },
  };
  try {
    await action();
  } finally {
    kernel.jupyter = undefined;
  }
  return shown;
}
