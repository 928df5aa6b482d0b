import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import sharp from "sharp";
import { openBackbone } from "../lib/backbones/open.ts";
import { noiseImage } from "./image_samples.ts";
import { GOLDENS } from "./goldens.ts";
import { temporaryFolder } from "./temporary.ts";

const ROOT = resolve(import.meta.dirname!, "..");
const BACKBONE = join(GOLDENS, "clip_hf.safetensors");
const IMAGES = 500;

/** Enough images that their tokens take a while. */
async function makeImages(folder: string): Promise<void> {
  await using backbone = await openBackbone(BACKBONE);
  const side = backbone.architecture.resolutionPx + 8;
  const { data } = noiseImage(side, side);
  const raw = { width: side, height: side, channels: 3 } as const;
  await Deno.mkdir(folder);
  for (let i = 0; i < IMAGES; i++) {
    data[i] = 255 - data[i]!;
    await sharp(data, { raw }).png().toFile(join(folder, `${i}.png`));
  }
}

function features(images: string, out: string): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--frozen", "--quiet", "--allow-read", "--allow-write", "--allow-env"],
      ...["--allow-sys", "--allow-ffi", join(ROOT, "experiments/main.ts"), "features"],
      ...["--backbone", BACKBONE, "--images", images, "--transform", "ten", "--out", out],
    ],
    cwd: ROOT,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Waits until some tokens are on disk, and not yet all. */
async function untilUnderWay(folder: string, child: Deno.ChildProcess): Promise<void> {
  let hasEnded = false;
  void child.status.then(() => hasEnded = true);
  while (!hasEnded) {
    const entries = await Array.fromAsync(Deno.readDir(folder)).catch(() => []);
    const partial = entries.find(({ name }) => name.endsWith(".partial"));
    if (partial && (await Deno.stat(join(folder, partial.name))).size > 2 ** 14) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

Deno.test({
  name:
    "Ctrl-C ends with one line and exit code 130, and the same command goes on to the same bytes",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const root = temporaryFolder();
    const images = join(root, "images"), out = join(root, "out.npy");
    await makeImages(images);
    const stopped = features(images, out);
    await untilUnderWay(`${out}.unfinished`, stopped);
    stopped.kill("SIGINT");
    const { code, stdout, stderr } = await stopped.output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assert.equal(code, 130, text(stderr));
    assert.equal(text(stdout), "");
    const said = text(stderr).trimEnd().split("\n").filter((line) => !line.startsWith("tokens: "));
    assert.deepEqual(said, ["Stopped; the same command goes on from here"]);

    assert.equal((await features(images, out).output()).code, 0);
    const whole = join(root, "whole.npy");
    assert.equal((await features(images, whole).output()).code, 0);
    assert.deepEqual(await Deno.readFile(out), await Deno.readFile(whole));
    await Deno.remove(root, { recursive: true });
  },
});

/** Sends Ctrl-C twice to a command that puts something in order for a second; what it says, and its code. */
async function interruptTwice(pauseMs: number): Promise<[string, number]> {
  const script = `import { stopOnInterrupt } from "${join(ROOT, "lib/cli/interrupt.ts")}";
    stopOnInterrupt("Stopped", async () => {
      await new Promise((resolve) => setTimeout(resolve, 1500));
      console.log("in order");
    });
    console.log("ready");
    setInterval(() => {}, 1000);`;
  const path = join(temporaryFolder(), "command.ts");
  await Deno.writeTextFile(path, script);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--quiet", "--config", join(ROOT, "deno.json"), path],
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let said = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    said += text;
    if (text !== "ready\n") continue;
    child.kill("SIGINT");
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    child.kill("SIGINT");
  }
  return [said, (await child.status).code];
}

Deno.test({
  name: "a Ctrl-C that comes twice at once is one, and a second one later does not wait",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    assert.deepEqual(await interruptTwice(5), ["ready\nin order\n", 130]);
    assert.deepEqual(await interruptTwice(800), ["ready\n", 130]);
  },
});
