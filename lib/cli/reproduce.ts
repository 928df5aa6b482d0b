/**
 * Reproduces the paper: every section asked for, in the order that dependencies ask.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { join } from "node:path";
import type { Precision } from "../backbones/backbone.ts";
import { type EngineName, resolveEngine } from "../detectors/rine/open_engine.ts";
import { assertWritable, exists } from "../io/files.ts";
import type { Device } from "../onnx/session.ts";
import type { ThemeName } from "../report/theme.ts";
import { RecordStore, type RunRecord } from "../runs/record.ts";
import type { RunRow } from "../runs/config.ts";
import { meanScore } from "../runs/select.ts";
import { execute } from "../runs/execute.ts";
import { reproduceCommand } from "../runs/setup.ts";
import { keepBestHeads } from "../runs/best_heads.ts";
import { type Experiment, headingOf } from "../runs/section.ts";
import { FinishedRuns } from "../runs/finished.ts";
import { averagedNames, bestHeads } from "../report/paper/heads.ts";
import { averagedRows } from "../runs/own_sets.ts";
import { duration, ProgressDisplay } from "../io/progress_bar.ts";
import { mini } from "../../experiments/profiles/mini.ts";
import { paper } from "../../experiments/profiles/paper.ts";
import type { Profile } from "../runs/profile.ts";
import { fewerImages } from "../report/paper/captions.ts";
import { doneSections, writeSections } from "../report/paper/report.ts";
import { SECTIONS } from "../../experiments/index.ts";
import { openWorld } from "../runs/world.ts";

/** Every profile by name. */
export const PROFILES: Readonly<Record<string, Profile>> = { mini, paper };

/** What to reproduce, and with what. */
export interface ReproduceOptions {
  readonly profile: Profile;
  /** Names of sections; what they depend on is run too. All where there are none. */
  readonly only: readonly string[];
  /** Holds images, backbones and tokens. */
  readonly data: string;
  readonly results: string;
  /** Seed of the mini world, of augmentation and of perturbations. */
  readonly seed: number;
  /** Seeds of the heads; each section runs with every one of them. */
  readonly seeds: readonly number[];
  readonly engine: EngineName;
  readonly device: Device;
  readonly precision: Precision;
  readonly protocol: "released" | "paper";
  readonly theme: ThemeName;
  readonly force: boolean;
  /** Leave out images that cannot be decoded, rather than stop at them. */
  readonly skipCorrupt: boolean;
}

/** Crops that go through a backbone at once. */
export const BATCH_SIZE = { mini: 64, paper: 8 } as const;

/**
 * Runs sections and writes their records, tables and figures, and the report that sets them beside
 * the paper's. Sections that were not asked for stand in the report too, where they are done.
 * @returns a summary for people
 */
export async function reproduce(options: ReproduceOptions): Promise<string> {
  const { profile, data, results, seed, seeds, device, precision, protocol } = options;
  const started = performance.now();
  const folder = join(results, profile.name);
  const tokensFolder = join(data, "tokens");
  if (profile.name !== "mini" && !await exists(data)) {
    throw new UserError(
      "missing",
      `Cannot reproduce: expected images and backbones in ${data}, found no such folder; ` +
        "`deno task doctor --data FOLDER` says what belongs there",
    );
  }
  for (const path of [data, tokensFolder, folder]) await assertWritable(path);
  using display = new ProgressDisplay();
  const { onProgress } = display;
  const onWait = once(() =>
    display.say(`Another process works in ${data} or ${folder}; waiting for it`)
  );
  const engine = await resolveEngine(options.engine, { device });
  const world = await openWorld(profile, {
    ...{ data, seed, device, precision, protocol, onProgress, onWait },
  });
  const finished = new FinishedRuns(profile, world, {
    ...{ engine, seed, seeds, folder, tokensFolder },
    command: (section) => reproduceCommand(profile, options, [section]),
  });
  const rows: RunRow[] = [];
  const records: RunRecord[] = [];
  const lines = new Map<string, string>();
  const written = new Set<string>();
  const source = { folder, tokensFolder, engine };
  // other best heads are another report
  const report = profile.selection === "val" ? join(folder, "val") : folder;
  const write = async (names: ReadonlySet<string>) =>
    await writeSections(await doneSections(finished, names, lines, options, source), options, {
      folder: report,
      written,
      fewer: await (fewer ??= fewerImages(profile, world.root)),
    });
  let fewer: Promise<string | undefined> | undefined;
  let before: ReadonlySet<string> | undefined;
  let heads: ReadonlyMap<string, string> = new Map();
  const forced = new Set<string>();
  const wanted = inOrder(options.only);
  for (const [index, experiment] of wanted.entries()) {
    const { name } = experiment;
    const announce = once(() =>
      display.say(`${headingOf(experiment)} (${index + 1} of ${wanted.length})`)
    );
    const executed = await execute(name, experiment.runs(profile, seeds, rows), world, {
      store: new RecordStore(folder),
      tokensFolder,
      engine,
      device,
      seed,
      batchSize: BATCH_SIZE[profile.name],
      cores: navigator.hardwareConcurrency,
      force: options.force,
      forced,
      skipCorrupt: options.skipCorrupt,
      onProgress: (progress) => {
        announce();
        onProgress(progress);
      },
      onWait,
    });
    rows.push(...averagedRows(profile, executed.rows));
    records.push(...executed.records);
    finished.add(experiment, executed.records);
    const count = executed.records.length;
    lines.set(
      name,
      `${headingOf(experiment)}: ` +
        (count === 0
          ? "no runs of its own"
          : `${count} runs, ${executed.reused} of them done before`),
    );
    if (name === "grid") heads = await keepBestHeads(profile, records, folder, report);
    // what is done can be read while the rest is under way, and if that comes to nothing
    if (executed.reused < count) {
      before ??= await finished.names();
      await write(new Set([...before, ...lines.keys()]));
    }
  }
  const said = await write(await finished.names());
  for (const backbone of world.backbones.values()) await backbone[Symbol.asyncDispose]();
  return [
    ...(profile.notice === undefined ? [] : ["", profile.notice]),
    "",
    ...bestLines(profile, rows, heads),
    "",
    ...said,
    "",
    ...skippedLines(records),
    `Done in ${duration((performance.now() - started) / 1000)}. ` +
    `Everything is in ${report}; begin with ${join(report, "report.html")}`,
  ].join("\n");
}

function once(action: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) action();
    isDone = true;
  };
}

/** The sections asked for and those they depend on, each after what it depends on. */
export function inOrder(names: readonly string[]): Experiment[] {
  const wanted = new Set<string>();
  const add = (name: string) => {
    SECTIONS.find((experiment) => experiment.name === name)?.dependsOn.forEach(add);
    wanted.add(name);
  };
  (names.length > 0 ? names : SECTIONS.map(({ name }) => name)).forEach(add);
  return SECTIONS.filter(({ name }) => wanted.has(name));
}

/** How many images were left out, because they cannot be decoded. */
function skippedLines(records: readonly RunRecord[]): string[] {
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

/** The best run of each class set, chosen as the profile chooses, and where its head lies. */
function bestLines(
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
    const [{ backbone, contrastiveWeight, projectionLayers, projectionDim }] = best;
    const seeds = best.length === 1 ? "" : `, mean of ${best.length} seeds`;
    return [
      `Best ${name}: ${backbone}, ξ ${contrastiveWeight}, q ${projectionLayers}, d′ ${projectionDim}: ` +
      `ACC ${percent("acc", best)}, AP ${percent("ap", best)} over ${
        averagedNames(profile.testSets).length
      } test sets${seeds}`,
      `  ${heads.get(name)}  its head${best.length === 1 ? "" : `, of seed ${best[0].seed}`}`,
    ];
  });
}
