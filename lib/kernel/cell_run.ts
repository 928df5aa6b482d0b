/**
 * One cell that runs: until it ends, is stopped, or its session ends.
 * @module
 */
import { type Child, ChildEnded } from "./child.ts";
import { isWithin, type Received } from "./sockets.ts";
import { type Prepared, prepared, type SyntaxFault, syntaxFault } from "./syntax.ts";

/** How long a session may take to say that code can run there; native code may hold it up. */
const ALIVE_MS = 1000;
/** How long a cell that was told to stop may take to end. */
const STOP_MS = 1500;
/** How often it is told, before its session is ended. */
const STOPS = 2;
/** How long outputs may take to come after their cell; code that goes on may hold them up. */
const OUTPUTS_MS = 5000;

const STOPPED_OUTPUTS_MS = 500;

const ANEW = "was started anew: run the cells above again; finished work on disk is kept";

/** What is said of a session that ended by itself. */
export const ENDED_ANEW = (ending: string): string =>
  `Deno's session ended (${ending}) and ${ANEW}`;

/** What is said of a cell that was stopped. */
const STOPPED = "the cell was stopped; the session goes on";
const STOPPED_ANEW = `the cell was stopped, and its session with it, which ${ANEW}`;

/** What Deno says where it says nothing, and what is known of such cells. */
const UNSAID = "Execution failed";
const SAID = "Deno could not run the cell: expected every package that it imports, found one " +
  "that is not there or out of reach";

/** As Jupyter shows it. */
export interface CellError {
  readonly ename: string;
  readonly evalue: string;
  /** Lines. */
  readonly traceback: readonly string[];
}

/** A cell that runs. */
export class CellRun {
  /** The request, and who sent it. */
  readonly received: Received;
  /** What Deno showed as its error. */
  shownError: CellError | undefined;
  /** Whether somebody wants it to end. */
  isStopped = false;
  readonly #over = Promise.withResolvers<CellError | undefined>();
  #child: Child | undefined;
  #wasBrokenOff = false;
  /** Only its outputs are waited for. */
  #hasEnded = false;

  /** Runs nothing yet. */
  constructor(received: Received) {
    this.received = received;
  }

  /**
   * Runs it and waits for its outputs.
   * @param ready gives the session
   * @param startAnew ends the session and starts another
   * @returns what went wrong, if anything
   */
  async in(ready: () => Promise<Child>, startAnew: () => void): Promise<CellError | undefined> {
    void this.#end(ready, startAnew).then(
      this.#over.resolve,
      (error) =>
        this.#over.resolve(
          oneLine("KernelError", `${error instanceof Error ? error.message : error}`),
        ),
    );
    return await this.#over.promise;
  }

  async #end(ready: () => Promise<Child>, startAnew: () => void): Promise<CellError | undefined> {
    const child = this.#child = await ready();
    const { message } = this.received;
    const code = `${message.content.code}`, run = prepared(code);
    try {
      const { content: reply } = await child.request({
        ...message,
        content: { ...message.content, code: run.code },
      });
      if (this.#wasBrokenOff && await child.ask({ ask: "alive" }, ALIVE_MS) === undefined) {
        startAnew();
        return oneLine("KeyboardInterrupt", STOPPED_ANEW);
      }
      this.#hasEnded = true;
      // those of a cell that was stopped may have no end
      await child.settle(OUTPUTS_MS, this.isStopped ? STOPPED_OUTPUTS_MS : Infinity);
      if (reply.status === "ok" && !this.shownError) return undefined;
      if (this.isStopped) return oneLine("KeyboardInterrupt", STOPPED);
      const error = this.shownError ?? reply as unknown as CellError;
      if (error.traceback.join("") !== "") return await located(error, code, run, child);
      const fault = await syntaxFault(code);
      if (fault) return faultOf(fault);
      return oneLine(error.ename, error.evalue === UNSAID ? SAID : error.evalue);
    } catch (error) {
      if (!(error instanceof ChildEnded)) throw error;
      return oneLine("SessionEnded", ENDED_ANEW(error.message));
    }
  }

  /**
   * Stops it: what it waits for first, then its code, then its session.
   * @param startAnew ends the session and starts another
   */
  async stop(startAnew: () => void): Promise<void> {
    if (this.isStopped) return;
    this.isStopped = true;
    const child = this.#child;
    for (let tries = 0; child && tries < STOPS; tries++) {
      const isAlive = await child.ask({ ask: "stop" }, ALIVE_MS);
      if (!isAlive) {
        this.#wasBrokenOff = true;
        child.breakOff();
      }
      if (await isWithin(STOP_MS, this.#over.promise) || this.#hasEnded) return;
      if (!isAlive) break;
    }
    this.#over.resolve(oneLine("KeyboardInterrupt", STOPPED_ANEW));
    startAnew();
  }
}

function oneLine(ename: string, evalue: string): CellError {
  return { ename, evalue, traceback: [`${ename}: ${evalue}`] };
}

function faultOf({ said, frame }: SyntaxFault): CellError {
  const { ename, evalue, traceback } = oneLine("SyntaxError", said);
  return { ename, evalue, traceback: [...traceback, ...frame] };
}

/** A place in a cell, as the compiler has made it: lines and columns are its own. */
const PLACE = /<anonymous>:\d+:\d+/;

/** An error with the line of the cell that it came of, where its stack trace leads to the cell. */
async function located(
  { ename, evalue, traceback }: CellError,
  code: string,
  { line }: Prepared,
  child: Child,
): Promise<CellError> {
  const last = traceback.findLastIndex((frame) => PLACE.test(frame));
  const at = last < 0 ? undefined : line ?? await child.ask({ ask: "line" }, ALIVE_MS);
  const said = typeof at !== "number"
    ? "a cell"
    : `line ${at}: ${code.split("\n")[at - 1]!.trim()}`;
  const frames = traceback.map((frame, i) => frame.replace(PLACE, i === last ? said : "a cell"));
  return { ename, evalue, traceback: frames };
}
