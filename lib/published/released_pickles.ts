/**
 * The authors' logs as they lie in a clone of mever-team/rine: Python pickles.
 *
 * A pickle can name any Python callable. Here those that put NumPy's numbers and arrays together are
 * known; any other is refused.
 * @module
 */
import { join } from "node:path";
import { Parser } from "pickleparser";
import * as v from "valibot";
import { quoted, UserError } from "../io/errors.ts";
import { checkForm, COUNT } from "../io/json.ts";
import { ForwardReader, pickleProblem } from "../io/pytorch_pickle.ts";
import { assertFile } from "../io/regular.ts";
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

const NUMBERS = v.pipe(v.array(v.number()), v.minLength(1, "a number"));
const SCORES = v.record(v.string(), v.looseObject({ acc: v.number(), ap: v.number() }));

const LOG = v.looseObject({
  epochs: COUNT,
  config: v.looseObject({
    training_set: v.optional(v.string()),
    backbone: v.looseTuple([v.string()]),
    classes: v.optional(v.nullable(v.array(v.string()))),
    factor: v.number(),
    nproj: COUNT,
    proj_dim: COUNT,
  }),
  results: v.looseObject({ val_loss: NUMBERS, val_acc: NUMBERS, test: SCORES }),
});

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
    for (const { path, name, value } of await pickles(clone, folder)) {
      runs.push(runOf(checkForm<Log>(value, LOG, `Cannot read ${path}`), name, experiment));
    }
  }
  const perturbations = (await pickles(clone, "perturbations")).map(({ path, name, value }) => {
    const [, perturbation, trainingClasses] = name.match(/^(\w+)_(\d+)class/) ?? [];
    if (perturbation === undefined) {
      throw new UserError(
        "damaged",
        `Cannot read ${path}: expected a name as blur_4class.pickle, found another`,
      );
    }
    return {
      perturbation,
      trainingClasses: Number(trainingClasses),
      test: checkForm<Record<string, SetScores>>(value, SCORES, `Cannot read ${path}`),
    };
  });
  const spaces = await pickles(clone, "figs");
  const points = Object.entries(DETECTOR_OF).flatMap(([name, detector]) => {
    const space = spaces.find((one) => one.name === `data_2d_${name}`);
    return space ? pointsOf(space, detector) : [];
  });
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

function pointsOf({ path, value }: Pickle, detector: string): FeaturePoint[] {
  const [{ data }, labels, generators] = checkForm<[NumpyArray, (0 | 1)[], string[]]>(
    value,
    SPACE,
    `Cannot read ${path}`,
  );
  return labels.map((label, i) => ({
    detector,
    x: data[2 * i]!,
    y: data[2 * i + 1]!,
    label,
    generator: ownName(generators[i]!),
  }));
}

/** A pickle of a folder. */
interface Pickle {
  readonly path: string;
  /** The file's, without extension. */
  readonly name: string;
  readonly value: unknown;
}

const MAX_BYTES = 2 ** 24;

/** Every pickle of a folder, in the order of their names. */
async function pickles(clone: string, folder: string): Promise<Pickle[]> {
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
    names.sort().map(async (name): Promise<Pickle> => {
      const file = join(path, name);
      await assertFile(file, MAX_BYTES);
      const value = unpickle(await Deno.readFile(file), file);
      return { path: file, name: name.slice(0, -".pickle".length), value };
    }),
  );
}

function unpickle(bytes: Uint8Array, path: string): unknown {
  const parser = new Parser({
    nameResolver: {
      resolve(module, name) {
        const full = `${module.replace("numpy._core", "numpy.core")}.${name}`;
        const known = Object.hasOwn(CALLABLES, full) ? CALLABLES[full] : undefined;
        if (known === undefined) throw new Error(`a call of ${quoted(`${module}.${name}`)}`);
        return known as (...args: unknown[]) => unknown;
      },
    },
  });
  try {
    return parser.read(new ForwardReader(bytes, bytes.length));
  } catch (error) {
    throw new UserError(
      "damaged",
      `Cannot read ${path}: expected a pickled log, found ${pickleProblem(error)}`,
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

/** Points, two numbers each; whether each is of a generated image, and of which set. */
const SPACE = v.pipe(
  v.looseTuple([v.instance(NumpyArray), v.array(v.picklist([0, 1])), v.array(v.string())]),
  v.check(
    ([{ data }, labels, sets]) =>
      data.length === 2 * labels.length && labels.length === sets.length &&
      data.every(Number.isFinite),
    "as many points as labels and sets",
  ),
);

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
