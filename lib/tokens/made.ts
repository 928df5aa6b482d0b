/**
 * What features were made by: kept beside them, and summed up for what is measured on them.
 * @module
 */
import sharp from "sharp";
import config from "../../deno.json" with { type: "json" };
import { ONNX_RUNTIME_VERSION } from "../onnx/session.ts";

/** Versions of all that has a part in a feature's last digits. */
export const VERSIONS = {
  rine: config.version,
  onnxruntime: ONNX_RUNTIME_VERSION,
  sharp: sharp.versions.sharp ?? "unknown",
  libvips: sharp.versions.vips,
  deno: Deno.version.deno,
} as const;

/** What made a set of features; no part of its key. */
export interface Maker {
  /** Where the backbone ran: `cpu`, `cuda`, `webgpu`. */
  readonly device: string;
  /** By name: {@linkcode VERSIONS} at that time. */
  readonly versions: Readonly<Record<string, string>>;
}

/** What made some sets of features, and when. */
export interface Made extends Maker {
  /** When the first of them was finished, ISO 8601. */
  readonly from: string;
  /** When the last of them was finished, ISO 8601. */
  readonly to: string;
  /** How many they are. */
  readonly sets: number;
}

/**
 * Sums up what made some sets, for a record of what was measured on them.
 * @returns one entry for each device with its versions, the earliest first
 *
 * @example
 * ```ts
 * import { madeOf } from "./made.ts";
 *
 * const maker = { device: "cpu", versions: { rine: "0.2.0" } };
 * const set = (date: string) => ({ index: { made: { date, ...maker } } });
 * const [made] = madeOf([set("2026-02-01"), set("2026-01-01")]);
 * console.assert(made!.from === "2026-01-01" && made!.to === "2026-02-01" && made!.sets === 2);
 * ```
 */
export function madeOf(
  sets: readonly { readonly index: { readonly made: Maker & { readonly date: string } } }[],
): readonly Made[] {
  const found = new Map<string, Made>();
  for (const { index: { made: { date, device, versions } } } of sets) {
    const id = makerId({ device, versions });
    const { from = date, to = date, sets = 0 } = found.get(id) ?? {};
    found.set(id, {
      from: date < from ? date : from,
      to: date > to ? date : to,
      sets: sets + 1,
      device,
      versions,
    });
  }
  return [...found.values()].sort((a, b) => a.from < b.from ? -1 : a.from > b.from ? 1 : 0);
}

/** Equal for equal makers. */
export function makerId({ device, versions }: Maker): string {
  return JSON.stringify([device, Object.entries(versions).sort(([a], [b]) => a < b ? -1 : 1)]);
}
