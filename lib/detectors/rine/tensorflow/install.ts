/**
 * Builds the native addon of TensorFlow.js against a TensorFlow C library.
 *
 * The package's own install script does the same with node-gyp, and only inside a `node_modules`
 * folder; Deno keeps packages in its cache, where such scripts do not run.
 * @module
 */
import { UserError } from "../../../io/errors.ts";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { include_dir as nodeApiHeaders } from "node-api-headers";
import { exists } from "../../../io/files.ts";
import { loadTensorflow, tensorflowAddonPath, tensorflowPackageFolder } from "./library.ts";

/**
 * What the package's install script downloads: TensorFlow 2.9.1 for CUDA 11.2 and cuDNN 8.1; without
 * a GPU it runs on the CPU. Source: @tensorflow/tfjs-node-gpu 4.22.0, scripts/install.js.
 */
export const TENSORFLOW_URL =
  "https://storage.googleapis.com/tensorflow/libtensorflow/libtensorflow-gpu-linux-x86_64-2.9.1.tar.gz";

/** How TensorFlow is installed. */
export interface TensorflowInstallOptions {
  /**
   * Folder of a TensorFlow 2 C library: the Python package `tensorflow` or `tensorflow-cpu`, or an
   * unpacked `libtensorflow` archive. Default: {@linkcode TENSORFLOW_URL}, downloaded.
   */
  readonly library?: string;
  /** Where to download from instead. */
  readonly url?: string;
  /** SHA-256 that the download must have, hexadecimal; nobody publishes one to hold it to. */
  readonly sha256?: string;
  /** Told what is being done, a line at a time. */
  readonly log?: (line: string) => void;
}

/** Names of the C library: in Python packages, then in `libtensorflow` archives. */
const LIBRARY_NAMES = ["libtensorflow_cc.so.2", "libtensorflow.so.2"] as const;
const FRAMEWORK_NAME = "libtensorflow_framework.so.2";

/**
 * Builds the addon with g++, puts it where the package looks for it, and loads it once.
 * @returns what runs now: `tensorflow 2.21.0 cpu (tfjs 4.22.0)`
 * @throws {UserError} where the download is another than expected, this machine cannot run it, g++ is missing, the folder holds no C
 * library, or it does not build or load
 */
export async function installTensorflow(
  { library, url = TENSORFLOW_URL, sha256, log = () => {} }: TensorflowInstallOptions = {},
): Promise<string> {
  if (Deno.build.os !== "linux") {
    throw new UserError(
      "usage",
      `Cannot install TensorFlow's native library on ${Deno.build.os}: the package is for Linux; leave it out, --engine onnx needs nothing`,
    );
  }
  await run("g++", ["--version"], "install it (Debian: apt-get install g++)");
  const folder = library ?? await download(url, sha256, log);
  const { libraries, name, include } = await findLibrary(folder);
  const addon = tensorflowAddonPath(), sources = `${tensorflowPackageFolder()}/binding`;
  await Deno.mkdir(addon.slice(0, addon.lastIndexOf("/")), { recursive: true });
  log(`building the addon against ${libraries}/${name}`);
  const built = `${addon}.${Deno.pid}.tmp`;
  await run("g++", [
    ...["-shared", "-fPIC", "-O2", "-std=c++17", "-w", "-DNAPI_VERSION=8"],
    ...[`-I${nodeApiHeaders}`, `-I${include}`],
    ...[`${sources}/tfjs_backend.cc`, `${sources}/tfjs_binding.cc`],
    ...[`-L${libraries}`, `-l:${name}`, `-l:${FRAMEWORK_NAME}`, `-Wl,-rpath,${libraries}`],
    ...["-o", built],
  ], `is ${folder} a whole TensorFlow 2?`);
  await Deno.rename(built, addon);
  return (await loadTensorflow("native")).backend;
}

/** Finds the C library and its headers in a folder. */
async function findLibrary(folder: string) {
  for (const libraries of [folder, `${folder}/lib`, `${folder}/tensorflow`]) {
    for (const name of LIBRARY_NAMES) {
      if (!await exists(`${libraries}/${name}`)) continue;
      if (!await exists(`${libraries}/${FRAMEWORK_NAME}`)) continue;
      for (const include of [`${libraries}/include`, `${folder}/include`]) {
        if (await exists(`${include}/tensorflow/c/c_api.h`)) {
          return { libraries: await Deno.realPath(libraries), name, include };
        }
      }
    }
  }
  throw new UserError(
    "missing",
    `Cannot find TensorFlow in ${folder}: expected ${
      LIBRARY_NAMES.join(" or ")
    }, ${FRAMEWORK_NAME} and include/tensorflow/c/c_api.h`,
  );
}

/** Downloads and unpacks the C library beside the package, as its install script does. */
async function download(
  url: string,
  sha256: string | undefined,
  log: (line: string) => void,
): Promise<string> {
  const folder = `${tensorflowPackageFolder()}/deps`;
  await Deno.mkdir(folder, { recursive: true });
  const archive = `${folder}/libtensorflow.tar.gz`;
  log(`downloading ${url}`);
  const help = "fetch TensorFlow another way and name its folder with --library";
  try {
    const response = await fetch(url);
    if (!response.ok || !response.body) {
      throw new Error(`${response.status} ${response.statusText}`);
    }
    await Deno.writeFile(archive, response.body);
  } catch (error) {
    throw new UserError("usage", `Cannot download ${url}: ${(error as Error).message}; ${help}`);
  }
  const found = await hashOf(archive);
  if (sha256 !== undefined && found !== sha256.toLowerCase()) {
    await Deno.remove(archive);
    throw new UserError(
      "damaged",
      `Cannot use ${url}: expected SHA-256 ${sha256}, found ${found}; nothing of it was unpacked`,
    );
  }
  log(
    sha256 === undefined
      ? `downloaded SHA-256 ${found}; its maker publishes none to compare it with, --sha256 demands one`
      : `downloaded SHA-256 ${found}, as expected`,
  );
  await run("tar", ["-xzf", archive, "-C", folder], help);
  await Deno.remove(archive);
  return folder;
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}

async function run(program: string, args: readonly string[], help: string): Promise<void> {
  let error: string;
  try {
    const { success, stderr } = await new Deno.Command(program, {
      args: [...args],
      stdout: "null",
      stderr: "piped",
    }).output();
    if (success) return;
    error = new TextDecoder().decode(stderr).trim().split("\n").find((line) =>
      /error/.test(line)
    ) ??
      "it failed";
  } catch (cause) {
    error = (cause as Error).message;
  }
  throw new UserError("usage", `Cannot run ${program}: ${error}; ${help}`);
}
