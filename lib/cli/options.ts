/**
 * Kinds of options, and how the words after them are read.
 * @module
 */
import { InvalidArgumentError, Option } from "commander";
import { PRECISIONS } from "../backbones/backbone.ts";
import { BACKBONE_FOLDERS, isBackboneName } from "../backbones/open.ts";
import { trustDevices } from "../onnx/device_check.ts";
import { type Device, DEVICE_CHOICES, resolveDevice } from "../onnx/session.ts";
import { THEMES, WIDTH_RANGE_MM, widthInMm, WIDTHS_MM } from "../report/theme.ts";
import { type Experiments, PAPERS } from "../runs/section.ts";
import { pathOption } from "./paths.ts";

/** A value of `--device`; `auto` is resolved to a device before a setup is made. */
export type DeviceChoice = typeof DEVICE_CHOICES[number];

/** An option that takes one of some words. */
export function choice(
  flags: string,
  text: string,
  values: readonly string[],
  value?: string,
): Option {
  return new Option(flags, text).choices(values).default(value);
}

/** `--device` */
export const DEVICE: Option = choice("--device <name>", "where graphs run", DEVICE_CHOICES, "cpu");

/** `--trust-device` */
export const TRUST_DEVICE: Option = new Option(
  "--trust-device",
  "go on where a device computes otherwise than the CPU",
).default(false);

/**
 * The device that the words after `--device` and `--trust-device` say.
 * @throws {UserError} where it is not there
 */
export async function deviceOf(choice: DeviceChoice, isTrusted: boolean): Promise<Device> {
  if (isTrusted) trustDevices();
  return await resolveDevice(choice);
}

/** `--batch` */
export const BATCH: Option = new Option(
  "--batch <number>",
  "crops through a backbone at once; moves last digits alone (default: 8 on the CPU, as the profile " +
    "has it in reproduce; up to 64 on a GPU, as memory is free)",
).argParser(positiveCount);

/** Help text of `--precision`. */
export const PRECISION_TEXT = "int8 is for the CPU: faster and a little off";

/** `--precision` */
export const PRECISION: Option = choice(
  "--precision <name>",
  PRECISION_TEXT,
  PRECISIONS,
  "full",
);

/** Reads a backbone's name. */
export function backboneName(text: string): string {
  if (isBackboneName(text)) return text;
  throw new InvalidArgumentError(
    "Expected a letter or digit, then letters, digits, spaces and ._@+/()-.",
  );
}

/** Reads a backbone's name, or the path of its weights. */
export function backboneOrFile(text: string): string {
  return text.endsWith(".safetensors") ? text : backboneName(text);
}

/** `--backbones`, of commands that read them wherever they are. */
export const BACKBONES_READ: Option = pathOption(
  "--backbones <folder>",
  `holds a folder for each backbone (default: ${BACKBONE_FOLDERS.join(", then ")})`,
);

/** `--backbones`, of commands that write them. */
export const BACKBONES: Option = pathOption(
  "--backbones <folder>",
  "holds a folder for each backbone",
  "data/backbones",
);

/** `--theme` */
export const THEME: Option = choice("--theme <name>", "how figures look", THEMES, "default");

/** `--width` */
export const WIDTH: Option = new Option(
  "--width <mm>",
  `how wide figures are: millimetres, ${
    Object.entries(WIDTHS_MM).map(([name, mm]) => `${name} (${mm})`).join(", ")
  } (default: one or two columns)`,
).argParser((text) => {
  const width = widthInMm(/^\d+(?:\.\d+)?$/.test(text) ? Number(text) : text);
  if (width !== undefined) return width;
  const names = Object.keys(WIDTHS_MM).join(", ");
  throw new InvalidArgumentError(
    `Expected ${WIDTH_RANGE_MM.join(" to ")} millimetres, or one of ${names}.`,
  );
});

/** `--datasets` */
export const DATASETS: Option = pathOption(
  "--datasets <file>",
  "JSON that names sets of your own",
);

/** `--only`: sections by their names. */
export function onlyOption({ sections }: Experiments): Option {
  const names = sections.map(({ name }) => name);
  return new Option("--only <names>", `of ${names.join(", ")}; with commas between`)
    .default([])
    .argParser((text) => {
      const list = parts(text);
      if (list.length === 0) throw new InvalidArgumentError("Expected names, with commas between.");
      const twice = list.find((name, i) => list.indexOf(name) < i);
      if (twice !== undefined) throw new InvalidArgumentError(`${twice} is given twice.`);
      if (list.some((name) => !names.includes(name))) {
        throw new InvalidArgumentError(`Allowed choices are ${names.join(", ")}.`);
      }
      return list;
    });
}

/** `--paper`: the sections of one paper alone. */
export const PAPER: Option = choice(
  "--paper <name>",
  "sections of one paper (default: both)",
  PAPERS,
);

/** Reads a whole number, which must be one that is kept to its last digit. */
export function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("Expected a whole number.");
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError(`Expected a whole number up to ${Number.MAX_SAFE_INTEGER}.`);
}

/** Reads a whole number from 1 on. */
export function positiveCount(text: string): number {
  const number = wholeNumber(text);
  if (number === 0) throw new InvalidArgumentError("Expected a whole number from 1 on.");
  return number;
}

/** Reads a number above 0: `0.0003`, `3e-4`. */
export function positiveNumber(text: string): number {
  const value = /^(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : NaN;
  if (!(value > 0 && Number.isFinite(value))) {
    throw new InvalidArgumentError("Expected a number above 0.");
  }
  return value;
}

/** Reads different whole numbers with commas between. */
export function wholeNumbers(text: string): number[] {
  const numbers = parts(text).map(wholeNumber);
  if (numbers.length === 0 || new Set(numbers).size < numbers.length) {
    throw new InvalidArgumentError("Expected different whole numbers, with commas between.");
  }
  return numbers;
}

function parts(text: string): string[] {
  return text.split(",").map((part) => part.trim()).filter((part) => part !== "");
}
