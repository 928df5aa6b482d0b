/**
 * RINE: a small trained head that weighs the CLS tokens of a frozen backbone's blocks.
 * Paper: Koutlis & Papadopoulos, ECCV 2024. Released: mever-team/rine.
 * @module
 */
import { type Compute, defineDetector, type Scorer } from "../detector.ts";
import { parameterCount } from "./architecture.ts";
import { assertFinite, blockImportance, loadCheckpoint, withoutBlock } from "./checkpoint.ts";
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
    return {
      backend: `${engine.name} (${engine.backend})`,
      blockImportance: blockImportance(parameters),
      logits: async (features, count) => (await predictor.predict(features, count)).logits,
      ...(architecture.ablation === "none" && architecture.blocks > 1
        ? {
          async withoutBlocks(features, count) {
            const logits: Float32Array[] = [];
            for (let block = 0; block < architecture.blocks; block++) {
              const others = await engine.predictor(
                architecture,
                withoutBlock(parameters, block),
              );
              try {
                logits.push((await others.predict(features, count)).logits);
              } finally {
                await others.dispose();
              }
            }
            return logits;
          },
        }
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
