/** A client of the project's kernel that is Jupyter's own, in Python. */
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { type KernelSpec, kernelSpec } from "../lib/cli/kernel.ts";

/** Content of a message. */
// deno-lint-ignore no-explicit-any
export type Content = any;

/** What was shown for a request; statuses are told apart. */
export interface Shown {
  readonly type: string;
  readonly content: Content;
}

/** What came of a request. */
export interface Ran {
  readonly reply: Content;
  /** Until the kernel said that it is idle, in order. */
  readonly shown: readonly Shown[];
}

interface Event {
  readonly on: "ready" | "sent" | "ended" | "iopub" | "shell" | "stdin";
  readonly type: string;
  readonly parent: string;
  readonly id: string;
  readonly key: string;
  readonly alive: boolean;
  readonly content: Content;
}

/** A request that is under way. */
interface Request {
  readonly shown: Shown[];
  reply?: Content;
  isIdle: boolean;
  readonly done: PromiseWithResolvers<Ran>;
}

/** A Python that has Jupyter's client; `undefined` where there is none. */
export async function jupyterPython(): Promise<string | undefined> {
  for (const python of [Deno.env.get("RINE_JUPYTER_PYTHON"), "/usr/bin/python3", "python3"]) {
    if (python === undefined) continue;
    try {
      const { success } = await new Deno.Command(python, {
        args: ["-c", "import jupyter_client"],
        stderr: "null",
      }).output();
      if (success) return python;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** A kernel and its client. */
export class JupyterClient implements AsyncDisposable {
  /** What the kernel and its sessions wrote for the terminal. */
  written = "";
  /** What messages are signed with. */
  readonly key = Promise.withResolvers<string>();
  /** Whether the kernel was alive after it had been shut down. */
  readonly aliveAtEnd = Promise.withResolvers<boolean>();
  /** Questions to the reader. */
  readonly questions: Content[] = [];
  readonly #process: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #requests = new Map<string, Request>();
  readonly #sent: PromiseWithResolvers<string>[] = [];
  readonly #read: Promise<unknown>;

  /**
   * Starts a kernel.
   * @param folder where the kernel is installed for the client, and where Jupyter is
   */
  static async start(
    python: string,
    folder: string,
    spec: KernelSpec = kernelSpec(),
  ): Promise<JupyterClient> {
    await Deno.mkdir(join(folder, "kernels/tested"), { recursive: true });
    await Deno.writeTextFile(join(folder, "kernels/tested/kernel.json"), JSON.stringify(spec));
    const client = new JupyterClient(python, folder);
    await client.key.promise;
    return client;
  }

  private constructor(python: string, folder: string) {
    this.#process = new Deno.Command(python, {
      args: [join(import.meta.dirname!, "kernel_client.py"), "tested", folder],
      env: { JUPYTER_PATH: folder },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#writer = this.#process.stdin.getWriter();
    const hear = async () => {
      for await (const text of this.#process.stderr.pipeThrough(new TextDecoderStream())) {
        this.written += text;
      }
    };
    const read = async () => {
      const lines = createInterface({ input: Readable.fromWeb(this.#process.stdout as never) });
      for await (const line of lines) this.#hear(JSON.parse(line));
      const said = new Error(`the client ended: ${this.written}`);
      for (const { done } of this.#requests.values()) done.reject(said);
      this.key.reject(said);
    };
    this.#read = Promise.all([hear(), read()]);
  }

  #hear({ on, type, parent, id, key, alive, content }: Event): void {
    if (on === "ready") return this.key.resolve(key);
    if (on === "ended") return this.aliveAtEnd.resolve(alive);
    if (on === "sent") return this.#sent.shift()!.resolve(id);
    if (on === "stdin") return void this.questions.push(content);
    const request = this.#request(parent);
    if (on === "shell") request.reply = content;
    else if (type !== "status") request.shown.push({ type, content });
    else request.isIdle = content.execution_state === "idle";
    if (request.isIdle && request.reply !== undefined) {
      request.done.resolve({ reply: request.reply, shown: [...request.shown] });
    }
  }

  #request(id: string): Request {
    let request = this.#requests.get(id);
    if (!request) {
      request = { shown: [], isIdle: false, done: Promise.withResolvers<Ran>() };
      request.done.promise.catch(() => {}); // of what nobody waits for
      this.#requests.set(id, request);
    }
    return request;
  }

  async #write(command: Record<string, unknown>): Promise<void> {
    await this.#writer.write(new TextEncoder().encode(`${JSON.stringify(command)}\n`));
  }

  /** Sends a request, and does not wait for what comes of it. */
  async send(command: Record<string, unknown>): Promise<{ readonly done: Promise<Ran> }> {
    const sent = Promise.withResolvers<string>();
    this.#sent.push(sent);
    await this.#write(command);
    return { done: this.#request(await sent.promise).done.promise };
  }

  /** Runs a cell. */
  async run(code: string): Promise<Ran> {
    return await (await this.send({ do: "execute", code })).done;
  }

  /** Stops the cell that runs, as Jupyter does or by a signal. */
  async stop(name?: "SIGINT"): Promise<void> {
    await this.#write(name ? { do: "signal", name } : { do: "interrupt" });
  }

  /** Answers a question to the reader. */
  async input(text: string): Promise<void> {
    await this.#write({ do: "input", text });
  }

  /** Shuts the kernel down. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close();
    await this.#read;
    await this.#process.status;
  }
}
