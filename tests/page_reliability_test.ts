import assert from "node:assert/strict";
import { join } from "node:path";
import { findCandidates } from "../lib/page/candidates.ts";
import { ratesOf, recordOf } from "../lib/page/error_rates.ts";
import { binOf, countReliability, reliabilityOf } from "../lib/page/reliability.ts";
import { executeSmall, makeSmallWorld, smallRun, smallSetup } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

Deno.test("scores are counted in tenths, with 1 in the last", () => {
  const counted = countReliability([
    ...[{ score: 0, label: 0 }, { score: .0999, label: 1 }, { score: .1, label: 0 }],
    ...[{ score: .95, label: 1 }, { score: 1, label: 1 }, { score: 1, label: 0 }],
  ]);
  const { pictures, generated, bins } = counted;
  assert.deepEqual([pictures, generated], [6, 3]);
  assert.deepEqual(bins.map(({ pictures }) => pictures), [2, 1, 0, 0, 0, 0, 0, 0, 0, 3]);
  assert.deepEqual(bins.map(({ generated }) => generated), [1, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
  assert.deepEqual(binOf(counted, .12), { from: .1, to: .2, pictures: 1, generated: 0 });
  assert.equal(binOf(counted, 1), bins[9]);
});

Deno.test("a head's record says how often it was wrong, and its scores say the same", async () => {
  const data = temporaryFolder(), results = temporaryFolder();
  await makeSmallWorld(data);
  const { records: [made] } = await executeSmall(data, [smallRun()], results);
  const { trainingKey, evaluations: [{ checkpoint, test }] } = made as NonNullable<typeof made> & {
    evaluations: [NonNullable<typeof made>["evaluations"][number]];
  };
  const head = join(results, checkpoint);
  const record = await recordOf(head, trainingKey);
  assert.equal(record?.key, made!.key);
  assert.equal(await recordOf(head, "0123456789abcdef"), undefined);

  const sets = Object.entries(test), wrong = sets.map(([, { acc }]) => 1 - acc);
  const rates = ratesOf(record!)!;
  assert.equal(rates.testSets, 2);
  assert(Math.abs(rates.wrong - (wrong[0]! + wrong[1]!) / 2) < 1e-12);
  assert.equal(rates.worst.wrong, Math.max(...wrong));
  assert.equal(rates.worst.set, sets[wrong.indexOf(Math.max(...wrong))]![0]);

  const [candidate] = await findCandidates({ main: head, detectors: join(data, "none") });
  assert.deepEqual(candidate!.errors, rates);
  assert.match(candidate!.title, /^RINE, 1 class$/);

  const { pictures, generated, bins } = (await reliabilityOf(record!, smallSetup(data, results)))!;
  // sets of equal size: what is on the wrong side of the threshold is what was judged wrong
  const misjudged = bins.reduce(
    (sum, bin) => sum + (bin.to <= .5 ? bin.generated : bin.pictures - bin.generated),
    0,
  );
  assert.equal(generated, pictures / 2);
  assert(Math.abs(misjudged / pictures - rates.wrong) < 1e-9, `${misjudged} of ${pictures}`);

  // without features there are no labels
  const elsewhere = smallSetup(data, results, { tokens: join(data, "none") });
  assert.equal(await reliabilityOf(record!, elsewhere), undefined);
});
