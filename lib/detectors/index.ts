/**
 * Every detector there is, and how a checkpoint finds its own.
 * @module
 */
import { listed, UserError } from "../io/errors.ts";
import { readCheckpointNames } from "./checkpoint_file.ts";
import type { DetectorKind } from "./detector.ts";
import rine from "./rine/detector.ts";
import ufdBlockNeighbours from "./ufd/block_neighbours_detector.ts";
import ufdNeighbours from "./ufd/neighbours_detector.ts";
import ufdProbe from "./ufd/probe_detector.ts";

/** All detectors, in the order in which a checkpoint is offered to them. */
export const DETECTORS: readonly DetectorKind[] = [
  rine,
  ufdProbe,
  ufdNeighbours,
  ufdBlockNeighbours,
];

/**
 * A detector by its name in configurations.
 * @throws {UserError} where there is none, with those that there are
 */
export function detectorNamed(name: string): DetectorKind {
  const found = DETECTORS.find((detector) => detector.name === name);
  if (found) return found;
  throw new UserError(
    "usage",
    `Cannot use a detector: expected one of ${
      DETECTORS.map(({ name }) => name).join(", ")
    }; found ${name}`,
  );
}

/**
 * The detector that a checkpoint is of, told by the names of its tensors, and the file's metadata.
 * @throws {UserError} where it is of none, or the file is damaged
 */
export async function detectorOf(
  checkpoint: string,
): Promise<{ kind: DetectorKind; metadata: Readonly<Record<string, string>> }> {
  const { names, metadata } = await readCheckpointNames(checkpoint);
  const kind = DETECTORS.find((detector) => detector.isCheckpoint(names));
  if (kind) return { kind, metadata };
  throw new UserError(
    "damaged",
    `Cannot load ${checkpoint}: expected a checkpoint of ${
      DETECTORS.map(({ title }) => title).join(", ")
    }; found tensors ${listed([...names].slice(0, 3)) || "none"}`,
  );
}
