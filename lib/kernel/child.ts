/**
 * Deno's own kernel as a process of ours: started, spoken to, and known when it ends.
 * @module
 */
import { join } from "node:path";
import {
  type Connection,
  type Content,
  framesOf,
  type Message,
  messageIn,
  messageOf,
} from "./wire.ts";
import { type Answer, type Ask, lineWriter, MARK, readLines } from "./link.ts";
import { Peer } from "./zmtp.ts";

/** Time that Deno has to start; a machine under load takes seconds. */
const START_MS = 60_000;
/** Between two tries to connect. */
const RETRY_MS = 20;
/** What is kept of what it says on its way out. */
const LAST_WORDS = 4000;

/** Who is told of what the child says by itself. */
export interface ChildEvents {
  /** An output, or anything else that everybody is shown. Awaited: what is not read waits. */
  onOutput(message: Message): Promise<void>;
  /** A question to the reader. */
  onQuestion(message: Message): void;
  /** Told once, when it has ended by itself. */
  onEnd(ending: string): void;
}

/** A running Deno kernel. */
export class Child {
  readonly #process: Deno.ChildProcess;
  readonly #key: string;
  readonly #events: ChildEvents;
  readonly #replies = new Map<string, (reply: Message) => void>();
  readonly #answers = new Map<number, (value: unknown) => void>();
  readonly #marks = new Map<string, () => void>();
  readonly #ended = Promise.withResolvers<never>();
  #peers: Readonly<Record<"shell" | "control" | "iopub" | "stdin", Peer>> | undefined;
  #link: ((value: unknown) => void) | undefined;
  #asked = 0;
  /** Outputs before this mark are left out. */
  #leftOut: string | undefined;
  /** When the last output came, by `performance.now()`. */
  #heardAt = 0;
  #words = "";
  #isKilled = false;

  private constructor(process: Deno.ChildProcess, key: string, events: ChildEvents) {
    this.#process = process;
    this.#key = key;
    this.#events = events;
    this.#ended.promise.catch(() => {}); // whoever waits for it says so
    void this.#hear();
    void process.status.then(({ code, signal }) => this.#end(code, signal));
  }

  /**
   * Starts one, and waits until cells can run.
   * @param cwd folder that cells are in
   * @throws {Error} where it does not start, with what it said
   */
  static async start(cwd: string, events: ChildEvents): Promise<Child> {
    const folder = await Deno.makeTempDir({ prefix: "kernel-" });
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    try {
      const ports = freePorts(5);
      const [shell_port, control_port, iopub_port, stdin_port, hb_port] = ports as Five<number>;
      const connection: Connection = {
        transport: "tcp",
        ip: "127.0.0.1",
        key: crypto.randomUUID(),
        signature_scheme: "hmac-sha256",
        ...{ shell_port, control_port, iopub_port, stdin_port, hb_port },
      };
      const path = join(folder, "connection.json");
      await Deno.writeTextFile(path, JSON.stringify(connection), { mode: 0o600 });
      const process = new Deno.Command(Deno.execPath(), {
        args: ["jupyter", "--quiet", "--kernel", "--conn", path],
        cwd,
        stdin: "null",
        stdout: "inherit",
        stderr: "piped",
      }).spawn();
      const child = new Child(process, connection.key, events);
      await child.#within(START_MS, child.#connect(connection, listener));
      return child;
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }

  /** Rejects where the child ends first, or time is up: the child is ended then. */
  async #within<T>(ms: number, work: Promise<T>): Promise<T> {
    let timer;
    const late = new Promise<never>((_, reject) =>
      timer = setTimeout(() => reject(new Error(`Deno was not ready after ${ms / 1000} s`)), ms)
    );
    try {
      return await Promise.race([work, late, this.#ended.promise]);
    } catch (error) {
      this.kill();
      throw new Error(`Cannot start Deno's kernel: ${(error as Error).message}`);
    } finally {
      clearTimeout(timer);
    }
  }

  async #connect(to: Connection, listener: Deno.TcpListener): Promise<void> {
    const identity = crypto.randomUUID();
    const dial = async (port: number, type: "DEALER" | "SUB") => {
      while (true) {
        try {
          return await Peer.greet(await Deno.connect({ hostname: to.ip, port }), type, identity);
        } catch (error) {
          if (!(error instanceof Deno.errors.ConnectionRefused) || this.#isKilled) throw error;
          await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        }
      }
    };
    const [iopub, shell, control, stdin] = await Promise.all([
      dial(to.iopub_port, "SUB"),
      dial(to.shell_port, "DEALER"),
      dial(to.control_port, "DEALER"),
      dial(to.stdin_port, "DEALER"),
    ]) as Four<Peer>;
    this.#peers = { iopub, shell, control, stdin };
    await iopub.send([Uint8Array.of(1)]); // all topics
    void this.#read(iopub, (message) => this.#output(message));
    void this.#read(shell, (message) => this.#replies.get(message.parent.msg_id ?? "")?.(message));
    void this.#read(stdin, (message) => this.#events.onQuestion(message));
    void this.#read(control, () => {});
    await this.#joinSession(listener);
    // what is shown before the subscription is known over there is shown to nobody
    while (!await this.settle(RETRY_MS * 5));
  }

  /** Has the session say who it is on a connection of its own. */
  async #joinSession(listener: Deno.TcpListener): Promise<void> {
    const token = crypto.randomUUID(), { port } = listener.addr;
    const module = new URL("./session.ts", import.meta.url).href;
    const code = `await (await import(${JSON.stringify(module)})).join(${port}, "${token}")`;
    const request = messageOf("execute_request", { code, silent: true, store_history: false });
    const greeted = Promise.withResolvers<void>();
    void (async () => {
      for await (const conn of listener) {
        this.#hearSession(conn, token, greeted.resolve).catch(() => conn.close());
      }
    })().catch(() => {}); // closed, for the session is there
    const { content } = await this.request(request);
    if (content.status !== "ok") throw new Error(`its session does not load: ${content.evalue}`);
    await greeted.promise;
  }

  /** Listens to who connects, if it is the session. */
  async #hearSession(conn: Deno.Conn, token: string, onGreeted: () => void): Promise<void> {
    const lines = readLines(conn);
    if ((await lines.next()).value !== token) return conn.close();
    this.#link = lineWriter(conn);
    onGreeted();
    for await (const line of lines) {
      const { id, value } = line as Answer;
      this.#answers.get(id)?.(value);
    }
  }

  async #read(peer: Peer, on: (message: Message) => Promise<void> | void): Promise<void> {
    for await (const frames of peer) {
      const message = messageIn(frames, this.#key);
      if (message) await on(message);
    }
  }

  async #output(message: Message): Promise<void> {
    const mark = message.metadata[MARK] ??
      (message.content.metadata as Content | undefined)?.[MARK];
    if (this.#leftOut !== undefined) {
      this.#heardAt = performance.now();
      if (mark === this.#leftOut) this.#leftOut = undefined;
      else if (mark === undefined) return;
    }
    this.#heardAt = Infinity; // until everybody has been told
    if (mark === undefined) await this.#events.onOutput(message);
    this.#heardAt = performance.now();
    if (mark === undefined) return;
    this.#marks.get(mark as string)?.();
    this.#marks.delete(mark as string);
  }

  /** Asks for what stands on its shell, and waits for the reply. It rejects where the child ends. */
  async request(message: Message): Promise<Message> {
    const { msg_id } = message.header;
    const reply = Promise.withResolvers<Message>();
    this.#replies.set(msg_id, reply.resolve);
    try {
      this.tell("shell", message);
      return await Promise.race([reply.promise, this.#ended.promise]);
    } finally {
      this.#replies.delete(msg_id);
    }
  }

  /** Sends a message that nobody waits for a reply to. */
  tell(socket: "shell" | "control" | "stdin", message: Message): void {
    void this.#peers?.[socket].send(framesOf(message, this.#key));
  }

  /** Breaks off code that runs; where code waits instead, Deno never answers again. */
  breakOff(): void {
    this.tell("control", messageOf("interrupt_request", {}));
  }

  /**
   * Asks the session.
   * @returns its answer; `undefined` where there is none in time
   */
  async ask(ask: Ask, withinMs: number): Promise<unknown> {
    const id = this.#asked++;
    const answer = Promise.withResolvers<unknown>();
    this.#answers.set(id, answer.resolve);
    this.#link?.({ id, ...ask });
    const timer = setTimeout(() => answer.resolve(undefined), withinMs);
    try {
      return await Promise.race([answer.promise, this.#ended.promise]);
    } catch {
      return undefined;
    } finally {
      clearTimeout(timer);
      this.#answers.delete(id);
    }
  }

  /**
   * Waits until all outputs so far have come; no longer than that where nothing comes any more, for code
   * that goes on can keep the session from answering.
   * @param atMostMs those that have not come by then are left out
   * @returns whether they have come
   */
  async settle(quietMs: number, atMostMs: number = Infinity): Promise<boolean> {
    const mark = crypto.randomUUID(), until = performance.now() + atMostMs;
    const seen = Promise.withResolvers<boolean>();
    this.#marks.set(mark, () => seen.resolve(true));
    this.#heardAt = performance.now();
    const timer = setInterval(() => {
      if (performance.now() - this.#heardAt > quietMs) seen.resolve(false);
      if (performance.now() < until) return;
      this.#leftOut = mark;
      seen.resolve(false);
    }, RETRY_MS);
    void this.ask({ ask: "mark", mark }, quietMs);
    try {
      return await Promise.race([seen.promise, this.#ended.promise.catch(() => true)]);
    } finally {
      clearInterval(timer);
      this.#marks.delete(mark);
    }
  }

  /** Ends it at once; nobody is told. */
  kill(): void {
    this.#isKilled = true;
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // it has ended
    }
    this.#close();
  }

  /** What it writes for the terminal; the last of it may say why it ended. */
  async #hear(): Promise<void> {
    for await (const bytes of this.#process.stderr) {
      await Deno.stderr.write(bytes).catch(() => {}); // the terminal may be gone
      this.#words = (this.#words + new TextDecoder().decode(bytes)).slice(-LAST_WORDS);
    }
  }

  #end(code: number, signal: Deno.Signal | null): void {
    const ending = endingOf(code, signal, this.#words);
    this.#ended.reject(new ChildEnded(ending));
    if (!this.#isKilled && this.#link) this.#events.onEnd(ending);
    this.#close();
  }

  #close(): void {
    for (const peer of Object.values(this.#peers ?? {})) peer.close();
  }
}

type Four<T> = [T, T, T, T];
type Five<T> = [T, T, T, T, T];

/** The child ended while something was asked of it. */
export class ChildEnded extends Error {}

/** How a process ended, in words. */
export function endingOf(code: number, signal: string | null, lastWords: string): string {
  if (/out of memory|Allocation failed/i.test(lastWords)) return "memory ran out";
  if (signal === "SIGKILL") return "somebody ended it, or memory ran out: SIGKILL";
  return signal ? `it crashed: ${signal}` : `it was ended with exit code ${code}`;
}

/** Ports of this machine that nobody listens at. */
function freePorts(count: number): number[] {
  const listeners = Array.from(
    { length: count },
    () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
  );
  const ports = listeners.map(({ addr: { port } }) => port);
  for (const listener of listeners) listener.close();
  return ports;
}
