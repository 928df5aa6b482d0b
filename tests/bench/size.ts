/**
 * How long it takes to list, plan and look up the paper's real number of images, and a million of
 * one's own, and in how much memory: cold, where the page cache may be dropped, and warm.
 *
 *     deno task bench:size FOLDER [own | paper | reproduce | doctor]
 *
 * Makes 1.2 million small files in FOLDER the first time: 8 GB, two minutes. Each measurement is a
 * process of its own.
 * @module
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import process from "node:process";
import { EXPERIMENTS } from "../../experiments/index.ts";
import { dryRun } from "../../lib/cli/dry_run.ts";
import { inOrder, reproduce } from "../../lib/cli/reproduce.ts";
import { examineProfile } from "../../lib/doctor/profile.ts";
import { exists } from "../../lib/io/files.ts";
import { trainingConfig } from "../../lib/runs/choices.ts";
import type { RunConfig } from "../../lib/runs/config.ts";
import { keysOf, planRuns } from "../../lib/runs/plan.ts";
import { makeSetup } from "../../lib/runs/setup.ts";
import { openMadeWorld } from "../../lib/runs/world.ts";
import { findFeatures } from "../../lib/tokens/store.ts";
import { plainSections, pretendDone } from "./paper_state.ts";
import { makeOwnSet, makePaperWorld } from "./paper_world.ts";

const COUNTS = [100_000, 1_000_000];

/** Plans one head that is tried on a set of one's own alone, and looks for what it reads. */
async function planOwn(root: string, count: number): Promise<number> {
  const datasets = await makeOwnSet(root, count);
  const setup = await makeSetup(EXPERIMENTS, { profile: "paper", data: root, datasets });
  await using world = await openMadeWorld(setup);
  const { profile } = setup;
  const training = trainingConfig(profile, {
    detector: "rine",
    trainingSet: "progan",
    classes: ["horse"],
    fraction: 1,
    backbone: "ViT-B/32",
    head: { contrastiveWeight: .1, projectionLayers: 1, projectionDim: 128, variant: "full" },
    epochs: 1,
    decayEpochs: [],
  }, 0);
  const evaluation = { testSets: [`own_${count}`], view: "center", atEpochs: [1] };
  const config: RunConfig = { training, evaluation };
  const { runs, requests } = await planRuns([config], world, setup);
  for (const key of keysOf(runs[0]!)) await findFeatures(setup.tokens, key);
  return [...requests.values()].reduce((sum, { images }) => sum + images.length, 0);
}

/** Plans all sections of the paper. */
async function planPaper(root: string): Promise<number> {
  const results = join(root, "results");
  const setup = await makeSetup(EXPERIMENTS, { profile: "paper", data: root, results });
  const lines = await dryRun(setup, inOrder(EXPERIMENTS, []));
  return lines.length;
}

/** Finds that all is done, and draws it: sections whose figures are made of runs alone. */
async function reproduceAgain(root: string): Promise<number> {
  const setup = await makeSetup(EXPERIMENTS, pretended(root));
  const names = plainSections().map(({ name }) => name);
  const { problems } = await reproduce(setup, inOrder(EXPERIMENTS, names));
  if (problems.length > 0) throw new Error(problems.join("\n"));
  return names.length;
}

function pretended(root: string) {
  const data = root, results = join(root, "pretended"), tokens = join(root, "pretended_tokens");
  return { profile: "paper", data, results, tokens };
}

async function examineAll(root: string): Promise<number> {
  const setup = await makeSetup(EXPERIMENTS, { profile: "paper", data: root });
  const { files, duplicates } = await examineProfile(setup, { only: [], deep: false });
  if (duplicates.length > 0) throw new Error("Cannot time the doctor: expected different files");
  return files;
}

/** Whether what the system has read of disks could be forgotten. */
async function dropCaches(): Promise<boolean> {
  const { success } = await new Deno.Command("sh", {
    args: ["-c", "sync; echo 3 > /proc/sys/vm/drop_caches"],
    stderr: "null",
  }).output();
  return success;
}

/** Measures one piece of work in a process of its own. */
async function measure(name: string, ...args: string[]): Promise<void> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", fileURLToPath(import.meta.url), "--child", ...args],
    env: { MALLOC_ARENA_MAX: "2", DENO_NO_UPDATE_CHECK: "1" },
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  console.log(`${name}: ${new TextDecoder().decode(stdout).trim()}`);
}

const WORK: Readonly<Record<string, (root: string, count: number) => Promise<number>>> = {
  own: planOwn,
  paper: planPaper,
  reproduce: reproduceAgain,
  doctor: examineAll,
};

async function child([what, root, count]: readonly string[]): Promise<void> {
  const found = await WORK[what!]!(root!, Number(count));
  const seconds = performance.now() / 1000;
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  const cpu = (userCPUTime + systemCPUTime) / 1e6;
  console.log(
    `${seconds.toFixed(1)} s, ${cpu.toFixed(1)} s of a processor, ` +
      `${Math.round(maxRSS / 1024)} MiB at most (${found})`,
  );
  Deno.exit();
}

if (Deno.args[0] === "--child") await child(Deno.args.slice(1));
const [root, only] = Deno.args;
if (root === undefined) throw new Error("Cannot measure: expected a folder for images");
await makePaperWorld(root);
for (const count of COUNTS) await makeOwnSet(root, count);
if (only === undefined || only === "reproduce") {
  const setup = await makeSetup(EXPERIMENTS, pretended(root));
  if (!await exists(setup.folder)) await pretendDone(setup, plainSections());
}
for (const what of Object.keys(WORK)) {
  if (only !== undefined && only !== what) continue;
  for (const count of what === "own" ? COUNTS : [undefined]) {
    const name = count === undefined ? what : `${what}, ${count} images`;
    const args = [what, root, ...(count === undefined ? [] : [`${count}`])];
    if (await dropCaches()) await measure(`${name}, cold`, ...args);
    await measure(`${name}, warm`, ...args);
  }
}
