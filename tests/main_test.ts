import assert from "node:assert/strict";
import { join } from "node:path";
import { exists } from "../lib/io/files.ts";
import { commandLine as run, ROOT, runDeno } from "./command_line.ts";
import { temporaryFile, temporaryFolder } from "./temporary.ts";

const USAGE: readonly (readonly [what: string, args: string[], says: RegExp])[] = [
  ["an unknown option", ["reproduce", "--fast"], /'--fast'; choose from --profile, --only/],
  ["an unknown section", ["reproduce", "--only", "gird"], /gird.*choices are grid, comparison/],
  [
    "an unknown section among others",
    ["reproduce", "--dry-run", "--only", "grid,gird"],
    /choices are grid, co/,
  ],
  [
    "no section",
    ["reproduce", "--dry-run", "--only", ","],
    /--only.*Expected names, with commas between/,
  ],
  [
    "a seed given twice",
    ["reproduce", "--dry-run", "--seeds", "1,2,1"],
    /Expected different whole numbers/,
  ],
  ["an unknown profile", ["reproduce", "--profile", "tiny"], /tiny.*choices are mini, paper/],
  [
    "an unknown device",
    ["reproduce", "--device", "tpu"],
    /tpu.*choices are auto, cpu, webgpu, cuda/,
  ],
  [
    "an unknown engine",
    ["reproduce", "--engine", "jax"],
    /jax.*choices are auto, onnx, tensorflow/,
  ],
  ["a seed that is no number", ["reproduce", "--seed", "one"], /one.*Expected a whole number/],
  [
    "an unknown command",
    ["reprodcue"],
    /reprodcue.*choose from reproduce, slurm, doctor, published/,
  ],
  ["no command", [], /choose from reproduce, slurm, doctor, published/],
  ["a missing option", ["features", "--images", "x"], /--backbone <name>.*not specified/],
  [
    "an unknown backbone",
    ["features", "--backbone", "ViT-X", "--images", "tests", "--out", "x.npy"],
    /ViT-X.*(there are|holds? none)/,
  ],
];

for (const [what, args, says] of USAGE) {
  Deno.test(`${what} is answered in one line with the choices and exit code 2`, async () => {
    const { code, out, error } = await run(...args);
    assert.match(error, says);
    assert.equal(error.split("\n").length, 1, error);
    assert.equal(out, "");
    assert.equal(code, 2);
  });
}

/** Commands, and what each offers where an option is unknown. */
const CHOICES: readonly (readonly [words: string, choices: string])[] = [
  ["", "reproduce, slurm, doctor, published, detect, page, features, backbone, checkpoint"],
  ["doctor", "--profile, --only, --data, --results, --tokens, --datasets, --json, --deep"],
  ["published", "--out, --from, --theme"],
  [
    "detect x.png",
    "--head, --backbone, --backbones, --device, --trust-device, --precision, --batch, --json, --as, --transform",
  ],
  ["clean", "--data, --results, --tokens, --dry-run"],
  ["page", "--head, --detector, --detectors, --backbones, --data, --results, --port"],
  ["features", "--backbone, --images, --out, --transform, --skip-corrupt, --backbones"],
  ["backbone", "import, quantize, show"],
  ["backbone import x", "--name, --mode, --backbones"],
  ["backbone quantize", "--name, --backbones"],
  ["backbone show", "--backbones"],
  ["checkpoint", "show, convert"],
  ["detector", "import, list"],
  ["detector import x", "--as, --name, --detectors"],
  ["detector list", "--detectors"],
  ["tensorflow", "install"],
  ["tensorflow install", "--library, --sha256"],
  ["kernel", "--remove"],
  ["notebooks", "--out"],
  ["notebooks:check", "--fix"],
];

Deno.test("every command refuses an unknown option with exit code 2 and what there is", async () => {
  const refused = async (words: string) => {
    const { code, out, error } = await run(...words.split(" ").filter(Boolean), "--fast");
    assert.equal(error.split("\n").length, 1, error);
    assert.deepEqual([code, out], [2, ""], words);
    assert.match(error, /unknown option '--fast'; /);
    return error;
  };
  for (const [words, choices] of CHOICES) {
    const error = await refused(words);
    assert.ok(error.includes(`; choose from ${choices}`), `${words}: ${error}`);
  }
  assert.match(await refused("checkpoint show x"), /; it takes no options$/);
});

Deno.test("--help lists the options and exits with 0", async () => {
  const { code, out } = await run("reproduce", "--help");
  assert.equal(code, 0);
  assert.match(out, /--only <names>/);
});

Deno.test("a folder that cannot be written is said before work starts", async () => {
  const folder = temporaryFolder();
  await Deno.writeTextFile(join(folder, "file"), "");
  const { code, error } = await run("reproduce", "--results", join(folder, "file", "results"));
  assert.equal(code, 1);
  assert.match(error, /^Cannot write into .*file.results/);
  assert.equal(error.split("\n").length, 1, error);
});

Deno.test("a folder of images that is not there is named, and not made", async () => {
  const folder = join(temporaryFolder(), "gone");
  const { code, error } = await run("reproduce", "--profile", "paper", "--data", folder);
  assert.match(
    error,
    /^Cannot reproduce: expected images.*gone, found no such folder; `deno task doc/,
  );
  assert.equal(error.split("\n").length, 1, error);
  assert.equal(code, 1);
  assert.equal(await exists(folder), false);
});

Deno.test("a file that is not there is named in one line", async () => {
  const { code, error } = await run("checkpoint", "show", "no/head.safetensors");
  assert.equal(error, "Expected a file at no/head.safetensors, found none");
  assert.equal(code, 1);
});

Deno.test("paths are relative to the folder in which a task is called", async () => {
  const cwd = join(ROOT, "tests");
  const task = (...args: string[]) => runDeno(["task", "--quiet", ...args], { cwd });
  assert.deepEqual(await task("checkpoint", "show", "../no/head.safetensors"), {
    code: 1,
    out: "",
    error: `Expected a file at ${join(ROOT, "no/head.safetensors")}, found none`,
  });
  const { out } = await task("backbone", "show", "--backbones", "none");
  assert.equal(out, `${join(cwd, "none")} holds no backbone`);
});

Deno.test("a checkpoint of another format is one line and exit code 1", async () => {
  const path = temporaryFile(".safetensors");
  await Deno.writeTextFile(path, "not a checkpoint at all");
  const { code, error } = await run("checkpoint", "show", path);
  assert.equal(code, 1);
  assert.match(
    error,
    /expected weights as safetensors or PyTorch's file, found a text that begins with/,
  );
  assert.equal(error.split("\n").length, 1, error);
});
