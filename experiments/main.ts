/**
 * The command line.
 * @module
 */
import { UserError } from "../lib/io/errors.ts";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { relative, resolve } from "node:path";
import process from "node:process";
import { openBackbone } from "../lib/backbones/open.ts";
import { type Precision, PRECISIONS } from "../lib/backbones/backbone.ts";
import type { ImportMode } from "../lib/backbones/import.ts";
import { describeBackbone, IMPORT_MODES, importBackbone } from "../lib/backbones/import.ts";
import { convertCheckpoint, describeCheckpoint } from "../lib/cli/checkpoint.ts";
import { type EngineName, ENGINES } from "../lib/detectors/rine/open_engine.ts";
import { installTensorflow } from "../lib/detectors/rine/tensorflow/install.ts";
import { isForPeople } from "../lib/io/errors.ts";
import { restWorkers } from "../lib/io/worker_pool.ts";
import { DEVICE_CHOICES, resolveDevice } from "../lib/onnx/session.ts";
import { type ThemeName, THEMES } from "../lib/report/theme.ts";
import { verdictText } from "../lib/detectors/open.ts";
import { type Selection, SELECTIONS } from "../lib/runs/select.ts";
import { quantizeBackbone, showBackbones } from "../lib/cli/backbone.ts";
import { detections, findJudge } from "../lib/cli/detect.ts";
import { examineShown } from "../lib/doctor/profile.ts";
import { formatReport } from "../lib/doctor/text.ts";
import { dryRun } from "../lib/cli/dry_run.ts";
import { writeFeatures } from "../lib/cli/features.ts";
import { installKernel, removeKernel } from "../lib/cli/kernel.ts";
import { checkNotebooks, runNotebooks } from "../lib/cli/notebooks.ts";
import { runPublished } from "../lib/report/paper/published.ts";
import { withOwnSets } from "../lib/runs/own_sets.ts";
import type { Profile } from "../lib/runs/profile.ts";
import { ProgressDisplay } from "../lib/io/progress_bar.ts";
import { inOrder, PROFILES, reproduce } from "../lib/cli/reproduce.ts";
import { SECTIONS } from "./index.ts";

/** Exit codes: the user's words were off; the work could not be done; the user stopped it. */
const EXIT_USAGE = 2, EXIT_FAILURE = 1, EXIT_INTERRUPTED = 130;

const sectionNames = SECTIONS.map(({ name }) => name);

const choice = (flags: string, text: string, values: readonly string[], value?: string) =>
  new Option(flags, text).choices(values).default(value);

const DEVICE = choice("--device <name>", "where graphs run", DEVICE_CHOICES, "cpu");
const PRECISION = choice(
  "--precision <name>",
  "int8 is for the CPU: faster and a little off",
  PRECISIONS,
  "full",
);
const BACKBONES = new Option("--backbones <folder>", "holds a folder for each backbone")
  .default("data/backbones").argParser(userPath);
const THEME = choice("--theme <name>", "how figures look", THEMES, "default");

const DATASETS = new Option("--datasets <file>", "JSON that names sets of your own")
  .argParser(userPath);

/** Where `detect` looks for a head's backbone. */
const DETECT_BACKBONES = ["data/backbones", "data/mini/backbones"];

type DeviceChoice = typeof DEVICE_CHOICES[number];

const program = new Command("deno task")
  .description("RINE (Koutlis & Papadopoulos, ECCV 2024): experiments, tables and figures")
  .exitOverride()
  .configureOutput({ writeErr: () => {} });

interface ReproduceFlags {
  profile: string;
  only: string[];
  data: string;
  results: string;
  seed: number;
  seeds?: number[];
  engine: EngineName;
  device: DeviceChoice;
  precision: Precision;
  protocol: "released" | "paper";
  select: Selection;
  theme: ThemeName;
  force: boolean;
  dryRun: boolean;
  datasets?: string;
  skipCorrupt: boolean;
}

program.command("reproduce")
  .description("make data, tokens, heads, tables and figures; what is done is reused")
  .addOption(choice("--profile <name>", "which world to run in", Object.keys(PROFILES), "mini"))
  .option("--only <names>", `of ${sectionNames.join(", ")}; with commas between`, sections, [])
  .option("--data <folder>", "holds images, backbones and tokens", userPath, "data")
  .option("--results <folder>", "where records, tables and figures go", userPath, "results")
  .option("--seed <number>", "seed of every random choice", wholeNumber, 0)
  .option("--seeds <numbers>", "train every head with each; with commas between", wholeNumbers)
  .addOption(choice("--engine <name>", "what trains heads", ENGINES, "onnx"))
  .addOption(DEVICE)
  .addOption(PRECISION)
  .addOption(
    choice("--protocol <name>", "what the released code does, or what the paper says", [
      "released",
      "paper",
    ], "released"),
  )
  .addOption(choice("--select <by>", "what chooses the best run", SELECTIONS, "test"))
  .addOption(THEME)
  .option("--force", "train again what is done", false)
  .option("--dry-run", "say what would be done and what it costs, and do nothing", false)
  .addOption(DATASETS)
  .option("--skip-corrupt", "leave out images that cannot be decoded", false)
  .action(
    async (
      { profile: name, select, device, seeds: given, datasets, ...options }: ReproduceFlags,
    ) => {
      stopOnInterrupt("Stopped; the same command goes on from here");
      const profile = { ...await profileOf(name, datasets), selection: select };
      const seeds = given ?? [options.seed];
      const onProblem = (line: string) => {
        console.error(line);
        Deno.exitCode = EXIT_FAILURE;
      };
      console.log(
        options.dryRun
          ? await dryRun(profile, inOrder(options.only), seeds, {
            ...options,
            device: await resolveDevice(device),
          })
          : await reproduce({
            ...{ ...options, profile, seeds, onProblem },
            device: await resolveDevice(device),
          }),
      );
    },
  );

interface DoctorFlags {
  profile: string;
  only: string[];
  data: string;
  datasets?: string;
  json: boolean;
  deep: boolean;
}

program.command("doctor")
  .description("what is there of a profile's images and backbones, and which sections can run")
  .addOption(choice("--profile <name>", "whose images", Object.keys(PROFILES), "paper"))
  .option("--only <names>", `of ${sectionNames.join(", ")}; with commas between`, sections, [])
  .option("--data <folder>", "holds images and backbones", userPath, "data")
  .addOption(DATASETS)
  .option("--json", "a report for programs", false)
  .option("--deep", "decode every image", false)
  .action(async ({ profile: name, datasets, json, ...options }: DoctorFlags) => {
    stopOnInterrupt("Stopped; nothing was written");
    const profile = await profileOf(name, datasets);
    const report = await examineShown({ ...options, profile });
    console.log(json ? JSON.stringify(report, null, 2) : formatReport(report));
    if (!report.canRun) Deno.exitCode = EXIT_FAILURE;
  });

interface PublishedFlags {
  out: string;
  from?: string;
  theme: ThemeName;
}

program.command("published")
  .description("the authors' results through our tables and figures, against the printed ones")
  .option("--out <folder>", "where tables and figures go", userPath, "results/published")
  .option("--from <folder>", "a clone of mever-team/rine to read instead", userPath)
  .addOption(THEME)
  .action(async (flags: PublishedFlags) => console.log(await runPublished(flags)));

interface DetectFlags {
  backbone?: string;
  backbones?: string;
  head: string;
  device: DeviceChoice;
  json: boolean;
}

program.command("detect <images...>")
  .description("whether images are generated: a score and a verdict for each")
  .requiredOption("--head <file>", "a trained head: .safetensors, or .pth as released", userPath)
  .option("--backbone <name>", "by default the one the head says, or ViT-L/14")
  .option(
    "--backbones <folder>",
    `holds a folder for each backbone (default: ${DETECT_BACKBONES.join(", then ")})`,
    userPath,
  )
  .addOption(DEVICE)
  .option("--json", "a line of JSON for each image", false)
  .action(async (images: string[], { device, json, head, backbone, backbones }: DetectFlags) => {
    stopOnInterrupt("Stopped");
    const judge = await findJudge({
      head,
      backbone,
      backbones: backbones === undefined ? DETECT_BACKBONES : [backbones],
      device: await resolveDevice(device),
    });
    await assertBackbone(judge.backbone, judge.folder);
    if (judge.notice !== undefined) console.error(judge.notice);
    for await (const detection of detections(images.map(userPath), judge)) {
      const { path } = detection;
      if ("problem" in detection) {
        Deno.exitCode = EXIT_FAILURE;
        console.error(`Cannot decode ${path}: expected an image, found ${detection.problem}`);
      } else {
        console.log(json ? JSON.stringify(detection) : `${path}: ${verdictText(detection)}`);
      }
    }
  });

interface FeaturesFlags {
  skipCorrupt: boolean;
  backbone: string;
  backbones: string;
  images: string;
  transform: "center" | "ten";
  out: string;
  device: DeviceChoice;
  precision: Precision;
}

program.command("features")
  .description("tokens of a folder of images, as a NumPy file")
  .requiredOption("--backbone <name>", "which backbone")
  .requiredOption("--images <folder>", "images; folders in it are read too", userPath)
  .requiredOption("--out <file>", "the .npy file", userPath)
  .addOption(choice("--transform <name>", "how images are cropped", ["center", "ten"], "center"))
  .option("--skip-corrupt", "rows of NaN for images that cannot be decoded", false)
  .addOption(BACKBONES)
  .addOption(DEVICE)
  .addOption(PRECISION)
  .action(async ({ device, ...flags }: FeaturesFlags) => {
    stopOnInterrupt("Stopped; the same command goes on from here");
    await assertBackbone(flags.backbone, flags.backbones);
    console.log(await writeFeatures({ ...flags, device: await resolveDevice(device) }));
  });

const backbone = program.command("backbone").description("weights of backbones");

backbone.command("import <file>")
  .description("take a .safetensors file or OpenAI's .pt, under a name to open it by")
  .requiredOption("--name <name>", "for example ViT-L/14")
  .addOption(
    choice("--mode <name>", "leave the file where it lies, or copy it", IMPORT_MODES, "link"),
  )
  .addOption(BACKBONES)
  .action(async (file: string, flags: { name: string; mode: ImportMode; backbones: string }) => {
    const { backbones: folder, ...options } = flags;
    console.log(describeBackbone(await importBackbone(userPath(file), { ...options, folder })));
  });

backbone.command("quantize")
  .description("store a backbone's linear layers as int8 beside its weights")
  .requiredOption("--name <name>", "which backbone")
  .addOption(BACKBONES)
  .action(async ({ name, backbones: folder }: { name: string; backbones: string }) => {
    console.log(await quantizeBackbone(name, folder));
  });

backbone.command("show")
  .description("the backbones that are there, and their architectures")
  .addOption(BACKBONES)
  .action(async ({ backbones: folder }: { backbones: string }) => {
    console.log(await showBackbones(folder));
  });

const checkpoint = program.command("checkpoint").description("heads on disk");

checkpoint.command("show <file>")
  .description("a head's architecture, parameters and the importance of each block")
  .action(async (file: string) => console.log(await describeCheckpoint(userPath(file))));

checkpoint.command("convert <input> <output>")
  .description("between .pth and .safetensors, by the names' endings")
  .action(async (input: string, output: string) => {
    console.log(await convertCheckpoint(userPath(input), userPath(output)));
  });

const tensorflow = program.command("tensorflow").description("the second engine's native library");

tensorflow.command("install")
  .description("build the addon against TensorFlow's C library, downloaded or given")
  .option("--library <folder>", "a TensorFlow 2 C library that is there already", userPath)
  .action(async (flags: { library?: string }) => {
    console.log(await installTensorflow({ ...flags, log: (line) => console.error(line) }));
  });

program.command("kernel")
  .description("the Jupyter kernel that runs this project's notebooks, for the user")
  .option("--remove", "take it away again", false)
  .action(async ({ remove }: { remove: boolean }) => {
    console.log(await (remove ? removeKernel() : installKernel()));
  });

program.command("notebooks")
  .description("execute all notebooks with Jupyter, and write them as HTML")
  .option("--out <folder>", "where the HTML goes", userPath, "results/notebooks")
  .action(async ({ out }: { out: string }) => {
    console.log(await runNotebooks(out, (line) => console.error(line)));
  });

program.command("notebooks:check")
  .description("whether notebooks can be committed: no outputs, formatted, right types")
  .option("--fix", "take outputs out and format first", false)
  .action(async (flags: { fix: boolean }) => console.log(await checkNotebooks(flags)));

/** A backbone that is not there is a word that was off: the choices are those that are. */
async function assertBackbone(name: string, folder: string): Promise<void> {
  try {
    await openBackbone(name, { folder });
  } catch (error) {
    const isMissing = error instanceof UserError &&
      error.message.startsWith("Cannot open backbone");
    throw isMissing ? new InvalidArgumentError(error.message) : error;
  }
}

async function profileOf(name: string, datasets: string | undefined): Promise<Profile> {
  const profile = PROFILES[name]!;
  return datasets === undefined ? profile : await withOwnSets(profile, datasets);
}

/** How long a thread may take to come to rest before the process ends all the same. */
const REST_MS = 10_000;

/** Ends the process at Ctrl-C. Files are whole or not there: nothing has to be put in order. */
function stopOnInterrupt(line: string): void {
  let isStopping = false;
  Deno.addSignalListener("SIGINT", async () => {
    if (isStopping) Deno.exit(EXIT_INTERRUPTED);
    isStopping = true;
    ProgressDisplay.closeAll();
    console.error(line);
    await restWorkers(REST_MS);
    Deno.exit(EXIT_INTERRUPTED);
  });
}

function sections(text: string): string[] {
  const list = parts(text);
  if (list.length === 0) throw new InvalidArgumentError("Expected names, with commas between.");
  const unknown = list.filter((name) => !sectionNames.includes(name));
  if (unknown.length > 0) {
    throw new InvalidArgumentError(`Allowed choices are ${sectionNames.join(", ")}.`);
  }
  return list;
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("Expected a whole number.");
  return Number(text);
}

function wholeNumbers(text: string): number[] {
  const numbers = parts(text).map(wholeNumber);
  if (numbers.length === 0 || new Set(numbers).size < numbers.length) {
    throw new InvalidArgumentError("Expected different whole numbers, with commas between.");
  }
  return numbers;
}

/** A path as the user typed it: tasks run in the project's folder, wherever they are called. */
function userPath(text: string): string {
  const typedIn = Deno.env.get("INIT_CWD") ?? Deno.cwd();
  return relative(Deno.cwd(), typedIn) === "" ? text : resolve(typedIn, text);
}

function parts(text: string): string[] {
  return text.split(",").map((part) => part.trim()).filter((part) => part !== "");
}

/** One line about words that were off, with the words that would have done. */
function usageLine({ code, message }: CommanderError): string {
  const line = message.replace(/^error: /, "").replaceAll("\n", " ");
  if (code === "commander.excessArguments" && /--only\b/.test(process.argv.join(" "))) {
    return `${line} Names after --only have commas between and no spaces.`;
  }
  if (code === "commander.missingMandatoryOptionValue") {
    const known = current().options.flatMap(({ long, short }) => [long, short]);
    const unknown = process.argv.find((word) =>
      word.startsWith("-") && !known.includes(word.split("=", 1)[0]!)
    );
    if (unknown !== undefined) return `${line}; unknown option '${unknown}'`;
  }
  if (code === "commander.unknownOption" || code === "commander.excessArguments") {
    return `${line}; choose from ${current().options.map(({ long }) => long).join(", ")}`;
  }
  if (code === "commander.unknownCommand" || code === "commander.help") {
    return `${code === "commander.help" ? "no command" : line}; choose from ${
      current().commands.map((command) => command.name()).join(", ")
    }`;
  }
  return line;
}

/** The command that the words name, as far as they do. */
function current(): Command {
  let command = program;
  for (const word of process.argv.slice(2)) {
    const next = command.commands.find((candidate) => candidate.name() === word);
    if (!next) break;
    command = next;
  }
  return command;
}

/** Deno says `No such file or directory (os error 2): open 'PATH'`. */
function lineOf(error: Error): string {
  const path = /: \w+ '(.*)'$/.exec(error.message)?.[1];
  if (path !== undefined && error instanceof Deno.errors.NotFound) {
    return `Expected a file at ${path}, found none`;
  }
  if (path !== undefined && error instanceof Deno.errors.NotADirectory) {
    return `Expected a folder at ${path}, found a file`;
  }
  return error.message;
}

if (import.meta.main) {
  try {
    await program.parseAsync(process.argv);
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode !== 0) console.error(usageLine(error));
      Deno.exit(error.exitCode === 0 ? 0 : EXIT_USAGE);
    }
    if (!isForPeople(error) || Deno.env.get("DEBUG")) throw error;
    console.error(lineOf(error));
    Deno.exit(EXIT_FAILURE);
  }
  // native libraries keep threads of their own, which must not keep the process
  Deno.exit();
}
