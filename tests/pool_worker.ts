/** The worker of `worker_pool_test.ts`. */
import { serveJobs } from "../lib/io/worker_pool.ts";

/** What it can be told to do. */
export type PoolJob =
  | "answer"
  | "count"
  | "hang"
  | "die"
  | "read what is not there"
  | "raise"
  | `raise ${string}`;

let underWay = 0;

serveJobs(async (job: PoolJob) => {
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
  if (job.startsWith("raise ")) {
    const name = job.slice("raise ".length);
    throw Object.assign(new Error(`it broke as ${name}`), { name });
  }
  return { result: job };
});
