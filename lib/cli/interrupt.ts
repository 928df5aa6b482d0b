/**
 * Ctrl-C.
 * @module
 */
import { ProgressDisplay } from "../io/progress_bar.ts";
import { restWorkers } from "../io/worker_pool.ts";
import { EXIT_INTERRUPTED } from "./errors.ts";

/** How long a thread may take to come to rest before the process ends all the same. */
const REST_MS = 10_000;

/**
 * Ends the process at Ctrl-C, and at once at the second. Files are whole or not there: nothing has to
 * be put in order.
 * @param line what is said then
 */
export function stopOnInterrupt(line: string): void {
  let isStopping = false;
  Deno.addSignalListener("SIGINT", async () => {
    if (isStopping) Deno.exit(EXIT_INTERRUPTED);
    isStopping = true;
    ProgressDisplay.closeAll();
    console.error(line);
    await restWorkers(REST_MS);
    Deno.exit(EXIT_INTERRUPTED);
  });
}
