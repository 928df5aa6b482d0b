/**
 * Files of tensors in whatever container people have them: safetensors, one or in shards, and
 * PyTorch's. Values are read one tensor at a time.
 * @module
 */
import { basename, dirname, join } from "node:path";
import { listed, quoted, UserError } from "./errors.ts";
import { exists, readJson } from "./files.ts";
import { isPytorchFile } from "./pytorch_file.ts";
import { openPytorchFile } from "./pytorch_tensors.ts";
import {
  readEntryBytes,
  readSafetensorsHeader,
  type SafetensorsDtype,
  toFloat32,
} from "./safetensors.ts";
import { type Tensor, tensor } from "./tensor.ts";

/** What a container says of a tensor. */
export interface TensorEntry {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
}

/** An open file, or several that are one: names and shapes are known, values are read when asked for. */
export interface TensorFile extends Disposable {
  readonly path: string;
  /** What it is: `script` is TorchScript, `legacy` PyTorch's format before version 1.6. */
  readonly container: "safetensors" | "shards" | "archive" | "script" | "legacy";
  /** What a safetensors file says beside its tensors. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** Classes of a TorchScript's modules: `__torch__.QuickGELU`. */
  readonly classes: ReadonlySet<string>;
  /**
   * Reads a tensor as float32.
   * @throws {UserError} where the file ends before it, or says of it what cannot be
   */
  read(name: string): Promise<Tensor>;
}

const INDEX = ".index.json";

/**
 * Opens a file of tensors; of an index (`model.safetensors.index.json`) the shards that it names.
 * @throws {UserError} where it is damaged, or no such file, saying what it is
 */
export async function openTensorFile(path: string): Promise<TensorFile> {
  if (path.endsWith(INDEX)) return await openShards(path);
  if (await isPytorchFile(path)) {
    const { kind: container, ...file } = await openPytorchFile(path);
    return { container, metadata: {}, ...file };
  }
  const { tensors, metadata } = await readSafetensorsHeader(path);
  return {
    path,
    container: "safetensors",
    metadata,
    tensors,
    classes: new Set(),
    async read(name) {
      const entry = tensors.get(name)!;
      return tensor(toFloat32(await readEntryBytes(path, entry), entry.dtype), entry.shape);
    },
    [Symbol.dispose]() {},
  };
}

async function openShards(path: string): Promise<TensorFile> {
  const index = await readJson<{ weight_map?: Record<string, unknown> } | null>(path);
  const map = Object.entries(index?.weight_map ?? {})
    // a shard lies beside its index, nowhere else
    .filter((pair): pair is [string, string] => isShardName(pair[1]));
  if (map.length === 0 || map.length < Object.keys(index?.weight_map ?? {}).length) {
    throw new UserError(
      "damaged",
      `Cannot read ${path}: expected \`weight_map\`, from names of tensors to shards beside it, found none`,
    );
  }
  using opened = new DisposableStack();
  const shards = new Map<string, TensorFile>();
  for (const shard of new Set(map.map(([, shard]) => shard))) {
    const file = join(dirname(path), shard);
    if (!await exists(file)) {
      throw new UserError("missing", `Cannot read ${path}: expected ${file} beside it, found none`);
    }
    shards.set(shard, opened.use(await openTensorFile(file)));
  }
  const tensors = new Map<string, TensorEntry>();
  for (const [name, shard] of map) {
    const entry = shards.get(shard)!.tensors.get(name);
    if (!entry) {
      throw new UserError(
        "damaged",
        `Cannot read ${path}: expected ${quoted(name)} in ${shard}, found none`,
      );
    }
    tensors.set(name, entry);
  }
  const where = new Map(map);
  const held = opened.move();
  return {
    path,
    container: "shards",
    metadata: {},
    tensors,
    classes: new Set(),
    read: (name) => shards.get(where.get(name)!)!.read(name),
    [Symbol.dispose]: () => held.dispose(),
  };
}

function isShardName(name: unknown): boolean {
  return typeof name === "string" && name.length < 256 && WEIGHTS.test(name) &&
    basename(name) === name;
}

/** Names under which makers of models put the weights into a folder, the best first. */
const IN_FOLDERS = [
  "model.safetensors",
  `model.safetensors${INDEX}`,
  "open_clip_model.safetensors",
  "open_clip_pytorch_model.safetensors",
  "pytorch_model.bin",
  `pytorch_model.bin${INDEX}`,
  "open_clip_pytorch_model.bin",
];

const WEIGHTS = /\.(safetensors|bin|pt|pth)$/;

/** One of several: `model-00001-of-00002.safetensors`. */
const SHARD = /^(.*)-\d+-of-\d+\.(safetensors|bin)$/;

/**
 * The file of weights that a path means: itself, that in a folder, as a download of a whole model or
 * Hugging Face's cache gives it, or the index of a shard.
 * @throws {UserError} where a folder holds none, or several and none by a usual name, with their names
 */
export async function weightsAt(path: string): Promise<string> {
  if ((await Deno.stat(path)).isDirectory) return await weightsInFolder(path);
  const [, before, ending] = SHARD.exec(basename(path)) ?? [];
  if (before === undefined) return path;
  const index = join(dirname(path), `${before}.${ending}${INDEX}`);
  if (await exists(index)) return index;
  throw new UserError(
    "missing",
    `Cannot read ${path}: expected ${index}, which names all shards of its model, found none`,
  );
}

async function weightsInFolder(folder: string): Promise<string> {
  const names = (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort();
  const usual = IN_FOLDERS.find((name) => names.includes(name));
  if (usual !== undefined) return join(folder, usual);
  if (names.includes("snapshots")) {
    const snapshots = join(folder, "snapshots");
    const [only, ...more] = await Array.fromAsync(Deno.readDir(snapshots), ({ name }) => name);
    if (only !== undefined && more.length === 0) {
      return await weightsInFolder(join(snapshots, only));
    }
  }
  const found = names.filter((name) => WEIGHTS.test(name));
  if (found.length === 1) return await weightsAt(join(folder, found[0]!));
  const what = found.length > 0
    ? `several: ${listed(found)}; name one of them`
    : `none${names.length > 0 ? ` among ${listed(names)}` : ": it is empty"}`;
  throw new UserError(
    found.length > 0 ? "usage" : "missing",
    `Cannot read ${folder}: expected a file of weights in it, as model.safetensors or pytorch_model.bin, found ${what}`,
  );
}
