/**
 * Features of the mini backbones on WebGPU and on the CPU, as JSON: run by `device_test.ts` in a process
 * of its own, whose environment names the adapter.
 */
import { openBackbone } from "../lib/backbones/open.ts";
import { checkDevice } from "../lib/onnx/device_check.ts";
import { GraphBuilder } from "../lib/onnx/graph.ts";
import { ortTensor } from "../lib/onnx/session.ts";
import { randomStream } from "../lib/random.ts";

const COUNT = 3;
const [folder, ...names] = Deno.args;

/** Largest difference from the CPU's values, as a share of the largest of these. */
async function differenceOf(name: string): Promise<number> {
  await using cpu = await openBackbone(name, { folder: folder! });
  await using webgpu = await openBackbone(name, { folder: folder!, device: "webgpu" });
  const random = randomStream("webgpu", name);
  const bytes = COUNT * cpu.architecture.resolutionPx ** 2 * 3;
  const rgb = Uint8Array.from({ length: bytes }, () => random.integer(256));
  const { data: expected } = await cpu.featuresOfCrops(rgb, COUNT);
  const { data: found } = await webgpu.featuresOfCrops(rgb, COUNT);
  const largest = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((value, i) => Math.abs(value - found[i]!))) / largest;
}

function sumWith(addend: number): Uint8Array {
  const g = new GraphBuilder();
  const x = g.input("x", "float32", ["N"]);
  g.output("y", g.op("Add", [x, g.float([addend])]), "float32", ["N"]);
  return g.build();
}

/** What is said of a device whose values are others than the CPU's. */
async function refusal(): Promise<string> {
  const feeds = { x: ortTensor("float32", Float32Array.of(1, 2, 3), [3]) };
  const trial = { feeds, compute: "float32", doing: "Cannot run a sum" } as const;
  const options = { device: "webgpu" } as const;
  await checkDevice({ ...trial, onDevice: sumWith(1), onCpu: sumWith(1) }, options);
  try {
    await checkDevice({ ...trial, onDevice: sumWith(1.5), onCpu: sumWith(1) }, options);
    return "";
  } catch (error) {
    return (error as Error).message;
  }
}

const differences: Record<string, number> = {};
for (const name of names) differences[name] = await differenceOf(name);
console.log(JSON.stringify({ differences, refusal: await refusal() }));
