/**
 * A few worker threads that do jobs of one kind.
 * @module
 */

/** A job on its way to a worker, or the order to come to rest. */
type Envelope<Job> = { readonly id: number; readonly job: Job } | "rest";

/** What a worker sends back: a count of work done, the result, or the error's kind and message. */
type Reply<Result> = "at rest" | JobReply<Result>;

type JobReply<Result> =
  & { readonly id: number }
  & (
    | { readonly done: number }
    | { readonly result: Result }
    | { readonly error: { name: string; message: string } }
  );

interface Pending<Result> {
  readonly worker: number;
  resolve(result: Result): void;
  reject(error: Error): void;
  onDone(count: number): void;
}

const ERRORS: Readonly<Record<string, new (message: string) => Error>> = {
  RangeError,
  SyntaxError,
  TypeError,
};

/** Pools whose threads are there. */
const openPools = new Set<AsyncDisposable>();

/**
 * Brings the threads of all pools to rest, so that the process can end: native code that still runs
 * while it ends says so, or worse. Waits for at most so long.
 */
export async function restWorkers(limitMs: number): Promise<void> {
  const limit = new Promise((resolve) => setTimeout(resolve, limitMs));
  await Promise.race([
    limit,
    Promise.all([...openPools].map((pool) => pool[Symbol.asyncDispose]())),
  ]);
}

/** Worker threads, each running one module that calls {@linkcode serveJobs}. */
export class WorkerPool<Job, Result> implements Disposable, AsyncDisposable {
  readonly #workers: Worker[];
  readonly #atRest: (() => void)[] = [];
  readonly #load: number[];
  readonly #pending = new Map<number, Pending<Result>>();
  #nextId = 0;

  /**
   * @param module the workers' module
   * @param size number of threads
   */
  constructor(module: URL, size: number) {
    this.#workers = Array.from({ length: size }, () => new Worker(module, { type: "module" }));
    openPools.add(this);
    this.#load = new Array(size).fill(0);
    this.#workers.forEach((worker, index) => {
      worker.onmessage = ({ data }: MessageEvent<Reply<Result>>) => {
        if (data === "at rest") this.#atRest[index]?.();
        else this.#settle(data);
      };
      worker.onerror = (event) => {
        event.preventDefault();
        this.#fail(index, new Error(`A worker stopped: ${event.message}`));
        this.#atRest[index]?.();
      };
    });
  }

  /** Number of threads. */
  get size(): number {
    return this.#workers.length;
  }

  /**
   * Does a job on the worker that has the fewest to do.
   * @throws what the job throws: {@linkcode RangeError}, {@linkcode SyntaxError},
   * {@linkcode TypeError}, or {@linkcode Error}, with the same message
   * @param onDone told of the work that the job reports as done
   */
  run(job: Job, onDone: (count: number) => void = () => {}): Promise<Result> {
    const worker = this.#load.indexOf(Math.min(...this.#load));
    const id = this.#nextId++;
    this.#load[worker]! += 1;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { worker, resolve, reject, onDone });
      this.#workers[worker]!.postMessage({ id, job } satisfies Envelope<Job>);
    });
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

  /** Stops the workers at once; jobs under way are dropped. */
  [Symbol.dispose](): void {
    openPools.delete(this);
    for (const worker of this.#workers) worker.terminate();
  }

  /** Stops each worker as soon as it is between two calls of native code; jobs are dropped. */
  async [Symbol.asyncDispose](): Promise<void> {
    openPools.delete(this);
    await Promise.all(this.#workers.map(async (worker, index) => {
      if (this.#load[index]! > 0) {
        const rest = new Promise<void>((resolve) => this.#atRest[index] = resolve);
        worker.postMessage("rest" satisfies Envelope<Job>);
        await rest;
      }
      worker.terminate();
    }));
  }

  #settle(reply: JobReply<Result>): void {
    const pending = this.#pending.get(reply.id);
    if (!pending) return;
    if ("done" in reply) return pending.onDone(reply.done);
    this.#pending.delete(reply.id);
    this.#load[pending.worker]! -= 1;
    if ("result" in reply) return pending.resolve(reply.result);
    const { name, message } = reply.error;
    pending.reject(new (ERRORS[name] ?? Error)(message));
  }

  #fail(worker: number, error: Error): void {
    for (const [id, pending] of this.#pending) {
      if (pending.worker !== worker) continue;
      this.#pending.delete(id);
      pending.reject(error);
    }
  }
}

/**
 * Turns the module that calls it into a worker of a {@linkcode WorkerPool}.
 * @param work does one job, may report work done meanwhile, and gives the result and the buffers to
 * hand over rather than copy
 */
export function serveJobs<Job, Result>(
  work: (
    job: Job,
    onDone: (count: number) => void,
  ) => Promise<{ result: Result; transfer?: ArrayBuffer[] }>,
): void {
  const scope = globalThis as unknown as {
    onmessage: (event: MessageEvent<Envelope<Job>>) => void;
    postMessage(message: Reply<Result>, transfer: ArrayBuffer[]): void;
  };
  scope.onmessage = async ({ data }) => {
    if (data === "rest") {
      scope.postMessage("at rest", []);
      // nothing of this thread runs any more, and its memory stays where it is
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      return;
    }
    const { id, job } = data;
    try {
      const { result, transfer = [] } = await work(
        job,
        (done) => scope.postMessage({ id, done }, []),
      );
      scope.postMessage({ id, result }, transfer);
    } catch (error) {
      const { name, message } = error instanceof Error ? error : new Error(String(error));
      scope.postMessage({ id, error: { name, message } }, []);
    }
  };
}
