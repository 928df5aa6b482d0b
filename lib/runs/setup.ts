/**
 * The command that makes what is missing.
 * @module
 */
import { isAbsolute, relative, resolve } from "node:path";
import type { Precision } from "../backbones/backbone.ts";
import type { EngineName } from "../detectors/rine/open_engine.ts";
import type { Device } from "../onnx/session.ts";
import type { ThemeName } from "../report/theme.ts";
import type { Profile } from "./profile.ts";

/** Folder of the project, in which its commands run. */
export const PROJECT = resolve(import.meta.dirname!, "../..");

/** What a command says besides its profile and sections; what is left out is as it is by default. */
export interface CommandOptions {
  /** Folder of images, backbones and tokens. */
  readonly data?: string;
  /** Folder of results. */
  readonly results?: string;
  /** Seed of the mini world, of augmentation and of perturbations. */
  readonly seed?: number;
  /** Seeds of the heads; default `seed` alone. */
  readonly seeds?: readonly number[];
  readonly engine?: EngineName;
  readonly device?: Device;
  readonly precision?: Precision;
  readonly protocol?: "released" | "paper";
  readonly theme?: ThemeName;
  readonly skipCorrupt?: boolean;
}

/** What a person types to run a profile's sections; all of them where none is named. */
export function reproduceCommand(
  { name, selection, datasets }: Profile,
  options: CommandOptions = {},
  sections: readonly string[] = [],
): string {
  const { seed = 0, seeds = [seed] } = options;
  return [
    "deno task reproduce",
    ...flag("--profile", name, "mini"),
    ...flag("--only", sections.join(), ""),
    ...flag("--data", fromProject(options.data), "data"),
    ...flag("--results", fromProject(options.results), "results"),
    ...flag("--seed", `${seed}`, "0"),
    ...flag("--seeds", seeds.join(), `${seed}`),
    ...flag("--engine", options.engine, "onnx"),
    ...flag("--device", options.device, "cpu"),
    ...flag("--precision", options.precision, "full"),
    ...flag("--protocol", options.protocol, "released"),
    ...flag("--select", selection, "test"),
    ...flag("--theme", options.theme, "default"),
    ...flag("--datasets", fromProject(datasets)),
    ...(options.skipCorrupt ? ["--skip-corrupt"] : []),
  ].join(" ");
}

function flag(name: string, value: string | undefined, normal?: string): string[] {
  if (value === undefined || value === normal) return [];
  return [name, /^[\w.,:/\\-]+$/.test(value) ? value : `"${value}"`];
}

/** A path as the command, which runs in the project's folder, has to have it. */
function fromProject(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  const inside = relative(PROJECT, resolve(path));
  return inside.startsWith("..") || isAbsolute(inside) ? resolve(path) : inside || ".";
}
