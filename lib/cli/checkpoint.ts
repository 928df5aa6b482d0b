/**
 * What the command line does with checkpoints: convert them and say what is in them.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { writeSafetensors } from "../io/safetensors.ts";
import { parameterCount } from "../detectors/rine/architecture.ts";
import {
  blockImportance,
  type Checkpoint,
  loadCheckpoint,
  readTensors,
} from "../detectors/rine/checkpoint.ts";
import { type LinearProbe, loadLinearProbe } from "../detectors/ufd/probe.ts";
import { writePytorchFile } from "../io/pytorch_file.ts";

/** A head, or UFD's linear layer. */
type Model = { readonly head: Checkpoint } | { readonly probe: LinearProbe };

async function loadModel(path: string): Promise<Model> {
  const { tensors } = await readTensors(path);
  return tensors.has("weight")
    ? { probe: await loadLinearProbe(path) }
    : { head: await loadCheckpoint(path) };
}

/**
 * Converts a head or UFD's linear layer between `.pth` and `.safetensors`, told by the ending of
 * `output`; `input` is told by its content. Adam's moments are left out.
 * @returns what was done, a line
 * @throws {UserError} where `output` ends otherwise, or is a `.pth` and the head is ablated: the
 * format holds tensors alone, and without its ablation a head is another model
 * @throws {UserError} where `input` holds another model
 * @throws {UserError} where `input` is damaged or holds more than tensors
 */
export async function convertCheckpoint(input: string, output: string): Promise<string> {
  const format = /\.(pth|safetensors)$/.exec(output)?.[1];
  if (!format) {
    throw new UserError(
      "usage",
      `Cannot convert to ${output}: expected a name ending in .pth or .safetensors`,
    );
  }
  const model = await loadModel(input);
  const ablation = "head" in model ? model.head.architecture.ablation : "none";
  if (format === "pth" && ablation !== "none") {
    throw new UserError(
      "usage",
      `Cannot convert ${input} to ${output}: expected a whole head, found one with ablation ${ablation}, which .pth cannot say; convert it to .safetensors`,
    );
  }
  const { tensors, metadata } = await readTensors(input);
  if (format === "safetensors") await writeSafetensors(output, tensors, metadata);
  else await writePytorchFile(output, tensors);
  return `${input} → ${output}: ${title(model)}, ${tensors.size} tensors`;
}

/**
 * Describes a head or UFD's linear layer: sizes, parameter count and the importance of each block.
 * @returns lines for a person to read
 * @throws {UserError} where the file holds another model
 * @throws {UserError} where it is damaged or holds more than tensors
 */
export async function describeCheckpoint(path: string): Promise<string> {
  const model = await loadModel(path);
  const lines = [`${path}: ${title(model)}`];
  if ("probe" in model) return [...lines, row("features", model.probe.weight.length)].join("\n");
  const { architecture, parameters, metadata } = model.head;
  lines.push(
    row("blocks (n)", architecture.blocks),
    row("token width (d)", architecture.width),
    row("projection layers (q)", architecture.projectionLayers),
    row("projection width (d′)", architecture.projectionDim),
    row("ablation", architecture.ablation),
    row("parameters", parameterCount(architecture)),
  );
  for (const [name, value] of Object.entries(metadata)) {
    if (name !== "ablation") lines.push(...metadataRows(name, value));
  }
  const counts = blockImportance(parameters), largest = Math.max(...counts);
  lines.push("  features that weigh a block most:");
  counts.forEach((count, block) => {
    const bar = "█".repeat(Math.round(count / largest * 40));
    lines.push(`  ${`${block + 1}`.padStart(4)} ${`${count}`.padStart(6)} ${bar}`.trimEnd());
  });
  return lines.join("\n");
}

function title(model: Model): string {
  return "probe" in model ? "UFD's linear layer" : "head of RINE";
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
