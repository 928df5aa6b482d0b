/**
 * What a request wants to know: `?detectors=all&why=blocks,variations`.
 * @module
 */
import { quoted } from "../io/errors.ts";
import type { Wanted } from "./judge.ts";
import { Problem } from "./problem.ts";

/** What a verdict can be explained by. */
export const REASONS = ["blocks", "crops", "variations", "occlusion"] as const;

/** What a request wants to know. */
export interface Wishes {
  /** Absent where it wants the verdict alone. */
  readonly wanted?: Wanted;
}

/**
 * Reads a request's words.
 * @param ids of the detectors that there are
 * @throws {Problem} where it asks for what there is not, with what there is
 */
export function readWanted(search: URLSearchParams, ids: readonly string[]): Wishes {
  const unknown = [...search.keys()].find((name) => !["detectors", "why"].includes(name));
  if (unknown !== undefined) {
    throw new Problem(400, `Expected detectors or why in the query, found ${quoted(unknown)}`);
  }
  const why = words(search, "why", REASONS);
  const named = search.get("detectors") === "all" ? ids : words(search, "detectors", ids, ["all"]);
  if (why.length === 0 && named.length === 0) return {};
  const wanted = {
    ...(named.length === 0 ? {} : { detectors: [...new Set(named)] }),
    ...Object.fromEntries(why.map((reason) => [reason, true])),
  };
  return { wanted };
}

function words(
  search: URLSearchParams,
  field: string,
  known: readonly string[],
  alone: readonly string[] = [],
): string[] {
  const given = search.getAll(field).flatMap((text) => text.split(",")).map((word) => word.trim())
    .filter((word) => word !== "");
  const unknown = given.find((word) => !known.includes(word));
  if (unknown === undefined) return given;
  throw new Problem(
    400,
    `Expected ${field} of ${[...alone, ...known].join(", ")}; found ${quoted(unknown)}`,
  );
}
