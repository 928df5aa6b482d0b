/**
 * How fast full-size networks of detectors on pixels are, with random weights, beside PyTorch in the
 * same run, turn by turn: Patch-Forensics' Xception at 299, and the gradient picture of LGrad's
 * discriminator at 256. Says what convolutions alone take of it.
 *
 *     RINE_BENCH_PYTHON=/path/to/python deno run -A tests/bench/pixel_networks.ts [patches | gradient]
 *
 * Needs a Python with PyTorch 2; `python3` where nothing else is said.
 * @module
 */
import { join } from "node:path";
import { CheckpointTensors } from "../../lib/detectors/checkpoint_tensors.ts";
import { buildGradientGraph } from "../../lib/detectors/lgrad/discriminator.ts";
import { buildPatchNetwork } from "../../lib/detectors/patch_forensics/graph.ts";
import { sizeOf, type Tensor, tensor } from "../../lib/io/tensor.ts";
import { openSession, ortTensor } from "../../lib/onnx/session.ts";
import { randomStream } from "../../lib/random.ts";
import { temporaryFolder } from "../temporary.ts";

const TURNS = 15;

/** A network: names and shapes of its tensors, what it is built with, and what goes through at once. */
interface Timed {
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly build: (tensors: CheckpointTensors) => Uint8Array;
  readonly count: number;
  readonly sizePx: number;
}

const NETWORKS: Readonly<Record<string, Timed>> = {
  patches: {
    shapes: xceptionShapes(),
    build: (tensors) => buildPatchNetwork(tensors).graph,
    ...{ count: 4, sizePx: 299 },
  },
  gradient: {
    shapes: discriminatorShapes(256),
    build: (tensors) => buildGradientGraph(tensors),
    ...{ count: 1, sizePx: 256 },
  },
};

function xceptionShapes() {
  const shapes = new Map<string, number[]>();
  const unit = (conv: string, norm: string, ...shape: number[]) => {
    shapes.set(`${conv}.weight`, shape);
    for (const part of ["weight", "bias", "running_mean", "running_var"]) {
      shapes.set(`${norm}.${part}`, [shape[0]!]);
    }
  };
  const separable = (conv: string, norm: string, outputs: number, inputs: number) => {
    shapes.set(`${conv}.conv1.weight`, [inputs, 1, 3, 3]);
    unit(`${conv}.pointwise`, norm, outputs, inputs, 1, 1);
  };
  unit("conv1", "bn1", 32, 3, 3, 3);
  unit("conv2", "bn2", 64, 32, 3, 3);
  [[64, 128], [128, 256]].forEach(([inputs, outputs], i) => {
    const block = `block${i + 1}`, first = i; // block 1 has no ReLU at its beginning
    unit(`${block}.skip`, `${block}.skipbn`, outputs!, inputs!, 1, 1);
    separable(`${block}.rep.${first}`, `${block}.rep.${first + 1}`, outputs!, inputs!);
    separable(`${block}.rep.${first + 3}`, `${block}.rep.${first + 4}`, outputs!, outputs!);
  });
  shapes.set("convout.weight", [2, 256, 1, 1]);
  shapes.set("convout.bias", [2]);
  return shapes;
}

function discriminatorShapes(resolution: number) {
  const shapes = new Map<string, number[]>();
  const channels = (size: number) => Math.min(16384 / size, 512);
  const layer = (name: string, ...shape: number[]) => {
    shapes.set(`${name}.weight`, shape);
    shapes.set(`${name}.bias`, [shape[0]!]);
  };
  layer("input0", channels(resolution), 3, 1, 1);
  let index = 0;
  for (let size = resolution; size > 4; size /= 2, index += 2) {
    layer(`layer${index}`, channels(size), channels(size), 3, 3);
    layer(`layer${index + 1}`, channels(size / 2), channels(size), 3, 3);
    shapes.set(`layer${index + 1}.blur.kernel`, [channels(size), 1, 3, 3]);
  }
  layer(`layer${index}`, 512, channels(4) + 1, 3, 3);
  layer(`layer${index + 1}`, 512, channels(4) * 16);
  layer(`layer${index + 2}`, 1, 512);
  return shapes;
}

/** Weights about 0, all else about 1: activations stay in range. */
function randomTensors(shapes: Timed["shapes"]): Map<string, Tensor> {
  return new Map([...shapes].map(([name, shape]) => {
    const random = randomStream("random weights", name);
    const blur = [1, 2, 1, 2, 4, 2, 1, 2, 1];
    const value = (i: number) =>
      name.endsWith("blur.kernel")
        ? blur[i % 9]! / 16
        : shape.length > 1
        ? random.uniform(-1.7, 1.7) / (name.startsWith("layer") || name.startsWith("input")
          ? 1
          : Math.sqrt(sizeOf(shape.slice(1)) / 2))
        : /(weight|var)$/.test(name)
        ? 1
        : random.uniform(-.1, .1);
    return [name, tensor(Float32Array.from({ length: sizeOf(shape) }, (_, i) => value(i)), shape)];
  }));
}

/** A process that computes when it is told to, and says how long it took. */
class Peer implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;

  constructor(...args: (string | number)[]) {
    const script = join(import.meta.dirname!, "pixel_networks_torch.py");
    this.#process = new Deno.Command(Deno.env.get("RINE_BENCH_PYTHON") ?? "python3", {
      args: [script, ...args.map(String)],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#writer = this.#process.stdin.getWriter();
    this.#reader = this.#process.stdout.getReader();
  }

  async milliseconds(): Promise<number> {
    await this.#writer.write(new TextEncoder().encode("\n"));
    let line = "";
    while (!line.endsWith("\n")) {
      const { value, done } = await this.#reader.read();
      if (done) throw new Error("the peer ended");
      line += new TextDecoder().decode(value);
    }
    return 1000 * Number(line);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close();
    await this.#reader.cancel();
    await this.#process.status;
  }
}

const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b);
const median = (values: readonly number[]) => sorted(values)[values.length >> 1]!;

/** Milliseconds by kind of operator, the least of each operator's runs, from ONNX Runtime's profile. */
async function timeOperators(model: Uint8Array, feeds: Record<string, unknown>): Promise<string> {
  const traces = temporaryFolder();
  const session = await openSession(model, { profilePrefix: join(traces, "trace") });
  for (let i = 0; i < 5; i++) await session.run(feeds as never);
  session.endProfiling();
  await session.release();
  const [trace] = Array.from(Deno.readDirSync(traces), (entry) => entry.name);
  const events: { name: string; dur: number; args?: { op_name?: string } }[] = JSON.parse(
    await Deno.readTextFile(join(traces, trace!)),
  );
  const least = new Map<string, { kind: string; dur: number }>();
  for (const { name, dur, args } of events) {
    if (args?.op_name === undefined || !name.endsWith("_kernel_time")) continue;
    const kind = /Conv/.test(args.op_name) ? "convolutions" : "the rest";
    const before = least.get(name)?.dur ?? Infinity;
    least.set(name, { kind, dur: Math.min(before, dur) });
  }
  const sums: Record<string, number> = {};
  for (const { kind, dur } of least.values()) sums[kind] = (sums[kind] ?? 0) + dur / 1000;
  return Object.entries(sums).map(([kind, ms]) => `${kind} ${ms.toFixed(1)} ms`).join(", ");
}

const names = Deno.args.length > 0 ? Deno.args : Object.keys(NETWORKS);
for (const name of names) {
  const { shapes, build, count, sizePx } = NETWORKS[name]!;
  const model = build(new CheckpointTensors("random weights", randomTensors(shapes), name));
  const random = randomStream("images");
  const rgb = Uint8Array.from({ length: count * sizePx ** 2 * 3 }, () => random.integer(256));
  const feeds = { images: ortTensor("uint8", rgb, [count, sizePx, sizePx, 3]) };
  const session = await openSession(model);
  await session.run(feeds);
  await using peer = new Peer(name, count, sizePx);
  await peer.milliseconds();
  const ours: number[] = [], theirs: number[] = [];
  for (let turn = 0; turn < TURNS; turn++) {
    const started = performance.now();
    await session.run(feeds);
    ours.push(performance.now() - started);
    theirs.push(await peer.milliseconds());
  }
  const ratios = ours.map((time, i) => theirs[i]! / time);
  const [our, their] = [ours, theirs].map((times) => sorted(times)[0]! / count);
  console.log(
    `${name}: ${our!.toFixed(1)} ms an image, PyTorch ${their!.toFixed(1)}, the best of ${TURNS}: ${
      (their! / our!).toFixed(2)
    } times its rate; median of turns ${median(ratios).toFixed(2)}`,
  );
  await session.release();
  console.log(`${name}: ${await timeOperators(model, feeds)} for ${count}`);
}
