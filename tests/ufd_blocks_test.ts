import assert from "node:assert/strict";
import { join } from "node:path";
import { checkpointPath } from "../lib/detectors/detector.ts";
import { detectorNamed, detectorOf } from "../lib/detectors/index.ts";
import { NEIGHBOURS } from "../lib/detectors/ufd/neighbours_head.ts";
import { randomStream } from "../lib/random.ts";
import { writeFeatureSet } from "./feature_sets.ts";
import { temporaryFolder } from "./temporary.ts";

const BLOCKS = 3, WIDTH = 4, BLOCK = 2;
const folder = temporaryFolder("blocks_features_"), results = temporaryFolder("blocks_");
const random = randomStream("blocks");

/** float16 values, which are kept as they are; [count, blocks, width]. */
const draw = (count: number): Float32Array<ArrayBuffer> =>
  Float32Array.from(
    new Float16Array(
      Array.from({ length: count * BLOCKS * WIDTH }, () => random.normal()),
    ),
  );

async function writeSet(name: string, values: Float32Array<ArrayBuffer>): Promise<string> {
  const count = values.length / BLOCKS / WIDTH;
  const images = Array.from({ length: count }, (_, i) => ({
    path: `${name}${i}.png`,
    label: Number(i % 2 > 0) as 0 | 1,
  }));
  const shape = [count, BLOCKS, WIDTH] as const;
  return (await writeFeatureSet(folder, { name, shape, images, source: { tap: "block" } }, values))
    .key;
}

const bank = draw(20), val = draw(6);
const features = {
  folder,
  train: [[await writeSet("train", bank)]],
  val: [await writeSet("val", val)],
};
const HEAD = { ...NEIGHBOURS, block: BLOCK };

const train = (head: typeof HEAD) =>
  detectorNamed("ufd_block_neighbours").train!(
    [{
      key: `block${head.block}`,
      config: {
        detector: "ufd_block_neighbours",
        trainingSet: "own",
        classes: ["thing"],
        fraction: 1,
        backbone: "Tiny",
        batchSize: 1,
        learningRate: 0,
        epochs: 1,
        decayEpochs: [],
        seed: 0,
        head,
      },
      keepEpochs: [1],
    }],
    features,
    { compute: { engine: "onnx" }, folder: results, onRows: () => {} },
  );

/** A row's vector of a block, in float64. */
const vector = (values: Float32Array, row: number, block: number) =>
  Array.from({ length: WIDTH }, (_, i) => values[(row * BLOCKS + block - 1) * WIDTH + i]!);

function distance(a: number[], b: number[]): number {
  const product = a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  return 1 - product / Math.hypot(...a) / Math.hypot(...b);
}

/** Distance to the nearest real image minus that to the nearest generated one, by hand. */
function byHand(row: number, block: number): number {
  const nearest = (label: number) =>
    Math.min(
      ...Array.from({ length: 20 }, (_, i) => i).filter((i) => i % 2 === label)
        .map((i) => distance(vector(val, row, block), vector(bank, i, block))),
    );
  return nearest(0) - nearest(1);
}

Deno.test("one block's vectors are searched: distances are those of that block, by hand", async () => {
  for (const block of [1, BLOCK, BLOCKS]) {
    const [trained] = await train({ ...HEAD, block });
    assert.ok(trained && "epochs" in trained);
    const path = join(results, checkpointPath(`block${block}`, 1));
    const { kind } = await detectorOf(path);
    assert.equal(kind.name, "ufd_block_neighbours");
    assert.deepEqual(await kind.sizesOf(path), { blocks: BLOCKS, width: WIDTH });
    const scorer = await kind.open(path, { engine: "onnx" });
    const logits = await scorer.logits(val, 6);
    logits.forEach((logit, row) => assert.ok(Math.abs(logit - byHand(row, block)) < 1e-5));
    const right = Array.from({ length: 6 }, (_, row) =>
      Number(byHand(row, block) > 0) === row % 2).filter(Boolean).length;
    assert.equal(trained.epochs[0]!.valAcc, right / 6);
    const represented = await scorer.represent(val, 6);
    assert.equal(represented.length, 6 * WIDTH);
    await scorer.dispose();
    assert.ok((await kind.describeCheckpoint(path)).some((line) =>
      line.endsWith(`${block} of 3`)
    ));
  }
});

Deno.test("a block that a network has not, or that is no number, is refused", async () => {
  await assert.rejects(train({ ...HEAD, block: 4 }), /expected a block from 1 to 3, found 4/);
  const { readHead, describeHead } = detectorNamed("ufd_block_neighbours");
  for (const block of [0, 1.5, -1]) {
    assert.throws(
      () => readHead({ ...HEAD, block }),
      /expected block, a whole number from 1, found/,
    );
  }
  assert.throws(() => readHead(NEIGHBOURS), /block, a whole number from 1, found undefined/);
  assert.throws(() => detectorNamed("ufd_neighbours").readHead(HEAD), /found block/);
  assert.equal(describeHead(HEAD), "block 2, k 1, mean");
});
