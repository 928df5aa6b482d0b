/**
 * What a head of RINE holds, in lines for people.
 * @module
 */
import { parameterCount } from "./architecture.ts";
import { blockImportance, loadCheckpoint } from "./checkpoint.ts";

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
    ...Object.entries(metadata).filter(([name]) => name !== "ablation")
      .flatMap(([name, value]) => metadataRows(name, value)),
    "  features that weigh a block most:",
    ...counts.map((count, block) => {
      const bar = "█".repeat(Math.round(count / largest * 40));
      return `  ${`${block + 1}`.padStart(4)} ${`${count}`.padStart(6)} ${bar}`.trimEnd();
    }),
  ];
}

/** What stands in a checkpoint's metadata; objects, which stand there as JSON, a line a field. */
function metadataRows(name: string, text: string): string[] {
  const value = parsed(text);
  if (!isObject(value)) return [row(name, text)];
  return [
    `  ${name}`,
    ...Object.entries(value).flatMap(([field, held]) =>
      Array.isArray(held) && held.every(isObject)
        ? held.map((one) => `  ${row(field, shown(one))}`)
        : [`  ${row(field, shown(held))}`]
    ),
  ];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(shown).join(", ");
  if (isObject(value)) {
    return Object.entries(value).map(([name, held]) => `${name} ${shown(held)}`).join(", ");
  }
  return typeof value === "number" ? `${Number(value.toPrecision(4))}` : `${value}`;
}

function row(name: string, value: string | number): string {
  return `  ${name.padEnd(24)}${value}`;
}
