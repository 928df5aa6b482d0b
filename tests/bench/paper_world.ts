/**
 * The paper's layout at its published counts, for timing: 1.1 million small files, 256 × 256 JPEGs
 * that differ in a comment, and backbones of full size with random weights.
 * @module
 */
import { dirname, join } from "node:path";
import sharp from "sharp";
import { weightsPath } from "../../lib/backbones/open.ts";
import {
  ldmSet,
  PROGAN_CLASSES,
  proganClass,
  SYNTHBUSTER_SETS,
  TEST_SETS_20,
} from "../../lib/data/catalog.ts";
import type { DatasetSpec } from "../../lib/data/dataset.ts";
import { exists } from "../../lib/io/files.ts";
import { concat } from "../image_samples.ts";
import { SPACES, writeRandomSpace } from "./random_spaces.ts";
import { SIZES, writeRandomVit } from "./random_vit.ts";

const SIDE_PX = 256;

/** Classes of the test sets that have them: as many as the smallest of these sets has. */
const TEST_CLASSES = ["car", "cat", "horse"];

/** Real images of latent diffusion's training that are LSUN's, of each ProGAN class. */
const LSUN_EACH = { train: 4000, valid: 400 } as const;

const COCO = { train2014: 82_783, val2014: 40_504 } as const;

/** Files of the layout: folders, and how many images each has. */
function imageFolders(): Map<string, number> {
  const folders = new Map<string, number>();
  const add = ({ sources, expected }: DatasetSpec, classes: readonly string[]) => {
    for (const source of sources) {
      if (!("directory" in source)) continue;
      const count = source.label === 0 ? expected!.real : expected!.generated;
      const isByClass = source.directory.includes("*");
      const names = isByClass ? classes.map((name) => source.directory.replace("*", name)) : [
        source.directory,
      ];
      const each = Math.floor(count / names.length);
      names.forEach((name, i) =>
        folders.set(name, i > 0 ? each : count - each * (names.length - 1))
      );
    }
  };
  for (const name of PROGAN_CLASSES) {
    for (const split of ["train", "val"] as const) add(proganClass(split, name), []);
  }
  for (const spec of [...TEST_SETS_20, ...SYNTHBUSTER_SETS]) add(spec, TEST_CLASSES);
  for (const split of ["train", "valid"] as const) {
    add(ldmSet(split), ["ldm_bedroom", "ldm_coco", "ldm_cat", "ldm_car", "ldm_horse"]);
  }
  return folders;
}

/** Names in `real_lsun.txt` and `real_coco.txt` of both splits, different images in each. */
function lists(split: "train" | "valid"): { readonly lsun: string[]; readonly coco: string[] } {
  const first = split === "train" ? 0 : LSUN_EACH.train;
  const lsun = PROGAN_CLASSES.flatMap((name) =>
    Array.from({ length: LSUN_EACH[split] }, (_, i) => `${name}_${fileName(first + i)}`)
  );
  const all = [
    ...Array.from({ length: COCO.train2014 }, (_, i) => fileName(i)),
    ...Array.from({ length: COCO.val2014 }, (_, i) => fileName(COCO.train2014 + i)),
  ];
  const inTraining = ldmSet("train").expected!.real - PROGAN_CLASSES.length * LSUN_EACH.train;
  const count = ldmSet(split).expected!.real - lsun.length;
  const coco = split === "train" ? all.slice(0, count) : all.slice(inTraining, inTraining + count);
  return { lsun, coco };
}

function fileName(i: number): string {
  return `${String(i).padStart(6, "0")}.jpg`;
}

/** Writes files that are equal but for a comment, from one that stands for them all. */
class ImageWriter {
  #next = 0;
  readonly #comment = Uint8Array.of(0xff, 0xfe, 0, 6, 0, 0, 0, 0);
  readonly #start: Uint8Array;
  readonly #rest: Uint8Array;

  private constructor(jpeg: Uint8Array) {
    this.#start = jpeg.subarray(0, 2);
    this.#rest = jpeg.subarray(2);
  }

  static async open(): Promise<ImageWriter> {
    const size = { width: SIDE_PX, height: SIDE_PX, channels: 3 } as const;
    const create = { ...size, background: { r: 90, g: 120, b: 150 } };
    return new ImageWriter(new Uint8Array(await sharp({ create }).jpeg().toBuffer()));
  }

  write(path: string): void {
    new DataView(this.#comment.buffer).setUint32(4, this.#next++);
    Deno.writeFileSync(path, concat([this.#start, this.#comment, this.#rest]));
  }
}

/**
 * Makes the layout, or finds it made.
 * @param root data folder
 */
export async function makePaperWorld(root: string): Promise<void> {
  const done = join(root, "made");
  if (!await exists(done)) {
    const writer = await ImageWriter.open();
    for (const [folder, count] of imageFolders()) {
      await Deno.mkdir(join(root, folder), { recursive: true });
      for (let i = 0; i < count; i++) writer.write(join(root, folder, fileName(i)));
    }
    for (const [part, count] of Object.entries(COCO)) {
      await Deno.mkdir(join(root, "coco", part), { recursive: true });
      const first = part === "train2014" ? 0 : COCO.train2014;
      for (let i = 0; i < count; i++) {
        writer.write(join(root, "coco", part, `COCO_${part}_${fileName(first + i)}`));
      }
    }
    for (const split of ["train", "valid"] as const) {
      const folder = join(root, "latent_diffusion_trainingset", split);
      const { lsun, coco } = lists(split);
      await Deno.writeTextFile(join(folder, "real_lsun.txt"), lsun.join("\n") + "\n");
      await Deno.writeTextFile(join(folder, "real_coco.txt"), coco.join("\n") + "\n");
    }
    await Deno.writeTextFile(done, "");
  }
  await makePaperBackbones(join(root, "backbones"));
}

/** Writes all backbones of the paper's profile that are not there; 2.3 GB. */
export async function makePaperBackbones(folder: string): Promise<void> {
  const write = async (name: string, make: (path: string) => Promise<void>) => {
    const path = weightsPath(folder, name);
    if (await exists(path)) return;
    await Deno.mkdir(dirname(path), { recursive: true });
    await make(path);
  };
  for (const [name, sizes] of Object.entries(SIZES)) {
    await write(name, (path) => writeRandomVit(path, sizes));
  }
  for (const name of SPACES) await write(name, (path) => writeRandomSpace(path, name));
}

/**
 * Makes a set of one's own of links to the images of a world, in folders `0_real` and `1_fake` of
 * `own/COUNT`, and the file that names it.
 * @returns path of the file for `--datasets`
 */
export async function makeOwnSet(root: string, count: number): Promise<string> {
  const folder = join(root, "own", `${count}`), file = `${folder}.json`;
  if (await exists(file)) return file;
  const from = [...imageFolders()];
  let f = 0, i = 0;
  for (const [l, label] of ["0_real", "1_fake"].entries()) {
    await Deno.mkdir(join(folder, label), { recursive: true });
    for (let n = l; n < count; n += 2) {
      while (i >= from[f]![1]) [f, i] = [f + 1, 0];
      const source = join(root, from[f]![0], fileName(i++));
      Deno.linkSync(source, join(folder, label, fileName(n)));
    }
  }
  const set = {
    name: `own_${count}`,
    real: join(folder, "0_real"),
    generated: join(folder, "1_fake"),
  };
  await Deno.writeTextFile(file, JSON.stringify([set]));
  return file;
}

if (import.meta.main) {
  const [root] = Deno.args;
  if (root === undefined) throw new Error("Cannot make a world: expected a folder");
  await makePaperWorld(root);
}
