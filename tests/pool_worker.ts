/** The worker of `worker_pool_test.ts`. */
import { type Problem, UserError } from "../lib/io/errors.ts";
import { decodeImage } from "../lib/image/image.ts";
import { writeFileAtomic } from "../lib/io/files.ts";
import { serveJobs, WorkerPool } from "../lib/io/worker_pool.ts";

/** What it can be told to do. */
export type PoolJob =
  | "answer"
  | "count"
  | "hang"
  | "die"
  | "read what is not there"
  | "raise"
  | "report"
  | "hang in a pool of its own"
  | "beat"
  | `raise ${Problem | keyof typeof KINDS}`
  | `write ${string}`
  | `decode ${string}`
  | `wait ${number}`;

/** Errors of the system that are to keep their class on their way out. */
const KINDS = {
  NotFound: Deno.errors.NotFound,
  NotCapable: Deno.errors.NotCapable,
  PermissionDenied: Deno.errors.PermissionDenied,
} as const;

let underWay = 0;

serveJobs(async (job: PoolJob, onDone) => {
  if (job === "count") {
    const count = ++underWay;
    await new Promise((resolve) => setTimeout(resolve, 10));
    underWay--;
    return { result: `${count}` };
  }
  // outside the job: nothing answers for it
  if (job === "die") setTimeout(() => Promise.reject("out of order"));
  if (job === "hang" || job === "die") await new Promise(() => {});
  if (job === "read what is not there") await Deno.readFile("/nowhere/file");
  if (job === "raise") throw Object.assign(new Error("it broke"), { name: "constructor" });
  if (job === "report") { for (const count of [1, 2, 3]) onDone(count); }
  if (job === "hang in a pool of its own") {
    const own = new WorkerPool<PoolJob, string>(new URL(import.meta.url), 1);
    await own.run("beat", onDone);
  }
  if (job === "beat") {
    const channel = new BroadcastChannel("beats");
    for (let beats = 1;; beats++) {
      channel.postMessage(beats);
      if (beats === 3) onDone(beats);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  const [verb, what] = job.split(" ", 2);
  if (verb === "decode") await decodeImage(what!);
  if (verb === "write") {
    for (let file = 1;; file++) {
      await writeFileAtomic(`${what}/${file}`, async (write) => {
        onDone(file);
        await new Promise((resolve) => setTimeout(resolve, 300));
        await write(new Uint8Array(1000));
      });
    }
  }
  if (verb === "wait") await new Promise((resolve) => setTimeout(resolve, Number(what)));
  if (verb === "raise") {
    const kind = KINDS[what as keyof typeof KINDS];
    throw kind ? new kind(`found ${what}`) : new UserError(what as Problem, `found ${what}`);
  }
  return { result: job };
}, async () => {
  const channel = new BroadcastChannel("pool worker");
  channel.postMessage("freed");
  // a message is on its way when its channel is closed
  await new Promise((resolve) => setTimeout(resolve, 20));
  channel.close();
});
