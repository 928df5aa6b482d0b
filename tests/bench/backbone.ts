/**
 * Images per second of full-size backbones with random weights, beside PyTorch in the same run; how
 * fast int8 is and how near its tokens are; session start; and whether decoding keeps up.
 *
 *     deno task bench:backbone
 *
 * Needs a Python with PyTorch for the peer (RINE_BENCH_PYTHON, else python3; g++ for what it compiles),
 * 3 GB of disk and minutes.
 * @module
 */
import { join } from "node:path";
import process from "node:process";
import sharp from "sharp";
import type { Backbone } from "../../lib/backbones/backbone.ts";
import { openBackbone, weightsPath } from "../../lib/backbones/open.ts";
import { quantizedPath, quantizeWeights } from "../../lib/backbones/quantize.ts";
import { buildVitGraph } from "../../lib/backbones/vit/graph.ts";
import { readVitWeights } from "../../lib/backbones/vit/weights.ts";
import { extractFeatures } from "../../lib/tokens/extract.ts";
import { GraphBuilder } from "../../lib/onnx/graph.ts";
import { openSession, ortTensor } from "../../lib/onnx/session.ts";
import { randomStream } from "../../lib/random.ts";
import { SIZES, writeRandomVit } from "./random_vit.ts";
import { TextLineStream } from "../../lib/io/lines.ts";
import { temporaryFolder } from "../temporary.ts";

const PAIRS = 5;
const BATCH = { "ViT-B/32": 8, "ViT-L/14": 4 } as const;

const folder = Deno.env.get("RINE_BENCH_FOLDER") ?? temporaryFolder();

function randomCrops(count: number, sizePx: number): Uint8Array {
  const random = randomStream("crops", count);
  return Uint8Array.from({ length: count * sizePx * sizePx * 3 }, () => random.integer(256));
}

async function secondsOf(backbone: Backbone, rgb: Uint8Array, count: number, repeats: number) {
  await backbone.featuresOfCrops(rgb, count);
  const times: number[] = [];
  for (let i = 0; i < repeats; i++) {
    const started = performance.now();
    await backbone.featuresOfCrops(rgb, count);
    times.push((performance.now() - started) / 1000);
  }
  return median(times);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

/** PyTorch in a process that stays: its modes, and the median seconds of a batch in one of them. */
async function openTorch(name: keyof typeof SIZES, repeats: number) {
  const { resolutionPx, patchPx, width, blocks } = SIZES[name];
  const script = join(import.meta.dirname!, "backbone_torch.py");
  const args = [script, resolutionPx, patchPx, width, blocks, BATCH[name], repeats].map(String);
  const python = Deno.env.get("RINE_BENCH_PYTHON") ?? "/usr/bin/python3";
  const child = new Deno.Command(python, { args, stdin: "piped", stdout: "piped" }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream()).getReader();
  const next = async () => {
    const { value } = await lines.read();
    if (value === undefined) throw new Error(`Cannot time PyTorch: ${python} has ended`);
    return value;
  };
  const input = child.stdin.getWriter();
  return {
    modes: (await next()).split(","),
    async seconds(mode: string) {
      await input.write(new TextEncoder().encode(`${mode}\n`));
      return Number(await next());
    },
    async close() {
      await input.close();
      await child.status;
    },
  };
}

function peakMemoryBytes(): number {
  return process.resourceUsage().maxRSS * 1024;
}

async function timeBackbone(name: keyof typeof SIZES): Promise<void> {
  const path = weightsPath(folder, name);
  await Deno.mkdir(join(path, ".."), { recursive: true });
  if (!await Deno.stat(path).catch(() => undefined)) await writeRandomVit(path, SIZES[name]);
  const count = BATCH[name];
  const rgb = randomCrops(count, SIZES[name].resolutionPx);
  const repeats = name === "ViT-L/14" ? 3 : 10;

  const started = performance.now();
  await using full = await openBackbone(name, { folder });
  await full.open();
  const startSeconds = (performance.now() - started) / 1000;
  console.log(`${name}: session start ${startSeconds.toFixed(1)} s`);

  const quantized = quantizedPath(path);
  if (!await Deno.stat(quantized).catch(() => undefined)) {
    await quantizeWeights(await readVitWeights(path), quantized);
  }
  await using int8 = await openBackbone(name, { folder, precision: "int8" });
  const torch = await openTorch(name, repeats);
  const peers = torch.modes.map((mode) => `PyTorch ${mode}`);
  // one after the other, so that what else the machine does meets all
  const rounds: number[][] = [];
  for (let round = 0; round < PAIRS; round++) {
    const row = [];
    for (const backbone of [full, int8]) row.push(await secondsOf(backbone, rgb, count, repeats));
    for (const mode of torch.modes) row.push(await torch.seconds(mode));
    rounds.push(row.map((seconds) => 1000 * seconds / count));
  }
  await torch.close();
  for (const [way, label] of ["ours float32", "ours int8", ...peers].entries()) {
    const times = rounds.map((row) => row[way]!);
    console.log(
      `${name}: ${label} ${median(times).toFixed(1)} ms an image (${
        times.map((ms) => ms.toFixed(1)).join(", ")
      })`,
    );
  }
  for (const [ours, kind] of ["float32", "bfloat16"].entries()) {
    const ratios = rounds.map((row) =>
      Math.min(...row.slice(2).filter((_, m) => torch.modes[m]!.startsWith(kind))) / row[ours]!
    );
    console.log(
      `${name}: ${["float32", "int8"][ours]} ${
        median(ratios).toFixed(2)
      } times the rate of PyTorch's faster ${kind} (${
        ratios.map((ratio) => ratio.toFixed(2)).join(", ")
      })`,
    );
  }

  const { size } = await Deno.stat(path);
  console.log(
    `${name}: peak memory ${(peakMemoryBytes() / 1e9).toFixed(2)} GB for ${
      (size / 1e9).toFixed(2)
    } GB of weights`,
  );
  await timeOperators(name);

  const { width, blocks } = SIZES[name];
  const [a, b] = [await full.featuresOfCrops(rgb, count), await int8.featuresOfCrops(rgb, count)];
  const cosines = Array.from({ length: blocks }, (_, block) => {
    let sum = 0;
    for (let image = 0; image < count; image++) {
      const at = (image * blocks + block) * width;
      sum += cosine(a.data.subarray(at, at + width), b.data.subarray(at, at + width));
    }
    return (sum / count).toFixed(5);
  });
  console.log(`${name}: cosine of int8 tokens by block: ${cosines.join(" ")}`);
}

/** Milliseconds an image by kind of operator, from ONNX Runtime's own profile. */
async function timeOperators(name: keyof typeof SIZES): Promise<void> {
  const path = weightsPath(folder, name);
  const weights = await readVitWeights(path);
  const traces = temporaryFolder();
  const session = await openSession(
    buildVitGraph(weights, { taps: ["ln2"], input: "rgb", compute: "float32" }),
    { weightsFolder: join(path, ".."), profilePrefix: join(traces, "trace") },
  );
  const count = BATCH[name], runs = 10;
  const { resolutionPx } = SIZES[name];
  const shape = [count, resolutionPx, resolutionPx, 3];
  const images = ortTensor("uint8", randomCrops(count, resolutionPx), shape);
  for (let i = 0; i < runs; i++) await session.run({ images });
  session.endProfiling();
  const [trace] = Array.from(Deno.readDirSync(traces), (entry) => entry.name);
  const events: { name: string; dur: number; args?: { op_name?: string } }[] = JSON.parse(
    await Deno.readTextFile(join(traces, trace!)),
  );
  const microseconds: Record<string, number[]> = {};
  for (const { name, dur, args } of events) {
    const operator = args?.op_name;
    if (operator === undefined || !name.endsWith("_kernel_time")) continue;
    const kind = /Gemm|MatMul/.test(operator)
      ? "matrix products"
      : /Attention/.test(operator)
      ? "attention"
      : /Gelu/.test(operator)
      ? "GELU"
      : /Normalization/.test(operator)
      ? "normalisation"
      : "the rest";
    (microseconds[kind] ??= []).push(dur);
  }
  const total = Object.values(microseconds).flat().reduce((sum, time) => sum + time, 0);
  const shares = Object.entries(microseconds)
    .map(([kind, times]) => [kind, times.reduce((sum, time) => sum + time, 0)] as const)
    .sort(([, a], [, b]) => b - a)
    .map(([kind, time]) =>
      `${kind} ${(time / 1000 / runs / count).toFixed(1)} ms (${(100 * time / total).toFixed(0)} %)`
    );
  console.log(`${name}: an image takes ${shares.join(", ")}`);
  await session.release();

  // what the same matrix products take alone: no float32 encoder on this machine is faster
  const { patchPx, width, blocks } = SIZES[name];
  const rows = (resolutionPx / patchPx) ** 2 + 1;
  const perBlock = 2 * rows * width * 12 * width;
  const lastBlock = 2 * (rows * 2 * width * width + 2 * width * width);
  const gflop = (perBlock * (blocks - 1) + lastBlock + 2 * rows * 3 * patchPx ** 2 * width) / 1e9;
  const rate = await gemmRate(count * rows, width);
  console.log(
    `${name}: ${gflop.toFixed(1)} GFLOP of matrix products an image at ${
      rate.toFixed(0)
    } GFLOP/s: the floor is ${(1000 * gflop / rate).toFixed(1)} ms`,
  );
}

/** GFLOP/s of one product [rows, width] × [width, 4 · width] with constant weights. */
async function gemmRate(rows: number, width: number): Promise<number> {
  const g = new GraphBuilder();
  const random = randomStream("gemm", rows);
  const values = (length: number) => Float32Array.from({ length }, () => random.uniform() - .5);
  const x = g.input("x", "float32", [rows, width]);
  const matrix = g.float(values(4 * width * width), [4 * width, width]);
  g.output("y", g.op("Gemm", [x, matrix], { transB: 1 }), "float32", [rows, 4 * width]);
  const session = await openSession(g.build());
  const feeds = { x: ortTensor("float32", values(rows * width), [rows, width]) };
  let best = Infinity;
  for (let i = 0; i < 30; i++) {
    const started = performance.now();
    await session.run(feeds);
    best = Math.min(best, performance.now() - started);
  }
  await session.release();
  return 2 * rows * width * 4 * width / best / 1e6;
}

function cosine(a: Float32Array, b: Float32Array): number {
  let product = 0, aSquared = 0, bSquared = 0;
  for (let i = 0; i < a.length; i++) {
    product += a[i]! * b[i]!;
    aSquared += a[i]! ** 2;
    bSquared += b[i]! ** 2;
  }
  return product / Math.sqrt(aSquared * bSquared);
}

const IMAGES = 512, FIRST = 64;

/** Extraction from files against the backbone alone: does decoding keep up? */
async function timeExtraction(): Promise<void> {
  const root = temporaryFolder();
  const images = [];
  for (let i = 0; i < IMAGES; i++) {
    const random = randomStream("jpeg", i);
    const raw = { width: 32, height: 32, channels: 3 } as const;
    const noise = Uint8Array.from({ length: 32 * 32 * 3 }, () => random.integer(256));
    const path = `${i}.jpg`;
    await sharp(noise, { raw }).resize(256, 256).jpeg({ quality: 95 }).toFile(join(root, path));
    images.push({ path, label: 0, generator: "bench" } as const);
  }
  await using backbone = await openBackbone("ViT-B/32", { folder });
  const transform = { kind: "center", size: 224 } as const;
  const rgb = randomCrops(8, 224);
  for (let pair = 0; pair < PAIRS; pair++) {
    const alone = 8 / await secondsOf(backbone, rgb, 8, 10);
    const started = performance.now();
    let warm = started;
    await extractFeatures([{
      images,
      generator: "bench",
      transform,
      seed: 0,
      epoch: pair,
      backbones: [backbone],
    }], {
      root,
      folder: join(root, `tokens${pair}`),
      batchSize: 8,
      workers: navigator.hardwareConcurrency,
      onProgress: ({ done }) => {
        if (done === FIRST) warm = performance.now();
      },
    });
    const rate = (IMAGES - FIRST) / ((performance.now() - warm) / 1000);
    console.log(
      `ViT-B/32: ${rate.toFixed(1)} images/s from JPEG files, ${
        alone.toFixed(1)
      } by the backbone alone: ${(100 * rate / alone).toFixed(0)} %; the first ${FIRST} took ${
        ((warm - started) / 1000).toFixed(1)
      } s, start of the workers included`,
    );
  }
  await Deno.remove(root, { recursive: true });
}

const wanted = Deno.args.length > 0 ? Deno.args : [...Object.keys(SIZES), "extraction"];
for (const name of Object.keys(SIZES) as (keyof typeof SIZES)[]) {
  if (wanted.includes(name)) await timeBackbone(name);
}
if (wanted.includes("extraction")) await timeExtraction();
Deno.exit(0);
