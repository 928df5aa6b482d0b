/**
 * A vision transformer's weights: found in a safetensors file under any family's names.
 * @module
 */
import { listed, refuseUnknown, UserError } from "../../io/errors.ts";
import {
  readSafetensorsHeader,
  type SafetensorsEntry,
  type SafetensorsHeader,
} from "../../io/safetensors.ts";
import { differences, type Family, type VitSettings } from "../families/family.ts";
import { networkPrefix, noNetwork, withoutPrefix } from "../families/find.ts";
import { FAMILIES } from "../families/index.ts";
import {
  architectureOf,
  assertShapes,
  blockCount,
  impliedSettings,
  trimmedShape,
  type VitArchitecture,
  type VitTensors,
} from "./architecture.ts";

/** A vision transformer's weights in a file. */
export interface VitWeights {
  /** Header of the file that holds them. */
  readonly header: SafetensorsHeader;
  /** The family whose names the file follows. */
  readonly family: Family;
  /** Their sizes and variants. */
  readonly architecture: VitArchitecture;
  /** What was said of them and does not follow from the file; part of the fingerprint. */
  readonly settings: Partial<VitSettings>;
  /** Where each tensor lies, by this project's names. */
  readonly tensors: VitTensors;
}

/** Layers of a block, each with a weight and a bias. */
const BLOCK_LAYERS = ["norm1", "q", "k", "v", "out", "norm2", "fc1", "fc2"] as const;

/** Names that a file may lack; what they stand for is then left out of the graph. */
const OPTIONAL =
  /^(pre_norm\.|post_norm\.|projection|patch\.bias$|class$|registers$|blocks\.\d+\.scale[12]$)/;

/** A vision transformer that was found in a file, before what its tensors do not tell is known. */
export interface FoundVit {
  readonly header: SafetensorsHeader;
  readonly family: Family;
  readonly tensors: VitTensors;
  /** What the file's bytes and its family's rules say where nobody says otherwise. */
  readonly implied: VitSettings;
}

/**
 * Reads a weights file's header and finds the vision transformer in it. The architecture comes from
 * the tensors' names and shapes, never from the file's name.
 * @param settings what is known of the file and cannot be read from it; it goes before the family's
 * @throws {UserError} where the file is not whole
 * @throws {UserError} where its names are no family's, or tensors are missing or left over
 * @throws {UserError} where tensors have other shapes than the architecture asks for
 */
export async function readVitWeights(
  path: string,
  settings: Partial<VitSettings> = {},
): Promise<VitWeights> {
  return vitWeights(findVit(await readSafetensorsHeader(path)), settings);
}

/**
 * Finds the vision transformer among a file's tensors.
 * @throws {UserError} where their names are no family's, or some are missing or left over
 */
export function findVit(whole: SafetensorsHeader): FoundVit {
  const { path } = whole;
  const prefix = networkPrefix(path, whole.tensors.keys());
  const header = { ...whole, tensors: withoutPrefix(whole.tensors, prefix) };
  const family = FAMILIES.find(({ mark }) => header.tensors.has(mark));
  if (!family) throw noNetwork(path, whole.tensors.keys());
  const { tensors, leftOver } = rename(header, family);
  const missing = missingNames(tensors, family);
  if (missing.length > 0 || leftOver.length > 0) {
    const parts = [
      missing.length > 0 ? `missing ${listed(missing)}` : "",
      leftOver.length > 0 ? `unexpected ${listed(leftOver)}` : "",
    ].filter((part) => part !== "");
    throw new UserError(
      "damaged",
      `Cannot read ${path}: expected the weights of ${family.name}, found ${parts.join("; ")}`,
    );
  }
  return { header, family, tensors, implied: impliedSettings(header, tensors, family) };
}

/**
 * A vision transformer that was found, with what is known of it.
 * @throws {UserError} where its tensors do not fit one another, or a setting is none of its
 */
export function vitWeights(
  { header, family, tensors, implied }: FoundVit,
  settings: Partial<VitSettings> = {},
): VitWeights {
  refuseUnknown(`Cannot read ${header.path}`, settings, Object.keys(implied));
  const architecture = architectureOf(header, tensors, family, { ...implied, ...settings });
  assertShapes(header.path, tensors, architecture);
  return { header, family, architecture, settings: differences(settings, implied), tensors };
}

function rename(header: SafetensorsHeader, family: Family) {
  const tensors = new Map<string, SafetensorsEntry>();
  const used = new Set<string>();
  const take = (name: string, fileName: string) => {
    const entry = header.tensors.get(fileName);
    if (!entry) return;
    tensors.set(name, entry);
    used.add(fileName);
  };
  for (const [name, fileName] of Object.entries(family.stem)) take(name, fileName);
  for (let block = 0; block < countBlocks(header, family); block++) {
    for (const [name, pattern] of Object.entries(family.block)) {
      take(`blocks.${block}.${name}`, pattern.replace("{}", `${block}`));
    }
    for (const [kind, pattern] of Object.entries(family.fusedQkv ?? {})) {
      const fileName = pattern.replace("{}", `${block}`);
      const entry = header.tensors.get(fileName);
      if (!entry) continue;
      used.add(fileName);
      ["q", "k", "v"].forEach((part, index) =>
        tensors.set(`blocks.${block}.${part}.${kind}`, partOf(entry, index, 3))
      );
    }
  }
  takePool(header, family, tensors, used);
  if (family.classifier !== undefined && header.tensors.has(family.classifier)) {
    tensors.delete("projection");
  }
  const leftOver = [...header.tensors.keys()].filter((name) =>
    !used.has(name) && !family.ignored.test(name) && !family.otherPool?.test(name)
  );
  return { tensors, leftOver };
}

/** The tensors of a pool by attention, where all of it is there and nothing else. */
function takePool(
  header: SafetensorsHeader,
  { pool, otherPool }: Family,
  tensors: Map<string, SafetensorsEntry>,
  used: Set<string>,
): void {
  if (pool === undefined) return;
  const { names, fused } = pool;
  const all = new Set([...Object.values(names), fused.weight, fused.bias]);
  const isWhole = [...all].every((name) => header.tensors.has(name));
  const isAlone = [...header.tensors.keys()].every((name) =>
    all.has(name) || !otherPool?.test(name)
  );
  if (!isWhole || !isAlone || trimmedShape(header.tensors.get(names["probe"]!)!).length > 1) return;
  const found = (name: string) => header.tensors.get(name)!;
  for (const [name, fileName] of Object.entries(names)) {
    tensors.set(`pool.${name}`, found(fileName));
  }
  for (const kind of ["weight", "bias"] as const) {
    fused.parts.forEach((part, index) =>
      tensors.set(`pool.${part}.${kind}`, partOf(found(fused[kind]), index, fused.parts.length))
    );
  }
  for (const name of all) used.add(name);
}

/** Rows of one of some equal parts: a byte range of its own, for the rows are contiguous. */
function partOf(entry: SafetensorsEntry, index: number, parts: number): SafetensorsEntry {
  const length = entry.length / parts;
  const shape = [(entry.shape[0] ?? 0) / parts, ...entry.shape.slice(1)];
  return { ...entry, shape, length, offset: entry.offset + index * length };
}

function countBlocks(header: SafetensorsHeader, family: Family): number {
  const pattern = family.block["fc1.weight"]!;
  let blocks = 0;
  // a gap is reported as missing weights of the block that is not there
  const [before, after] = pattern.split("{}") as [string, string];
  for (const name of header.tensors.keys()) {
    if (!name.startsWith(before) || !name.endsWith(after)) continue;
    const number = Number(name.slice(before.length, name.length - after.length));
    if (!Number.isInteger(number)) continue;
    // a number that is too large for the file's tensors shows among those left over
    blocks = Math.max(blocks, Math.min(number + 1, header.tensors.size));
  }
  return blocks;
}

function missingNames(tensors: VitTensors, family: Family): string[] {
  const missing: string[] = Object.entries(family.stem)
    .filter(([name]) => !tensors.has(name) && !OPTIONAL.test(name))
    .map(([, fileName]) => fileName);
  const blocks = blockCount(tensors);
  if (blocks === 0) missing.push(family.block["fc1.weight"]!.replace("{}", "0"));
  for (let block = 0; block < blocks; block++) {
    for (const layer of BLOCK_LAYERS) {
      for (const kind of ["weight", "bias"] as const) {
        const name = `${layer}.${kind}`;
        if (tensors.has(`blocks.${block}.${name}`)) continue;
        const pattern = family.block[name] ?? family.fusedQkv?.[kind] ?? layer;
        const fileName = pattern.replace("{}", `${block}`);
        if (!missing.includes(fileName)) missing.push(fileName);
      }
    }
  }
  return missing;
}
