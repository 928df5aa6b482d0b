/**
 * Reproduces the paper: every experiment asked for, in the order that dependencies ask.
 * @module
 */
import { join } from "node:path";
import type { Precision } from "../lib/backbone/backbone.ts";
import { assertWritable } from "../lib/io/files.ts";
import { type Device, DEVICES } from "../lib/onnx/session.ts";
import { writeFigure, writeTable } from "../lib/report/write.ts";
import { execute } from "../lib/run/execute.ts";
import { RecordStore } from "../lib/results/record.ts";
import type { RunRow } from "../lib/results/run.ts";
import { bestConfiguration, meanScore } from "../lib/results/select.ts";
import type { Experiment } from "./experiment.ts";
import grid from "./grid.ts";
import { duration, ProgressDisplay } from "./progress_bar.ts";
import { mini } from "./profiles/mini.ts";
import type { Profile } from "./profiles/profile.ts";
import { openWorld } from "./world.ts";

/** Every experiment, in the order they are run. */
export const EXPERIMENTS: readonly Experiment[] = [grid];

/** Every profile by name. */
export const PROFILES: Readonly<Record<string, Profile>> = { mini };

export { DEVICES };

/** What to reproduce, and with what. */
export interface ReproduceOptions {
  readonly profile: Profile;
  /** Names of experiments; what they depend on is run too. */
  readonly only: readonly string[];
  /** Holds images, backbones and tokens. */
  readonly data: string;
  readonly results: string;
  readonly seed: number;
  readonly device: Device;
  readonly precision: Precision;
  readonly protocol: "released" | "paper";
  readonly force: boolean;
}

const BATCH_SIZE = { mini: 64, paper: 8 } as const;

/**
 * Runs experiments and writes their tables and figures.
 * @returns a summary for people
 */
export async function reproduce(options: ReproduceOptions): Promise<string> {
  const { profile, data, results, seed, device, precision, protocol, force } = options;
  const started = performance.now();
  const folder = join(results, profile.name);
  const tokensFolder = join(data, "tokens");
  for (const path of [data, tokensFolder, folder]) await assertWritable(path);
  using display = new ProgressDisplay();
  const { onProgress } = display;
  const world = await openWorld(profile, { data, seed, device, precision, protocol, onProgress });
  const lines: string[] = [];
  const rows: RunRow[] = [];
  for (const experiment of inOrder(options.only)) {
    const { name, section, title } = experiment;
    const executed = await execute(name, experiment.runs(profile, [seed], rows), world, {
      store: new RecordStore(folder),
      tokensFolder,
      engine: "onnx",
      device,
      seed,
      batchSize: BATCH_SIZE[profile.name],
      cores: navigator.hardwareConcurrency,
      force,
      onProgress,
    });
    rows.push(...executed.rows);
    const count = executed.records.length;
    lines.push(
      `${section} ${title}: ${count} runs, ${executed.reused} of them done before`,
      ...await writeSection(experiment, profile, rows, folder),
    );
  }
  for (const backbone of world.backbones.values()) await backbone[Symbol.asyncDispose]();
  const notice = profile.notice === undefined ? [] : ["", profile.notice];
  const seconds = (performance.now() - started) / 1000;
  return [
    ...notice,
    "",
    ...bestLines(profile, rows),
    "",
    ...lines,
    "",
    `Done in ${duration(seconds)}. Records, tables and figures are in ${folder}`,
  ].join("\n");
}

/** The experiments asked for and those they depend on, each after what it depends on. */
function inOrder(names: readonly string[]): Experiment[] {
  const wanted = new Set<string>();
  const add = (name: string) => {
    if (wanted.has(name)) return;
    EXPERIMENTS.find((experiment) => experiment.name === name)?.dependsOn.forEach(add);
    wanted.add(name);
  };
  (names.length > 0 ? names : EXPERIMENTS.map(({ name }) => name)).forEach(add);
  return EXPERIMENTS.filter(({ name }) => wanted.has(name));
}

async function writeSection(
  experiment: Experiment,
  profile: Profile,
  rows: readonly RunRow[],
  folder: string,
): Promise<string[]> {
  const { tables, figures } = experiment.report(profile, rows);
  const lines: string[] = [];
  for (const table of tables) {
    const written = await writeTable(join(folder, "tables"), table);
    lines.push(`  ${join(folder, "tables", table.id)}.md  ${table.title} (${written})`);
  }
  for (const figure of figures) {
    const written = await writeFigure(join(folder, "figures"), figure);
    lines.push(`  ${join(folder, "figures", figure.id)}.svg  ${figure.title} (${written})`);
  }
  return lines;
}

/** The best run of each class set, chosen as the paper chooses. */
function bestLines(profile: Profile, rows: readonly RunRow[]): string[] {
  const percent = (fraction: number) => `${(100 * fraction).toFixed(1)} %`;
  return profile.classSets.flatMap(({ name, classes }) => {
    const own = rows.filter((row) =>
      row.experiment === "grid" && row.classes.join() === classes.join()
    );
    if (own.length === 0) return [];
    const [row] = bestConfiguration(own, "test");
    const { backbone, contrastiveWeight, projectionLayers, projectionDim } = row;
    return [
      `Best ${name}: ${backbone}, ξ ${contrastiveWeight}, q ${projectionLayers}, d′ ${projectionDim}: ` +
      `ACC ${percent(meanScore(row, "acc"))}, AP ${
        percent(meanScore(row, "ap"))
      } over ${profile.testSets.length} test sets`,
    ];
  });
}
