/** Commands with faults, for `faults_test.ts`. */
import type { Command } from "commander";
import { runCommandLine } from "../lib/cli/command_line.ts";
import { UserError } from "../lib/io/errors.ts";
import { WorkerPool } from "../lib/io/worker_pool.ts";
import type { PoolJob } from "./pool_worker.ts";

await runCommandLine({
  slip: () => Promise.resolve(register),
  thread: () => Promise.resolve(register),
  later: () => Promise.resolve(register),
  advice: () => Promise.resolve(register),
});

function register(program: Command): void {
  program.command("slip").option("--of <what>").action(function slipUp() {
    void (undefined as unknown as { length: number }).length;
  });
  program.command("thread").action(async () => {
    const module = new URL("./pool_worker.ts", import.meta.url);
    await using pool = new WorkerPool<PoolJob, string>(module, 1);
    await pool.run("raise");
  });
  program.command("later").action(async () => {
    setTimeout(() => Promise.reject(new Error("nobody waits for this")));
    await new Promise((resolve) => setTimeout(resolve, 5000));
  });
  program.command("advice").action(() => {
    throw new UserError("damaged", "Cannot read a.json: expected JSON, found none");
  });
}
