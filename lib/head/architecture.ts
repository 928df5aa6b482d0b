/**
 * RINE's trainable head: its sizes, the names of its parameters, and how they start.
 * @module
 */
import type { Random } from "../random.ts";
import { sizeOf, type Tensor } from "../io/tensor.ts";

/** What the head is taken apart for in §5.2. `contrastive` is the configuration's ξ = 0. */
export const ABLATIONS = ["none", "tie", "intermediate"] as const;

/** A part of the head that is left out. */
export type Ablation = typeof ABLATIONS[number];

/** Sizes of a head. Paper: §3.2 and §3.3. */
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
