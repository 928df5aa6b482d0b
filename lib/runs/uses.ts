/**
 * Which setups use a folder of features: a small file for each, in `setups/` of that folder. So who
 * cleans up knows under which conditions there are reproductions, wherever their results lie.
 * @module
 */
import { join, resolve } from "node:path";
import * as v from "valibot";
import { UserError } from "../io/errors.ts";
import { contentKey, exists } from "../io/files.ts";
import { readOrForget, readSealedJson, writeSealedJson } from "../io/seal.ts";
import type { Setup, SetupOptions } from "./setup.ts";

const FOLDER = "setups";

/** How names of notes end. */
export const SETUP_ENDING = ".setup.json";

/** A setup that has used a folder of features. */
export interface Use {
  /** What makes the setup again. */
  readonly options: SetupOptions;
  /** Its folder of outputs: as long as that is there, so is the setup. */
  readonly outputs: string;
}

const USE = v.looseObject({ options: v.looseObject({}), outputs: v.string() });

/** Notes that a setup uses its folder of features; makes its folder of outputs. */
export async function noteUse(setup: Setup): Promise<void> {
  const { profile, seed, seeds, engine, device, precision, protocol, skipCorrupt } = setup;
  const [data, results, tokens, outputs] = [
    ...[setup.data, setup.results, setup.tokens, setup.outputs],
  ].map((path) => resolve(path)) as [string, string, string, string];
  const use: Use = {
    options: {
      ...{ profile: profile.name, data, results, tokens, seed, seeds, draws: profile.draws },
      ...{ engine, device, precision, protocol, skipCorrupt },
      ...(setup.learningRate === undefined ? {} : { learningRate: setup.learningRate }),
      ...(profile.selection === undefined ? {} : { select: profile.selection }),
      ...(profile.datasets === undefined ? {} : { datasets: profile.datasets }),
    },
    outputs,
  };
  const path = join(tokens, FOLDER, contentKey([use]) + SETUP_ENDING);
  await Deno.mkdir(outputs, { recursive: true });
  const known = await readOrForget<Use>(path);
  if (!known?.isSealed) await writeSealedJson(path, use);
}

/**
 * The setups that have used a folder of features and are still there. The notes of those whose outputs
 * somebody has deleted are named apart.
 * @throws {UserError} of kind `damaged`, where a note is not as it was written; of kind `missing`, where
 * the whole folder of results is not there: its disk may be
 */
export async function readUses(
  tokens: string,
): Promise<{ readonly uses: readonly Use[]; readonly gone: readonly string[] }> {
  const uses: Use[] = [], gone: string[] = [];
  const folder = join(tokens, FOLDER);
  if (!await exists(folder)) return { uses, gone };
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  for (const name of names.filter((name) => name.endsWith(SETUP_ENDING)).sort()) {
    const path = join(folder, name);
    const { value } = await readSealedJson<Use>(path, "delete it", USE) ?? {};
    if (value === undefined) continue;
    const { results } = value.options;
    if (results !== undefined && !await exists(results)) {
      throw new UserError(
        "missing",
        `Cannot tell what ${results} needs of ${tokens}: expected that folder of results, found none; ` +
          `mount its disk or, if it is gone for good, delete ${path}`,
      );
    }
    if (await exists(value.outputs)) uses.push(value);
    else gone.push(path);
  }
  return { uses, gone };
}
