/**
 * The authors' logs as they lie in a clone of mever-team/rine: Python pickles.
 *
 * A pickle can name any Python callable. Here those that put NumPy's numbers and arrays together are
 * known; any other is refused.
 * @module
 */
import { join } from "node:path";
import { Parser } from "pickleparser";
import { UserError } from "../io/errors.ts";
import type { SetScores } from "../metrics.ts";
import { ownName, type PublishedPerturbation, type PublishedRun } from "./logs.ts";
import type { FeaturePoint } from "./points.ts";

/** What a clone holds of runs, perturbations and feature spaces. */
export interface ReleasedLogs {
  /** Training runs, test sets under the released names. */
  readonly runs: readonly PublishedRun[];
  /** Evaluations on perturbed images. */
  readonly perturbations: readonly PublishedPerturbation[];
  /** The points of Figure 1. */
  readonly points: readonly FeaturePoint[];
}

/** Folders of runs under `results/`, and what they are called here. */
const EXPERIMENT_OF = {
  grid: "grid",
  ablations: "ablations",
  epochs: "epochs",
  dataset_size: "dataset_size",
  diffusion: "synthbuster",
} as const;

const DETECTOR_OF = { ours: "RINE", ufd: "UFD", wang: "Wang" } as const;

/** A pickled log of one run. Released: src/utils.py, `train_one_experiment` */
interface Log {
  readonly epochs: number;
  readonly config: {
    readonly training_set: string;
    readonly backbone: readonly [string, number];
    readonly classes?: readonly string[];
    readonly factor: number;
    readonly nproj: number;
    readonly proj_dim: number;
  };
  readonly results: {
    readonly val_loss: readonly number[];
    readonly val_acc: readonly number[];
    readonly test: Readonly<Record<string, SetScores>>;
  };
}

/**
 * Reads the logs in a clone's `results/`.
 * @throws {UserError} where the folder is no such clone
 * @throws {UserError} naming the file, where it is no such log
 */
export async function readReleasedLogs(clone: string): Promise<ReleasedLogs> {
  const runs: PublishedRun[] = [];
  for (const [folder, experiment] of Object.entries(EXPERIMENT_OF)) {
    for (const [name, value] of await pickles(clone, folder)) {
      runs.push(runOf(value as Log, name, experiment));
    }
  }
  const perturbations = (await pickles(clone, "perturbations")).map(([name, test]) => {
    const [, perturbation, trainingClasses] = name.match(/^(\w+)_(\d+)class/) ?? [];
    return {
      perturbation: perturbation!,
      trainingClasses: Number(trainingClasses),
      test: test as Record<string, SetScores>,
    };
  });
  const spaces = new Map(await pickles(clone, "figs"));
  const points = Object.entries(DETECTOR_OF).flatMap(([name, detector]) =>
    pointsOf(spaces.get(`data_2d_${name}`), detector)
  );
  return { runs, perturbations, points };
}

function runOf({ epochs, config, results }: Log, name: string, experiment: string): PublishedRun {
  const [, fraction] = name.match(/_([\d.]+)$/) ?? [];
  const [, ablate] = name.match(/^ncls_\d+_(\w+)/) ?? [];
  return {
    experiment,
    trainingSet: config.training_set ?? "progan",
    backbone: config.backbone[0],
    classes: config.classes ?? null,
    contrastiveWeight: config.factor,
    projectionLayers: config.nproj,
    projectionDim: config.proj_dim,
    epochs,
    valLoss: results.val_loss,
    valAcc: results.val_acc,
    test: results.test,
    ...(experiment === "dataset_size" ? { trainingFraction: Number(fraction) } : {}),
    ...(experiment === "ablations"
      ? { ablate: (ablate === "alpha" ? "tie" : ablate) as NonNullable<PublishedRun["ablate"]> }
      : {}),
  };
}

function pointsOf(space: unknown, detector: string): FeaturePoint[] {
  if (space === undefined) return [];
  const [{ data }, labels, generators] = space as [NumpyArray, number[], string[]];
  return labels.map((label, i) => ({
    detector,
    x: data[2 * i]!,
    y: data[2 * i + 1]!,
    label: label as 0 | 1,
    generator: ownName(generators[i]!),
  }));
}

/** Every pickle of a folder by name without extension, in the names' order. */
async function pickles(clone: string, folder: string): Promise<[string, unknown][]> {
  const path = join(clone, "results", folder);
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(path)) {
      if (name.endsWith(".pickle")) names.push(name);
    }
  } catch {
    throw new UserError(
      "missing",
      `Cannot read the authors' logs: expected a clone of mever-team/rine with ${path}, found none`,
    );
  }
  return await Promise.all(
    names.sort().map(async (name): Promise<[string, unknown]> => [
      name.slice(0, -".pickle".length),
      unpickle(await Deno.readFile(join(path, name)), join(path, name)),
    ]),
  );
}

function unpickle(bytes: Uint8Array, path: string): unknown {
  const parser = new Parser({
    nameResolver: {
      resolve(module, name) {
        const known = CALLABLES[`${module.replace("numpy._core", "numpy.core")}.${name}`];
        if (known === undefined) throw new Error(`a call of ${module}.${name}`);
        return known as (...args: unknown[]) => unknown;
      },
    },
  });
  try {
    return parser.parse(bytes);
  } catch (error) {
    throw new UserError(
      "damaged",
      `Cannot read ${path}: expected a pickled log, found ${(error as Error).message}`,
    );
  }
}

/** NumPy's type of a number: `f8`, `f4`, `i8`. */
class NumpyType {
  constructor(readonly code: string) {}
  /** Called by the parser with version, byte order and fields. */
  __setstate__([, byteOrder]: readonly [number, string]): void {
    if (byteOrder === ">") throw new Error("numbers in big-endian order");
  }
  read(bytes: Uint8Array): number[] {
    const { buffer } = bytes.slice();
    switch (this.code) {
      case "f8":
        return Array.from(new Float64Array(buffer));
      case "f4":
        return Array.from(new Float32Array(buffer));
      case "i8":
        return Array.from(new BigInt64Array(buffer), Number);
      default:
        throw new Error(`numbers of type ${this.code}`);
    }
  }
}

/** A NumPy array's values, row-major. */
class NumpyArray {
  data: readonly number[] = [];
  /** Called by the parser with version, shape, type, order and bytes. */
  __setstate__(
    [, , type, isColumnMajor, bytes]: readonly [number, unknown, NumpyType, boolean, Uint8Array],
  ): void {
    if (isColumnMajor) throw new Error("an array in column-major order");
    this.data = type.read(bytes);
  }
}

const CALLABLES: Readonly<Record<string, unknown>> = {
  "numpy.dtype": (code: string) => new NumpyType(code),
  "numpy.ndarray": NumpyArray,
  "numpy.core.multiarray.scalar": (type: NumpyType, bytes: Uint8Array) => type.read(bytes)[0],
  "numpy.core.multiarray._reconstruct": () => new NumpyArray(),
  "numpy.core.numeric._frombuffer": (
    bytes: Uint8Array,
    type: NumpyType,
    shape: unknown,
    order: string,
  ) => {
    const array = new NumpyArray();
    array.__setstate__([1, shape, type, order === "F", bytes]);
    return array;
  },
};
