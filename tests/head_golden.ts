/**
 * Goldens of the head: what the released PyTorch model computed, as the engines' types.
 * @module
 */
import assert from "node:assert/strict";
import type { Ablation, HeadArchitecture, Parameters } from "../lib/detectors/rine/architecture.ts";
import type { TokenBatch, TrainerOptions, TrainingState } from "../lib/detectors/rine/engine.ts";
import { zeroParameters } from "../lib/detectors/rine/architecture.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import type { Tensor } from "../lib/io/tensor.ts";
import { GOLDENS } from "./goldens.ts";

/** One file of goldens. */
export interface HeadGolden {
  readonly name: string;
  readonly architecture: HeadArchitecture;
  readonly learningRate: number;
  readonly batch: TokenBatch;
  /** Dropout is off, as it was when the goldens were made. */
  readonly options: TrainerOptions;
  tensor(name: string): Tensor;
  /** All tensors under a prefix, without it. */
  under(prefix: string): Parameters;
}

const ABLATIONS: Record<string, Ablation> = { alpha: "tie", intermediate: "intermediate" };

/** Reads all `head_*.safetensors` of the folder. */
export async function headGoldens(): Promise<HeadGolden[]> {
  const names = [...Deno.readDirSync(GOLDENS)].map((entry) => entry.name)
    .filter((name) => /^head_.*\.safetensors$/.test(name)).sort();
  assert(names.length > 0, `no head_*.safetensors in ${GOLDENS}`);
  return await Promise.all(names.map(readGolden));
}

async function readGolden(name: string): Promise<HeadGolden> {
  const { metadata, tensors } = await readSafetensors(`${GOLDENS}/${name}`);
  const tensor = (name: string) => {
    const found = tensors.get(name);
    assert(found, `no tensor ${name}`);
    return found;
  };
  const under = (prefix: string) =>
    new Map(
      [...tensors].filter(([name]) => name.startsWith(prefix))
        .map(([name, value]) => [name.slice(prefix.length), value]),
    );
  const [count, blocks, width] = tensor("K").shape as [number, number, number];
  const architecture: HeadArchitecture = {
    blocks,
    width,
    projectionLayers: Number(metadata["q"]),
    projectionDim: Number(metadata["projectionDim"]),
    ablation: ABLATIONS[metadata["ablate"]!] ?? "none",
  };
  const state = stateOf(architecture, under("param."));
  return {
    name,
    architecture,
    learningRate: Number(metadata["learningRate"]),
    batch: { tokens: tensor("K").data, labels: Uint8Array.from(tensor("labels").data), count },
    options: {
      architecture,
      contrastiveWeight: metadata["ablate"] === "contrastive"
        ? 0
        : Number(metadata["contrastiveWeight"]),
      dropout: false,
      dropoutKey: [],
      state,
    },
    tensor,
    under,
  };
}

/** The state before the first step from given parameters. */
export function stateOf(architecture: HeadArchitecture, parameters: Parameters): TrainingState {
  return {
    parameters,
    firstMoment: zeroParameters(architecture),
    secondMoment: zeroParameters(architecture),
    steps: 0,
  };
}

/** Fails where values differ by more than a share of the largest expected one. */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  share: number,
  what: string,
): void {
  assert.equal(actual.length, expected.length, `length of ${what}`);
  let largest = 0, difference = 0;
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]!));
    // NaN fails too
    const apart = Math.abs(actual[i]! - expected[i]!);
    difference = apart <= difference ? difference : apart;
  }
  assert(
    difference <= share * largest,
    `${what}: differs by ${difference}, largest value ${largest}`,
  );
}
