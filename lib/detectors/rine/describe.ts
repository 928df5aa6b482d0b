/**
 * What a head of RINE holds, in lines for people.
 * @module
 */
import { parameterCount } from "./architecture.ts";
import { blockImportance, loadCheckpoint } from "./checkpoint.ts";
import { metadataRows, row } from "../description.ts";

/**
 * Describes a head: sizes, parameter count, how it was trained, and the importance of each block.
 * @returns lines for a person to read
 * @throws {UserError} where the file holds another model, is damaged or holds more than tensors
 */
export async function describeRineCheckpoint(path: string): Promise<string[]> {
  const { architecture, parameters, metadata } = await loadCheckpoint(path);
  const counts = blockImportance(parameters), largest = Math.max(...counts);
  return [
    `${path}: head of RINE`,
    row("blocks (n)", architecture.blocks),
    row("token width (d)", architecture.width),
    row("projection layers (q)", architecture.projectionLayers),
    row("projection width (d′)", architecture.projectionDim),
    row("ablation", architecture.ablation),
    row("parameters", parameterCount(architecture)),
    ...metadataRows(metadata, ["ablation"]),
    "  features that weigh a block most:",
    ...counts.map((count, block) => {
      const bar = "█".repeat(Math.round(count / largest * 40));
      return `  ${`${block + 1}`.padStart(4)} ${`${count}`.padStart(6)} ${bar}`.trimEnd();
    }),
  ];
}
