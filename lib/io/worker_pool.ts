/**
 * A few worker threads that do jobs of one kind.
 * @module
 */
import { receivedError, type SentError, sentError } from "./errors.ts";
import { finishWriting } from "./files.ts";
import { adoptCache, sharedCache } from "./shared_cache.ts";

/** A job on its way to a worker, or the order to come to rest, or to free what it holds. */
type Envelope<Job> =
  | { readonly id: number; readonly job: Job }
  // first of all: what the threads of the process share
  | { readonly cache: SharedArrayBuffer }
  | "rest"
  | "free";

/** What a worker sends back: work done so far, the result, or the error; or that an order is done. */
type Reply<Result, Done> = "at rest" | JobReply<Result, Done>;

type JobReply<Result, Done> =
  & { readonly id: number }
  & (
    | { readonly done: Done }
    | { readonly result: Result }
    | { readonly error: SentError }
  );

interface Pending<Job, Result, Done> {
  readonly job: Job;
  /** Buffers that are handed over rather than copied. */
  readonly transfer: ArrayBuffer[];
  /** The one that does it; until there is one, the job waits. */
  thread?: Thread;
  resolve(result: Result): void;
  reject(error: Error): void;
  onDone(done: Done): void;
}

/** A worker as its pool sees it. */
interface Thread {
  readonly worker: Worker;
  /** Jobs that it was given and has not finished. */
  load: number;
  /** Why it stopped; it does no job after that and answers nothing. */
  death?: Error;
  /** Told when it is at rest, or has stopped. */
  onRest?: () => void;
}

/** Pools whose threads are there. */
const openPools = new Set<{ rest(): Promise<void>; failJobs(error: Error): number }>();

/**
 * Brings the threads of all pools to rest, so that the process can end: native code that still runs
 * while it ends says so, or worse. Waits for at most so long.
 */
export async function restWorkers(limitMs: number): Promise<void> {
  const limit = new Promise((resolve) => setTimeout(resolve, limitMs));
  await Promise.race([limit, Promise.all([...openPools].map((pool) => pool.rest()))]);
}

/**
 * Fails the jobs of all pools that are under way or wait, so that who asked for them ends. The threads
 * stay: one that is at work finishes for nobody.
 * @returns how many there were
 */
export function failJobs(error: Error): number {
  return [...openPools].reduce((sum, pool) => sum + pool.failJobs(error), 0);
}

/**
 * Worker threads, each running one module that calls {@linkcode serveJobs}. Work done is told by a count
 * of it, or by whatever plain data the module says.
 */
export class WorkerPool<Job, Result, Done = number> implements Disposable, AsyncDisposable {
  readonly #threads: readonly Thread[];
  readonly #atOnce: number;
  readonly #pending = new Map<number, Pending<Job, Result, Done>>();
  /** Threads that still do a job which has failed already, by its number. */
  readonly #forsaken = new Map<number, Thread>();
  #nextId = 0;
  #isClosed = false;
  #resting: Promise<void> | undefined;

  /**
   * @param module the workers' module
   * @param size number of threads
   * @param atOnce how many jobs a thread is given before it has finished one; the others wait for the
   * first that has
   */
  constructor(module: URL, size: number, atOnce = Infinity) {
    this.#atOnce = atOnce;
    this.#threads = Array.from({ length: size }, () => this.#start(module));
    openPools.add(this);
  }

  #start(module: URL): Thread {
    const thread: Thread = { worker: new Worker(module, { type: "module" }), load: 0 };
    const cache = sharedCache().memory;
    thread.worker.postMessage({ cache } satisfies Envelope<Job>);
    thread.worker.onmessage = ({ data }: MessageEvent<Reply<Result, Done>>) => {
      if (data === "at rest") thread.onRest?.();
      else this.#settle(data);
    };
    thread.worker.onerror = (event) => {
      event.preventDefault();
      thread.death = new Error(`A worker stopped: ${event.message.split("\n", 1)[0]}`);
      this.#reject(thread.death, this.#alive.length > 0 ? thread : undefined);
      thread.onRest?.();
    };
    return thread;
  }

  get #alive(): Thread[] {
    return this.#threads.filter(({ death }) => death === undefined);
  }

  /** Number of threads. */
  get size(): number {
    return this.#threads.length;
  }

  /**
   * Does a job on the worker that has the fewest to do.
   * @throws what the job throws, with its class, message and stack
   * @throws {Error} where its worker stopped, none is left, or the pool is disposed of
   * @param onDone told of the work that the job reports as done
   * @param transfer buffers of the job that are handed over rather than copied
   */
  run(
    job: Job,
    onDone: (done: Done) => void = () => {},
    transfer: ArrayBuffer[] = [],
  ): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) {
        throw new Error("Cannot run a job: expected a pool, found it disposed of");
      }
      if (this.#alive.length === 0) {
        throw this.#threads[0]?.death ?? new Error("Cannot run a job without workers");
      }
      this.#pending.set(this.#nextId++, { job, transfer, resolve, reject, onDone });
      this.#dispatch();
    });
  }

  /** Gives jobs that wait to the threads that have the fewest to do. */
  #dispatch(): void {
    if (this.#resting) return;
    for (const [id, pending] of this.#pending) {
      if (pending.thread) continue;
      const [thread] = this.#alive.filter(({ load }) => load < this.#atOnce)
        .toSorted((a, b) => a.load - b.load);
      if (!thread) return;
      try {
        const { job, transfer } = pending;
        thread.worker.postMessage({ id, job } satisfies Envelope<Job>, transfer);
      } catch (error) {
        // it cannot be sent to any
        this.#pending.delete(id);
        pending.reject(error as Error);
        continue;
      }
      thread.load += 1;
      pending.thread = thread;
    }
  }

  /**
   * Does jobs ahead of whoever reads the results, and gives the results in the items' order.
   * @param jobOf the job of an item; the rest of the item stays in this thread
   * @param ahead how many jobs may be under way or waiting to be read
   */
  async *ordered<Item>(
    items: Iterable<Item>,
    jobOf: (item: Item) => Job,
    ahead: number,
  ): AsyncGenerator<{ item: Item; result: Result }> {
    const queue: { item: Item; result: Promise<Result> }[] = [];
    const next = async () => {
      const { item, result } = queue.shift()!;
      return { item, result: await result };
    };
    for (const item of items) {
      const result = this.run(jobOf(item));
      result.catch(() => {}); // reported where it is read
      queue.push({ item, result });
      if (queue.length >= ahead) yield await next();
    }
    while (queue.length > 0) yield await next();
  }

  /**
   * Stops each worker as soon as it is between two calls of native code. Jobs under way, and those
   * that are asked for later, neither succeed nor fail: nobody has to report them.
   */
  rest(): Promise<void> {
    openPools.delete(this);
    return this.#resting ??= this.#stopAll();
  }

  async #stopAll(): Promise<void> {
    await Promise.all(this.#threads.map(async (thread) => {
      if (thread.load > 0 && thread.death === undefined) await this.#order(thread, "rest");
      thread.worker.terminate();
    }));
  }

  /** Gives an order, and waits until it is done or the thread has stopped. */
  #order(thread: Thread, order: "rest" | "free"): Promise<void> {
    const done = new Promise<void>((resolve) => thread.onRest = resolve);
    thread.worker.postMessage(order satisfies Envelope<Job>);
    return done;
  }

  /** See {@linkcode failJobs}. */
  failJobs(error: Error): number {
    for (const [id, { thread }] of this.#pending) if (thread) this.#forsaken.set(id, thread);
    const count = this.#pending.size;
    this.#reject(error);
    return count;
  }

  /** Stops the workers at once; jobs under way fail. */
  [Symbol.dispose](): void {
    openPools.delete(this);
    this.#isClosed = true;
    for (const { worker } of this.#threads) worker.terminate();
    this.#reject(disposedOf());
  }

  /**
   * Stops each worker as soon as it is between two calls of native code; jobs under way fail. One that
   * has nothing to do frees what it holds first: memory of native code outlives its thread.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    if (!this.#resting) {
      const idle = this.#alive.filter(({ load }) => load === 0);
      await Promise.all(idle.map((thread) => this.#order(thread, "free")));
    }
    await this.rest();
    this.#reject(disposedOf());
  }

  #settle(reply: JobReply<Result, Done>): void {
    const pending = this.#pending.get(reply.id);
    if (!pending) return this.#forsake(reply);
    if ("done" in reply) return pending.onDone(reply.done);
    this.#pending.delete(reply.id);
    pending.thread!.load -= 1;
    this.#dispatch();
    if ("result" in reply) return pending.resolve(reply.result);
    pending.reject(receivedError(reply.error));
  }

  /** A thread has finished for nobody, and can be given the next job. */
  #forsake(reply: JobReply<Result, Done>): void {
    const thread = this.#forsaken.get(reply.id);
    if (!thread || "done" in reply) return;
    this.#forsaken.delete(reply.id);
    thread.load -= 1;
    this.#dispatch();
  }

  /** Fails the jobs of a thread; all where it is left out. */
  #reject(error: Error, thread?: Thread): void {
    for (const [id, pending] of this.#pending) {
      if (thread && pending.thread !== thread) continue;
      this.#pending.delete(id);
      pending.reject(error);
    }
  }
}

function disposedOf(): Error {
  return new Error("Cannot finish a job: its pool was disposed of");
}

/** How long a thread at rest waits for its end, so that the threads beside it come to rest too. */
const REST_MS = 5000;

/**
 * Turns the module that calls it into a worker of a {@linkcode WorkerPool}.
 * @param work does one job, may report work done meanwhile, and gives the result and the buffers to
 * hand over rather than copy
 * @param free frees what is kept from job to job: sessions; called when there are no more jobs
 */
export function serveJobs<Job, Result, Done = number>(
  work: (
    job: Job,
    onDone: (done: Done) => void,
  ) => Promise<{ result: Result; transfer?: ArrayBuffer[] }>,
  free: () => Promise<void> = () => Promise.resolve(),
): void {
  const scope = globalThis as unknown as {
    onmessage: (event: MessageEvent<Envelope<Job>>) => void;
    postMessage(message: Reply<Result, Done>, transfer: ArrayBuffer[]): void;
  };
  scope.onmessage = async ({ data }) => {
    if (data === "rest") {
      // those of the pools that it has itself first: they end with it
      await Promise.all([restWorkers(REST_MS), finishWriting(REST_MS)]);
      scope.postMessage("at rest", []);
      // nothing of this thread runs meanwhile, and its memory stays where it is; not for ever, since
      // a thread that waits cannot be ended, and keeps the process from ending
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, REST_MS);
      return;
    }
    if (data === "free") {
      await free().catch(() => {}); // what cannot be freed ends with the process
      scope.postMessage("at rest", []);
      return;
    }
    if ("cache" in data) return adoptCache(data.cache);
    const { id, job } = data;
    try {
      const { result, transfer = [] } = await work(
        job,
        (done) => scope.postMessage({ id, done }, []),
      );
      scope.postMessage({ id, result }, transfer);
    } catch (error) {
      scope.postMessage({ id, error: sentError(error) }, []);
    }
  };
}
