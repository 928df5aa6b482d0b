/**
 * UFD's nearest neighbours as the rest of the library knows them. Paper: Ojha, Li & Lee, CVPR 2023,
 * §4; their code was never released.
 * @module
 */
import { UserError } from "../../io/errors.ts";
import { metadataRows, row } from "../description.ts";
import { defineDetector } from "../detector.ts";
import { isNeighbours, loadNeighbours, openNeighbours } from "./neighbours.ts";
import {
  describeNeighboursHead,
  type NeighboursHead,
  readNeighboursHead,
} from "./neighbours_head.ts";
import { keepNeighbours } from "./neighbours_training.ts";

/** UFD's nearest neighbours. */
export default defineDetector<NeighboursHead>({
  name: "ufd_neighbours",
  title: "UFD nearest neighbours",
  reads: { tap: "embedding" },
  // the paper does not say; images that are looked for are compared with others cropped as they are
  trainsOn: "plain",
  readHead: readNeighboursHead,
  describeHead: describeNeighboursHead,
  parameterCount: () => 0,
  keptFeatures: ({ bankImages, bankSeed }, images) => ({
    rows: bankImages ?? images,
    blocks: 1,
    draw: bankImages === null ? "all" : `${bankImages} ${bankSeed}`,
  }),
  isCheckpoint: isNeighbours,
  async sizesOf(checkpoint) {
    const { bank } = await loadNeighbours(checkpoint);
    return { blocks: 1, width: bank.width };
  },
  open: async (checkpoint, compute) =>
    await openNeighbours(await loadNeighbours(checkpoint), compute),
  async describeCheckpoint(checkpoint) {
    const { reading, k, path, bank, metadata } = await loadNeighbours(checkpoint);
    return [
      `${checkpoint}: UFD's nearest neighbours`,
      row("neighbours (k)", k),
      row("reading", reading),
      row("bank", path),
      row("real images", bank.real.shape[0]!),
      row("generated images", bank.fake.shape[0]!),
      row("features", bank.width),
      row("stored as", bank.real.dtype),
      ...metadataRows(metadata, ["reading", "bank"]),
      // a bank by itself has told it already
      ...(path === checkpoint ? [] : metadataRows(bank.metadata, ["features"])),
    ];
  },
  ownTensors(checkpoint) {
    throw new UserError(
      "usage",
      `Cannot convert ${checkpoint}: expected a head that tensors say all of, found nearest ` +
        "neighbours, whose bank is a file of its own; copy both",
    );
  },
  train: keepNeighbours,
});
