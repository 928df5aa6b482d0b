/**
 * A vision transformer as a network that backbones are made of.
 * @module
 */
import { countParameters } from "../../io/tensor.ts";
import type { Network } from "../network.ts";
import { patchCount } from "./architecture.ts";
import { buildVitGraph, embeddingWidthOf } from "./graph.ts";
import type { VitWeights } from "./weights.ts";

/** The network that weights are of. */
export function vitNetwork(weights: VitWeights): Network {
  const { header, architecture, settings, tensors } = weights;
  const { blocks, width } = architecture;
  const embeddingWidth = embeddingWidthOf(weights);
  const sizes = {
    ln2: { blocks, width },
    block: { blocks, width },
    ...(embeddingWidth === undefined ? {} : { embedding: { blocks: 1, width: embeddingWidth } }),
    patches: { blocks: blocks * patchCount(architecture), width },
  };
  return {
    weightsFile: header.path,
    parameterCount: countParameters(tensors),
    weightsBytes: [...tensors.values()].reduce((sum, { length }) => sum + length, 0),
    architecture,
    settings,
    featureSizes: sizes,
    graph: (taps, options) => buildVitGraph(weights, { taps, input: "rgb", ...options }),
    probe: (options) =>
      buildVitGraph(weights, { taps: ["block"], input: "rgb", blocks: 2, ...options }),
  };
}
