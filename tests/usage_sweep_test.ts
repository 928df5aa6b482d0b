import assert from "node:assert/strict";
import { join } from "node:path";
import { type Command, CommanderError, type Option } from "commander";
import { COMMANDS } from "../experiments/main.ts";
import { programOf } from "../lib/cli/command_line.ts";
import { usageLine } from "../lib/cli/errors.ts";
import { mapBounded } from "../lib/io/bounded.ts";
import { commandLine } from "./command_line.ts";
import { GOLDENS } from "./goldens.ts";
import { temporaryFolder } from "./temporary.ts";

const folder = temporaryFolder("sweep_");
const HEAD = join(GOLDENS, "patch_forensics.pth");
const FILE = join(GOLDENS, "clip_hf.safetensors"), FOLDER = join(folder, "there");
await Deno.mkdir(FOLDER);

/** A command and the words that lead to it. */
interface Leaf {
  readonly words: readonly string[];
  readonly command: Command;
}

function leavesOf(command: Command, words: readonly string[] = []): Leaf[] {
  const own = command.commands.filter((child) => child.name() !== "help");
  if (own.length === 0) return [{ words, command }];
  return own.flatMap((child) => leavesOf(child, [...words, child.name()]));
}

/** Every command that can be typed: one that is added is here without being named. */
const LEAVES = leavesOf(await programOf(COMMANDS));

const takesValue = ({ required, optional }: Option) => required || optional;
const kindOf = ({ flags }: Option) => /<(\w+)/.exec(flags)?.[1] ?? "";

/** A word that an option takes. */
function fitting(option: Option): string {
  if (option.argChoices) return option.argChoices[0]!;
  const kind = kindOf(option);
  if (option.long === "--head") return HEAD;
  if (kind === "number" || kind === "numbers") return "1";
  if (kind === "digits") return "0".repeat(64);
  return kind === "file" ? FILE : kind === "folder" ? join(folder, "none") : "grid";
}

/** Words that a command does its work for, in folders of its own; some of them may be left out. */
function plainWords({ words, command }: Leaf, without?: Option): string[] {
  const places = /^--(?:data|results|tokens|out|backbones|detectors|library)$/;
  const options = command.options.filter((option) =>
    option !== without && takesValue(option) &&
    (option.mandatory || places.test(option.long ?? ""))
  );
  return [
    ...words,
    ...command.registeredArguments.filter(({ required }) => required).map(() => FILE),
    ...options.flatMap((option) => [option.long!, fitting(option)]),
  ];
}

/**
 * What the program says of words before anything is done; `undefined` where it takes them, and its work
 * would begin.
 */
async function parsed({ words: [name] }: Leaf, words: readonly string[]) {
  const program = await programOf(COMMANDS, name);
  const stub = (command: Command): void => {
    command.action(() => {});
    command.commands.forEach(stub);
  };
  program.commands.forEach((command) =>
    command.commands.length === 0 ? command.action(() => {}) : command.commands.forEach(stub)
  );
  try {
    await program.parseAsync(["deno", "task", ...words]);
  } catch (error) {
    assert(error instanceof CommanderError, `${words.join(" ")}: ${(error as Error).stack}`);
    return usageLine(error, program);
  }
}

/** Words that are off for an option, whatever it is of. */
function offWords(option: Option): readonly (readonly string[])[] {
  const long = option.long!, one = fitting(option);
  if (!takesValue(option)) return [[long, long]];
  const isNumber = /^numbers?$/.test(kindOf(option)), isWhole = long !== "--learning-rate";
  return [
    [long, ""],
    [long, " "],
    [long, one, long, one],
    ...isNumber ? [[long, "1e999"], [long, "-1"], [long, "NaN"]] : [],
    ...isNumber && isWhole ? [[long, "9007199254740993"], [long, ".5.5"]] : [],
    ...kindOf(option) === "name" ? [[long, ".."], [long, "../../etc/x"], [long, "a\nb"]] : [],
  ];
}

/** Runs commands that cannot do their work; what is wrong with how they say so. */
async function faultsOf(commands: readonly string[][], codes: readonly number[]) {
  const faults = await mapBounded(commands, async (words) => {
    const { code, error } = await commandLine(...words);
    const isLine = error !== "" && !/\n|^\w*Error: |undefined|\[object/.test(error);
    // what the system says of a file is told with what to do
    const isHelp = !/os error/.test(error) || /; /.test(error);
    return isLine && isHelp && codes.includes(code)
      ? []
      : [`${words.join(" ")} → ${code} ${error}`];
  }, 2);
  return faults.flat();
}

Deno.test("every option of every command refuses words that are off: one line, exit code 2", async () => {
  const late: string[][] = [];
  for (const leaf of LEAVES) {
    assert.equal(await parsed(leaf, plainWords(leaf)), undefined, plainWords(leaf).join(" "));
    for (const option of leaf.command.options) {
      for (const off of offWords(option)) {
        const words = [...plainWords(leaf, option), ...off];
        const said = await parsed(leaf, words);
        if (said === undefined) late.push(words);
        else assert.doesNotMatch(said, /\n|undefined|\[object/, words.join(" "));
      }
    }
  }
  // what a parser cannot know is refused by the command itself
  assert.deepEqual(await faultsOf(late, [2]), []);
});

Deno.test("every command refuses what stands behind --, and no argument is an empty word", async () => {
  const empty: string[][] = [];
  for (const leaf of LEAVES) {
    const { command } = leaf;
    const count = command.registeredArguments.length;
    if (!command.registeredArguments.some(({ variadic }) => variadic)) {
      const said = await parsed(leaf, [...plainWords(leaf), "--", "--force"]);
      assert.match(said ?? "", /^too many arguments/, leaf.words.join(" "));
    }
    const words = plainWords(leaf);
    if (count > 0) empty.push([...leaf.words, "", ...words.slice(leaf.words.length + 1)]);
  }
  assert.deepEqual(await faultsOf(empty, [2]), []);
});

Deno.test("files where folders belong and the reverse are said in one line, and nothing waits", async () => {
  const cases = LEAVES.flatMap((leaf) =>
    leaf.command.options.flatMap((option) => {
      const kind = kindOf(option);
      if (kind !== "file" && kind !== "folder") return [];
      const wrong = kind === "file" ? FOLDER : FILE;
      return [[...plainWords(leaf, option), option.long!, wrong]];
    })
  );
  assert(cases.length > 20, `${cases.length}`);
  assert.deepEqual(await faultsOf(cases, [1, 2]), []);
});
