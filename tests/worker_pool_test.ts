import assert from "node:assert/strict";
import { join } from "node:path";
import { isForPeople, UserError } from "../lib/io/errors.ts";
import { WorkerPool } from "../lib/io/worker_pool.ts";
import type { PoolJob } from "./pool_worker.ts";
import { temporaryFolder } from "./temporary.ts";

const MODULE = new URL("./pool_worker.ts", import.meta.url);
const CONFIG = new URL("../deno.json", import.meta.url).pathname;
const DEATH = /^A worker stopped: Uncaught .*"out of order"$/;
const DEATH_OF = { message: DEATH };
const DISPOSED_OF = { message: "Cannot finish a job: its pool was disposed of" };

/** More than a pool may take to start, and less than anybody waits for one that hangs. */
const LIMIT_MS = 20_000;

function openPool(size: number, atOnce?: number): WorkerPool<PoolJob, string> {
  return new WorkerPool(MODULE, size, atOnce);
}

/** Fails where something takes for ever. */
async function inTime<T>(promise: Promise<T>): Promise<T> {
  const { promise: limit, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error("it hangs")), LIMIT_MS);
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}

Deno.test("a worker that stops fails its jobs, and the others do those that come after", async () => {
  const pool = openPool(2);
  const [dies, hangs] = [pool.run("die"), pool.run("hang")];
  await inTime(assert.rejects(dies, DEATH_OF));
  for (let i = 0; i < 3; i++) assert.equal(await inTime(pool.run("answer")), "answer");
  await inTime(Promise.all([assert.rejects(hangs, DISPOSED_OF), pool[Symbol.asyncDispose]()]));
});

Deno.test("a worker is given as many jobs at once as it is to have", async () => {
  for (const [atOnce, most] of [[1, 1], [2, 2], [undefined, 3]] as const) {
    await using pool = openPool(2, atOnce);
    const counts = await inTime(Promise.all(Array.from({ length: 6 }, () => pool.run("count"))));
    assert.equal(Math.max(...counts.map(Number)), most);
  }
});

Deno.test("jobs that wait are done by another worker where one stops, and fail with the last", async () => {
  const pool = openPool(2, 1);
  const jobs = (["die", "answer", "answer", "answer"] as const).map((job) => pool.run(job));
  const [dies, ...answers] = jobs;
  await inTime(assert.rejects(dies!, DEATH_OF));
  assert.deepEqual(await inTime(Promise.all(answers)), ["answer", "answer", "answer"]);
  const [last, waits] = [pool.run("die"), pool.run("answer")];
  await inTime(Promise.all([assert.rejects(last, DEATH_OF), assert.rejects(waits, DEATH_OF)]));
  await inTime(pool[Symbol.asyncDispose]());
});

Deno.test("a job that cannot be sent fails alone", async () => {
  await using pool = openPool(1, 1);
  const cannot = pool.run((() => {}) as unknown as PoolJob);
  const can = pool.run("answer");
  await assert.rejects(cannot, { name: "DataCloneError" });
  assert.equal(await inTime(can), "answer");
});

Deno.test("a pool without a living worker says why they stopped, and is disposed of at once", async () => {
  const work = async () => {
    await using pool = openPool(1);
    await Promise.all([pool.run("die"), pool.run("hang")]);
  };
  await inTime(assert.rejects(work(), DEATH_OF));
  await using pool = openPool(1);
  await assert.rejects(pool.run("die"));
  await inTime(assert.rejects(pool.run("answer"), DEATH_OF));
});

Deno.test("a pool that is disposed of fails the jobs under way and takes no others", async () => {
  const pool = openPool(1);
  const job = assert.rejects(pool.run("hang"), DISPOSED_OF);
  pool[Symbol.dispose]();
  await inTime(job);
  await assert.rejects(pool.run("answer"), { message: /expected a pool, found it disposed of$/ });
});

Deno.test("a pool at rest reports nothing of its jobs, for the process is about to end", async () => {
  const pool = openPool(2);
  let reports = 0;
  const count = () => void reports++;
  pool.run("hang").then(count, count);
  await inTime(pool.rest());
  const later = pool.run("answer").then(count, count);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(reports, 0);
  await inTime(pool[Symbol.asyncDispose]());
  await inTime(later);
});

Deno.test("a thread comes to rest after the threads of its own pools", async () => {
  using channel = Object.assign(new BroadcastChannel("beats"), {
    [Symbol.dispose]: () => channel.close(),
  });
  let beats = 0;
  channel.onmessage = () => beats++;
  const pool = openPool(1);
  await inTime(
    new Promise<void>((resolve) => {
      pool.run("hang in a pool of its own", () => resolve()).catch(() => {});
    }),
  );
  await inTime(pool.rest());
  // what was sent before is on its way
  await new Promise((resolve) => setTimeout(resolve, 50));
  const before = beats;
  assert(before >= 3);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(beats, before);
});

Deno.test("errors of the system keep their kind on the way out of a worker, all others their message", async () => {
  await using pool = openPool(1);
  await assert.rejects(pool.run("read what is not there"), (error: Error) => {
    assert(error instanceof Deno.errors.NotFound, `${error.constructor.name}`);
    assert.match(error.message, /os error 2.*\/nowhere\/file/);
    return true;
  });
  await assert.rejects(pool.run("raise"), (error: Error) => {
    assert.deepEqual([error.name, error.message], ["Error", "it broke"]);
    assert.match(error.stack!, /pool_worker\.ts/);
    return !isForPeople(error);
  });
});

Deno.test("an error that is for people keeps its kind and its message on the way out of a worker", async () => {
  await using pool = openPool(1);
  const { NotFound, NotCapable, PermissionDenied } = Deno.errors;
  for (const kind of ["missing", "damaged", "usage", "disk"] as const) {
    await assert.rejects(inTime(pool.run(`raise ${kind}`)), (error: Error) => {
      assert(error instanceof UserError);
      assert.deepEqual([error.kind, error.message], [kind, `found ${kind}`]);
      return isForPeople(error);
    });
  }
  const kinds = { NotFound, NotCapable, PermissionDenied };
  for (const [name, kind] of Object.entries(kinds) as [keyof typeof kinds, typeof NotFound][]) {
    await assert.rejects(inTime(pool.run(`raise ${name}`)), (error: Error) => {
      assert.equal(error.constructor, kind);
      assert.equal(error.message, `found ${name}`);
      assert(isForPeople(error));
      return true;
    });
  }
});

Deno.test("what a job reports as done is told in its order, before its result", async () => {
  await using pool = openPool(1);
  const told: unknown[] = [];
  told.push(await inTime(pool.run("report", (count) => told.push(count))));
  assert.deepEqual(told, [1, 2, 3, "report"]);
});

Deno.test("ordered() gives results in the items' order, and works no further ahead than it may", async () => {
  await using pool = openPool(2);
  let taken = 0, read = 0;
  function* waits() {
    for (const milliseconds of [60, 1, 30, 1, 20, 1]) {
      taken++;
      yield milliseconds;
    }
  }
  const found: [number, string][] = [];
  for await (const { item, result } of pool.ordered(waits(), (ms): PoolJob => `wait ${ms}`, 3)) {
    assert(taken - read <= 3, `${taken} were taken when ${read} had been read`);
    read++;
    found.push([item, result]);
  }
  assert.deepEqual(found, [60, 1, 30, 1, 20, 1].map((ms) => [ms, `wait ${ms}`]));
});

Deno.test("threads that have nothing to do free what they hold when their pool ends, others just end", async () => {
  using channel = Object.assign(new BroadcastChannel("pool worker"), {
    [Symbol.dispose]: () => channel.close(),
  });
  let freed = 0;
  channel.onmessage = () => freed++;
  for (const [jobs, expected] of [[["answer", "answer"], 2], [["answer", "hang"], 1]] as const) {
    freed = 0;
    const pool = openPool(2);
    const [first, second] = jobs.map((job) => pool.run(job));
    await inTime(first!);
    if (jobs[1] === "answer") await inTime(second!);
    else second!.catch(() => {});
    await inTime(pool[Symbol.asyncDispose]());
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(freed, expected, `${jobs}`);
  }
});

Deno.test("a file that a worker is writing comes to its end before the worker does, and no other is begun", async () => {
  const folder = temporaryFolder();
  const pool = openPool(1);
  const begun = Promise.withResolvers<void>();
  pool.run(`write ${folder}`, () => begun.resolve()).catch(() => {});
  await inTime(begun.promise);
  await inTime(pool[Symbol.asyncDispose]());
  assert.deepEqual(Array.from(Deno.readDirSync(folder), ({ name }) => name), ["1"]);
  assert.equal(Deno.statSync(join(folder, "1")).size, 1000);
});

Deno.test("a process that disposed of a busy pool ends by itself", async () => {
  const script = join(temporaryFolder(), "script.ts");
  const library = new URL("../lib/io/worker_pool.ts", import.meta.url);
  await Deno.writeTextFile(
    script,
    `import { WorkerPool } from "${library}";
    const pool = new WorkerPool(new URL("${MODULE}"), 1);
    pool.run("hang").catch(() => {});
    await pool[Symbol.asyncDispose]();`,
  );
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-read", "--config", CONFIG, script],
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  const { success } = await child.status;
  clearTimeout(timer);
  assert(success, "it had to be killed");
});
