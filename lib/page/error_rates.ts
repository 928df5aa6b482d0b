/**
 * How often a head was wrong: what the records of a reproduction on this machine say of it.
 * @module
 */
import { dirname, join } from "node:path";
import { UserError } from "../io/errors.ts";
import { RecordStore, type RunRecord } from "../runs/record.ts";
import { THRESHOLD } from "../metrics.ts";

/** How often a head was wrong on the test sets that it was tried on. */
export interface ErrorRates {
  /** Number of test sets. */
  readonly testSets: number;
  /** Share of real images that were called generated, mean over the sets that have real ones. */
  readonly realCalledGenerated?: number;
  /** Share of generated images that were called real, mean over the sets that have generated ones. */
  readonly generatedCalledReal?: number;
  /** Share of images that were judged wrong, mean over the sets. */
  readonly wrong: number;
  /** The set on which it was wrong most often. */
  readonly worst: { readonly set: string; readonly wrong: number };
  /** Mean gap between score and share of generated images: 0 of a calibrated probability. */
  readonly calibrationError?: number;
  /** Scores above it were taken as "generated". */
  readonly threshold: number;
}

/**
 * The record of a head, in which it was tried on test sets as they are.
 * @param head path of its checkpoint, in a profile's results folder or one below
 * @param key its training's, as the checkpoint says it
 * @returns `undefined` where no record is of it
 */
export async function recordOf(head: string, key: string): Promise<RunRecord | undefined> {
  for (const folder of [dirname(head), dirname(dirname(head))]) {
    const record = await findRecord(folder, key);
    if (record) return record;
  }
  return undefined;
}

async function findRecord(folder: string, key: string): Promise<RunRecord | undefined> {
  const store = new RecordStore(folder);
  for (const experiment of ["grid", ...namesIn(join(folder, "records"))]) {
    for (const name of namesIn(join(folder, "records", experiment))) {
      if (!name.endsWith(".json")) continue;
      const path = join(folder, "records", experiment, name);
      if (!(await Deno.readTextFile(path)).includes(`"trainingKey": "${key}"`)) continue;
      const record = await readable(store, experiment, name.slice(0, -".json".length));
      const { view, sample } = record?.config.evaluation ?? {};
      if (record?.trainingKey === key && view === "center" && sample === undefined) return record;
    }
  }
  return undefined;
}

/** A record that is damaged says nothing; `deno task reproduce` makes it again. */
async function readable(store: RecordStore, experiment: string, key: string) {
  try {
    return await store.find(experiment, key);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

function namesIn(folder: string): string[] {
  try {
    return Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return [];
    }
    throw error;
  }
}

/** What a record says of how often its head was wrong. */
export function ratesOf({ evaluations }: RunRecord): ErrorRates | undefined {
  const sets = Object.entries(evaluations.at(-1)?.test ?? {});
  if (sets.length === 0) return undefined;
  const mean = (of: (scores: typeof sets[number][1]) => number | undefined) => {
    const values = sets.flatMap(([, scores]) => of(scores) ?? []);
    return values.length === 0
      ? undefined
      : values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  const [set, { acc }] = sets.reduce((worst, one) => one[1].acc < worst[1].acc ? one : worst);
  const real = mean(({ accReal }) => accReal), generated = mean(({ accGenerated }) => accGenerated);
  const calibrationError = mean(({ ece }) => ece);
  return {
    testSets: sets.length,
    wrong: 1 - mean(({ acc }) => acc)!,
    worst: { set, wrong: 1 - acc },
    ...(real === undefined ? {} : { realCalledGenerated: 1 - real }),
    ...(generated === undefined ? {} : { generatedCalledReal: 1 - generated }),
    ...(calibrationError === undefined ? {} : { calibrationError }),
    threshold: THRESHOLD,
  };
}
