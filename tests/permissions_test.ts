import assert from "node:assert/strict";
import { basename, join } from "node:path";
import config from "../deno.json" with { type: "json" };
import { runDeno } from "./command_line.ts";
import { temporaryFolder } from "./temporary.ts";

const READ = ["--allow-env", "--allow-ffi", "--allow-read"];
const WRITE = [...READ, "--allow-write"];
/** Which machine it is, and since when it runs: claims say so; drawing asks for its processors. */
const CLAIM = [...WRITE, "--allow-sys"];
const FILES = ["--allow-env", "--allow-read", "--allow-write"];

/** What each command may do: native libraries decode and compute, who only reads writes nowhere. */
const ALLOWED: Readonly<Partial<Record<keyof typeof config.tasks, readonly string[]>>> = {
  reproduce: ["--allow-run=deno", ...CLAIM],
  published: CLAIM,
  detect: READ,
  page: ["--allow-net=127.0.0.1", "--allow-run=xdg-open,open,explorer", "--allow-sys", ...READ],
  features: CLAIM,
  backbone: WRITE,
  checkpoint: WRITE,
  detector: CLAIM,
  tensorflow: ["--allow-net=storage.googleapis.com", "--allow-run=g++,tar", ...CLAIM],
  doctor: READ,
  clean: CLAIM,
  slurm: ["--allow-run=sbatch", ...CLAIM],
  kernel: FILES,
  notebooks: [...FILES, "--allow-run=deno,jupyter"],
  "notebooks:check": [...FILES, "--allow-run=deno"],
};

Deno.test("each command may do what it needs to and no more", () => {
  for (const [name, { command }] of Object.entries(config.tasks)) {
    if (!command.includes("experiments/main.ts")) continue;
    const flags = command.match(/--allow-\S+/g)!.sort();
    const allowed = ALLOWED[name as keyof typeof ALLOWED];
    assert.deepEqual(flags, [...allowed ?? []].sort(), name);
  }
});

Deno.test("commands that compute nothing run without native libraries", async () => {
  const folder = temporaryFolder();
  const run = (...words: string[]) =>
    runDeno(["task", "--quiet", ...words], { env: { JUPYTER_DATA_DIR: folder } });
  assert.match((await run("kernel")).out, /^Installed the kernel/);
  assert.equal((await Deno.stat(join(folder, "kernels/rine/kernel.json"))).isFile, true);
  assert.match((await run("kernel", "--remove")).out, /^Removed the kernel/);
  for (const name of ["notebooks", "notebooks:check"]) {
    const { code, out, error } = await run(name, "--help");
    assert.deepEqual([code, error], [0, ""]);
    assert.match(out, /^Usage: deno task notebooks/);
  }
});

Deno.test("programs that are not there are no matter of who asks for help: Deno says nothing of them", async () => {
  const folder = temporaryFolder("programs_");
  await Deno.symlink(Deno.execPath(), join(folder, basename(Deno.execPath())));
  const env = { PATH: folder };
  const names = Object.entries(config.tasks)
    .filter(([, { command }]) => /--allow-run=.* experiments/.test(command))
    .map(([name]) => name);
  assert.ok(names.length >= 6, names.join());
  for (const name of names) {
    const { code, out, error } = await runDeno(["task", "--quiet", name, "--help"], { env });
    assert.deepEqual([code, error], [0, ""], name);
    assert.match(out, new RegExp(`^Usage: deno task ${name} `));
  }
});

Deno.test("commands that ask nothing of the machine do their work without leave to", async () => {
  const folder = temporaryFolder();
  const run = async (...words: string[]) => {
    const { code, error } = await runDeno(["task", "--quiet", ...words]);
    assert.deepEqual([code, error], [0, ""], words.join(" "));
  };
  const where = ["--backbones", folder];
  await run("backbone", "import", "tests/golden/clip_hf.safetensors", "--name", "a", ...where);
  await run("backbone", "quantize", "--name", "a", ...where);
  await run("backbone", "show", ...where);
  await run("checkpoint", "show", "tests/golden/patch_forensics.pth");
  const again = join(folder, "again.safetensors");
  await run("checkpoint", "convert", "tests/golden/patch_forensics.pth", again);
});
