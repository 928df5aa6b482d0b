/**
 * A head of RINE as a configuration says it: ξ, q, d′ and the part of the method that is left out.
 * @module
 */
import { UserError } from "../../io/errors.ts";
import type { FeatureSizes, HeadConfig } from "../detector.ts";
import type { HeadArchitecture } from "./architecture.ts";

/** Parts of the method that §5.2 leaves out. */
export const VARIANTS = ["full", "no contrastive loss", "no TIE", "no intermediate"] as const;

/** The method, or the method with one part left out. */
export type Variant = typeof VARIANTS[number];

/** What a configuration's `head` says of a head of RINE. */
export type RineHead = {
  /** ξ, at least 0 */
  readonly contrastiveWeight: number;
  /** q, at least 1 */
  readonly projectionLayers: number;
  /** d′, at least 1 */
  readonly projectionDim: number;
  /** The method, or what is left out of it. */
  readonly variant: Variant;
};

const FIELDS = ["contrastiveWeight", "projectionLayers", "projectionDim", "variant"] as const;

/**
 * A configuration's `head` as RINE's.
 * @throws {UserError} naming the first field that is missing, unknown or out of range
 */
export function readRineHead(head: HeadConfig): RineHead {
  const fail = (expected: string, found: unknown) =>
    new UserError("usage", `Cannot use a head of RINE: expected ${expected}, found ${found}`);
  const unknown = Object.keys(head).find((field) => !(FIELDS as readonly string[]).includes(field));
  if (unknown !== undefined) throw fail(FIELDS.join(", "), unknown);
  const { contrastiveWeight, projectionLayers, projectionDim, variant } = head;
  if (!(typeof contrastiveWeight === "number" && contrastiveWeight >= 0)) {
    throw fail("contrastiveWeight, a number from 0", contrastiveWeight);
  }
  const counts = { projectionLayers, projectionDim };
  for (const [name, value] of Object.entries(counts)) {
    if (!(Number.isInteger(value) && Number(value) >= 1)) {
      throw fail(`${name}, a whole number from 1`, value);
    }
  }
  if (!(VARIANTS as readonly unknown[]).includes(variant)) {
    throw fail(`variant, one of ${VARIANTS.join(", ")}`, variant);
  }
  return head as RineHead;
}

/** A head in a few words: `ξ 0.2, q 2, d′ 128`; what is left out of the method stands behind. */
export function describeRineHead(
  { contrastiveWeight, projectionLayers, projectionDim, variant }: RineHead,
): string {
  const left = variant === "full" ? "" : `, ${variant}`;
  return `ξ ${contrastiveWeight}, q ${projectionLayers}, d′ ${projectionDim}${left}`;
}

/** The sizes of a configuration's head. */
export function architectureOf(
  { variant, projectionLayers, projectionDim }: RineHead,
  { blocks, width }: FeatureSizes,
): HeadArchitecture {
  return {
    blocks,
    width,
    projectionLayers,
    projectionDim,
    ablation: variant === "no TIE"
      ? "tie"
      : variant === "no intermediate"
      ? "intermediate"
      : "none",
  };
}
