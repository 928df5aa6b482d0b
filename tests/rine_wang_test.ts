import assert from "node:assert/strict";
import { join } from "node:path";
import { openDetector } from "../lib/detectors/verdict.ts";
import { readModelFile } from "../lib/detectors/checkpoint_file.ts";
import { classifierTensors } from "../lib/detectors/resnet/checkpoint.ts";
import { type HeadArchitecture, initialParameters } from "../lib/detectors/rine/architecture.ts";
import { prefixed, readNetwork } from "../lib/detectors/rine_wang/checkpoint.ts";
import { openTokens, type TokenBlocks, tokenSizes } from "../lib/detectors/rine_wang/tokens.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import { writeSafetensors } from "../lib/io/safetensors_writer.ts";
import { randomStream } from "../lib/random.ts";
import { GOLDENS } from "./goldens.ts";
import { assertClose } from "./head_golden.ts";
import { referenceLoss, valuesOf } from "./head_reference.ts";
import { temporaryFolder } from "./temporary.ts";

const golden = await readSafetensors(join(GOLDENS, "resnet.safetensors"));
const { tensors: wang } = await classifierTensors(join(GOLDENS, "wang.pth"));
const body = new Map([...wang].filter(([name]) => !name.startsWith("fc.")));
const count = Number(golden.metadata["images"]), cropPx = Number(golden.metadata["crop"]);

/** The crop of an image, uint8 [cropPx, cropPx, 3]. */
const cropOf = (image: number) => Uint8Array.from(golden.tensors.get(`crop.rgb_${image}`)!.data);

/** What tokens of an image are: means of stages, behind which zeros stand; [4, width]. */
function expectedTokens(image: number, width: number): Float32Array {
  const tokens = new Float32Array(4 * width);
  for (let stage = 0; stage < 4; stage++) {
    const { data, shape: [, channels] } = golden.tensors.get(`crop.layer${stage + 1}`)!;
    tokens.set(data.subarray(image * channels!, (image + 1) * channels!), stage * width);
  }
  return tokens;
}

async function tokensOf(image: number, blocks: TokenBlocks): Promise<Float32Array> {
  const tokens = await openTokens("wang.pth", body, blocks, { threads: 1 });
  const size = { count: 1, height: cropPx, width: cropPx };
  const found = await tokens.read({ rgb: cropOf(image), ...size });
  await tokens.dispose();
  return found;
}

Deno.test("tokens of stages are the released network's means, with zeros up to the widest", async () => {
  const { blocks, width } = tokenSizes("wang.pth", body, "stages");
  assert.equal(blocks, 4);
  for (let image = 0; image < count; image++) {
    assertClose(await tokensOf(image, "stages"), expectedTokens(image, width), 1e-4, "tokens");
  }
});

Deno.test("each bottleneck has a token, and the last one of a stage is the stage's", async () => {
  const { blocks, width } = tokenSizes("wang.pth", body, "bottlenecks");
  const layers = JSON.parse(golden.metadata["layers"]!) as number[];
  assert.equal(blocks, layers.reduce((sum, one) => sum + one));
  const found = await tokensOf(0, "bottlenecks"), expected = expectedTokens(0, width);
  assert.equal(found.length, blocks * width);
  let last = -1;
  layers.forEach((bottlenecks, stage) => {
    last += bottlenecks;
    assertClose(
      found.subarray(last * width, (last + 1) * width),
      expected.subarray(stage * width, (stage + 1) * width),
      1e-4,
      `stage ${stage}`,
    );
  });
});

/** A checkpoint of the golden's network and a head that is drawn. */
async function writeCheckpoint(blocks: TokenBlocks, changes: Partial<HeadArchitecture> = {}) {
  const sizes = tokenSizes("wang.pth", body, blocks);
  const architecture: HeadArchitecture = {
    ...{ ...sizes, projectionLayers: 2, projectionDim: 8, ablation: "none" },
    ...changes,
  };
  const parameters = initialParameters(architecture, randomStream(0, "head"));
  const path = join(temporaryFolder("rine_wang_"), "detector.safetensors");
  await writeSafetensors(
    path,
    [...prefixed("rine.", parameters), ...prefixed("wang.", body)],
    { detector: "rine_wang", recipe: JSON.stringify({ cropPx, network: { blocks } }) },
  );
  return { path, architecture, parameters };
}

Deno.test("the score of an image is that of RINE's head on these tokens", async () => {
  const { path, architecture, parameters } = await writeCheckpoint("stages");
  await using detector = await openDetector(path);
  assert.deepEqual([detector.title, detector.cropPx], ["RINE w/ Wang", cropPx]);
  for (let image = 0; image < count; image++) {
    const labels = Uint8Array.of(1);
    const tokens = expectedTokens(image, architecture.width);
    const { bce } = referenceLoss(
      architecture,
      valuesOf(parameters),
      { tokens, labels, count: 1 },
      0,
    );
    const rgb = { data: cropOf(image), width: cropPx, height: cropPx };
    const { logit } = await detector.detect(rgb);
    // the cross-entropy of a generated image is ln(1 + e^−logit)
    const expected = -Math.log(Math.expm1(bce));
    assert.ok(Math.abs(logit - expected) <= 1e-3, `${logit} is not ${expected}`);
    assert.equal((await detector.represent([rgb])).data.length, architecture.projectionDim);
  }
});

Deno.test("a head that does not fit its network is refused, and so is a recipe without blocks", async () => {
  const { path } = await writeCheckpoint("stages", { blocks: 3 });
  await assert.rejects(
    openDetector(path),
    /^UserError: Cannot load .*: expected a head for 4 tokens of width \d+, found one for 3 of width \d+$/,
  );
  const rest = { contrastiveWeight: .2, projectionLayers: 2 };
  assert.throws(
    () => readNetwork({ ...rest, projectionDim: 8 }),
    /^UserError: Cannot read tokens of a ResNet: expected blocks, one of bottlenecks, stages; found undefined$/,
  );
  assert.throws(
    () => readNetwork({ ...rest, projectionDim: 0, blocks: "stages" }),
    /expected projectionDim, a whole number from 1, found 0/,
  );
});

Deno.test("a checkpoint of RINE on a ResNet is neither RINE's nor Wang et al.'s", async () => {
  const { path } = await writeCheckpoint("bottlenecks");
  await assert.rejects(openDetector(path, { as: "wang" }), /expected a checkpoint of Wang et al\./);
  const { tensors } = await readModelFile(path);
  const bare = join(temporaryFolder("rine_wang_"), "bare.safetensors");
  await writeSafetensors(bare, [...tensors], {
    recipe: JSON.stringify({ cropPx, network: { blocks: "bottlenecks" } }),
  });
  await using detector = await openDetector(bare);
  assert.equal(detector.title, "RINE w/ Wang");
});
