/**
 * `deno task page`: a page on this machine that says of pictures whether they are generated, and why.
 * @module
 */
import { type Command, InvalidArgumentError } from "commander";
import { join, relative, resolve } from "node:path";
import { DETECTORS_FOLDER } from "../detectors/import.ts";
import { UserError } from "../io/errors.ts";
import { exists } from "../io/files.ts";
import { type Candidate, findCandidates } from "../page/candidates.ts";
import { Court } from "../page/court.ts";
import { servePage } from "../page/serve.ts";
import { Page } from "../page/server.ts";
import { type Reliability, reliabilityOf } from "../page/reliability.ts";
import type { Experiments } from "../runs/section.ts";
import { makeSetup } from "../runs/setup.ts";
import { errorText, openNamed } from "./errors.ts";
import { stopOnInterrupt } from "./interrupt.ts";
import {
  BACKBONES_READ,
  DEVICE,
  type DeviceChoice,
  deviceOf,
  TRUST_DEVICE,
  wholeNumber,
} from "./options.ts";
import { pathOption, userPath } from "./paths.ts";

interface PageFlags {
  readonly head?: string;
  readonly detector: readonly string[];
  readonly detectors: string;
  readonly backbones?: string;
  readonly data: string;
  readonly results: string;
  readonly port: number;
  readonly device: DeviceChoice;
  readonly trustDevice: boolean;
  readonly open: boolean;
}

/** Where the page is where nobody says another port. */
const PORT = 8018;

/** Adds the command. */
export function registerPage(program: Command, experiments: Experiments): void {
  program.command("page")
    .description("a page on this machine that says whether pictures are generated, and why")
    .addOption(
      pathOption(
        "--head <file>",
        "the detector that decides (default: the best head of most classes in --results)",
      ),
    )
    .addOption(
      pathOption("--detector <file>", "a further detector to ask; several with commas between")
        .default([]).argParser((text) => text.split(",").map(userPath)),
    )
    .addOption(
      pathOption("--detectors <folder>", "holds imported detectors", DETECTORS_FOLDER),
    )
    .addOption(BACKBONES_READ)
    .addOption(pathOption("--data <folder>", "holds the features of test sets", "data"))
    .addOption(pathOption("--results <folder>", "holds what a reproduction has made", "results"))
    .option("--port <number>", "0 for any that is free", portNumber, PORT)
    .addOption(DEVICE)
    .addOption(TRUST_DEVICE)
    .option("--no-open", "do not open a browser")
    .action((flags: PageFlags) => page(flags, experiments));
}

async function page(flags: PageFlags, experiments: Experiments): Promise<void> {
  const { detector: further, detectors, backbones, results, port, device, trustDevice } = flags;
  const main = flags.head ?? await bestHead(results, experiments);
  const candidates = await findCandidates({ main, further, detectors }, console.error);
  const options = {
    candidates: candidates.map(({ id, path }) => ({ id, path })),
    device: await deviceOf(device, trustDevice),
  };
  await using court = await openNamed(() =>
    Court.open({ ...options, ...(backbones === undefined ? {} : { backbones }) })
  );
  const notice = noticeOf(candidates[0]!, court.main.backbone, results, experiments);
  const page = new Page({
    court,
    candidates,
    ...(notice === undefined ? {} : { notice }),
    ...await known(candidates[0]!, flags, experiments),
    onFault: (error) => console.error(errorText(error)),
  });
  const served = servePage(page, port);
  stopOnInterrupt("Stopped; what is in hand is finished first", served.finish);
  if (notice !== undefined) console.error(notice);
  console.log(`The page is at ${served.url} (Ctrl-C ends it)`);
  if (flags.open) await openBrowser(served.url);
  // a signal ends the process
  await new Promise(() => {});
}

/** The best head of most classes: of the paper's profile where there is one, else of the first. */
async function bestHead(results: string, { profiles }: Experiments): Promise<string> {
  const wanted = Object.values(profiles).toReversed().flatMap(({ folder, classSets }) =>
    classSets.toReversed().map(({ name }) => join(results, folder, `best_${name}.safetensors`))
  );
  for (const path of wanted) if (await exists(path)) return path;
  throw new UserError(
    "missing",
    `Cannot open the page: expected a detector such as ${wanted.at(-1)}, found none; run ` +
      "`deno task reproduce` first, or name one with --head",
  );
}

/** What became of the test pictures of the reproduction that made a head, where it is all there. */
async function known(
  { path, record }: Candidate,
  { data, results }: PageFlags,
  experiments: Experiments,
): Promise<{ reliability?: Reliability }> {
  const isIn = (folder: string) => !relative(resolve(folder), resolve(path)).startsWith("..");
  const profile = Object.values(experiments.profiles)
    .find(({ folder }) => isIn(join(results, folder)));
  if (!record || !profile) return {};
  const setup = await makeSetup(experiments, { profile: profile.name, data, results });
  const reliability = await reliabilityOf(record, setup);
  return reliability ? { reliability } : {};
}

/** What is to be said of a detector that knows drawn pictures alone. */
function noticeOf(
  { path }: Candidate,
  backbone: string | undefined,
  results: string,
  { profiles }: Experiments,
): string | undefined {
  return Object.values(profiles).find(({ backbones, folder }) =>
    backbones.some((one) => one === backbone) ||
    !relative(resolve(results, folder), resolve(path)).startsWith("..")
  )?.notice;
}

/** What opens a page in a person's browser, where there is one. */
const OPENERS: Readonly<Partial<Record<typeof Deno.build.os, string>>> = {
  linux: "xdg-open",
  darwin: "open",
  windows: "explorer",
};

async function openBrowser(url: string): Promise<void> {
  const opener = OPENERS[Deno.build.os];
  const hasScreen = Deno.build.os !== "linux" ||
    ["DISPLAY", "WAYLAND_DISPLAY"].some((name) => Deno.env.get(name));
  if (opener === undefined || !hasScreen || !Deno.stdout.isTerminal()) return;
  try {
    const { status } = new Deno.Command(opener, { args: [url], stdout: "null", stderr: "null" })
      .spawn();
    await status;
  } catch {
    // the address is on the screen
  }
}

function portNumber(text: string): number {
  const port = wholeNumber(text);
  if (port <= 65_535) return port;
  throw new InvalidArgumentError("Expected a port up to 65535.");
}
