/**
 * UFD's nearest neighbours by the CLS token of one Transformer block, as the rest of the library knows
 * them. Paper: Ojha, Li & Lee, CVPR 2023, Figure 12; which vector of a layer it read was not published.
 * @module
 */
import { row } from "../description.ts";
import { defineDetector } from "../detector.ts";
import { isBlockNeighbours, loadNeighbours } from "./neighbours.ts";
import neighbours from "./neighbours_detector.ts";
import {
  type BlockNeighboursHead,
  describeBlockNeighboursHead,
  readBlockNeighboursHead,
} from "./neighbours_head.ts";

/** UFD's nearest neighbours by one block. */
export default defineDetector<BlockNeighboursHead>({
  ...neighbours,
  name: "ufd_block_neighbours",
  title: "UFD nearest neighbours by block",
  reads: { tap: "block" },
  readHead: readBlockNeighboursHead,
  describeHead: describeBlockNeighboursHead,
  parameterCount: () => 0,
  keptFeatures: ({ bankImages, bankSeed, block }, images) => ({
    rows: bankImages ?? images,
    blocks: 1,
    draw: `${bankImages === null ? "all" : `${bankImages} ${bankSeed}`} of block ${block}`,
  }),
  isCheckpoint: isBlockNeighbours,
  async sizesOf(checkpoint) {
    const { bank, place } = await loadNeighbours(checkpoint);
    return { blocks: place!.blocks, width: bank.width };
  },
  async describeCheckpoint(checkpoint) {
    const { place } = await loadNeighbours(checkpoint);
    return [
      ...await neighbours.describeCheckpoint(checkpoint),
      row("block", `${place!.block} of ${place!.blocks}`),
    ];
  },
});
