/**
 * Backbones on disk: what there is, and int8 versions of them.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { join } from "node:path";
import { weightsPath } from "../backbones/open.ts";
import { describeBackbone } from "../backbones/import.ts";
import { quantizedPath, quantizeWeights } from "../backbones/quantize.ts";
import { readVitWeights } from "../backbones/vit/weights.ts";
import { exists } from "../io/files.ts";

/**
 * Writes a backbone's int8 weights beside its own.
 * @returns a line for people
 * @throws {UserError} where there is no such backbone
 */
export async function quantizeBackbone(name: string, folder: string): Promise<string> {
  const path = weightsPath(folder, name);
  if (!await exists(path)) {
    throw new UserError(
      "missing",
      `Cannot quantize ${name}: expected weights at ${path}, found none`,
    );
  }
  const target = quantizedPath(path);
  await quantizeWeights(await readVitWeights(path), target);
  const { size } = await Deno.stat(target);
  return `${target}: ${(size / 1e6).toFixed(1)} MB`;
}

/** The architectures of all backbones in a folder, for people. */
export async function showBackbones(folder: string): Promise<string> {
  const lines: string[] = [];
  if (await exists(folder)) {
    for await (const { name } of Deno.readDir(folder)) {
      const path = weightsPath(folder, name);
      if (!(await Deno.stat(join(folder, name))).isDirectory) continue;
      if (await exists(path)) lines.push(describeBackbone(await readVitWeights(path)));
    }
  }
  return lines.length > 0 ? lines.sort().join("\n") : `${folder} holds no backbone`;
}
