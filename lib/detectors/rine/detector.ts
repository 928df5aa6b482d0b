/**
 * RINE: a small trained head that weighs the CLS tokens of a frozen backbone's blocks.
 * Paper: Koutlis & Papadopoulos, ECCV 2024. Released: mever-team/rine.
 * @module
 */
import { type Compute, defineDetector, type Scorer } from "../detector.ts";
import { parameterCount, type Parameters } from "./architecture.ts";
import { assertFinite, blockImportance, loadCheckpoint } from "./checkpoint.ts";
import { tensor } from "../../io/tensor.ts";
import { describeRineCheckpoint } from "./describe.ts";
import { architectureOf, describeRineHead, readRineHead, type RineHead } from "./head.ts";
import { holdEngine } from "./open_engine.ts";
import { trainHeads } from "./train.ts";

/** RINE as the rest of the library knows it. */
export default defineDetector<RineHead>({
  name: "rine",
  title: "RINE",
  reads: { tap: "ln2" },
  trainsOn: "rine",
  readHead: readRineHead,
  describeHead: describeRineHead,
  parameterCount: (head, sizes) => parameterCount(architectureOf(head, sizes)),
  isCheckpoint: (tensors) => tensors.has("alpha"),
  async sizesOf(checkpoint) {
    const { blocks, width } = (await loadCheckpoint(checkpoint)).architecture;
    return { blocks, width };
  },
  open: openScorer,
  describeCheckpoint: describeRineCheckpoint,
  train: trainHeads,
});

async function openScorer(checkpoint: string, compute: Compute): Promise<Scorer> {
  const { architecture, parameters } = await loadCheckpoint(checkpoint);
  assertFinite(parameters, `Cannot use the head in ${checkpoint}`);
  const { engine, release } = await holdEngine(compute);
  try {
    const predictor = await engine.predictor(architecture, parameters);
    const logitsWithoutBlock = async (features: Float32Array) => {
      const logits = new Float32Array(architecture.blocks);
      for (const block of logits.keys()) {
        const other = await engine.predictor(architecture, withoutBlock(parameters, block));
        try {
          logits[block] = (await other.predict(features, 1)).logits[0]!;
        } finally {
          await other.dispose();
        }
      }
      return logits;
    };
    return {
      backend: `${engine.name} (${engine.backend})`,
      blockImportance: blockImportance(parameters),
      logits: async (features, count) => (await predictor.predict(features, count)).logits,
      ...(architecture.ablation === "none" && architecture.blocks > 1
        ? { logitsWithoutBlock }
        : {}),
      represent: async (features, count) => (await predictor.predict(features, count)).z,
      async dispose() {
        await predictor.dispose();
        await release();
      },
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/** So far below all that is trained that softmax makes it 0. */
const NOTHING = -1e9;

/** The parameters of a head that does not read a block: its weight is 0, and the others' sum is 1. */
function withoutBlock(parameters: Parameters, block: number): Parameters {
  const { data, shape } = parameters.get("alpha")!; // [1, n, d′]
  const features = shape[2]!, alpha = Float32Array.from(data);
  alpha.fill(NOTHING, block * features, (block + 1) * features);
  return new Map([...parameters, ["alpha", tensor(alpha, shape)]]);
}
