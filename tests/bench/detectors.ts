/**
 * Images per second of detectors on pixels at full size with random weights, beside PyTorch in the
 * same run.
 *
 *     RINE_BENCH_PYTHON=python3 deno task bench:detectors
 *
 * Needs a Python with PyTorch for the peer, and 100 MB of disk; minutes.
 * @module
 */
import { join } from "node:path";
import process from "node:process";
import { pixelDetectorNamed } from "../../lib/detectors/index.ts";
import { randomStream } from "../../lib/random.ts";
import { temporaryFolder } from "../temporary.ts";
import { writeRandomResnet } from "./random_resnet.ts";

const PAIRS = 5;
const PYTHON = Deno.env.get("RINE_BENCH_PYTHON") ?? "/usr/bin/python3";

/** What is timed. */
const CASES = [
  { detector: "wang", sizePx: 224, batch: 8, stemStride: 2, repeats: 5 },
  { detector: "wang", sizePx: 224, batch: 1, stemStride: 2, repeats: 10 },
  { detector: "dmid", sizePx: 256, batch: 1, stemStride: 1, repeats: 3 },
] as const;

/** Seconds of a batch, as PyTorch runs it by default and in channels-last order. */
async function torchSeconds(
  { sizePx, batch, stemStride, repeats }: typeof CASES[number],
): Promise<number[]> {
  const script = join(import.meta.dirname!, "detectors_torch.py");
  const args = [script, sizePx, batch, stemStride, repeats].map(String);
  const { stdout, stderr, success } = await new Deno.Command(PYTHON, { args }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim().split("\n").map(Number);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

const path = join(Deno.env.get("RINE_BENCH_FOLDER") ?? temporaryFolder(), "resnet50.safetensors");
if (!await Deno.stat(path).catch(() => undefined)) await writeRandomResnet(path);
for (const one of CASES) {
  const { detector, sizePx, batch, repeats } = one;
  const scorer = await pixelDetectorNamed(detector).open(path, { engine: "onnx" });
  const random = randomStream("pictures", sizePx);
  const rgb = Uint8Array.from({ length: batch * sizePx * sizePx * 3 }, () => random.integer(256));
  const pictures = { rgb, count: batch, height: sizePx, width: sizePx };
  await scorer.logits(pictures);
  const plain: number[] = [], last: number[] = [];
  for (let pair = 0; pair < PAIRS; pair++) {
    let ours = Infinity;
    for (let i = 0; i < repeats; i++) {
      const started = performance.now();
      await scorer.logits(pictures);
      ours = Math.min(ours, (performance.now() - started) / 1000);
    }
    const [usual, channelsLast] = await torchSeconds(one) as [number, number];
    plain.push(usual / ours);
    last.push(channelsLast / ours);
    console.log(
      `${detector}, ${sizePx} px, ${batch} at once: ${
        (ours / batch).toFixed(3)
      } s an image, PyTorch ` +
        `${(usual / batch).toFixed(3)}, channels last ${(channelsLast / batch).toFixed(3)}`,
    );
  }
  await scorer.dispose();
  console.log(
    `${detector}, ${sizePx} px, ${batch} at once: median ${
      median(plain).toFixed(2)
    } times PyTorch's ` +
      `rate, ${median(last).toFixed(2)} times in channels-last order; peak memory ` +
      `${(process.resourceUsage().maxRSS / 1e6).toFixed(2)} GB`,
  );
}
Deno.exit(0);
