import assert from "node:assert/strict";
import { startOnGpus } from "../lib/cluster/gpus.ts";
import { commandLine } from "./command_line.ts";

Deno.test("each GPU has a process that sees it alone, and what it says is told with its number", async () => {
  const lines: string[] = [];
  const args = ["eval", `console.error("sees", Deno.env.get("CUDA_VISIBLE_DEVICES"), "\\nalone")`];
  const { code } = startOnGpus([0, 3], { args, onLine: (line) => lines.push(line) });
  assert.equal(await code, 0);
  assert.deepEqual(lines.sort(), [
    "GPU 0: alone",
    "GPU 0: sees 0 ",
    "GPU 3: alone",
    "GPU 3: sees 3 ",
  ]);
});

Deno.test("a process that fails leaves the others at work, and its exit code is the whole one's", async () => {
  const lines: string[] = [];
  const script = `if (Deno.env.get("CUDA_VISIBLE_DEVICES") === "1") Deno.exit(7);
    setTimeout(() => console.error("done"), 300)`;
  const { code } = startOnGpus([1, 2], {
    args: ["eval", script],
    onLine: (line) => lines.push(line),
  });
  assert.equal(await code, 7);
  assert.deepEqual(lines, ["GPU 2: done"]);
});

Deno.test("processes that are stopped end in order", async () => {
  const script = `Deno.addSignalListener("SIGTERM", () => {
      console.error("in order");
      Deno.exit(143);
    });
    console.error("ready");
    setInterval(() => {}, 1000)`;
  const lines: string[] = [], ready = Promise.withResolvers<void>();
  const processes = startOnGpus([0, 1], {
    args: ["eval", script],
    onLine: (line) => {
      if (lines.push(line) === 2) ready.resolve();
    },
  });
  await ready.promise;
  await processes.stop();
  assert.equal(await processes.code, 143);
  assert.deepEqual(lines.slice(2).sort(), ["GPU 0: in order", "GPU 1: in order"]);
});

Deno.test("several GPUs are refused where there is none to run on, or --force makes work twice", async () => {
  for (
    const [words, found] of [
      [[], "expected --device cuda or auto beside it, found cpu"],
      [["--device", "webgpu"], "expected --device cuda or auto beside it, found webgpu"],
      [["--device", "auto", "--force"], "Cannot reproduce with --gpus and --force"],
    ] as const
  ) {
    const { code, error } = await commandLine("reproduce", "--gpus", "0,1", ...words);
    assert.equal(code, 2, error);
    assert.match(error, new RegExp(found));
  }
});
