import assert from "node:assert/strict";
import { dirname, relative, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname!, "..");

/** What may be imported by a folder of `lib/`, besides itself; `experiments/` may import all. */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  io: [],
  image: ["io", "random"],
  onnx: ["io"],
  results: ["io"],
  metrics: ["io", "random", "results"],
  report: ["io", "results"],
  data: ["image", "io", "random"],
  backbone: ["image", "onnx", "io", "random", "data"],
  head: ["onnx", "io", "random"],
  features: ["backbone", "data", "image", "onnx", "io", "random"],
  run: [
    "features",
    "head",
    "data",
    "backbone",
    "image",
    "onnx",
    "io",
    "random",
    "results",
    "metrics",
  ],
  random: [],
};

/** `lib/onnx/graph.ts` → `onnx`; `lib/random.ts` → `random`. */
function layerOf(path: string): string {
  const [, layer = ""] = path.split("/");
  return layer.replace(/\.ts$/, "");
}

async function importsOf(path: string): Promise<string[]> {
  const { stdout, success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", path],
    cwd: ROOT,
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as {
    modules: {
      specifier: string;
      dependencies?: { code?: { specifier?: string }; type?: { specifier?: string } }[];
    }[];
  };
  const own = modules.find(({ specifier }) => specifier.endsWith(path))!;
  return (own.dependencies ?? [])
    .map(({ code, type }) => (code ?? type)?.specifier ?? "")
    .filter((specifier) => specifier.startsWith("file:"))
    .map((specifier) => relative(ROOT, new URL(specifier).pathname));
}

async function* sources(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(resolve(ROOT, folder))) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* sources(path);
    else if (name.endsWith(".ts")) yield path;
  }
}

Deno.test("imports go down the layers only", async () => {
  const wrong: string[] = [];
  let checked = 0;
  for await (const path of sources("lib")) {
    if (path === "lib/mod.ts" || path === "lib/notebook.ts") continue;
    const layer = layerOf(path);
    assert(layer in BELOW, `${path} stands in no known layer`);
    for (const imported of await importsOf(path)) {
      checked++;
      const target = layerOf(imported);
      const isBelow = target === layer || BELOW[layer]!.includes(target);
      if (dirname(imported).startsWith("experiments") || !isBelow) {
        wrong.push(`${path} → ${imported}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
  assert(checked > 50, `expected to see the imports, saw ${checked}`);
});
