/**
 * What the makers of weights say beside them: Hugging Face's `config.json` and
 * `preprocessor_config.json`, open_clip's `open_clip_config.json`, timm's `config.json`.
 * Where a file leaves something out, it means the default of the library that reads it.
 * @module
 */
import { join } from "node:path";
import * as v from "valibot";
import { quoted, UserError } from "../../io/errors.ts";
import { readJson } from "../../io/files.ts";
import { type Activation, CLIP_PIXELS, type Family, type WeightsSettings } from "./family.ts";

/** Sizes of a tower in a file. */
export interface TowerSizes {
  readonly width: number;
  readonly blocks: number;
}

/** What a configuration says, and the names of the files that say it. */
export interface Configuration {
  readonly settings: WeightsSettings;
  readonly from: string;
}

type Json = Readonly<Record<string, unknown>>;

/**
 * Reads the configuration that lies in a folder of weights.
 * @returns `undefined` where there is none of the family's maker
 * @throws {UserError} where it is no JSON, is of a tower of other sizes, or says what is not known
 */
export async function readConfiguration(
  folder: string,
  family: Family,
  sizes: TowerSizes,
): Promise<Configuration | undefined> {
  const read = (name: string) => readJson<Json>(join(folder, name), { form: v.looseObject({}) });
  switch (family.configuration) {
    case "Hugging Face": {
      const config = await read("config.json");
      if (!config || isTimm(config)) return undefined;
      const processor = await read("preprocessor_config.json") ??
        objectOf((await read("processor_config.json"))?.["image_processor"]);
      const settings = huggingFace(at(folder, "config.json"), config, processor, family, sizes);
      return { settings, from: processor ? "config.json and its processor's" : "config.json" };
    }
    case "open_clip": {
      const config = await read("open_clip_config.json");
      if (!config) return undefined;
      const settings = openClip(at(folder, "open_clip_config.json"), config, sizes);
      return { settings, from: "open_clip_config.json" };
    }
    case "timm": {
      const config = await read("config.json");
      if (!config || !isTimm(config)) return undefined;
      return { settings: timm(at(folder, "config.json"), config, sizes), from: "config.json" };
    }
    case undefined:
      return undefined;
  }
}

/** Errors about one file. */
interface Source {
  readonly bad: (expected: string, found: unknown) => UserError;
}

function at(folder: string, name: string): Source {
  return {
    bad: (expected, found) =>
      new UserError(
        "damaged",
        `Cannot read ${join(folder, name)}: expected ${expected}, found ${
          quoted(JSON.stringify(found))
        }`,
      ),
  };
}

const isTimm = (config: Json) => "architecture" in config || "pretrained_cfg" in config;

const objectOf = (value: unknown): Json | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value as Json : undefined;

/** Source: transformers, `models/clip/configuration_clip.py`, `models/siglip/configuration_siglip.py`. */
function huggingFace(
  source: Source,
  config: Json,
  processor: Json | null | undefined,
  family: Family,
  sizes: TowerSizes,
): WeightsSettings {
  const tower = objectOf(config["vision_config"]) ?? objectOf(config["vision_config_dict"]) ??
    config;
  assertSizes(source, sizes, tower["hidden_size"], tower["num_hidden_layers"]);
  const heads = tower["num_attention_heads"] ?? (sizes.width === 768 ? 12 : undefined);
  const pixels = processor?.["do_normalize"] === false
    ? { pixelMean: [0, 0, 0], pixelStd: [1, 1, 1] } as const
    : pixelsOf(source, processor?.["image_mean"], processor?.["image_std"]);
  return {
    activation: activationOf(source, tower["hidden_act"] ?? family.activation),
    ...(heads === undefined ? {} : { heads: count(source, "num_attention_heads", heads) }),
    epsilon: number(source, "layer_norm_eps", tower["layer_norm_eps"] ?? family.epsilon),
    ...pixels,
  };
}

/** Source: open_clip, `model.py`, `CLIPVisionCfg`; `transform.py`, `PreprocessCfg`. */
function openClip(source: Source, config: Json, sizes: TowerSizes): WeightsSettings {
  const model = objectOf(config["model_cfg"]);
  const tower = objectOf(model?.["vision_cfg"]);
  if (!model || !tower) throw source.bad("model_cfg with vision_cfg", Object.keys(config));
  const preprocess = objectOf(config["preprocess_cfg"]) ?? {};
  const pixels = pixelsOf(
    source,
    preprocess["mean"] ?? CLIP_PIXELS.pixelMean,
    preprocess["std"] ?? CLIP_PIXELS.pixelStd,
  );
  const timmName = tower["timm_model_name"];
  if (typeof timmName === "string") return { ...timmTower(timmName, sizes), ...pixels };
  assertSizes(source, sizes, tower["width"], tower["layers"]);
  const headWidth = count(source, "head_width", tower["head_width"] ?? 64);
  const tanh = objectOf(tower["act_kwargs"])?.["approximate"] === "tanh";
  const pool = tower["pool_type"] ?? (tower["global_average_pool"] === true ? "avg" : "tok");
  const epsilon = objectOf(tower["norm_kwargs"])?.["eps"];
  return {
    activation: model["quick_gelu"] === true ? "quick_gelu" : tanh ? "gelu_tanh" : "gelu",
    heads: Math.floor(sizes.width / headWidth),
    ...(epsilon === undefined ? {} : { epsilon: number(source, "eps", epsilon) }),
    ...(pool === "tok" ? {} : { pooling: "mean" as const }),
    ...pixels,
  };
}

/** Source: pytorch-image-models, `models/_hub.py`, `models/vision_transformer.py`. */
function timm(source: Source, config: Json, sizes: TowerSizes): WeightsSettings {
  const pretrained = objectOf(config["pretrained_cfg"]) ?? config;
  const more = objectOf(config["model_args"]) ?? {};
  const name = config["architecture"] ?? pretrained["architecture"];
  assertSizes(source, sizes, more["embed_dim"], more["depth"]);
  const { num_heads: heads, act_layer: act } = more;
  return {
    ...(typeof name === "string" ? timmTower(name, sizes) : {}),
    ...(heads === undefined ? {} : { heads: count(source, "num_heads", heads) }),
    ...(act === undefined ? {} : { activation: activationOf(source, act) }),
    ...pixelsOf(source, pretrained["mean"], pretrained["std"]),
  };
}

/** Names of timm's SigLIPs whose MLP has the approximation; the others have GELU. */
const TANH =
  /^vit_(?:(?:giantopt_patch16|so400m_patch16|base_patch32)_siglip_|large_patch16_siglip_(?:gap_)?512)/;

/** Heads of timm's ViTs that are not 64 wide, by their names. */
const HEADS: readonly (readonly [name: RegExp, heads: number])[] = [
  [/^vit_(?:giantopt|so400m|huge|gigantic)_/, 16],
  [/^vit_giant_patch1[46]_(?:clip_|gap_)?\d/, 16],
  [/^vit_base_patch16_gap_224$/, 16],
  [/^test_vit2?$/, 2],
  [/^test_vit[34]$/, 3],
];

/** What timm's name of an architecture says, as timm 1.0.31 builds it. */
function timmTower(full: string, { width }: TowerSizes): WeightsSettings {
  const name = full.split(".")[0]!; // without the tag of its weights
  const activation = name.includes("quickgelu")
    ? "quick_gelu"
    : TANH.test(name)
    ? "gelu_tanh"
    : "gelu";
  const heads = HEADS.find(([pattern]) => pattern.test(name))?.[1];
  const known = heads ?? (width % 64 === 0 ? width / 64 : undefined);
  return {
    activation,
    ...(known === undefined || !name.startsWith("vit_") && heads === undefined
      ? {}
      : { heads: known }),
  };
}

function assertSizes(source: Source, sizes: TowerSizes, width: unknown, blocks: unknown): void {
  const other = (said: unknown, there: number) => said !== undefined && said !== there;
  if (!other(width, sizes.width) && !other(blocks, sizes.blocks)) return;
  throw source.bad(
    `a tower of width ${sizes.width} and ${sizes.blocks} blocks, as the weights beside it have`,
    { width, blocks },
  );
}

/** Names of activations that libraries write, and this project's. */
const NAMES: Readonly<Record<string, Activation>> = {
  quick_gelu: "quick_gelu",
  quickgelu: "quick_gelu",
  gelu: "gelu",
  gelu_tanh: "gelu_tanh",
  gelu_new: "gelu_tanh",
  gelu_pytorch_tanh: "gelu_tanh",
};

function activationOf(source: Source, name: unknown): Activation {
  const known = typeof name === "string" && Object.hasOwn(NAMES, name) ? NAMES[name] : undefined;
  if (known) return known;
  throw source.bad(`an activation of ${Object.keys(NAMES).join(", ")}`, name);
}

function pixelsOf(source: Source, mean: unknown, std: unknown): WeightsSettings {
  if (mean === undefined && std === undefined) return {};
  return { pixelMean: channels(source, "mean", mean), pixelStd: channels(source, "std", std) };
}

function channels(source: Source, name: string, value: unknown): [number, number, number] {
  const isRight = Array.isArray(value) && value.length === 3 && value.every(Number.isFinite) &&
    (name !== "std" || value.every((part) => part > 0));
  if (!isRight) throw source.bad(`${name} of three channels`, value);
  return value as [number, number, number];
}

function number(source: Source, name: string, value: unknown): number {
  if (typeof value === "number" && value > 0 && value < 1) return value;
  throw source.bad(`${name}, a number above 0`, value);
}

function count(source: Source, name: string, value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) > 0) return value as number;
  throw source.bad(`${name}, a whole number from 1`, value);
}
