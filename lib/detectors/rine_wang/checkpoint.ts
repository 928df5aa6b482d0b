/**
 * Checkpoints of RINE on a frozen ResNet: the head and the network, in one file.
 * @module
 */
import * as v from "valibot";
import { torchvisionResnet } from "../../backbones/families/torchvision_resnet.ts";
import { UserError } from "../../io/errors.ts";
import { parseJson } from "../../io/json.ts";
import type { Tensor } from "../../io/tensor.ts";
import { readModelFile } from "../checkpoint_file.ts";
import type { HeadConfig } from "../detector.ts";
import { type Checkpoint, checkpointOf } from "../rine/checkpoint.ts";
import { readRineHead, type RineHead } from "../rine/head.ts";
import { TOKEN_BLOCKS, type TokenBlocks, tokenSizes } from "./tokens.ts";

/** Before the names of the head's tensors, and of the network's. */
export const HEAD_PREFIX = "rine.", BODY_PREFIX = "wang.";

/**
 * A recipe's `network` as this detector's.
 * @throws {UserError} naming the first field that is missing, unknown or out of range
 */
export function readNetwork(
  { blocks, ...head }: HeadConfig,
): { readonly blocks: TokenBlocks; readonly head: RineHead } {
  if (!(TOKEN_BLOCKS as readonly unknown[]).includes(blocks)) {
    throw new UserError(
      "usage",
      `Cannot read tokens of a ResNet: expected blocks, one of ${
        TOKEN_BLOCKS.join(", ")
      }; found ${blocks}`,
    );
  }
  return { blocks: blocks as TokenBlocks, head: readRineHead({ ...head, variant: "full" }) };
}

/** Tensors under a prefix, without it. */
export function under(
  prefix: string,
  tensors: ReadonlyMap<string, Tensor>,
): Map<string, Tensor> {
  return new Map(
    [...tensors].filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  );
}

/** The other way round. */
export function prefixed(
  prefix: string,
  tensors: ReadonlyMap<string, Tensor>,
): Map<string, Tensor> {
  return new Map([...tensors].map(([name, value]) => [`${prefix}${name}`, value]));
}

/** Whether these are the tensors of such a checkpoint. */
export function isRineWang(names: ReadonlySet<string>): boolean {
  return names.has(`${HEAD_PREFIX}alpha`) && names.has(`${BODY_PREFIX}${torchvisionResnet.mark}`);
}

/** A checkpoint in memory. */
export interface RineWangCheckpoint extends Checkpoint {
  /** The frozen network by torchvision's names. */
  readonly body: ReadonlyMap<string, Tensor>;
  readonly blocks: TokenBlocks;
  /** All of the file's tensors. */
  readonly tensors: Map<string, Tensor>;
}

const RECIPE = v.looseObject({ network: v.looseObject({ blocks: v.picklist(TOKEN_BLOCKS) }) });

/**
 * Reads a checkpoint.
 * @throws {UserError} where the file is damaged, or head and network do not fit
 */
export async function readRineWang(path: string): Promise<RineWangCheckpoint> {
  const { tensors, metadata } = await readModelFile(path);
  const { network: { blocks } } = parseJson<{ network: { blocks: TokenBlocks } }>(
    metadata["recipe"] ?? "",
    `how the detector in ${path} was trained`,
    { form: RECIPE },
  );
  const body = under(BODY_PREFIX, tensors);
  const head = checkpointOf(path, under(HEAD_PREFIX, tensors), metadata);
  const { architecture } = head, sizes = tokenSizes(path, body, blocks);
  if (architecture.blocks !== sizes.blocks || architecture.width !== sizes.width) {
    throw new UserError(
      "damaged",
      `Cannot load ${path}: expected a head for ${sizes.blocks} tokens of width ${sizes.width}, ` +
        `found one for ${architecture.blocks} of width ${architecture.width}`,
    );
  }
  return { ...head, body, blocks, tensors };
}
