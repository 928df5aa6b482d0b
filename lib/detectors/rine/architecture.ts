/**
 * RINE's trainable head: its sizes, the names of its parameters, and how they start.
 * @module
 */
import { UserError } from "../../io/errors.ts";
import type { Random } from "../../random.ts";
import { sizeOf, type Tensor, tensor } from "../../io/tensor.ts";

/**
 * What the head is taken apart for in §5.2. `contrastive` is the configuration's ξ = 0.
 * Released: src/ablations.py, `ModelAblations`.
 */
export const ABLATIONS = ["none", "tie", "intermediate"] as const;

/** A part of the head that is left out. */
export type Ablation = typeof ABLATIONS[number];

/** Sizes of a head. Paper: §3.2 and §3.3. Released: src/models.py, `Model`. */
export interface HeadArchitecture {
  /** Number of Transformer blocks whose tokens come in (n). */
  readonly blocks: number;
  /** Width of a token (d). */
  readonly width: number;
  /** Linear layers of each projection (q). */
  readonly projectionLayers: number;
  /** Width of the projections (d′). */
  readonly projectionDim: number;
  /** `tie`: the mean over blocks instead of TIE; `intermediate`: the last block's token only. */
  readonly ablation: Ablation;
}

/** A head's parameters under the released checkpoints' names, in their order. */
export type Parameters = ReadonlyMap<string, Tensor>;

/** Blocks whose tokens the head reads: all, or the last one alone where `intermediate` is ablated. */
export function blocksRead(architecture: HeadArchitecture): number {
  return architecture.ablation === "intermediate" ? 1 : architecture.blocks;
}

/**
 * Shapes of the parameters under the released checkpoints' names, in their order: `alpha`
 * [1, n, d′], then weight [out, in] and bias [out] of every linear layer.
 *
 * Released: src/models.py, `Model`; layers are numbered as in `nn.Sequential`.
 *
 * @example
 * ```ts
 * import { parameterShapes } from "./architecture.ts";
 *
 * const shapes = parameterShapes({
 *   blocks: 24,
 *   width: 1024,
 *   projectionLayers: 2,
 *   projectionDim: 128,
 *   ablation: "none",
 * });
 * console.assert(shapes.get("proj1.4.weight")?.join() === "128,128");
 * ```
 */
export function parameterShapes(architecture: HeadArchitecture): Map<string, number[]> {
  const { blocks, width, projectionLayers, projectionDim } = architecture;
  const shapes = new Map([["alpha", [1, blocks, projectionDim]]]);
  const linear = (name: string, inputs: number, outputs: number) => {
    shapes.set(`${name}.weight`, [outputs, inputs]);
    shapes.set(`${name}.bias`, [outputs]);
  };
  for (let layer = 0; layer < projectionLayers; layer++) {
    linear(`proj1.${3 * layer + 1}`, layer === 0 ? width : projectionDim, projectionDim);
  }
  for (let layer = 0; layer < projectionLayers; layer++) {
    linear(`proj2.${3 * layer + 1}`, projectionDim, projectionDim);
  }
  linear("head.0", projectionDim, projectionDim);
  linear("head.3", projectionDim, projectionDim);
  linear("head.6", projectionDim, 1);
  return shapes;
}

/** Number of parameters, `alpha` included whether or not the ablation reads it. Paper: Table 1. */
export function parameterCount(architecture: HeadArchitecture): number {
  return [...parameterShapes(architecture).values()].reduce(
    (count, shape) => count + sizeOf(shape),
    0,
  );
}

/**
 * Names of the parameters that training moves: all but `alpha` where the ablation leaves TIE out, or
 * where there is a single block, whose weight is 1 whatever `alpha` is.
 */
export function trainedParameters(architecture: HeadArchitecture): string[] {
  return [...parameterShapes(architecture).keys()].filter((name) =>
    name !== "alpha" || (architecture.ablation === "none" && architecture.blocks > 1)
  );
}

/**
 * Parameters before training: `alpha` from the standard normal distribution; weights and biases of a
 * linear layer uniform within ±1/√inputs, PyTorch's default. Released: src/models.py, `Model`.
 */
export function initialParameters(architecture: HeadArchitecture, random: Random): Parameters {
  const parameters = new Map<string, Tensor>();
  let bound = 0;
  for (const [name, shape] of parameterShapes(architecture)) {
    if (name.endsWith(".weight")) bound = 1 / Math.sqrt(shape[1]!);
    const data = Float32Array.from(
      { length: sizeOf(shape) },
      name === "alpha" ? () => random.normal() : () => random.uniform(-bound, bound),
    );
    parameters.set(name, tensor(data, shape));
  }
  return parameters;
}

/** Parameters with every value zero: where Adam's moments start. */
export function zeroParameters(architecture: HeadArchitecture): Parameters {
  return new Map(
    [...parameterShapes(architecture)].map((
      [name, shape],
    ) => [name, tensor(new Float32Array(sizeOf(shape)), shape)]),
  );
}

/**
 * Makes sure that parameters are those of an architecture.
 * @param action what cannot be done where they are not: `Cannot load head.pth`
 * @throws {UserError} naming the first tensor that is missing, left over or of another shape
 */
export function assertParameters(
  architecture: HeadArchitecture,
  parameters: Parameters,
  action: string,
): void {
  const shapes = parameterShapes(architecture);
  for (const [name, shape] of shapes) {
    const found = parameters.get(name);
    if (found?.shape.join() !== shape.join()) {
      const state = found ? `[${found.shape.join(", ")}]` : "none";
      throw new UserError(
        "damaged",
        `${action}: expected ${name} [${shape.join(", ")}], found ${state}`,
      );
    }
  }
  const extra = [...parameters.keys()].find((name) => !shapes.has(name));
  if (extra !== undefined) {
    throw new UserError(
      "damaged",
      `${action}: expected no ${extra} with ${architecture.projectionLayers} projection layers`,
    );
  }
}
