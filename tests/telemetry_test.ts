import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { temporaryFolder } from "./temporary.ts";

Deno.test({
  name: "ONNX Runtime reports nothing: it leaves no device id, no log and no queue of events",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const folder = temporaryFolder();
    const module = (path: string) => new URL(`../lib/onnx/${path}`, import.meta.url).href;
    const script = `
      import { openSession } from "${module("session.ts")}";
      import { GraphBuilder } from "${module("graph.ts")}";
      const graph = new GraphBuilder();
      const x = graph.input("x", "float32", [1]);
      graph.output("y", graph.op("Neg", [x]), "float32", [1]);
      const session = await openSession(graph.build());
      console.log(session.outputNames.join());
    `;
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--config", resolve(import.meta.dirname!, "../deno.json"), script],
      clearEnv: true,
      env: {
        PATH: Deno.env.get("PATH") ?? "",
        HOME: Deno.env.get("HOME") ?? "",
        TMPDIR: folder,
        XDG_CACHE_HOME: join(folder, "cache"),
        DENO_DIR: Deno.env.get("DENO_DIR") ?? join(Deno.env.get("HOME") ?? "", ".cache", "deno"),
      },
    }).output();
    assert.equal(new TextDecoder().decode(stdout).trim(), "y", new TextDecoder().decode(stderr));
    assert.deepEqual(Array.from(Deno.readDirSync(folder), ({ name }) => name), []);
  },
});
