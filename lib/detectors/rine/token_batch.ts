/**
 * What every engine does with tokens before it computes: check them, take the blocks it reads.
 * @module
 */
import { UserError } from "../../io/errors.ts";
import { blocksRead, type HeadArchitecture } from "./architecture.ts";
import type { TokenBatch } from "./engine.ts";

/**
 * Makes sure that tokens, and labels where there are any, are those of `count` images.
 * @throws {UserError} where their lengths are others
 * @throws {UserError} where there is no image
 */
export function assertBatch(
  { blocks, width }: HeadArchitecture,
  { tokens, labels, count }: Pick<TokenBatch, "tokens" | "count"> & Partial<TokenBatch>,
): void {
  if (!(count > 0)) {
    throw new UserError("usage", `Cannot run head: expected images, found ${count}`);
  }
  if (tokens.length !== count * blocks * width) {
    throw new UserError(
      "usage",
      `Cannot run head: expected tokens [${count}, ${blocks}, ${width}], found ${tokens.length} values`,
    );
  }
  if (labels && labels.length !== count) {
    throw new UserError(
      "usage",
      `Cannot run head: expected ${count} labels, found ${labels.length}`,
    );
  }
}

/** The tokens that the head reads, [count × blocks read, width]; not copied where it reads all. */
export function readTokens(
  architecture: HeadArchitecture,
  tokens: Float32Array,
  count: number,
): Float32Array {
  const { blocks, width } = architecture;
  if (blocksRead(architecture) === blocks) return tokens;
  const read = new Float32Array(count * width);
  for (let image = 0; image < count; image++) {
    const last = (image * blocks + blocks - 1) * width;
    read.set(tokens.subarray(last, last + width), image * width);
  }
  return read;
}
