import assert from "node:assert/strict";
import { join, relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { temporaryFolder } from "./temporary.ts";

const ROOT = resolve(import.meta.dirname!, "..");

const GROUND = ["io", "random"];
const LEAVES = ["metrics", "published", "report"];
const TOOLS = ["image", "onnx", ...GROUND];
const STORES = ["backbones", "data", ...TOOLS, ...LEAVES];
const RUNS = ["runs", "detectors", "tokens", ...STORES];
const FRONT = ["report/page", "report/paper", "report/ufd", "doctor", ...RUNS];
const ALL = ["cli", "cluster", "kernel", "page", "session", "mini", ...FRONT];

/** What each room may import besides itself. */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  io: [],
  random: [],
  metrics: [...LEAVES, ...GROUND],
  published: [...LEAVES, "image", ...GROUND],
  report: [...LEAVES, "image", ...GROUND],
  image: GROUND,
  onnx: GROUND,
  backbones: TOOLS,
  data: TOOLS,
  tokens: STORES,
  // heads are trained on features that lie on disk
  detectors: ["tokens", ...STORES],
  runs: RUNS,
  "report/page": [...LEAVES, "image", ...GROUND],
  "report/paper": ["report/page", ...RUNS],
  "report/ufd": ["report/paper", ...RUNS],
  doctor: RUNS,
  mini: RUNS,
  session: FRONT,
  page: RUNS,
  kernel: ["io"],
  cluster: ["io"],
  cli: ["page", "cluster", "kernel", ...FRONT],
  mod: ["session", ...FRONT],
  experiments: ALL,
};

/** Files that do nothing but name what others have. */
const NAMES_ONLY = ["lib/mod.ts", "experiments/notebook.ts"];

const LONGEST_LINES = 350;
const USUAL_LINES = [80, 200] as const;

/** `lib/onnx/graph.ts` → `onnx`; `lib/random.ts` → `random`. */
function roomOf(path: string): string {
  const [top, room, inner] = path.replace(/\.ts$/, "").split("/");
  if (top === "experiments") return top;
  const isReports = room === "report" && ["page", "paper", "ufd"].includes(inner!);
  return isReports ? `report/${inner}` : room!;
}

/** Every source file of the library and of the experiments, relative to the project. */
function sources(folders: readonly string[] = ["lib", "experiments"]): string[] {
  return folders.flatMap((folder) =>
    Array.from(Deno.readDirSync(join(ROOT, folder))).flatMap(({ name, isDirectory }) => {
      const path = `${folder}/${name}`;
      return isDirectory ? sources([path]) : name.endsWith(".ts") ? [path] : [];
    })
  ).sort();
}

/** What each file imports of the project's own, for its types or for its code. */
async function readImports(files: readonly string[]): Promise<ReadonlyMap<string, string[]>> {
  const entry = join(temporaryFolder(), "all.ts");
  const lines = files.map((path) => `import "${pathToFileURL(join(ROOT, path))}";\n`);
  await Deno.writeTextFile(entry, lines.join(""));
  const { stdout, success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "--config", join(ROOT, "deno.json"), entry],
    cwd: ROOT,
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as {
    modules: {
      specifier: string;
      dependencies?: { code?: { specifier?: string }; type?: { specifier?: string } }[];
    }[];
  };
  const known = new Set(files);
  const pathOf = (url: string) =>
    url.startsWith("file:") ? relative(ROOT, fileURLToPath(url)).replaceAll("\\", "/") : url;
  return new Map(
    modules.filter(({ specifier }) => known.has(pathOf(specifier))).map((module) => [
      pathOf(module.specifier),
      (module.dependencies ?? [])
        .flatMap(({ code, type }) => [code?.specifier, type?.specifier])
        .filter((specifier) => specifier !== undefined)
        .map(pathOf).filter((path) => path.endsWith(".ts") && !path.startsWith("npm:")),
    ]),
  );
}

const files = sources();
const imports = await readImports(files);

Deno.test("every file is seen, and what it imports", () => {
  assert.deepEqual([...imports.keys()].sort(), files);
  assert(files.length > 150, `saw ${files.length} files`);
  assert(imports.get("experiments/index.ts")!.includes("experiments/rine/grid.ts"));
  assert(imports.get("lib/runs/section.ts")!.includes("lib/report/table.ts"), "a type");
});

Deno.test("imports go down the layers only, and the library knows nothing of the experiments", () => {
  const wrong: string[] = [];
  for (const [path, imported] of imports) {
    const room = roomOf(path);
    assert(Object.hasOwn(BELOW, room), `${path} stands in no known room`);
    for (const other of imported) {
      const isIn = roomOf(other) === room || BELOW[room]!.includes(roomOf(other));
      if (!isIn || !files.includes(other)) wrong.push(`${path} → ${other}`);
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("no file imports itself by way of others, for types neither", () => {
  const done = new Set<string>();
  const circles = new Set<string>();
  const walk = (path: string, way: readonly string[]) => {
    const start = way.indexOf(path);
    if (start >= 0) circles.add([...way.slice(start), path].join(" → "));
    if (start >= 0 || done.has(path)) return;
    for (const other of imports.get(path) ?? []) walk(other, [...way, path]);
    done.add(path);
  };
  for (const path of files) walk(path, []);
  assert.deepEqual([...circles], []);
});

Deno.test(`no file is longer than ${LONGEST_LINES} lines, most have ${USUAL_LINES.join(" to ")}`, () => {
  const lengths = files.map((path) => ({
    path,
    lines: Deno.readTextFileSync(join(ROOT, path)).trimEnd().split("\n").length,
  })).sort((a, b) => a.lines - b.lines);
  const long = lengths.filter(({ lines }) => lines > LONGEST_LINES);
  assert.deepEqual(long, []);
  const { lines: median } = lengths[Math.floor(lengths.length / 2)]!;
  const [least, most] = USUAL_LINES;
  assert(least <= median && median <= most, `half of the files have more than ${median} lines`);
});

/** What is left of a file without comments, imports, and exports of what other files have. */
function ownCode(text: string): string {
  return text
    .replaceAll(/\/\*[^]*?\*\//g, "")
    .replaceAll(/^\s*\/\/.*$/gm, "")
    .replaceAll(/^(?:import|export)\s+(?:type\s+)?(?:[\w*]|\{)[^;{}]*\}?\s*from\s*"[^"]+";$/gm, "")
    .replaceAll(/^(?:export\s+(?:type\s+)?\{[^}]*\}|import\s+"[^"]+");$/gm, "")
    .trim();
}

Deno.test("a file has something of its own, unless it is an entrance", () => {
  const empty = files.filter((path) =>
    !NAMES_ONLY.includes(path) && ownCode(Deno.readTextFileSync(join(ROOT, path))) === ""
  );
  assert.deepEqual(empty, []);
  // the test itself sees one
  assert.equal(ownCode(Deno.readTextFileSync(join(ROOT, "lib/mod.ts"))), "");
});

Deno.test("each test file belongs to one of the processes that run the tests, and to no other", () => {
  const { tasks } = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json")));
  const halves = [...tasks.test.command.matchAll(/ tests\/\[(\w)-(\w)\]\*_test\.ts/g)]
    .map(([, from, to]: string[]) => new RegExp(`^[${from}-${to}].*_test\\.ts$`));
  assert.equal(halves.length, 2);
  const names = Array.from(Deno.readDirSync(join(ROOT, "tests")), ({ name }) => name)
    .filter((name) => name.endsWith("_test.ts"));
  assert(names.length > 100, `saw ${names.length} files`);
  for (const name of names) {
    assert.equal(halves.filter((half) => half.test(name)).length, 1, name);
  }
});
