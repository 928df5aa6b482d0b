/**
 * The mini world as profiles know it: made from a seed, images and backbones together.
 * @module
 */
import type { Source } from "../data/dataset.ts";
import type { BackboneSizes, MadeWorld } from "../runs/profile.ts";
import { MINI_RESOLUTION_PX, MINI_WIDTH } from "./backbone_weights.ts";
import {
  damagedMiniBackbones,
  makeMiniBackbones,
  MINI_BACKBONES,
  MINI_RANDOM_BACKBONES,
} from "./backbones.ts";
import { miniFolders, miniLists } from "./layout.ts";
import { makeMiniWorld, miniSeed } from "./make.ts";
import { damagedMiniFiles, mendMiniImages } from "./mend.ts";

/** Sizes of the mini backbones by name. */
export const MINI_BACKBONE_SIZES: Readonly<Record<string, BackboneSizes>> = Object.fromEntries(
  [...MINI_BACKBONES, ...MINI_RANDOM_BACKBONES].map(({ name, blocks, patchPx }) => [
    name,
    { blocks, width: MINI_WIDTH, length: (MINI_RESOLUTION_PX / patchPx) ** 2 + 1 },
  ]),
);

/** Makes the mini world, and says of one what is known before and after. */
export const MINI_WORLD: MadeWorld = {
  async make({ root, seed, onProgress, onWait, onDamage }) {
    const sizes = new Map<string, number>();
    await makeMiniWorld({
      ...{ root, seed, sizes },
      onProgress: (done, total) =>
        onProgress?.({ stage: "mini world", unit: "images", done, total }),
      ...{ onWait, onDamage },
    });
    await makeMiniBackbones({ root, seed, onWait, onDamage });
    return sizes;
  },
  mend: ({ root, images, onDamage }) => mendMiniImages(root, images, onDamage),
  async damaged(root) {
    const { files, damaged } = await damagedMiniFiles(root);
    const backbones = await damagedMiniBackbones(root);
    return { files: files + MINI_BACKBONES.length, damaged: [...damaged, ...backbones] };
  },
  seedOf: miniSeed,
  count(source: Source) {
    if ("list" in source) {
      return miniLists(1).find(({ path }) => path === source.list)?.lines.length ?? 0;
    }
    return miniFolders(1).filter(({ path }) => matches(source.directory, path))
      .reduce((all, { count }) => all + count, 0);
  },
};

/** Whether a path is a pattern's, of which one segment may be `*`. */
function matches(pattern: string, path: string): boolean {
  const wanted = pattern.split("/"), segments = path.split("/");
  return wanted.length === segments.length &&
    wanted.every((name, i) => name === "*" || name === segments[i]);
}
