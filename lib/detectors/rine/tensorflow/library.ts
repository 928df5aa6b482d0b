/**
 * TensorFlow as it is found on this machine: native where it is installed, else in JavaScript.
 * @module
 */
import { UserError } from "../../../io/errors.ts";
import util from "node:util";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import type * as TensorFlow from "@tensorflow/tfjs";
import { exists } from "../../../io/files.ts";

/** TensorFlow.js, whichever package it came from. */
export type Tf = typeof TensorFlow;

/** Native TensorFlow, through the package's addon, or the same operators in JavaScript. */
export const TENSORFLOW_LIBRARIES = ["native", "javascript"] as const;

/** One of {@linkcode TENSORFLOW_LIBRARIES}. */
export type TensorflowLibraryName = typeof TENSORFLOW_LIBRARIES[number];

/** TensorFlow, loaded. */
export interface TensorflowLibrary {
  /** Its operators. */
  readonly tf: Tf;
  /** What really runs and where: `tensorflow 2.21.0 cpu (tfjs 4.22.0)`. */
  readonly backend: string;
  /** Whether it runs on a GPU. */
  readonly onGpu: boolean;
  /** Makes the operators that follow run in this library; one process can have both. */
  use(): void;
}

/** How TensorFlow is loaded. The first call in a process decides on threads and GPU. */
export interface TensorflowOptions {
  /** Threads inside one operator; default: one per core. */
  readonly threads?: number;
  /** `cpu` hides GPUs from TensorFlow; it takes one where it sees one otherwise. */
  readonly device?: "cpu" | "cuda";
}

const PACKAGE = "@tensorflow/tfjs-node-gpu";

/** The folder of the package that holds the native addon's sources, and the addon once built. */
export function tensorflowPackageFolder(): string {
  return dirname(createRequire(import.meta.url).resolve(`${PACKAGE}/package.json`));
}

/** Where the package looks for its addon. */
export function tensorflowAddonPath(): string {
  return `${tensorflowPackageFolder()}/lib/napi-v8/tfjs_binding.node`;
}

/** Whether TensorFlow's native library is installed. */
export function hasNativeTensorflow(): Promise<boolean> {
  return exists(tensorflowAddonPath());
}

/**
 * Loads TensorFlow.
 * @throws {UserError} where the native library is wanted and not installed, does not load, or finds
 * no GPU that is asked for
 */
export async function loadTensorflow(
  library: TensorflowLibraryName,
  { threads, device }: TensorflowOptions = {},
): Promise<TensorflowLibrary> {
  return library === "native" ? await loadNative(threads, device) : await loadJavascript();
}

async function loadNative(
  threads: number | undefined,
  device: "cpu" | "cuda" | undefined,
): Promise<TensorflowLibrary> {
  if (!await hasNativeTensorflow()) {
    throw new UserError(
      "missing",
      "Cannot load TensorFlow: its native library is not installed; run `deno task tensorflow install`",
    );
  }
  // TensorFlow reads these once, when it is loaded
  Deno.env.set("TF_CPP_MIN_LOG_LEVEL", "3");
  if (threads !== undefined) Deno.env.set("TF_NUM_INTRAOP_THREADS", `${threads}`);
  if (device === "cpu") Deno.env.set("CUDA_VISIBLE_DEVICES", "");
  // the package calls what Node 23 removed
  Object.assign(util, { isNullOrUndefined: (value: unknown) => value == null });
  let tf: Tf;
  try {
    tf = (await import(PACKAGE)).default;
  } catch (error) {
    const reason = (error as Error).message.split("\n", 1)[0];
    throw new UserError(
      "missing",
      `Cannot load TensorFlow: ${reason}; run \`deno task tensorflow install\` again or take --engine onnx`,
    );
  }
  // tells more than the package's types do; TensorFlow itself falls back to the CPU silently
  const { binding } = tf.findBackend("tensorflow") as unknown as {
    binding: { TF_Version: string; isUsingGpuDevice(): boolean };
  };
  const onGpu = binding.isUsingGpuDevice();
  if (device === "cuda" && !onGpu) {
    throw new UserError(
      "missing",
      `Cannot run TensorFlow ${binding.TF_Version} on cuda: it finds no GPU, or not the CUDA that it was built for; take --device cpu`,
    );
  }
  return loaded(
    tf,
    "tensorflow",
    `tensorflow ${binding.TF_Version} ${onGpu ? "cuda" : "cpu"}`,
    onGpu,
  );
}

async function loadJavascript(): Promise<TensorflowLibrary> {
  const name = "@tensorflow/tfjs";
  const tf: Tf = (await import(name)).default;
  return loaded(tf, "cpu", "javascript", false);
}

function loaded(tf: Tf, backend: string, runs: string, onGpu: boolean): TensorflowLibrary {
  // no hint to install another package on every start
  tf.enableProdMode();
  return {
    tf,
    backend: `${runs} (tfjs ${tf.version.tfjs})`,
    onGpu,
    use: () => void tf.setBackend(backend),
  };
}
