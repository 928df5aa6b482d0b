/**
 * A ResNet as a network that backbones are made of.
 * @module
 */
import { countParameters } from "../../io/tensor.ts";
import type { Network } from "../network.ts";
import { buildResnetGraph } from "./graph.ts";
import type { ResnetWeights } from "./weights.ts";

/** The network that weights are of: it has no blocks with a class token, and one tap, `embedding`. */
export function resnetNetwork(weights: ResnetWeights): Network {
  const { header, architecture, settings, tensors } = weights;
  return {
    weightsFile: header.path,
    parameterCount: countParameters(tensors),
    weightsBytes: [...tensors.values()].reduce((sum, { length }) => sum + length, 0),
    architecture,
    settings,
    featureSizes: { embedding: { blocks: 1, width: architecture.embeddingWidth } },
    graph: (_taps, options) => buildResnetGraph(weights, { input: "rgb", ...options }),
    probe: (options) => buildResnetGraph(weights, { input: "rgb", ...options }),
  };
}
