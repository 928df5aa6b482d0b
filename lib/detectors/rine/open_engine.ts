/**
 * Chooses the engine that runs heads.
 * @module
 */
import { UserError } from "../../io/errors.ts";
import { Shared } from "../../io/shared.ts";
import type { Device } from "../../onnx/session.ts";
import type { EngineName } from "../detector.ts";
import type { HeadEngine } from "./engine.ts";
import { openOnnxEngine } from "./onnx/engine.ts";
import { openTensorflowEngine } from "./tensorflow/engine.ts";
import { hasNativeTensorflow, loadTensorflow } from "./tensorflow/library.ts";

/** How an engine is opened. */
export interface EngineOptions {
  /** Default: `cpu` for ONNX Runtime; for TensorFlow a GPU where there is one. */
  readonly device?: Device;
  /** Threads inside one operator; default: one per core. */
  readonly threads?: number;
}

/** `auto` as what it stands for here: names of runs say what ran them. */
export async function resolveEngine(
  name: EngineName,
  options: EngineOptions = {},
): Promise<Exclude<EngineName, "auto">> {
  if (name !== "auto") return name;
  return await seesGpu(options) ? "tensorflow" : "onnx";
}

/**
 * Opens an engine; its `backend` says what really runs.
 * @throws {UserError} where the device is not there, or is none of the engine's
 */
export async function openEngine(
  name: EngineName,
  options: EngineOptions = {},
): Promise<HeadEngine> {
  if (await resolveEngine(name, options) === "onnx") return await openOnnxEngine(options);
  const { device, ...rest } = options;
  if (device === "webgpu") {
    throw new UserError("usage", "Cannot run tensorflow on webgpu: expected --device cpu or cuda");
  }
  return await openTensorflowEngine(device === undefined ? rest : { ...rest, device });
}

async function seesGpu({ device, threads }: EngineOptions): Promise<boolean> {
  if (device === "cpu" || device === "webgpu" || !await hasNativeTensorflow()) return false;
  return (await loadTensorflow("native", threads === undefined ? {} : { threads })).onGpu;
}

/** An engine that several use, and what lets go of it. */
export interface HeldEngine {
  readonly engine: HeadEngine;
  /** Lets go of the engine; the last who does frees it. */
  release(): Promise<void>;
}

const engines = new Shared<HeadEngine>();

/**
 * An engine that all who ask for the same share: heads of one architecture then share a session.
 * @throws {UserError} as {@linkcode openEngine}
 */
export async function holdEngine(
  { engine: name, ...options }: EngineOptions & { readonly engine: EngineName },
): Promise<HeldEngine> {
  const key = JSON.stringify([name, options.device, options.threads]);
  const { value: engine, release } = await engines.hold(key, () => openEngine(name, options));
  return { engine, release };
}
