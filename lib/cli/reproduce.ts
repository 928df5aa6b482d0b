/**
 * `deno task reproduce`: every section asked for, in the order that dependencies ask; their records,
 * tables and figures, and the report that sets them beside the paper's.
 * @module
 */
import type { Command } from "commander";
import { join } from "node:path";
import { ENGINES } from "../detectors/detector.ts";
import { sectionNeeds } from "../doctor/needs.ts";
import { tellingOnce, UserError } from "../io/errors.ts";
import { assertWritable, exists, sweepTemporaries } from "../io/files.ts";
import { sweepClaims, withLock } from "../io/lock.ts";
import type { Progress } from "../io/progress.ts";
import { duration, ProgressDisplay } from "../io/progress_bar.ts";
import type { RunRow } from "../runs/config.ts";
import { execute } from "../runs/execute.ts";
import { CLAIMS } from "../runs/heads.ts";
import { planRuns } from "../runs/plan.ts";
import { makeOnce } from "../runs/made.ts";
import type { RunRecord } from "../runs/record.ts";
import { type Experiments, headingOf, type PaperName, type Section } from "../runs/section.ts";
import { SELECTIONS } from "../runs/select.ts";
import { makeSetup, type Setup, type SetupOptions } from "../runs/setup.ts";
import { Status } from "../runs/status.ts";
import { dropSpent } from "../runs/spent.ts";
import { noteUse } from "../runs/uses.ts";
import { openWorld, type World } from "../runs/world.ts";
import type { FeatureRequest } from "../tokens/request.ts";
import { dryRun } from "./dry_run.ts";
import { EXIT_FAILURE } from "./errors.ts";
import { reproduceOnGpus } from "./gpus.ts";
import { GOES_ON, stopOnInterrupt } from "./interrupt.ts";
import {
  BATCH,
  choice,
  DATASETS,
  DEVICE,
  type DeviceChoice,
  deviceOf,
  onlyOption,
  PAPER,
  positiveCount,
  positiveNumber,
  PRECISION,
  THEME,
  TRUST_DEVICE,
  wholeNumber,
  wholeNumbers,
  WIDTH,
} from "./options.ts";
import { pathOption } from "./paths.ts";
import { Reporting } from "./reporting.ts";
import { byteCount } from "./text.ts";
import { bestLines, failedLines, skippedLines } from "./summary.ts";

interface ReproduceFlags extends Omit<SetupOptions, "device"> {
  readonly only: readonly string[];
  readonly paper?: PaperName;
  readonly device: DeviceChoice;
  readonly trustDevice: boolean;
  readonly dryRun: boolean;
  readonly keep: Keep;
  readonly gpus?: readonly number[];
}

/** Which features stay on disk: all, or without those that heads have learned from for the last time. */
export type Keep = "all" | "needed";

/** Adds the command. */
export function registerReproduce(program: Command, experiments: Experiments): void {
  const profiles = Object.keys(experiments.profiles);
  program.command("reproduce")
    .description("make data, tokens, heads, tables and figures; what is done is reused")
    .addOption(choice("--profile <name>", "which world to run in", profiles, profiles[0]))
    .addOption(onlyOption(experiments))
    .addOption(PAPER)
    .addOption(pathOption("--data <folder>", "holds images and backbones", "data"))
    .addOption(
      pathOption("--results <folder>", "where records, tables and figures go", "results"),
    )
    .addOption(
      pathOption("--tokens <folder>", "where tokens go (default: tokens in the data folder)"),
    )
    .option(
      "--seed <number>",
      "seed of every random choice (default: that of the images that were made, or 0)",
      wholeNumber,
    )
    .option(
      "--seeds <numbers>",
      "repeat everything with each, images drawn anew; with commas between",
      wholeNumbers,
    )
    .option(
      "--draws <number>",
      "draws of perturbations with one seed; 1: all seeds share one draw of images (default: 3)",
      positiveCount,
    )
    .addOption(choice("--engine <name>", "what trains heads", ENGINES, "onnx"))
    .addOption(DEVICE)
    .addOption(TRUST_DEVICE)
    .option(
      "--gpus <numbers>",
      "a process for each of these GPUs, which divide the work; with commas between",
      wholeNumbers,
    )
    .addOption(PRECISION)
    .addOption(BATCH)
    .addOption(
      choice("--protocol <name>", "what the released code does, or what the paper says", [
        "released",
        "paper",
      ], "released"),
    )
    .option("--learning-rate <number>", "of RINE's heads (default: the paper's)", positiveNumber)
    .addOption(choice("--select <by>", "what chooses the best run", SELECTIONS, "test"))
    .addOption(THEME)
    .addOption(WIDTH)
    .addOption(
      choice(
        "--keep <features>",
        "needed: drop those of augmented images once no head learns from them any more",
        ["all", "needed"],
        "all",
      ),
    )
    .option("--force", "train again what is done", false)
    .option("--dry-run", "say what would be done and what it costs, and do nothing", false)
    .addOption(DATASETS)
    .option("--skip-corrupt", "leave out images that cannot be decoded", false)
    .action(
      async (
        { only, paper, dryRun: isDry, device, trustDevice, keep, gpus, ...options }: ReproduceFlags,
      ) => {
        if (gpus && !isDry) return await reproduceOnGpus(gpus, { device, ...options });
        stopOnInterrupt(GOES_ON);
        const setup = await makeSetup(experiments, {
          ...options,
          device: await deviceOf(device, trustDevice),
        });
        const sections = inOrder(experiments, only, paper);
        if (isDry) return console.log((await dryRun(setup, sections)).join("\n"));
        const { lines, problems } = await reproduce(setup, sections, keep);
        for (const problem of problems) console.error(problem);
        if (problems.length > 0) Deno.exitCode = EXIT_FAILURE;
        console.log(lines.join("\n"));
      },
    );
}

/**
 * The sections asked for and those they depend on, each after what it depends on.
 * @param names of sections; all of none
 * @param paper where sections of one paper alone are asked for
 * @throws {UserError} where a section that is named is not of that paper
 */
export function inOrder(
  { sections }: Experiments,
  names: readonly string[],
  paper?: PaperName,
): readonly Section[] {
  const asked = sections.filter((section) => paper === undefined || section.paper === paper);
  const other = names.find((name) => !asked.some((section) => section.name === name));
  if (other !== undefined) {
    throw new UserError(
      "choice",
      `Cannot reproduce ${other} with --paper ${paper}: expected a section of ${
        asked.map(({ name }) => name).join(", ")
      }`,
    );
  }
  const wanted = new Set<string>();
  const add = (name: string) => {
    sections.find((section) => section.name === name)?.dependsOn.forEach(add);
    wanted.add(name);
  };
  (names.length > 0 ? names : asked.map(({ name }) => name)).forEach(add);
  return sections.filter(({ name }) => wanted.has(name));
}

/** What a reproduction reports to the user. */
export interface Reproduced {
  /** A summary for people. */
  readonly lines: readonly string[];
  /** Damaged best heads, which are left as they are: a line each, with what to do. */
  readonly problems: readonly string[];
}

/**
 * Runs sections and writes their tables and figures. Sections that were not asked for stand in the
 * report too, where they are done.
 * @throws {UserError} where images or backbones are missing, or a folder cannot be written
 */
export async function reproduce(
  setup: Setup,
  sections: readonly Section[],
  keep: Keep = "all",
): Promise<Reproduced> {
  const { profile, seeds, data, tokens, folder, outputs } = setup;
  const started = performance.now();
  await assertFolders(setup);
  await noteUse(setup);
  using display = new ProgressDisplay();
  const { onProgress } = display;
  const places = [...new Set([tokens.startsWith(data) ? data : tokens, folder])];
  const onWait = once(() =>
    display.say(`Another process works in ${places.join(" or ")}; waiting for it`)
  );
  const onDamage = tellingOnce((line) => display.say(line));
  const world = await openWorld(setup, { onProgress, onWait, onDamage });
  // a backbone that is missing stops everything now, not after hours
  const needs = sectionNeeds(sections, profile);
  for (const { name } of sections) {
    for (const backbone of needs.get(name)!.backbones) await world.backbone(backbone);
  }
  // what is done stands in the report, whatever is trained again
  await using status = new Status({ ...setup, force: false }, world);
  const report = new Reporting(setup, status, world, onDamage);
  /** What people read is written by one process at a time. */
  const alone = <T>(write: () => Promise<T>) =>
    withLock(join(outputs, "report.lock"), write, onWait);
  const rows: RunRow[] = [];
  const records: RunRecord[] = [];
  const forced = new Set<string>();
  try {
    for (const [index, section] of sections.entries()) {
      const announce = once(() =>
        display.say(`${headingOf(section)} (${index + 1} of ${sections.length})`)
      );
      const configs = section.runs(profile, seeds, rows);
      const hooks = {
        onProgress: (progress: Progress) => {
          announce();
          onProgress(progress);
        },
        ...{ onWait, onDamage, forced, scoresAreShown: section.showsScores },
        later: () => plannedFeatures(sections.slice(index + 1), world, setup),
      };
      const run = () => execute(section.name, configs, world, setup, hooks);
      let executed = await run();
      if (await alone(() => report.keepHeads(executed.records))) executed = await run();
      await makeOnce(section, world, setup, hooks, executed.records);
      status.add(section, configs, executed.records);
      rows.push(...(await status.section(section.name)).own);
      records.push(...executed.records);
      await alone(() => report.add(section, executed.records, executed.reused));
      if (keep === "needed") {
        const { sets, bytes } = await dropSpent(world, setup);
        if (sets > 0) {
          display.say(`Dropped ${sets} feature sets (${byteCount(bytes)}) that no head needs`);
        }
      }
    }
  } catch (error) {
    await alone(() => report.keepDone());
    throw error;
  }
  // whoever is last finds all done, and writes it
  const written = await alone(() => report.finish());
  await sweepAll(setup);
  return {
    problems: report.heads.problems,
    lines: [
      ...(profile.notice === undefined ? [] : ["", profile.notice]),
      "",
      ...bestLines(profile, rows, report.heads.copies),
      "",
      ...written,
      "",
      ...skippedLines(records),
      ...failedLines(records),
      `Done in ${duration((performance.now() - started) / 1000)}. ` +
      `Everything is in ${outputs}; begin with ${join(outputs, "report.html")}`,
    ],
  };
}

/** Features that runs read of sections which depend on no other and lack nothing. */
async function plannedFeatures(
  sections: readonly Section[],
  world: World,
  setup: Setup,
): Promise<FeatureRequest[]> {
  const free = sections.filter(({ dependsOn }) => dependsOn.length === 0);
  const plans = await Promise.all(free.map(async ({ runs }) => {
    try {
      return await planRuns(runs(setup.profile, setup.seeds, []), world, setup);
    } catch (error) {
      // a section that lacks images says so when it is its turn
      if (error instanceof UserError && error.kind === "missing") return undefined;
      throw error;
    }
  }));
  return [...new Set(plans.flatMap((plan) => [...plan?.requests.values() ?? []]))];
}

/** Makes sure, before long work starts, that it can be read from where it must be and written. */
async function assertFolders({ profile, data, tokens, folder, outputs }: Setup): Promise<void> {
  if (!profile.made && !await exists(data)) {
    throw new UserError(
      "missing",
      `Cannot reproduce: expected images and backbones in ${data}, found no such folder; ` +
        "`deno task doctor --data FOLDER` says what belongs there",
    );
  }
  // images that a person has brought may lie where nothing can be written
  for (const path of [...(profile.made ? [data] : []), tokens, folder]) await assertWritable(path);
  await sweepAll({ tokens, folder, outputs });
}

/** Removes what processes that were killed have left: claims, and files that they were writing. */
async function sweepAll(
  { tokens, folder, outputs }: Pick<Setup, "tokens" | "folder" | "outputs">,
): Promise<void> {
  const sweep = async (path: string, deep: boolean) => {
    await sweepClaims(path, deep);
    await sweepTemporaries(path, deep);
  };
  for (const path of new Set([tokens, folder, outputs])) await sweep(path, false);
  for (const name of [CLAIMS, "heads", "detectors", "records", "points", "made", "scores"]) {
    await sweep(join(folder, name), true);
  }
  for (const name of ["tables", "figures", "paper"]) await sweep(join(outputs, name), true);
  await Deno.remove(join(folder, CLAIMS)).catch(() => {});
}

function once(action: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) action();
    isDone = true;
  };
}
