/**
 * ONNX Runtime sessions: where a graph runs.
 * @module
 */
import { UserError } from "../io/errors.ts";
import "./telemetry.ts";
import * as ort from "onnxruntime-node";
import { GraphBuilder } from "./graph.ts";
import { withoutNativeLines } from "./native_lines.ts";

/** Where graphs can run. */
export const DEVICES = ["cpu", "webgpu", "cuda"] as const;

/** A place where graphs run: ONNX Runtime's execution provider. */
export type Device = typeof DEVICES[number];

/** How a session is opened. */
export interface SessionOptions {
  /** Default `cpu`. */
  readonly device?: Device;
  /** Threads inside one operator; default: one per core. */
  readonly threads?: number;
  /** The folder that the model's external data is named relative to. */
  readonly weightsFolder?: string;
  /** Whether inputs come in many sizes: memory is then not laid out anew for each; default no. */
  readonly sizesVary?: boolean;
  /** Path of a Chrome trace that ONNX Runtime writes, with the time of every operator. */
  readonly profilePrefix?: string;
}

/** An opened model. Running it blocks the thread it was opened on. */
export type Session = ort.InferenceSession;

/** A tensor as ONNX Runtime takes and returns it. */
export type OrtTensor = ort.Tensor;

/** Makes a tensor for ONNX Runtime; the data is not copied. */
export function ortTensor(
  type: "float32" | "float16" | "uint8" | "bool" | "int64",
  data: Float32Array | Float16Array | Uint8Array | BigInt64Array,
  shape: readonly number[],
): OrtTensor {
  return new ort.Tensor(type as "float32", data as Float32Array, shape);
}

/** What goes wrong is thrown: ONNX Runtime's own lines would stand beside it. */
const FATAL = 4;
ort.env.logLevel = "fatal";

/**
 * Opens a model.
 * @throws {UserError} where the device's provider is not installed, with what installs it
 */
export async function openSession(
  model: Uint8Array,
  { device = "cpu", threads, weightsFolder, sizesVary = false, profilePrefix }: SessionOptions = {},
): Promise<Session> {
  const options: ort.InferenceSession.SessionOptions = {
    executionProviders: device === "cpu" ? ["cpu"] : [device, "cpu"],
    graphOptimizationLevel: "all",
    logSeverityLevel: FATAL,
    enableMemPattern: !sizesVary,
    ...(weightsFolder === undefined ? {} : {
      extra: { session: { model_external_initializers_file_folder_path: weightsFolder } },
    }),
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    ...(profilePrefix === undefined
      ? {}
      : { enableProfiling: true, profileFilePrefix: profilePrefix }),
  };
  try {
    return await ort.InferenceSession.create(model, options);
  } catch (error) {
    if (device === "cpu") throw error;
    throw new UserError(
      "usage",
      `Cannot open a session on ${device}: ${firstLine(error)}; ${PROVIDER_HELP[device]}`,
    );
  }
}

const PROVIDER_HELP = {
  cuda:
    "install CUDA 12 and cuDNN 9, then ONNX Runtime's CUDA provider with `deno install --allow-scripts=npm:onnxruntime-node`, or take --device cpu",
  webgpu: "a GPU with a Vulkan, Metal or Direct3D 12 driver is needed, or take --device cpu",
} as const;

/** Of what ONNX Runtime says the first line, without the place in its source. */
function firstLine(error: unknown): string {
  const [line] = (error instanceof Error ? error.message : String(error)).split("\n", 1);
  return line!.replace(/^\S+\.(?:cc|h):\d+ .* was false\. /, "");
}

/** Version of the ONNX Runtime that sessions run on. */
export const ONNX_RUNTIME_VERSION: string = ort.env.versions.node ?? "unknown";

/** What `--device` takes. */
export const DEVICE_CHOICES = ["auto", ...DEVICES] as const;

/**
 * The device that a choice stands for here. `auto`: CUDA where a graph runs on it, else the CPU.
 * @throws {UserError} where the device asked for is not there, with what installs it
 */
export async function resolveDevice(choice: typeof DEVICE_CHOICES[number]): Promise<Device> {
  if (choice === "cpu") return choice;
  const g = new GraphBuilder();
  const x = g.input("x", "float32", ["N"]);
  g.output("y", g.op("Add", [x, x]), "float32", ["N"]);
  try {
    const device = choice === "auto" ? "cuda" : choice;
    const session = await withoutNativeLines(() => openSession(g.build(), { device }));
    await session.release();
  } catch (error) {
    if (choice === "auto") return "cpu";
    throw error;
  }
  return choice === "auto" ? "cuda" : choice;
}

/** By device: whether it computes in half precision. */
const halves = new Map<Device, Promise<boolean>>();

/** Whether a device computes in half precision: some adapters of WebGPU do not. */
export function computesHalf(device: Device): Promise<boolean> {
  let known = halves.get(device);
  if (!known) halves.set(device, known = triesHalf(device));
  return known;
}

async function triesHalf(device: Device): Promise<boolean> {
  if (device !== "webgpu") return device === "cuda";
  const g = new GraphBuilder();
  const half = g.op("Cast", [g.input("x", "float32", ["N"])], { to: "float16" });
  const sum = g.op("Add", [half, half]);
  g.output("y", g.op("Cast", [sum], { to: "float32" }), "float32", ["N"]);
  const session = await openSession(g.build(), { device });
  try {
    const { y } = await session.run({ x: ortTensor("float32", Float32Array.of(.5, 2), [2]) });
    const [one, four] = await y!.getData() as Float32Array;
    return one === 1 && four === 4;
  } catch {
    return false;
  } finally {
    await session.release();
  }
}
