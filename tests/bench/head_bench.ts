/**
 * One training step of the head beside PyTorch (`apt-get install python3-torch
 * libopenblas0-pthread`), and beside TensorFlow where its native library is installed. The peers
 * step in turns, and the fastest step of each counts, so that what else the machine does counts for
 * none. The floor is what the step's matrix products alone take at ONNX Runtime's own rate.
 *
 * With `GLIBC_TUNABLES=glibc.malloc.hugetlb=1` memory comes in large pages, which saves some 8 %
 * of a step on Linux; PyTorch is timed without it, as its users run it.
 */
import { fileURLToPath } from "node:url";
import type { HeadArchitecture } from "../../lib/detectors/rine/architecture.ts";
import {
  type HeadEngine,
  type HeadTrainer,
  initialState,
} from "../../lib/detectors/rine/engine.ts";
import { openOnnxEngine } from "../../lib/detectors/rine/onnx/engine.ts";
import { openTensorflowEngine } from "../../lib/detectors/rine/tensorflow/engine.ts";
import { hasNativeTensorflow } from "../../lib/detectors/rine/tensorflow/library.ts";
import { GraphBuilder } from "../../lib/onnx/graph.ts";
import { openSession, ortTensor } from "../../lib/onnx/session.ts";
import { randomStream } from "../../lib/random.ts";

const TURNS = 12;
const PAPER = { count: 128, blocks: 24, width: 1024, ablation: "none" } as const;
/** As in the mini profile: what a step costs beside its arithmetic. */
const MINI = { count: 16, blocks: 8, width: 128, ablation: "none" } as const;

/** A head, and how many rows of tokens it learns from in one step. */
type Case = HeadArchitecture & { readonly count: number };

const cases: Case[] = [
  ...[1, 2, 4].flatMap((projectionLayers) =>
    [128, 1024].map((projectionDim) => ({ ...PAPER, projectionLayers, projectionDim }))
  ),
  { ...MINI, projectionLayers: 2, projectionDim: 32 },
];

const random = randomStream("bench");
const values = (length: number) => Float32Array.from({ length }, () => random.normal());
const tokens = values(PAPER.count * PAPER.blocks * PAPER.width);
const labels = Uint8Array.from({ length: PAPER.count }, (_, i) => i % 2);

/** A step of one implementation; gives its milliseconds. */
type Step = () => Promise<number>;

async function engineStep(engine: HeadEngine, { count, ...architecture }: Case) {
  const trainer: HeadTrainer = await engine.trainer({
    architecture,
    contrastiveWeight: 0.2,
    dropout: true,
    dropoutKey: ["bench"],
    state: initialState(architecture, random),
  });
  const length = count * architecture.blocks * architecture.width;
  const batch = { tokens: tokens.subarray(0, length), labels: labels.subarray(0, count), count };
  const step = async () => {
    const start = performance.now();
    await trainer.step(batch, 1e-3);
    return performance.now() - start;
  };
  return { step, dispose: () => trainer.dispose() };
}

/** PyTorch in a process of its own, with a thread for each core; nothing where it is not installed. */
function openTorch() {
  const threads = `${navigator.hardwareConcurrency}`;
  const script = fileURLToPath(new URL("head_torch.py", import.meta.url));
  let process: Deno.ChildProcess;
  try {
    process = new Deno.Command("/usr/bin/python3", {
      args: [script],
      env: { OMP_NUM_THREADS: threads, OPENBLAS_NUM_THREADS: threads, GLIBC_TUNABLES: "" },
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
  } catch {
    return undefined;
  }
  const input = process.stdin.getWriter();
  const answers = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const step = async ({ blocks, width, projectionLayers, projectionDim, count }: Case) => {
    const line = [blocks, width, projectionLayers, projectionDim, count].join(" ");
    await input.write(new TextEncoder().encode(`${line}\n`));
    let answer = "";
    while (!answer.endsWith("\n")) {
      const { value } = await answers.read();
      if (value === undefined) throw new Error("Cannot time PyTorch: its process ended");
      answer += value;
    }
    return Number(answer);
  };
  const close = async () => {
    await input.close();
    await answers.cancel();
    await process.status;
  };
  return { step, close };
}

/** Operations of a step's matrix products: forward, gradients of weights, gradients of inputs. */
function operations({ blocks, width, projectionLayers, projectionDim: d, count }: Case) {
  const rows = count * blocks;
  // the first product's input needs no gradient
  const tokens = 2 * rows * width * d * 2 + 2 * rows * d * d * 3 * (projectionLayers - 1);
  return tokens + 2 * count * d * d * 3 * (projectionLayers + 2);
}

/** Operations a second of ONNX Runtime's matrix product at the size of the head's largest. */
async function productRate(): Promise<number> {
  const [rows, inner, columns] = [3072, 1024, 1024];
  const g = new GraphBuilder();
  const a = g.input("a", "float32", [rows, inner]), b = g.input("b", "float32", [columns, inner]);
  g.output("c", g.op("Gemm", [a, b], { transB: 1 }), "float32", [rows, columns]);
  const session = await openSession(g.build());
  const feeds = {
    a: ortTensor("float32", values(rows * inner), [rows, inner]),
    b: ortTensor("float32", values(columns * inner), [columns, inner]),
  };
  const fetches = {
    c: ortTensor("float32", new Float32Array(rows * columns), [rows, columns]),
  };
  const fastest = await fastestOf([async () => {
    const start = performance.now();
    await session.run(feeds, fetches);
    return performance.now() - start;
  }]);
  await session.release();
  return 2 * rows * inner * columns / fastest[0]! * 1000;
}

/** The fastest of {@linkcode TURNS} steps of each, in turns. */
async function fastestOf(steps: readonly Step[]): Promise<number[]> {
  const fastest = steps.map(() => Infinity);
  for (let turn = 0; turn < TURNS; turn++) {
    for (const [i, step] of steps.entries()) {
      // OpenBLAS's threads spin for a while after their work
      await new Promise((resume) => setTimeout(resume, 100));
      fastest[i] = Math.min(fastest[i]!, await step());
    }
  }
  return fastest;
}

const torch = openTorch();
const onnx = await openOnnxEngine();
const tensorflow = await hasNativeTensorflow() ? await openTensorflowEngine() : undefined;
const rate = await productRate();
// deno-lint-ignore no-console
const print = console.log;
print(
  `${onnx.backend}; ${tensorflow?.backend ?? "no native TensorFlow"}; ${torch ? "" : "no "}PyTorch`,
);
print(`matrix products run at ${(rate / 1e9).toFixed(0)} GFLOP/s; milliseconds of one step:`);
print("batch  n    d q   d′    onnx   torch  ratio  tensorflow  GFLOP   floor");
for (const one of cases) {
  const engines = [onnx, ...(tensorflow ? [tensorflow] : [])];
  const ours = await Promise.all(engines.map((engine) => engineStep(engine, one)));
  const steps = ours.map(({ step }) => step);
  if (torch) steps.push(() => torch.step(one));
  const [fastest = NaN, ...others] = await fastestOf(steps);
  const ofTorch = torch ? others.at(-1)! : NaN, ofTensorflow = tensorflow ? others[0]! : NaN;
  const { blocks, width, projectionLayers, projectionDim, count } = one;
  const work = operations(one);
  const cells: [string | number, number][] = [
    [count, 5],
    [blocks, 3],
    [width, 5],
    [projectionLayers, 2],
    [projectionDim, 5],
    [fastest.toFixed(1), 8],
    [ofTorch.toFixed(1), 8],
    [(fastest / ofTorch).toFixed(2), 7],
    [ofTensorflow.toFixed(1), 12],
    [(work / 1e9).toFixed(2), 7],
    [(work / rate * 1000).toFixed(1), 8],
  ];
  print(cells.map(([cell, length]) => `${cell}`.padStart(length)).join(""));
  for (const { dispose } of ours) await dispose();
}
await torch?.close();
await onnx.dispose();
