/**
 * Reproduces the paper: every section asked for, in the order that dependencies ask.
 * @module
 */
import { join } from "node:path";
import type { Precision } from "../lib/backbone/backbone.ts";
import { Listings } from "../lib/data/listing.ts";
import { type EngineName, resolveEngine } from "../lib/head/open_engine.ts";
import { assertWritable, exists } from "../lib/io/files.ts";
import type { Device } from "../lib/onnx/session.ts";
import type { ThemeName } from "../lib/report/theme.ts";
import { RecordStore, type RunRecord } from "../lib/results/record.ts";
import type { RunRow } from "../lib/results/run.ts";
import { meanScore } from "../lib/results/select.ts";
import { execute } from "../lib/run/execute.ts";
import { reproduceCommand } from "./command.ts";
import { type BestHeads, keepBestHeads } from "./best_heads.ts";
import { type Experiment, headingOf } from "./experiment.ts";
import { FinishedRuns } from "./finished.ts";
import { averagedNames, bestHeads } from "./heads.ts";
import { averagedRows } from "./own_sets.ts";
import { duration, ProgressDisplay } from "./progress_bar.ts";
import { mini } from "./profiles/mini.ts";
import { paper } from "./profiles/paper.ts";
import type { Profile } from "./profiles/profile.ts";
import { fewerImages } from "./provenance.ts";
import { doneSections, writeSections } from "./report.ts";
import { SECTIONS } from "./sections.ts";
import { openWorld } from "./world.ts";

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
  /** Told, once all is written, what was found damaged and is not in it. */
  readonly onProblem?: (line: string) => void;
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
    throw new RangeError(
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
  // sections share their images, and the report plans all of them again
  const listings = new Listings(world.root);
  const finished = new FinishedRuns(profile, world, {
    ...{ engine, seed, seeds, folder, tokensFolder, listings },
    command: (section) => reproduceCommand(profile, options, [section]),
  });
  const rows: RunRow[] = [];
  const records: RunRecord[] = [];
  const lines = new Map<string, string>();
  const written = new Set<string>();
  const source = { folder, tokensFolder, engine };
  // other best heads are another report
  const report = profile.selection === "val" ? join(folder, "val") : folder;
  const write = async (names: ReadonlySet<string>) => {
    // they are made of a best head
    const makePoints = heads.problems.length === 0;
    const done = await doneSections(finished, names, lines, options, { ...source, makePoints });
    return await writeSections(done, options, {
      folder: report,
      written,
      fewer: await (fewer ??= fewerImages(profile, world.root)),
    });
  };
  let fewer: Promise<string | undefined> | undefined;
  let before: ReadonlySet<string> | undefined;
  let heads: BestHeads = { copies: new Map(), problems: [] };
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
      listings,
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
  for (const problem of heads.problems) options.onProblem?.(problem);
  return [
    ...(profile.notice === undefined ? [] : ["", profile.notice]),
    "",
    ...bestLines(profile, rows, heads.copies),
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
    const head = heads.get(name);
    return [
      `Best ${name}: ${backbone}, ξ ${contrastiveWeight}, q ${projectionLayers}, d′ ${projectionDim}: ` +
      `ACC ${percent("acc", best)}, AP ${percent("ap", best)} over ${
        averagedNames(profile.testSets).length
      } test sets${seeds}`,
      ...(head === undefined
        ? []
        : [`  ${head}  its head${best.length === 1 ? "" : `, of seed ${best[0].seed}`}`]),
    ];
  });
}
