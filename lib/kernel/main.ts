/**
 * What Jupyter starts: `deno run lib/kernel/main.ts connection.json`.
 * @module
 */
import { readJson } from "../io/files.ts";
import { PROJECT } from "../io/project.ts";
import { Kernel } from "./kernel.ts";
import { CONNECTION, type Connection } from "./wire.ts";

/** Between two looks at whether Jupyter is still there. */
const LOOK_MS = 1000;

const [path] = Deno.args;
if (path === undefined) throw new Error("Cannot start: expected a connection file, found none");
const kernel = new Kernel((await readJson<Connection>(path, { form: CONNECTION }))!, PROJECT);
Deno.addSignalListener("SIGINT", () => kernel.interrupt());
if (Deno.build.os !== "windows") {
  Deno.addSignalListener("SIGTERM", () => void kernel.shutDown());
}
// Jupyter may end without a word
const parent = Deno.ppid;
if (Deno.env.has("JPY_PARENT_PID")) {
  setInterval(() => {
    if (Deno.ppid !== parent) void kernel.shutDown();
  }, LOOK_MS);
}
await kernel.closed;
Deno.exit();
