/**
 * Signals that end a command: Ctrl-C, the end of a job's time, a terminal that is closed.
 * @module
 */
import { releaseClaims } from "../io/lock.ts";
import { ProgressDisplay } from "../io/progress_bar.ts";
import { restWorkers } from "../io/worker_pool.ts";

/** Signals, and the exit codes that shells give to who is ended by them. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Those that there are here. */
const SIGNALS = Deno.build.os === "windows"
  ? (["SIGINT", "SIGHUP"] as const)
  : (["SIGINT", "SIGTERM", "SIGHUP"] as const);

/** How long a thread may take to come to rest before the process ends all the same. */
const REST_MS = 10_000;

/**
 * Signals within so long of the first are the same one: a Ctrl-C reaches all processes of a terminal, and
 * `deno task` hands its own on.
 */
const SAME_MS = 500;

/** How long a server may take to answer that claims are gone. */
const RELEASE_MS = 2000;

/** What a command says that loses nothing when it is ended. */
export const GOES_ON = "Stopped; the same command goes on from here";

let line = "Stopped";
let finish: () => Promise<void> = () => Promise.resolve();
let isListening = false;

/**
 * Ends the process when it is told to, and at once at the second time. Files are whole or not there:
 * nothing has to be put in order.
 */
export function stopOnSignals(): void {
  if (isListening) return;
  isListening = true;
  let toldAt: number | undefined;
  for (const signal of SIGNALS) {
    Deno.addSignalListener(signal, async () => {
      if (toldAt !== undefined) {
        if (performance.now() - toldAt > SAME_MS) Deno.exit(EXIT_CODES[signal]);
        return;
      }
      toldAt = performance.now();
      try {
        ProgressDisplay.closeAll();
        console.error(line);
      } catch {
        // the terminal may be gone
      }
      await finish().catch(() => {}); // it ends all the same
      await restWorkers(REST_MS);
      // others go on with what it had in hand without waiting to see that it is gone
      await Promise.race([releaseClaims(), new Promise((go) => setTimeout(go, RELEASE_MS))]);
      Deno.exit(EXIT_CODES[signal]);
    });
  }
}

/**
 * Says what a command says when it is ended.
 * @param said in one line
 * @param finishing what it does before, where it has something in hand; a second signal does not wait
 */
export function stopOnInterrupt(said: string, finishing = finish): void {
  line = said;
  finish = finishing;
  stopOnSignals();
}
