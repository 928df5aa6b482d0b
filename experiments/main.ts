/**
 * The command line.
 * @module
 */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import process from "node:process";
import { type Precision, PRECISIONS } from "../lib/backbone/backbone.ts";
import type { Device } from "../lib/onnx/session.ts";
import { DEVICES, EXPERIMENTS, PROFILES, reproduce } from "./reproduce.ts";

/** Exit codes: the user's words were off; the work could not be done. */
const EXIT_USAGE = 2, EXIT_FAILURE = 1;

const experimentNames = EXPERIMENTS.map(({ name }) => name);

const program = new Command("deno task")
  .description("RINE (Koutlis & Papadopoulos, ECCV 2024): experiments, tables and figures")
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "")) });

program.command("reproduce")
  .description("make data, tokens, heads, tables and figures; what is done is reused")
  .addOption(
    new Option("--profile <name>", "which world to run in").choices(Object.keys(PROFILES))
      .default("mini"),
  )
  .option("--only <names>", `of ${experimentNames.join(", ")}; with commas between`, names, [])
  .option("--data <folder>", "holds images, backbones and tokens", "data")
  .option("--results <folder>", "where records, tables and figures go", "results")
  .option("--seed <number>", "seed of every random choice", wholeNumber, 0)
  .addOption(
    new Option("--device <name>", "where graphs run").choices(DEVICES).default("cpu"),
  )
  .addOption(
    new Option("--precision <name>", "int8 is for the CPU: faster and a little off")
      .choices(PRECISIONS).default("full"),
  )
  .addOption(
    new Option("--protocol <name>", "what the released code does, or what the paper says")
      .choices(["released", "paper"]).default("released"),
  )
  .option("--force", "train again what is done", false)
  .action(async ({ profile, ...options }: ReproduceFlags) => {
    console.log(await reproduce({ ...options, profile: PROFILES[profile]! }));
  });

interface ReproduceFlags {
  profile: string;
  only: readonly string[];
  data: string;
  results: string;
  seed: number;
  device: Device;
  precision: Precision;
  protocol: "released" | "paper";
  force: boolean;
}

function names(text: string): string[] {
  const list = text.split(",").map((name) => name.trim()).filter((name) => name !== "");
  const unknown = list.filter((name) => !experimentNames.includes(name));
  if (unknown.length > 0) {
    throw new InvalidArgumentError(
      `Unknown experiment ${unknown.join(", ")}; choose from ${experimentNames.join(", ")}.`,
    );
  }
  return list;
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("Expected a whole number.");
  return Number(text);
}

/** Errors that are about the user's data or machine, and need no stack trace. */
function isForPeople(error: unknown): error is Error {
  return error instanceof RangeError || error instanceof SyntaxError ||
    error instanceof TypeError || error instanceof Deno.errors.PermissionDenied ||
    error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable;
}

if (import.meta.main) {
  try {
    await program.parseAsync(process.argv);
  } catch (error) {
    if (error instanceof CommanderError) {
      Deno.exit(error.exitCode === 0 ? 0 : EXIT_USAGE);
    }
    if (!isForPeople(error)) throw error;
    console.error(error.message);
    Deno.exit(EXIT_FAILURE);
  }
  // native libraries keep threads of their own, which must not keep the process
  Deno.exit(0);
}
