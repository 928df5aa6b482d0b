/**
 * Several GPUs of this machine: a process for each, which sees that GPU alone.
 * @module
 */
import { TextLineStream } from "../io/lines.ts";

/** What processes run, and who is told. */
export interface GpuWork {
  /** Arguments of `deno`, the same for all. */
  readonly args: readonly string[];
  /** Told each line that they write to standard error, with the GPU in front. */
  readonly onLine: (line: string) => void;
  /** Where they run; default: here. */
  readonly cwd?: string;
}

/** Processes under way, one for each GPU. */
export interface GpuProcesses {
  /** When all have ended: 0, or the exit code of the first of the list that has failed. */
  readonly code: Promise<number>;
  /** Ends all in order, and waits until they have. */
  stop(): Promise<void>;
}

/** A Ctrl-C has reached all processes of a terminal; whoever still runs after this has to be told. */
const TELL_MS = 2000;

/**
 * Starts a process for each GPU. What the first one writes to standard output is written to ours; the
 * others come to the same and say nothing there. A process that fails leaves its work to the others.
 * @param gpus numbers of CUDA's devices: what `nvidia-smi` lists them by
 *
 * @example
 * ```ts
 * import { startOnGpus } from "./gpus.ts";
 *
 * const args = ["eval", `console.error(Deno.env.get("CUDA_VISIBLE_DEVICES"))`];
 * await startOnGpus([0, 1], { args, onLine: console.log }).code; // GPU 0: 0, GPU 1: 1
 * ```
 */
export function startOnGpus(
  gpus: readonly number[],
  { args, onLine, cwd }: GpuWork,
): GpuProcesses {
  const processes = gpus.map((gpu, index) => {
    const child = new Deno.Command("deno", {
      args: [...args],
      env: { CUDA_VISIBLE_DEVICES: `${gpu}`, CUDA_DEVICE_ORDER: "PCI_BUS_ID" },
      stdin: "null",
      stdout: index === 0 ? "inherit" : "null",
      stderr: "piped",
      ...(cwd === undefined ? {} : { cwd }),
    }).spawn();
    return { child, said: relay(child.stderr, (line) => onLine(`GPU ${gpu}: ${line}`)) };
  });
  const ended = Promise.all(processes.map(async ({ child, said }) => {
    await said;
    return (await child.status).code;
  }));
  return {
    code: ended.then((codes) => codes.find((code) => code !== 0) ?? 0),
    async stop() {
      const told = setTimeout(() => processes.forEach(({ child }) => end(child)), TELL_MS);
      await ended;
      clearTimeout(told);
    },
  };
}

function end(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGTERM");
  } catch {
    // it has ended by itself
  }
}

async function relay(
  bytes: ReadableStream<Uint8Array<ArrayBuffer>>,
  onLine: (line: string) => void,
): Promise<void> {
  const lines = bytes.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
  for await (const line of lines) onLine(line);
}
