/** A record of a run, small and whole. */
import type { RunRecord } from "../../lib/runs/record.ts";

/** A run of RINE's head on two test sets. */
export const RECORD: RunRecord = {
  key: "key",
  trainingKey: "head",
  profile: "mini",
  experiment: "grid",
  config: {
    training: {
      detector: "rine",
      trainingSet: "progan",
      classes: ["horse"],
      fraction: 1,
      backbone: "Mini-L/8",
      batchSize: 16,
      learningRate: .001,
      epochs: 1,
      decayEpochs: [],
      seed: 0,
      head: { contrastiveWeight: .2, projectionLayers: 2, projectionDim: 4, variant: "full" },
    },
    evaluation: { testSets: ["a", "b"], view: "center", atEpochs: [1] },
  },
  engine: "onnxruntime cpu",
  versions: { rine: "0.2.0" },
  made: [
    {
      device: "cpu",
      versions: { rine: "0.2.0" },
      from: "2026-01-01T00:00:00Z",
      to: "2026-01-01T00:00:00Z",
      sets: 1,
    },
  ],
  features: { train: [["k1"]], val: ["k2"], test: { a: ["k3"], b: ["k4", "k5"] } },
  skippedImages: { train: ["x.png"], val: [], test: { a: ["y.png"] } },
  parameterCount: 100,
  epochs: [{ epoch: 1, learningRate: .001, trainLoss: 2, valLoss: .5, valAcc: .75 }],
  evaluations: [{
    epoch: 1,
    checkpoint: "heads/head-epoch1.safetensors",
    scores: "scores/head-epoch1",
    sets: { a: "s1", b: "s2" },
    blockImportance: [1, 3],
    test: { a: { acc: .5, ap: .625 }, b: { acc: .75, ap: .5 } },
  }],
  timings: { trainingSeconds: 1, evaluationSeconds: 2 },
  date: "2026-01-01T00:00:00Z",
};
