/**
 * What no tensor tells of a vision transformer: said by whoever imports it, by the configuration
 * beside the file, by the container, or asked for. It is kept beside the imported weights.
 * @module
 */
import { dirname, join } from "node:path";
import * as v from "valibot";
import { UserError } from "../io/errors.ts";
import { exists } from "../io/files.ts";
import { COUNT } from "../io/json.ts";
import { assertFile } from "../io/regular.ts";
import { readSealedJson, writeSealedJson } from "../io/seal.ts";
import { type Configuration, readConfiguration } from "./families/configuration.ts";
import {
  ACTIVATIONS,
  CHANNELS,
  type Unsaid,
  type VitSettings,
  type WeightsSettings,
} from "./families/family.ts";
import { readSafetensorsHeader } from "../io/safetensors.ts";
import { resnetFamilyOf } from "./resnet/weights.ts";
import { blockCount } from "./vit/architecture.ts";
import { findVit, type FoundVit } from "./vit/weights.ts";

/** Settings, and who said each. */
export interface SaidSettings {
  readonly settings: WeightsSettings;
  readonly from: Readonly<Record<string, string>>;
}

/** What is known of a file besides its tensors. */
export interface Evidence {
  /** What the error says first: `Cannot import ViT-L/14`. */
  readonly doing: string;
  /** Said by whoever opens it. */
  readonly given: WeightsSettings;
  /** Folder that the file lies in. */
  readonly folder: string;
  /** Classes of a TorchScript's modules. */
  readonly classes?: ReadonlySet<string>;
}

/** Widest tower whose heads are 64 wide in every model of OpenAI, open_clip and timm. */
const WIDEST_OF_64 = 1024;

/** Wider towers of which there are no two with different heads: so400m, H, g, bigG, e. */
const WIDE_HEADS: Readonly<Record<number, number>> = {
  1152: 16,
  1280: 16,
  1408: 16,
  1664: 16,
  1792: 16,
};

/** Metadata of files that were written for this project, or by it: they are as their family says. */
const OWN_METADATA = ["heads", "seed"];

/**
 * Settles all that no tensor tells of a transformer.
 * @throws {UserError} where something that files of its names differ in is said by nobody, with what
 * to say
 */
export async function settle(found: FoundVit, evidence: Evidence): Promise<SaidSettings> {
  const { family, tensors, header, implied } = found;
  const width = tensors.get("patch.weight")?.shape[0] ?? 0;
  const sizes = { width, blocks: blockCount(tensors) };
  const beside = await readConfiguration(evidence.folder, family, sizes);
  const settings: Record<string, unknown> = {};
  const from: Record<string, string> = {};
  const take = (said: WeightsSettings, who: string) => {
    for (const [name, value] of Object.entries(said)) {
      if (value === undefined || name in settings) continue;
      settings[name] = value;
      from[name] = who;
    }
  };
  const script = scriptSettings(evidence.classes);
  take(evidence.given, "as given");
  if (header.metadata["heads"] !== undefined) take({ heads: implied.heads }, "the file's metadata");
  if (beside) take(beside.settings, beside.from);
  take(script, "the archive's code");
  const isOwn = OWN_METADATA.some((name) => name in header.metadata) ||
    family.ownMark !== undefined &&
      (header.tensors.has(family.ownMark) || script.activation === family.activation);
  const asks = (what: Unsaid) => !isOwn && family.unsaid.includes(what);
  if (isOwn || family.headsAreKnown) take({ heads: implied.heads }, family.name);
  if (!asks("heads")) take(usualHeads(width), "its width");
  const { activation, pixelMean, pixelStd, epsilon, pooling } = implied;
  if (!asks("activation")) take({ activation }, family.name);
  // whoever trained with quick_gelu followed OpenAI in the pixels too
  const follows = settings["activation"] === "quick_gelu" && family.activation === "quick_gelu";
  if (!asks("pixels") || follows) take({ pixelMean, pixelStd }, family.name);
  take({ epsilon, pooling }, family.name);
  const missing = [
    ...(settings["activation"] === undefined ? ["activation" as const] : []),
    ...(!settings["pixelMean"] || !settings["pixelStd"] ? ["pixels" as const] : []),
    ...(settings["heads"] === undefined ? ["heads" as const] : []),
  ];
  if (missing.length > 0) throw question(found, evidence.doing, missing, width, beside);
  return { settings: settings as unknown as VitSettings, from };
}

/** Heads as wide as in all published towers of a width; none where these differ. */
function usualHeads(width: number): WeightsSettings {
  if (width <= WIDEST_OF_64 && width % 64 === 0 && width > 0) return { heads: width / 64 };
  const heads = WIDE_HEADS[width];
  return heads === undefined ? {} : { heads };
}

/** A script names the class of what stands in its MLPs. */
function scriptSettings(classes: ReadonlySet<string> = new Set()): WeightsSettings {
  const has = (name: string) => [...classes].some((path) => path.split(".").at(-1) === name);
  if (has("QuickGELU")) return { activation: "quick_gelu" };
  return has("GELU") ? { activation: "gelu" } : {};
}

/** Words for what is asked, and what to type. */
const ASKED: Readonly<Record<Unsaid, readonly [what: string, say: string]>> = {
  activation: ["its activation", "--activation NAME"],
  pixels: ["the mean and deviation of its pixels", "--mean R,G,B --std R,G,B"],
  heads: ["its number of heads", "--heads N"],
};

const FILES = {
  "Hugging Face": "config.json (with preprocessor_config.json)",
  "open_clip": "open_clip_config.json",
  "timm": "timm's config.json",
} as const;

function question(
  { family, header }: FoundVit,
  doing: string,
  missing: readonly Unsaid[],
  width: number,
  beside: Configuration | undefined,
): UserError {
  const what = missing.map((part) => ASKED[part][0]).join(" and ");
  const say = missing.map((part) => ASKED[part][1]).join(" ");
  const needed =
    beside && family.configuration === "Hugging Face" && !missing.includes("activation")
      ? "preprocessor_config.json"
      : family.configuration && FILES[family.configuration];
  const found = [
    beside ? `${beside.from}, which does not say,` : "",
    needed && needed !== beside?.from ? `no ${needed}` : "",
  ].filter((part) => part !== "").join(" and ");
  const hints = [
    family.choices && missing.some((part) => part !== "heads") ? family.choices : undefined,
    missing.includes("heads") ? `a tower ${width} wide is made with different heads` : undefined,
  ].filter((hint) => hint !== undefined);
  return new UserError(
    "usage",
    `${doing}: expected to be told ${what}, which tensors of ${family.name} do not tell, found ${
      found || "nothing"
    } beside it; ` +
      `${
        needed ? `put that beside ${header.path}, or ` : ""
      }tell \`deno task backbone import\` ${say}${
        hints.length > 0 ? ` (${hints.join("; ")})` : ""
      }`,
  );
}

/** Settings and who said them, as they are kept. */
const SAID = v.looseObject({
  settings: v.looseObject({
    heads: v.optional(COUNT),
    activation: v.optional(v.picklist(ACTIVATIONS)),
    epsilon: v.optional(v.number()),
    pixelMean: v.optional(CHANNELS),
    pixelStd: v.optional(CHANNELS),
    pooling: v.optional(v.picklist(["class", "mean"])),
    resolutionPx: v.optional(COUNT),
  }),
  from: v.record(v.string(), v.string()),
});

/** Name of the file of settings beside imported weights. */
export const SETTINGS = "settings.json";

/** Where the settings of imported weights lie: beside them. */
export function settingsPath(weightsPath: string): string {
  return join(dirname(weightsPath), SETTINGS);
}

/** Longest file of settings that is read, in bytes. */
const MAX_BYTES = 2 ** 16;

/** Keeps what was said of weights beside them, sealed: another activation gives other features. */
export async function keepSettings(weightsPath: string, said: SaidSettings): Promise<void> {
  await writeSealedJson(settingsPath(weightsPath), said);
}

/**
 * What was said of a backbone's weights when they were imported.
 * @returns `undefined` where it was imported before that was kept, or put there by hand
 * @throws {UserError} where the file that holds it is damaged
 */
export async function keptSettings(weightsPath: string): Promise<SaidSettings | undefined> {
  const path = settingsPath(weightsPath);
  if (!await exists(path)) return undefined;
  await assertFile(path, MAX_BYTES);
  const { value } = (await readSealedJson<SaidSettings>(path, "import the weights again", SAID))!;
  const { settings, from } = value;
  return { settings, from };
}

/**
 * What is known of weights that lie in a folder of backbones: what was said when they were imported,
 * else the configuration beside them, and the heads of wide towers.
 * @throws {UserError} as {@linkcode keptSettings}, or where their configuration is of another tower
 */
export async function knownSettings(weightsPath: string): Promise<WeightsSettings> {
  const kept = await keptSettings(weightsPath);
  if (kept) return kept.settings;
  const header = await readSafetensorsHeader(weightsPath);
  if (resnetFamilyOf(header)) return {};
  const { family, tensors } = findVit(header);
  const width = tensors.get("patch.weight")?.shape[0] ?? 0;
  const sizes = { width, blocks: blockCount(tensors) };
  const beside = await readConfiguration(dirname(weightsPath), family, sizes);
  const isSaid = header.metadata["heads"] !== undefined || width <= WIDEST_OF_64;
  return { ...(isSaid ? {} : usualHeads(width)), ...beside?.settings };
}
