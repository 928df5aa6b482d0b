/** The worker of `worker_pool_test.ts`. */
import { serveJobs } from "../lib/io/worker_pool.ts";

/** What it can be told to do. */
export type PoolJob = "answer" | "hang" | "die" | "read what is not there" | "raise";

serveJobs(async (job: PoolJob) => {
  // outside the job: nothing answers for it
  if (job === "die") setTimeout(() => Promise.reject("out of order"));
  if (job === "hang" || job === "die") await new Promise(() => {});
  if (job === "read what is not there") await Deno.readFile("/nowhere/file");
  if (job === "raise") throw Object.assign(new Error("it broke"), { name: "constructor" });
  return { result: job };
});
