/**
 * What was written before there were seals gets them, once it was held to what is known of it.
 * @module
 */
import { join } from "node:path";
import { UserError } from "../io/errors.ts";
import { readSafetensors, verifySafetensors } from "../io/safetensors.ts";
import { writeSealedSafetensors } from "../io/safetensors_writer.ts";
import { evaluateScores } from "../metrics.ts";
import { headProblem, type OnDamage } from "./damage.ts";
import { scoredRows } from "./kept_scores.ts";
import { RecordStore, type RunRecord } from "./record.ts";
import { removeScores } from "./scores.ts";
import type { Setup } from "./setup.ts";

/** Gives a file of float32 tensors that is known to be whole its seal, where it has none. */
export async function sealSafetensors(path: string): Promise<void> {
  if (await verifySafetensors(path)) return;
  const { tensors, metadata } = await readSafetensors(path);
  await writeSealedSafetensors(path, tensors, metadata);
}

/** Measures are the same numbers, but for the order in which they are added up. */
const CLOSE = 1e-9;

/**
 * Holds the heads of a record without a seal to its configuration and its scores to the numbers that
 * it says of them, and seals all that agree. Scores whose images are not known stay as they are.
 * @param onDamage told of scores that do not agree; they are taken away with their record
 * @returns whether all agree; else the run is to be done again
 */
export async function sealOlder(
  record: RunRecord,
  setup: Setup,
  onDamage: OnDamage,
): Promise<boolean> {
  const { folder } = setup;
  for (const { checkpoint } of record.evaluations) {
    // who does the run again says what is wrong with its head
    if (await headProblem(join(folder, checkpoint), record) !== undefined) return false;
  }
  const wrong = await wrongScores(record, setup);
  if (wrong) {
    onDamage(
      `Cannot use ${
        join(folder, wrong.scores)
      }: expected the scores that its record was measured ` +
        `on, found others of ${wrong.testSet}; they are made again`,
    );
    // the record first: without it nothing counts as done
    await new RecordStore(folder).remove(record.experiment, record.key);
    await removeScores(folder, record.trainingKey, wrong.epoch);
    return false;
  }
  for (const { checkpoint } of record.evaluations) await sealSafetensors(join(folder, checkpoint));
  await new RecordStore(folder).write(record);
  return true;
}

/** Seals a record's scores, or says which of them are not those that it was measured on. */
async function wrongScores(record: RunRecord, setup: Setup) {
  let rows: Awaited<ReturnType<typeof scoredRows>>;
  try {
    rows = await scoredRows([record], setup);
  } catch (error) {
    if (error instanceof UserError && error.kind !== "disk") return undefined;
    throw error;
  }
  for (const { row, sets } of rows) {
    const { scores } = record.evaluations.find(({ epoch }) => epoch === row.epochs)!;
    for (const [testSet, { labels, scores: found }] of Object.entries(sets)) {
      const measured = evaluateScores(labels, found), said = row.test[testSet]!;
      if (!isClose(measured.acc, said.acc) || !isClose(measured.ap, said.ap)) {
        return { testSet, scores, epoch: row.epochs };
      }
    }
    for (const { name } of Array.from(Deno.readDirSync(join(setup.folder, scores)))) {
      if (name.endsWith(".safetensors")) {
        await sealSafetensors(join(setup.folder, scores, name));
      }
    }
  }
}

/** Whether two measures are one; images of one kind have no AP. */
function isClose(a: number | undefined, b: number | undefined): boolean {
  return a === b || Math.abs(a! - b!) < CLOSE;
}
