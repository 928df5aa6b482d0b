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

const PAIRS = Number(Deno.env.get("RINE_BENCH_PAIRS") ?? 5);
const PYTHON = Deno.env.get("RINE_BENCH_PYTHON") ?? "/usr/bin/python3";

/** What is timed. */
const CASES = [
  { detector: "wang", sizePx: 224, batch: 8, stemStride: 2, repeats: 5 },
  { detector: "wang", sizePx: 224, batch: 1, stemStride: 2, repeats: 10 },
  { detector: "dmid", sizePx: 256, batch: 1, stemStride: 1, repeats: 3 },
] as const;

/** Seconds of a batch, by the clock and of processors: these count on a machine with other work. */
interface Times {
  readonly clock: number;
  readonly processors: number;
}

/** As PyTorch runs it by default and in channels-last order. */
async function torchTimes(
  { sizePx, batch, stemStride, repeats }: typeof CASES[number],
): Promise<Times[]> {
  const script = join(import.meta.dirname!, "detectors_torch.py");
  const args = [script, sizePx, batch, stemStride, repeats].map(String);
  const { stdout, stderr, success } = await new Deno.Command(PYTHON, { args }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim().split("\n").map((line) => {
    const [clock, processors] = line.split(" ").map(Number);
    return { clock: clock!, processors: processors! };
  });
}

async function ourTimes(run: () => Promise<unknown>, repeats: number): Promise<Times> {
  let clock = Infinity, processors = Infinity;
  for (let i = 0; i < repeats; i++) {
    const started = performance.now(), before = process.cpuUsage();
    await run();
    const { user, system } = process.cpuUsage(before);
    clock = Math.min(clock, (performance.now() - started) / 1e3);
    processors = Math.min(processors, (user + system) / 1e6);
  }
  return { clock, processors };
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
  const ratios: Record<keyof Times, number[]> = { clock: [], processors: [] };
  for (let pair = 0; pair < PAIRS; pair++) {
    const ours = await ourTimes(() => scorer.logits(pictures), repeats);
    const torch = await torchTimes(one);
    const shown = ({ clock, processors }: Times) =>
      `${(clock / batch).toFixed(3)} s an image, ${(processors / batch).toFixed(3)} of processors`;
    console.log(`${detector}, ${sizePx} px, ${batch} at once: ${shown(ours)}`);
    torch.forEach((times, i) =>
      console.log(`  PyTorch${i ? ", channels last" : ""}: ${shown(times)}`)
    );
    for (const kind of ["clock", "processors"] as const) {
      ratios[kind].push(Math.min(...torch.map((times) => times[kind])) / ours[kind]);
    }
  }
  await scorer.dispose();
  console.log(
    `${detector}, ${sizePx} px, ${batch} at once: median ${
      median(ratios.clock).toFixed(2)
    } times the ` +
      `rate of PyTorch's better order, ${
        median(ratios.processors).toFixed(2)
      } by processors; peak ` +
      `memory ${(process.resourceUsage().maxRSS / 1e6).toFixed(2)} GB`,
  );
}
Deno.exit(0);
