import assert from "node:assert/strict";
import { join } from "node:path";
import { ROOT } from "./command_line.ts";
import { noiseImage } from "./image_samples.ts";
import { GOLDENS } from "./goldens.ts";
import { temporaryFolder } from "./temporary.ts";
import sharp from "sharp";

const BACKBONE = join(GOLDENS, "clip_hf.safetensors");
const isUnix = Deno.build.os !== "windows";

/** A folder of images that keep a backbone busy for some seconds. */
async function manyImages(): Promise<string> {
  const folder = temporaryFolder();
  const { data } = noiseImage(40, 40);
  const png = await sharp(data, { raw: { width: 40, height: 40, channels: 3 } }).png().toBuffer();
  for (let i = 0; i < 1500; i++) await Deno.writeFile(join(folder, `${i}.png`), png);
  return folder;
}

/** A command that is told to end once it has said, or written, that it works. */
async function ended(
  signal: Deno.Signal,
  args: readonly string[],
  isUnderWay: () => boolean,
  prefix: readonly string[] = [],
) {
  const [program, ...rest] = [
    ...prefix,
    ...[Deno.execPath(), "run", "--quiet", "--no-check", "-A", join(ROOT, "experiments/main.ts")],
    ...args,
  ];
  const child = new Deno.Command(program!, {
    args: rest,
    cwd: ROOT,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let hasEnded = false;
  void child.status.then(() => hasEnded = true);
  while (!hasEnded && !isUnderWay()) await new Promise((resolve) => setTimeout(resolve, 5));
  child.kill(signal);
  const { code, stderr, stdout } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), error: text(stderr) };
}

/** Whether features are being written into a folder. */
const writesInto = (folder: string) => () => {
  try {
    return [...Deno.readDirSync(folder)].some(({ name }) =>
      name.endsWith(".partial") && Deno.statSync(join(folder, name)).size > 2 ** 13
    );
  } catch {
    return false;
  }
};

for (const [signal, code] of [["SIGTERM", 143], ["SIGHUP", 129], ["SIGINT", 130]] as const) {
  Deno.test({
    name: `${signal} ends work in one line, with exit code ${code}, and nothing is said after it`,
    ignore: !isUnix,
    fn: async () => {
      const images = await manyImages();
      const out = join(temporaryFolder(), "out.npy");
      const args = ["features", "--backbone", BACKBONE, "--images", images, "--out", out];
      const said = await ended(
        signal,
        [...args, "--transform", "ten"],
        writesInto(`${out}.unfinished`),
      );
      const lines = said.error.trimEnd().split("\n").filter((line) => !line.startsWith("tokens: "));
      assert.deepEqual(lines, ["Stopped; the same command goes on from here"]);
      assert.deepEqual([said.code, said.out], [code, ""]);
    },
  });
}

Deno.test({
  name: "a terminal has its cursor again when work is ended",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const images = await manyImages();
    const out = join(temporaryFolder(), "out.npy");
    const words = [
      ...[Deno.execPath(), "run", "--quiet", "--no-check", "-A", join(ROOT, "experiments/main.ts")],
      ...[
        "features",
        "--backbone",
        BACKBONE,
        "--images",
        images,
        "--transform",
        "ten",
        "--out",
        out,
      ],
    ];
    // script gives the command a terminal, and its own name is not in the way of the signal
    const command = `echo $$ > ${out}.pid; exec ${words.map((word) => `'${word}'`).join(" ")}`;
    const child = new Deno.Command("script", {
      args: ["--quiet", "--return", "--command", command, "/dev/null"],
      cwd: ROOT,
      env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    let hasEnded = false;
    void child.status.then(() => hasEnded = true);
    const isUnderWay = writesInto(`${out}.unfinished`);
    while (!hasEnded && !isUnderWay()) await new Promise((resolve) => setTimeout(resolve, 5));
    // the bar is drawn ten times a second
    await new Promise((resolve) => setTimeout(resolve, 300));
    Deno.kill(Number(await Deno.readTextFile(`${out}.pid`)), "SIGTERM");
    const { code, stdout } = await child.output();
    const shown = new TextDecoder().decode(stdout);
    assert.equal(code, 143, shown);
    assert(shown.includes("\x1b[?25l"), "no bar was drawn");
    assert(shown.lastIndexOf("\x1b[?25h") > shown.lastIndexOf("\x1b[?25l"), JSON.stringify(shown));
    assert(shown.trimEnd().endsWith("Stopped; the same command goes on from here"), shown);
  },
});

Deno.test({
  name: "commands that say nothing of it end by a signal in one line too",
  ignore: !isUnix,
  fn: async () => {
    const pipe = join(temporaryFolder(), "out");
    // it draws for a second or two
    const isUnderWay = () => {
      try {
        return [...Deno.readDirSync(join(pipe, "tables"))].length > 0;
      } catch {
        return false;
      }
    };
    const { code, error } = await ended("SIGTERM", ["published", "--out", pipe], isUnderWay);
    assert.deepEqual([code, error], [143, "Stopped\n"]);
  },
});
