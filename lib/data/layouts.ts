/**
 * How other collections of images lie on disk once they are unpacked, so that one entry among a user's
 * own sets stands for all sets of a collection.
 * @module
 */
import { listed, UserError } from "../io/errors.ts";
import type { Origin, Source } from "./dataset.ts";
import { FolderTree, isHidden } from "./folder_tree.ts";

/** A collection of images, as a line of the catalog. */
export interface Layout {
  /** What an entry calls it: `genimage`. */
  readonly name: string;
  /** Name for people. */
  readonly title: string;
  /** Folders of real and of generated images, in upper or lower case; none where every folder is generated. */
  readonly folders?: { readonly real: string; readonly generated: string };
  /** Where it is to be had. */
  readonly origin: Origin;
}

const BY_LABEL = { real: "0_real", generated: "1_fake" };

/** Collections whose layout is known. */
export const LAYOUTS: readonly Layout[] = [
  {
    // Midjourney/imagenet_midjourney/val/{ai,nature}
    name: "genimage",
    title: "GenImage",
    folders: { real: "nature", generated: "ai" },
    origin: {
      published: "GenImage (Zhu et al., NeurIPS 2023): GitHub, GenImage-Dataset/GenImage",
      licence: "CC BY-NC-SA 4.0; real images under the terms of ImageNet",
    },
  },
  {
    // test/Midjourney/{0_real,1_fake}, test/progan/airplane/{0_real,1_fake}
    name: "aigcdetect",
    title: "AIGCDetectBenchmark",
    folders: BY_LABEL,
    origin: {
      published: "AIGCDetectBenchmark (Zhong et al., 2023): GitHub, Ekko-zn/AIGCDetectBenchmark",
      licence: "under the terms of the collections that it is put together from",
    },
  },
  {
    // test/{0_real,1_fake}
    name: "chameleon",
    title: "Chameleon",
    folders: BY_LABEL,
    origin: {
      published: "Chameleon (Yan et al., ICLR 2025): GitHub, shilinyan99/AIDE",
      licence: "on request, for research",
    },
  },
  {
    // test/{facebook,reddit,twitter}/{0_real,1_fake}
    name: "wildrf",
    title: "WildRF",
    folders: BY_LABEL,
    origin: {
      published:
        "WildRF (Cavia et al., 2024): GitHub, barcavia/RealTime-DeepfakeDetection-in-the-RealWorld",
      licence: "for research; images under the terms of the platforms",
    },
  },
  {
    // a folder for each generator
    name: "synthbuster",
    title: "Synthbuster",
    origin: {
      published: "Synthbuster (Bammey, IEEE OJSP 2023): Zenodo, record 10066460",
      licence: "non-commercial use, with reference to its paper",
    },
  },
];

/** One set of a collection. */
export interface LayoutSet {
  /** Path of its folder in the collection's, without the split: `Midjourney`; empty for the only one. */
  readonly part: string;
  /** Where its images lie. */
  readonly sources: readonly Source[];
}

/** Levels of folders that are looked through. */
const MAX_DEPTH = 4;

/** Of what is split, the first that is there is taken. */
const SPLITS = ["test", "val", "train"];

interface Found {
  /** Folders on the way, from the collection's. */
  readonly way: readonly string[];
  readonly real?: string;
  readonly generated?: string;
}

/**
 * Finds the sets of a collection. The first level below its folder parts sets; classes and other
 * levels below that are put together, and of splits `test` is taken, else `val`, else `train`.
 * @param folder absolute, with `/` between
 * @param what it is to be used for, for errors
 * @throws {UserError} where there are none, with what is there
 */
export async function layoutSets(
  layout: Layout,
  folder: string,
  what: string,
): Promise<LayoutSet[]> {
  const tree = new FolderTree("/", what);
  const { folders } = layout;
  if (folders === undefined) {
    const names = await foldersIn(tree, folder);
    if (names.length === 0) throw noSets(what, `a folder for each generator in ${folder}`, names);
    return names.map((part) => ({ part, sources: [source(1, `${folder}/${part}`)] }));
  }
  const found = await findPairs(tree, folder, folders);
  if (found.length === 0) {
    const wanted = `folders ${folders.real} and ${folders.generated} in ${folder} or below it`;
    throw noSets(what, wanted, await foldersIn(tree, folder));
  }
  const bySplit = Map.groupBy(found, ({ way }) => unsplit(way).join("/"));
  const taken = [...bySplit.values()].flatMap((rivals) => {
    const best = Math.min(...rivals.map(splitRank));
    return rivals.filter((rival) => splitRank(rival) === best);
  });
  const bySet = Map.groupBy(taken, ({ way }) => unsplit(way)[0] ?? "");
  return [...bySet].map(([part, pairs]) => ({
    part: bySet.size === 1 ? "" : part,
    sources: pairs.flatMap(({ way, real, generated }) => {
      const at = [folder, ...way].join("/");
      return [
        ...(real === undefined ? [] : [source(0, `${at}/${real}`)]),
        ...(generated === undefined ? [] : [source(1, `${at}/${generated}`)]),
      ];
    }),
  }));
}

function source(label: 0 | 1, directory: string): Source {
  return { label, directory, isDeep: true };
}

function noSets(what: string, wanted: string, names: readonly string[]): UserError {
  const found = names.length === 0 ? "no folder" : `the folders ${listed(names)}`;
  return new UserError("missing", `Cannot use ${what}: expected ${wanted}, found ${found}`);
}

const isSplit = (name: string) => SPLITS.includes(name.toLowerCase());

function unsplit(way: readonly string[]): readonly string[] {
  return way.filter((name) => !isSplit(name));
}

function splitRank({ way }: Found): number {
  const split = way.find(isSplit);
  return split === undefined ? -1 : SPLITS.indexOf(split.toLowerCase());
}

async function foldersIn(tree: FolderTree, folder: string): Promise<string[]> {
  return (await tree.read(folder)).filter(({ name, kind }) => kind === "folder" && !isHidden(name))
    .map(({ name }) => name).sort();
}

async function findPairs(
  tree: FolderTree,
  folder: string,
  { real, generated }: { readonly real: string; readonly generated: string },
): Promise<Found[]> {
  const found: Found[] = [];
  let open: (readonly string[])[] = [[]];
  for (let depth = 0; depth <= MAX_DEPTH && open.length > 0; depth++) {
    const next: (readonly string[])[] = [];
    for (const way of open) {
      const names = await foldersIn(tree, [folder, ...way].join("/"));
      const named = (wanted: string) => names.find((name) => name.toLowerCase() === wanted);
      const [reals, made] = [named(real), named(generated)];
      if (reals === undefined && made === undefined) {
        next.push(...names.map((name) => [...way, name]));
      } else {
        found.push({
          way,
          ...(reals === undefined ? {} : { real: reals }),
          ...(made === undefined ? {} : { generated: made }),
        });
      }
    }
    open = next;
  }
  return found;
}
