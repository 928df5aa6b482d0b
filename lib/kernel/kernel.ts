/**
 * A thin kernel between Jupyter and Deno's own: cells run in Deno's, and what it leaves unanswered is
 * answered here. A cell can be stopped wherever it is, errors of syntax are said, a reply comes after
 * all outputs, and a session that ends is started anew.
 * https://jupyter-client.readthedocs.io/en/stable/messaging.html
 * @module
 */
import { STOPPABLE } from "../io/cell.ts";
import { type CellError, CellRun, ENDED_ANEW } from "./cell_run.ts";
import { Child } from "./child.ts";
import type { Completion } from "./link.ts";
import { type Channel, type Received, Sockets } from "./sockets.ts";
import { type Connection, type Content, type Header, type Message, messageOf } from "./wire.ts";

/** How long the session may take to answer what a reader waits for while typing. */
const ANSWER_MS = 500;
/** How long the last messages may take to leave. */
const LEAVE_MS = 500;

const INFO = {
  status: "ok",
  protocol_version: "5.3",
  implementation: "rine",
  implementation_version: Deno.version.deno,
  language_info: {
    name: "typescript",
    version: Deno.version.typescript,
    mimetype: "text/x.typescript",
    file_extension: ".ts",
    pygments_lexer: "typescript",
    codemirror_mode: "typescript",
    nbconvert_exporter: "script",
  },
  banner: "TypeScript on Deno",
  help_links: [{ text: "Deno's manual", url: "https://docs.deno.com" }],
  debugger: false,
};

/** A kernel that Jupyter has started. */
export class Kernel {
  readonly #cwd: string;
  readonly #sockets: Sockets;
  readonly #queue: Received[] = [];
  readonly #closed = Promise.withResolvers<void>();
  #child: Promise<Child> | undefined;
  #run: CellRun | undefined;
  /** Outputs that come later belong to it. */
  #lastCell: Partial<Header> = {};
  #count = 0;
  #isWorking = false;

  /**
   * Listens, and starts the session.
   * @param cwd folder that cells are in
   */
  constructor(connection: Connection, cwd: string) {
    this.#cwd = cwd;
    this.#sockets = new Sockets(connection, (channel, received) => this.#hear(channel, received));
    this.#ready().catch(() => {}); // the first cell says so
  }

  /** Waits until Jupyter has shut it down. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Stops the cell that runs, and those that wait. */
  interrupt(): void {
    void this.#run?.stop(() => this.#startAnew());
  }

  /** Ends the session and itself. */
  async shutDown(): Promise<void> {
    const child = await this.#child?.catch(() => {});
    child?.kill();
    await this.#sockets.drained(LEAVE_MS);
    this.#sockets[Symbol.dispose]();
    this.#closed.resolve();
  }

  #ready(): Promise<Child> {
    if (this.#child) return this.#child;
    const starting = Child.start(this.#cwd, {
      onOutput: (message) => this.#show(message),
      onQuestion: (message) => {
        if (this.#run) this.#sockets.question(this.#run.received, message);
      },
      onEnd: (ending) => {
        if (this.#child !== starting) return;
        this.#startAnew();
        // a cell that runs says it itself
        if (!this.#run) this.#say(ENDED_ANEW(ending));
      },
    });
    starting.catch(() => {
      if (this.#child === starting) this.#child = undefined;
    });
    return this.#child = starting;
  }

  /** Ends the session, where it has not ended, and starts another. */
  #startAnew(): void {
    void this.#child?.then((child) => child.kill()).catch(() => {});
    this.#child = undefined;
    this.#ready().catch(() => {}); // the next cell says so
  }

  /** Says something where the last cell was. */
  #say(text: string): void {
    void this.#publish("stream", { name: "stderr", text: `${text}\n` }, this.#lastCell);
  }

  async #show(message: Message): Promise<void> {
    const { header: { msg_type: type }, content } = message;
    if (type === "status" || type === "execute_input") return; // told by this kernel
    if (type === "error" && this.#run) {
      this.#run.shownError = content as unknown as CellError;
      return;
    }
    await this.#sockets.publish({
      ...message,
      parent: this.#lastCell,
      content: type === "execute_result" ? { ...content, execution_count: this.#count } : content,
    });
  }

  #publish(type: string, content: Content, parent: Partial<Header>): Promise<void> {
    return this.#sockets.publish(messageOf(type, content, parent));
  }

  #status(execution_state: "busy" | "idle", parent: Partial<Header>): Promise<void> {
    return this.#publish("status", { execution_state }, parent);
  }

  #reply(received: Received, content: Content): void {
    const { header } = received.message;
    const type = header.msg_type.replace(/_request$/, "_reply");
    this.#sockets.reply(received, messageOf(type, content, header));
  }

  #hear(channel: Channel, received: Received): void {
    const { message } = received;
    const type = message.header.msg_type;
    if (type === "input_reply") {
      void this.#child?.then((child) => child.tell("stdin", message));
    } else if (channel === "control" && type === "interrupt_request") {
      this.#reply(received, { status: "ok" });
      this.interrupt();
    } else if (channel === "control" && type === "shutdown_request") {
      this.#reply(received, { status: "ok", restart: message.content.restart === true });
      void this.shutDown();
    } else if (type === "execute_request" || /^comm_(open|msg|close)$/.test(type)) {
      this.#queue.push(received);
      void this.#work();
    } else {
      void this.#answerAside(received);
    }
  }

  /** Answers what can be answered while a cell runs. */
  async #answerAside(received: Received): Promise<void> {
    const { header } = received.message;
    const answer = this.#answers[header.msg_type];
    if (!answer) return; // nobody knows it
    await this.#status("busy", header);
    const content = await answer(received.message).catch(() => ({ status: "error" }));
    this.#reply(received, content);
    await this.#status("idle", header);
    // front ends show what was said last
    if (this.#run) await this.#status("busy", this.#run.received.message.header);
  }

  readonly #answers: Readonly<Record<string, (message: Message) => Promise<Content>>> = {
    kernel_info_request: () => Promise.resolve(INFO),
    history_request: () => Promise.resolve({ status: "ok", history: [] }),
    comm_info_request: (message) => this.#askIdle(message, { status: "ok", comms: {} }),
    is_complete_request: (message) => this.#askIdle(message, { status: "unknown" }),
    complete_request: (message) => this.#complete(message),
    inspect_request: (message) => this.#inspect(message),
  };

  /** What Deno answers; where a cell runs it could not. */
  async #askIdle(message: Message, otherwise: Content): Promise<Content> {
    if (this.#run) return otherwise;
    const { content } = await (await this.#ready()).request(message);
    return this.#run ? otherwise : content;
  }

  async #complete(message: Message): Promise<Content> {
    const code = `${message.content.code}`, cursor = Number(message.content.cursor_pos);
    // places are counted in characters, not in JavaScript's units
    const before = [...code].slice(0, cursor).join("");
    const found = await (await this.#ready()).ask(
      { ask: "complete", code: before },
      ANSWER_MS,
    ) as Completion | undefined;
    const none = {
      status: "ok",
      matches: [],
      cursor_start: cursor,
      cursor_end: cursor,
      metadata: {},
    };
    if (!found) {
      const { matches, ...others } = await this.#askIdle(message, none);
      const names = (matches as readonly string[]).filter((name) => name !== STOPPABLE);
      return { ...others, matches: names };
    }
    const cursor_start = [...before.slice(0, found.from)].length;
    return { ...none, matches: found.matches, cursor_start };
  }

  async #inspect(message: Message): Promise<Content> {
    const code = [...`${message.content.code}`], cursor = Number(message.content.cursor_pos);
    const [rest] = /^[\w$]*/.exec(code.slice(cursor).join(""))!;
    // within the parentheses of a call, what is called
    const before = (code.slice(0, cursor).join("") + rest).replace(/\([^()]*$/, "");
    const text = await (await this.#ready()).ask({ ask: "inspect", code: before }, ANSWER_MS);
    if (typeof text !== "string") return { status: "ok", found: false, data: {}, metadata: {} };
    return { status: "ok", found: true, data: { "text/plain": text }, metadata: {} };
  }

  /** Does what waits, one after the other. */
  async #work(): Promise<void> {
    if (this.#isWorking) return;
    this.#isWorking = true;
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
      const { message } = next;
      if (message.header.msg_type === "execute_request") {
        await this.#execute(next);
        continue;
      }
      await this.#status("busy", message.header);
      await this.#ready().then((child) => child.tell("shell", message)).catch(() => {});
      await this.#status("idle", message.header);
    }
    this.#isWorking = false;
  }

  async #execute(received: Received): Promise<void> {
    const { header, content } = received.message;
    const isSilent = content.silent === true;
    if (!isSilent && content.store_history !== false) this.#count++;
    const execution_count = this.#count;
    this.#lastCell = header;
    const run = this.#run = new CellRun(received);
    await this.#status("busy", header);
    if (!isSilent) {
      await this.#publish("execute_input", { code: content.code, execution_count }, header);
    }
    const error = await run.in(() => this.#ready(), () => this.#startAnew());
    this.#run = undefined;
    if (error) {
      if (!isSilent) await this.#publish("error", { ...error }, header);
      this.#reply(received, { status: "error", execution_count, ...error });
    } else {
      this.#reply(received, {
        status: "ok",
        execution_count,
        payload: [],
        user_expressions: {},
      });
    }
    await this.#status("idle", header);
    if (run.isStopped || error && content.stop_on_error !== false) this.#abortWaiting();
  }

  /** Cells that wait for one that fails, or is stopped, are not run. */
  #abortWaiting(): void {
    for (const received of this.#queue.splice(0)) {
      const { header } = received.message;
      if (header.msg_type !== "execute_request") continue;
      void this.#status("busy", header);
      this.#reply(received, { status: "aborted" });
      void this.#status("idle", header);
    }
  }
}
