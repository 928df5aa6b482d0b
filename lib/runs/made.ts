/**
 * Makes what sections' figures are made of, once, and finds it again: in `made/` of the profile's
 * results, under a name that is a hash of all that it hangs on.
 * @module
 */
import { join, resolve } from "node:path";
import type { LabelledImage } from "../data/dataset.ts";
import { decodeImage } from "../image/image.ts";
import { unlessMissing, UserError } from "../io/errors.ts";
import { contentKey, exists } from "../io/files.ts";
import { withLock } from "../io/lock.ts";
import { readOrForget, writeSealedJson } from "../io/seal.ts";
import { joined } from "../io/tensor.ts";
import { type FeatureRequest, nameFeatures } from "../tokens/request.ts";
import { FeatureRows } from "../tokens/rows.ts";
import { readUnreadable } from "../tokens/unreadable.ts";
import { extractInWorld, type WorkHooks } from "./extraction.ts";
import type { Making, Materials } from "./making.ts";
import { detectorCost } from "./detector_cost.ts";
import type { RunRecord } from "./record.ts";
import type { Section } from "./section.ts";
import { type ReadyDetector, readyDetectors, ReleasedScorer } from "./released_scores.ts";
import { scoringStage, trainSideBySide } from "./side_by_side.ts";
import { planDetector, type PlannedDetector, trainDetector } from "./trained_detectors.ts";
import { reproduceCommand, type Setup } from "./setup.ts";
import type { World } from "./world.ts";

/** Folder in the profile's results. */
const FOLDER = "made";

/** A file of the folder: what was made and, in files from before there were seals, a hash of it. */
interface Kept {
  readonly made: unknown;
  readonly check?: string;
}

/** A section that makes something. */
type MakingSection = Pick<Section, "name" | "makes">;

/**
 * What was made of a section's images before: plain data. Nothing is made.
 * @param records of the section's own runs, where it is made of them
 * @returns `undefined` where it is not on disk as it would be made now, or its images are not there
 */
export async function keptMade(
  { name, makes }: MakingSection,
  world: World,
  setup: Setup,
  records: readonly RunRecord[] = [],
): Promise<unknown> {
  if (!makes?.reads(setup.profile)) return undefined;
  // images are not looked at for nothing
  if (!await exists(join(setup.folder, FOLDER, name))) return undefined;
  await using collected = new Collected(world, setup, records);
  const planned = await unlessMissing(() => makes.plan(collected));
  return planned && await readKept(await collected.path(name, planned.parameters));
}

/**
 * Makes what a section's figures are made of, or finds it made; embeddings that are missing are made
 * first. A file that is damaged is made again.
 * @param records of the section's own runs, where it is made of them
 * @throws {UserError} where images or backbones are not there, or an image cannot be decoded
 */
export async function makeOnce(
  { name, makes }: MakingSection,
  world: World,
  setup: Setup,
  hooks: WorkHooks = {},
  records: readonly RunRecord[] = [],
): Promise<void> {
  if (!makes?.reads(setup.profile)) return;
  await using collected = new Collected(world, setup, records, hooks);
  const planned = await makes.plan(collected);
  if (!planned) return;
  const { parameters, make } = planned;
  const before = await collected.path(name, parameters);
  if (!setup.force && await readKept(before, hooks.onDamage) !== undefined) return;
  await extractInWorld(collected.requests, world, setup, hooks);
  const makeIt = async () => {
    if (!setup.force && await readKept(before, hooks.onDamage) !== undefined) return;
    const made = await make();
    // only now is known which images cannot be decoded
    const path = await collected.path(name, parameters);
    await writeSealedJson(path, { made });
  };
  // where its parts are divided, all who work in the folder make it of them, and it is the same
  if (makes.isDivided) await makeIt();
  else await withLock(`${before}.lock`, makeIt, hooks.onWait);
  world.listings.forget();
}

/**
 * Keys of the features that what a section makes is made of, whether it is made or not.
 * @throws {UserError} of kind `missing`, where images or backbones are not there
 */
export async function keysRead(
  { makes }: MakingSection,
  world: World,
  setup: Setup,
  records: readonly RunRecord[],
): Promise<string[]> {
  await using collected = new Collected(world, setup, records);
  await makes?.plan(collected);
  return (await nameFeatures(collected.requests, world.listings)).flat();
}

/** Says that what a section's figures are made of is not on disk, and what makes it. */
export function notMade(setup: Setup, name: string): UserError {
  return new UserError(
    "missing",
    `Cannot show ${name}: expected what its figures are made of in ${
      join(setup.folder, FOLDER, name)
    }, found none or of other images; run \`${reproduceCommand(setup, [name])}\` first`,
  );
}

/** What a file holds, where it is whole. */
async function readKept(path: string, onDamage?: (line: string) => void): Promise<unknown> {
  const kept = await readOrForget<Kept>(path, onDamage);
  const { made, check } = kept?.value ?? {};
  if (made === undefined || kept?.isSealed || check === checkOf(made)) return made;
  onDamage?.(
    `Cannot use ${path}: expected what was made, found a file that was changed since; it is made again`,
  );
  return undefined;
}

function checkOf(made: unknown): string {
  return contentKey([JSON.parse(JSON.stringify(made))]);
}

/** Hands out materials and notes what they are, which names what is made of them. */
class Collected implements Materials, AsyncDisposable {
  readonly profile: Setup["profile"];
  readonly machine: Materials["machine"];
  /** What makes the embeddings that were asked for. */
  readonly requests: FeatureRequest[] = [];
  readonly #world: World;
  readonly #setup: Setup;
  readonly #hooks: WorkHooks;
  readonly #ready: ReadyDetector[] = [];
  readonly #planned = new Map<string, PlannedDetector>();
  /** The detector that scores, by its key. */
  #scorer: { readonly key: string; readonly value: ReleasedScorer } | undefined;
  /** Keys of lists of images and of sets of features, in the order in which they were asked for. */
  readonly #lists: string[] = [];
  readonly #features: string[] = [];

  constructor(
    world: World,
    setup: Setup,
    readonly records: readonly RunRecord[],
    hooks: WorkHooks = {},
  ) {
    this.profile = setup.profile;
    this.machine = { device: setup.device, threads: setup.cores };
    this.#hooks = hooks;
    this.#world = world;
    this.#setup = setup;
  }

  async images(...[spec, label]: Parameters<Materials["images"]>) {
    const { listings } = this.#world;
    const sources = spec.sources.filter((source) => source.label === label);
    const lists = [];
    for (const source of sources) {
      const images = await listings.images(source, spec.name);
      this.#lists.push((await listings.look(images)).key);
      lists.push(images);
    }
    return lists;
  }

  async decode({ path }: LabelledImage) {
    try {
      return await decodeImage(resolve(this.#world.root, path));
    } catch (error) {
      if (this.#setup.skipCorrupt && error instanceof UserError) return undefined;
      throw error;
    }
  }

  async detectors(transforms: Parameters<Materials["detectors"]>[0]) {
    const ready = await readyDetectors(join(this.#setup.root, "detectors"), transforms);
    this.#add(ready);
    return ready;
  }

  async trainedDetectors(...[which]: Parameters<Materials["trainedDetectors"]>) {
    const { trainings = [], areTrained = false } = which ?? {};
    const ready: ReadyDetector[] = [];
    for (const choice of trainings) {
      const plan = () => planDetector(choice, this.#setup.seeds[0]!, this.#world, this.#setup);
      // what nobody has trained need not have what it would start from
      const planned = areTrained ? await plan() : await unlessMissing(plan);
      if (!planned || !areTrained && !await exists(planned.ready.path)) continue;
      this.#planned.set(planned.ready.key, planned);
      ready.push(planned.ready);
    }
    this.#add(ready);
    return ready;
  }

  train(key: string) {
    return trainDetector(this.#planned.get(key)!, this.#setup, this.#hooks);
  }

  async trainAll(...[keys, lists, views]: Parameters<Materials["trainAll"]>) {
    const { listings } = this.#world;
    const named = [];
    for (const images of lists) named.push({ images, key: (await listings.look(images)).key });
    const planned = keys.map((key) => this.#planned.get(key)!);
    return await trainSideBySide(planned, named, views, this.#setup, this.#hooks);
  }

  #add(ready: readonly ReadyDetector[]): void {
    this.#ready.push(...ready);
    this.#lists.push(...ready.map(({ key }) => key));
  }

  async scores(...[key, lists, alike]: Parameters<Materials["scores"]>) {
    const { listings } = this.#world;
    const ready = this.#ready.find((one) => one.key === key)!;
    const total = lists.reduce((sum, { length }) => sum + length, 0);
    let done = 0;
    const onImages = (images: number) =>
      this.#hooks.onProgress?.({
        ...scoringStage(ready, alike),
        done: done += images,
        total,
      });
    const scorer = await this.#scorerOf(ready);
    const scores: Float32Array[] = [];
    for (const images of lists) {
      const { key: list } = await listings.look(images);
      scores.push(await scorer.scores(images, list, { alike, onImages }));
    }
    return joined(scores);
  }

  async represent(...[key, images]: Parameters<Materials["represent"]>) {
    const ready = this.#ready.find((one) => one.key === key)!;
    return await (await this.#scorerOf(ready)).represent(images);
  }

  async #scorerOf(ready: ReadyDetector): Promise<ReleasedScorer> {
    const { folder, device, skipCorrupt, root } = this.#setup;
    if (this.#scorer?.key !== ready.key) {
      await this[Symbol.asyncDispose]();
      const value = new ReleasedScorer(ready, { folder, root, device, skipCorrupt });
      this.#scorer = { key: ready.key, value };
    }
    return this.#scorer.value;
  }

  async cost(...[of, images]: Parameters<Materials["cost"]>) {
    const { folder, root, device } = this.#setup;
    if (typeof of === "string") {
      const { path, transform } = this.#ready.find(({ key }) => key === of)!;
      return await detectorCost(path, images, { transform, device });
    }
    return await detectorCost(join(folder, of.evaluations.at(-1)!.checkpoint), images, {
      backbones: join(root, "backbones"),
      device,
      headParameters: of.parameterCount,
    });
  }

  async [Symbol.asyncDispose]() {
    await this.#scorer?.value[Symbol.asyncDispose]();
    this.#scorer = undefined;
  }

  async resolutionPx(backbone: string) {
    return (await this.#world.backbone(backbone)).architecture.resolutionPx;
  }

  async embeddings(...[lists, name]: Parameters<Materials["embeddings"]>) {
    const { listings } = this.#world;
    const { seed, tokens: folder } = this.#setup;
    const backbone = (await this.#world.backbone(name)).at("embedding");
    const size = backbone.architecture.resolutionPx;
    const transform = this.#world.viewTransform("center", size);
    const requests = lists.map((images): FeatureRequest => ({
      images,
      generator: images[0]!.label === 0 ? "real" : "generated",
      transform,
      seed,
      epoch: 0,
      backbones: [backbone],
    }));
    const keys = (await nameFeatures(requests, listings)).flat();
    this.requests.push(...requests);
    this.#features.push(...keys);
    return {
      async read(list: number) {
        using rows = await FeatureRows.open(folder, [keys[list]!]);
        const without = new Set(await readUnreadable(folder, keys[list]!));
        const [batch] = rows.batches(rows.count);
        return {
          images: lists[list]!.filter((_, i) => !without.has(i)),
          rows: batch!.tokens,
          width: rows.blocks * rows.width,
        };
      },
    };
  }

  /** File of what is made of all that was asked for. */
  async path(section: string, parameters: readonly unknown[]): Promise<string> {
    const { tokens, skipCorrupt, folder } = this.#setup;
    const unreadable = [];
    for (const key of skipCorrupt ? this.#features : []) {
      // what a damaged index says is not believed, and its set is made again before it is read
      unreadable.push(
        await readUnreadable(tokens, key).catch((error) => {
          if (!(error instanceof UserError && error.kind === "damaged")) throw error;
          return undefined;
        }),
      );
    }
    const name = contentKey([
      ...[parameters, this.#lists, this.#features],
      unreadable,
    ]);
    return join(folder, FOLDER, section, `${name}.json`);
  }
}

/** Types a making; returns it as it is. */
export function defineMaking<Made>(making: Making<Made>): Making {
  return making;
}
