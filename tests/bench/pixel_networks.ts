/**
 * How fast full-size networks of detectors on pixels are, with random weights, beside PyTorch in the
 * same run, turn by turn: Patch-Forensics' Xception at 299, and the gradient picture of LGrad's
 * discriminator at 256. Says what convolutions alone take of it.
 *
 *     RINE_BENCH_PYTHON=/path/to/python deno run -A tests/bench/pixel_networks.ts [patches | gradient]
 *
 * Needs a Python with PyTorch 2; `python3` where nothing else is said. RINE_BENCH_THREADS=1 compares
 * on one thread: then time of processors tells something on a machine that is not quiet.
 * @module
 */
import { join } from "node:path";
import process from "node:process";
import { CheckpointTensors } from "../../lib/detectors/checkpoint_tensors.ts";
import { buildGradientGraph } from "../../lib/detectors/lgrad/discriminator.ts";
import { buildPatchNetwork } from "../../lib/detectors/patch_forensics/graph.ts";
import { sizeOf, type Tensor, tensor } from "../../lib/io/tensor.ts";
import { openSession, ortTensor } from "../../lib/onnx/session.ts";
import { randomStream } from "../../lib/random.ts";
import { temporaryFolder } from "../temporary.ts";

const TURNS = 9;
const THREADS = Number(Deno.env.get("RINE_BENCH_THREADS") ?? 2);
const ORDERS = ["default", "channels_last"] as const;

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

/** Milliseconds, by the clock and of processors. */
type Times = Record<"clock" | "processors", number>;

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

  /** Milliseconds of one computation, by the clock and of processors. */
  async time(order: typeof ORDERS[number]): Promise<Times> {
    await this.#writer.write(new TextEncoder().encode(`${order}\n`));
    let line = "";
    while (!line.endsWith("\n")) {
      const { value, done } = await this.#reader.read();
      if (done) throw new Error("the peer ended");
      line += new TextDecoder().decode(value);
    }
    const [clock, processors] = line.split(" ").map((seconds) => 1000 * Number(seconds));
    return { clock: clock!, processors: processors! };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close();
    await this.#reader.cancel();
    await this.#process.status;
  }
}

const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b);

/** Milliseconds by kind of operator, the least of each operator's runs, from ONNX Runtime's profile. */
async function timeOperators(model: Uint8Array, feeds: Record<string, unknown>): Promise<string> {
  const traces = temporaryFolder();
  const session = await openSession(model, {
    threads: THREADS,
    profilePrefix: join(traces, "trace"),
  });
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
  const session = await openSession(model, { threads: THREADS });
  const timeOurs = async (): Promise<Times> => {
    const started = performance.now(), before = process.cpuUsage();
    await session.run(feeds);
    const { user, system } = process.cpuUsage(before);
    return { clock: performance.now() - started, processors: (user + system) / 1000 };
  };
  await timeOurs();
  await using peer = new Peer(name, count, sizePx, THREADS);
  const ours: Times[] = [], theirs: Times[][] = [];
  for (let turn = 0; turn < TURNS; turn++) {
    ours.push(await timeOurs());
    theirs.push([await peer.time("default"), await peer.time("channels_last")]);
  }
  await session.release();
  for (const kind of ["clock", "processors"] as const) {
    const best = (times: readonly Times[]) => sorted(times.map((one) => one[kind]))[0]! / count;
    const our = best(ours);
    const their = ORDERS.map((_, i) => best(theirs.map((turn) => turn[i]!)));
    const ratios = ours.map((one, i) => Math.min(...theirs[i]!.map((x) => x[kind])) / one[kind]);
    console.log(
      `${name}, ${THREADS} threads, time by ${kind}: ${our.toFixed(1)} ms an image, PyTorch ${
        ORDERS.map((order, i) => `${their[i]!.toFixed(1)} (${order})`).join(", ")
      }, the best of ${TURNS}: ${
        (Math.min(...their) / our).toFixed(2)
      } times its better rate; median of turns ${sorted(ratios)[TURNS >> 1]!.toFixed(2)}`,
    );
  }
  console.log(`${name}: ${await timeOperators(model, feeds)} for ${count}`);
}
