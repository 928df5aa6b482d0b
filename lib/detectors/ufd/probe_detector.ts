/**
 * UFD's linear layer on an image's embedding, as the rest of the library knows it.
 * Paper: Ojha, Li & Lee, CVPR 2023, §5.1. Released: UniversalFakeDetect.
 * @module
 */
import { tensor } from "../../io/tensor.ts";
import { metadataRows, row } from "../description.ts";
import { defineDetector } from "../detector.ts";
import { loadProbeFile, probeLogits, probePrefix } from "./probe.ts";
import { describeProbeHead, type ProbeHead, readProbeHead } from "./probe_head.ts";
import { trainProbes } from "./probe_training.ts";

/** UFD's linear probe. */
export default defineDetector<ProbeHead>({
  name: "ufd_probe",
  title: "UFD linear probe",
  reads: { tap: "embedding" },
  trainsOn: "augmented",
  readHead: readProbeHead,
  describeHead: describeProbeHead,
  parameterCount: (_, { blocks, width }) => blocks * width + 1,
  isCheckpoint: (names) => probePrefix(names) !== undefined,
  async sizesOf(checkpoint) {
    const { probe } = await loadProbeFile(checkpoint);
    return { blocks: 1, width: probe.weight.length };
  },
  async open(checkpoint) {
    const { probe } = await loadProbeFile(checkpoint);
    return {
      backend: `sums in float64 (v8 ${Deno.version.v8})`,
      logits: (features) => Promise.resolve(probeLogits(probe, features)),
      // it decides in the space of the embedding itself
      represent: (features) => Promise.resolve(features.slice()),
      dispose: () => Promise.resolve(),
    };
  },
  async describeCheckpoint(checkpoint) {
    const { probe: { weight, bias }, metadata } = await loadProbeFile(checkpoint);
    return [
      `${checkpoint}: UFD's linear layer`,
      row("features", weight.length),
      row("bias", Number(bias.toPrecision(6))),
      row("norm of the weights", Number(Math.hypot(...weight).toPrecision(6))),
      ...metadataRows(metadata),
    ];
  },
  async ownTensors(checkpoint) {
    const { probe: { weight, bias }, metadata } = await loadProbeFile(checkpoint);
    return {
      tensors: new Map([
        ["weight", tensor(weight, [1, weight.length])],
        ["bias", tensor(Float32Array.of(bias), [1])],
      ]),
      metadata,
    };
  },
  train: trainProbes,
});
