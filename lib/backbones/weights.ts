/**
 * Weights of any network: a file's tensors tell which one it is.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { readSafetensorsHeader, type SafetensorsHeader } from "../io/safetensors.ts";
import type { WeightsSettings } from "./families/family.ts";
import type { Network } from "./network.ts";
import { resnetNetwork } from "./resnet/network.ts";
import { resnetFamilyOf, resnetIn, type ResnetWeights } from "./resnet/weights.ts";
import { vitNetwork } from "./vit/network.ts";
import { findVit, type VitWeights, vitWeights } from "./vit/weights.ts";

/** A network's weights in a file. */
export type Weights = VitWeights | ResnetWeights;

/**
 * Reads a weights file's header and finds the network in it.
 * @param settings what is known of the file and cannot be read from it; it goes before the family's
 * @throws {UserError} where the file is not whole, its names are no family's, its tensors do not fit
 * one another, or a setting is none of the network's
 */
export async function readWeights(path: string, settings?: WeightsSettings): Promise<Weights> {
  return weightsOf(await readSafetensorsHeader(path), settings);
}

/**
 * Finds the network among a file's tensors.
 * @throws {UserError} as {@linkcode readWeights}
 */
export function weightsOf(header: SafetensorsHeader, settings?: WeightsSettings): Weights {
  const family = resnetFamilyOf(header);
  return family ? resnetIn(header, family, settings) : vitWeights(findVit(header), settings);
}

/** Whether weights are a ResNet's. */
export function isResnet(weights: Weights): weights is ResnetWeights {
  return "stages" in weights.architecture;
}

/** The network that weights are of. */
export function networkOf(weights: Weights): Network {
  return isResnet(weights) ? resnetNetwork(weights) : vitNetwork(weights);
}

/**
 * Refuses networks whose weights are not stored as 8-bit integers.
 * @param doing what the error says first: `Cannot quantize RN50`
 * @throws {UserError} where they are a ResNet's
 */
export function assertQuantizable(weights: Weights, doing: string): asserts weights is VitWeights {
  if (!isResnet(weights)) return;
  throw new UserError(
    "usage",
    `${doing}: expected a vision transformer, whose linear layers int8 is for, found a ResNet, which runs at full precision alone`,
  );
}
