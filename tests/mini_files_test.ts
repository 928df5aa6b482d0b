import { UserError } from "../lib/io/errors.ts";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { makeMiniBackbones } from "../lib/mini/backbones.ts";
import { removeFiles } from "../lib/mini/files.ts";
import { makeMiniWorld } from "../lib/mini/make.ts";
import { MINI_WORLD } from "../lib/mini/world.ts";
import { readSafetensorsHeader } from "../lib/io/safetensors.ts";
import { writeSafetensors } from "../lib/io/safetensors_writer.ts";
import { temporaryFolder } from "./temporary.ts";

/** Two images in every folder. */
const SCALE = .004;
const MANIFEST = "manifest.json";

const whole = temporaryFolder("mini_files_");
await makeMiniWorld({ root: whole, seed: 0, scale: SCALE });
const WHOLE = contents(whole);

/** SHA-256 of every file under a folder, by path. */
function contents(root: string, folder = ""): Record<string, string> {
  const found: Record<string, string> = {};
  for (const { name, isDirectory } of Deno.readDirSync(join(root, folder))) {
    const path = join(folder, name);
    if (isDirectory) Object.assign(found, contents(root, path));
    else {
      const bytes = Deno.readFileSync(join(root, path));
      found[path] = createHash("sha256").update(bytes).digest("hex");
    }
  }
  return found;
}

function write(root: string, files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    Deno.mkdirSync(dirname(join(root, path)), { recursive: true });
    Deno.writeTextFileSync(join(root, path), text);
  }
}

/** A copy of the world of seed 0, made before. */
function copied(): string {
  const root = temporaryFolder("mini_files_");
  for (const path of Object.keys(WHOLE)) {
    Deno.mkdirSync(dirname(join(root, path)), { recursive: true });
    Deno.copyFileSync(join(whole, path), join(root, path));
  }
  return root;
}

const make = (root: string, seed: number) => makeMiniWorld({ root, seed, scale: SCALE });

/** What the disk holds but a mini world's own files, which seeds do not name otherwise. */
const foreign = (root: string) =>
  Object.fromEntries(Object.entries(contents(root)).filter(([path]) => !(path in WHOLE)));

/** Makes sure that a world is refused, in one line that names a file, and that nothing is touched. */
async function refuses(root: string, named: string, seed = 0): Promise<void> {
  const before = contents(root);
  await assert.rejects(make(root, seed), (error: Error) => {
    assert.ok(error instanceof UserError, `${error.stack}`);
    assert.ok(error.message.includes(join(root, named)), error.message);
    assert.match(
      error.message,
      /choose another folder(?:, or delete this one if nothing in it is worth keeping)?$/,
    );
    return !error.message.includes("\n");
  });
  assert.deepEqual(contents(root), before);
}

Deno.test("somebody's manifest.json does not make their folder a mini world's", async () => {
  const counts = { version: 6, seed: 0, scale: SCALE, folders: { "train/n01532829": 1 } };
  const files = { ...counts, kind: "rine-mini", files: { "../theirs": ["mine.jpg"] } };
  for (const manifest of ["{}", "[]", "null", "not JSON", counts, files]) {
    const root = temporaryFolder("theirs_");
    const text = typeof manifest === "string" ? manifest : JSON.stringify(manifest);
    write(root, { [MANIFEST]: text, "train/n01532829/mine.jpg": "theirs" });
    await refuses(root, MANIFEST);
  }
});

Deno.test("a folder that holds anything else is refused, one that holds backbones is not", async () => {
  for (const path of ["train/horse/1.png", "notes.txt", "unfinished.json", "replaced.json"]) {
    const root = temporaryFolder("theirs_");
    write(root, { [path]: "{}", "making.lock": "" });
    await refuses(root, path.split("/")[0]!);
  }
  const root = temporaryFolder("ours_");
  write(root, {
    ...{ "making.lock": "", ".DS_Store": "", "backbones/mine/model.safetensors": "mine" },
    [`unfinished.json.${crypto.randomUUID()}.tmp`]: '{"kin',
  });
  await make(root, 0);
  assert.deepEqual(Object.keys(foreign(root)).sort(), [
    ".DS_Store",
    "backbones/mine/model.safetensors",
  ]);
});

/** Files of a user's own in the midst of a mini world. */
const MINE = {
  "notes.txt": "mine",
  "test/mine/1_fake/00000.png": "mine",
  "train/discs/0_real/mine.png": "mine",
  "train/discs/0_real/mine.tmp": "mine",
  "RAISEpng/00000.png.mine": "mine",
};

Deno.test("files of one's own in a mini world stay when another world takes its place", async () => {
  const root = copied();
  write(root, MINE);
  await make(root, 1);
  assert.deepEqual(Object.keys(foreign(root)).sort(), Object.keys(MINE).sort());
  for (const [path, text] of Object.entries(MINE)) {
    assert.equal(Deno.readTextFileSync(join(root, path)), text);
  }
  const { "train/discs/0_real/00000.png": image } = contents(root);
  assert.ok(image && image !== WHOLE["train/discs/0_real/00000.png"]);
});

Deno.test("a file of one's own under a name that an image needs is refused before any is removed", async () => {
  const root = copied();
  write(root, { "train/discs/0_real/00002.png": "mine" });
  const before = contents(root);
  await assert.rejects(
    makeMiniWorld({ root, seed: 0, scale: .02 }),
    /expected no file of yours .*train\/discs\/0_real\/00002\.png; move it/,
  );
  assert.deepEqual(contents(root), before);
});

/** Replaces the world by one of another seed, and stops it after so many removals. */
async function stopInRemoval(root: string, after: number): Promise<void> {
  const { remove } = Deno;
  let removals = 0;
  Deno.remove = (...args: Parameters<typeof remove>) => {
    const isOfWorld = !`${args[0]}`.includes("making.lock");
    if (isOfWorld && removals++ >= after) return Promise.reject(new Error("killed"));
    return remove(...args);
  };
  try {
    await assert.rejects(make(root, 1), /killed/);
  } finally {
    Deno.remove = remove;
  }
}

Deno.test("killed while it removes a world, it says nowhere that the world is there, and mends it when asked", async () => {
  const count = Object.keys(WHOLE).length;
  for (const after of [0, count - 20]) {
    const root = copied();
    write(root, MINE);
    await stopInRemoval(root, after);
    assert.ok(!(MANIFEST in contents(root)), "a manifest says that all is there");
    assert.ok(Object.keys(contents(root)).length >= count - after);
    await make(root, 0);
    for (const path of Object.keys(MINE)) Deno.removeSync(join(root, path));
    assert.deepEqual(contents(root), WHOLE);
  }
});

Deno.test("what is missing of a mini world is made again, with the same bytes, and nothing else", async () => {
  const root = copied();
  const kept = join(root, "train/discs/0_real/00001.jpg");
  const { mtime } = Deno.statSync(kept);
  Deno.removeSync(join(root, "train/discs/0_real/00000.png"));
  Deno.removeSync(join(root, "test"), { recursive: true });
  Deno.removeSync(join(root, "latent_diffusion_trainingset/train/real_coco.txt"));
  await make(root, 0);
  assert.deepEqual(contents(root), WHOLE);
  assert.deepEqual(Deno.statSync(kept).mtime, mtime);
});

Deno.test("a mini world whose manifest has the form before this one is known to the letter", async () => {
  const root = copied(), path = join(root, MANIFEST);
  const { version, seed, scale, folders } = JSON.parse(Deno.readTextFileSync(path));
  const kept = join(root, "train/discs/0_real/00000.png");
  const { mtime } = Deno.statSync(kept);
  const old = { version, seed, scale, folders };
  const fewer = { ...folders, "train/discs/0_real": 1 };
  for (
    const manifest of [{ ...old, more: 1 }, { ...old, folders: fewer }, { ...old, version: 5 }]
  ) {
    write(root, { [MANIFEST]: JSON.stringify(manifest) });
    await refuses(root, MANIFEST, 1);
  }
  write(root, { [MANIFEST]: JSON.stringify(old) });
  await make(root, 0);
  assert.deepEqual(contents(root), WHOLE);
  assert.deepEqual(Deno.statSync(kept).mtime, mtime, "made again");

  // as it stands while a world is being made
  Deno.removeSync(path);
  write(root, { "unfinished.json": JSON.stringify({ version, seed, scale }), ...MINE });
  Deno.removeSync(kept);
  await make(root, 1);
  assert.deepEqual(Object.keys(foreign(root)).sort(), Object.keys(MINE).sort());
});

Deno.test("a world whose list of files is gone is nobody's, and is told how to have it made again", async () => {
  const root = copied();
  Deno.removeSync(join(root, MANIFEST));
  await refuses(root, Object.keys(WHOLE).map((path) => path.split("/")[0]!).sort()[0]!);
});

Deno.test("a link to a folder that somebody put among a world's stays when its files are removed", async () => {
  const root = temporaryFolder(), elsewhere = temporaryFolder();
  await Deno.mkdir(join(root, "test"));
  await Deno.symlink(elsewhere, join(root, "test/linked"));
  await Deno.writeTextFile(join(elsewhere, "00000.png"), "");
  await removeFiles(root, { "test/linked": ["00000.png"] });
  assert.deepEqual([...Deno.readDirSync(elsewhere)], []);
  assert((await Deno.lstat(join(root, "test/linked"))).isSymlink);
});

Deno.test("mini backbones of another version or seed are made anew", async () => {
  const root = temporaryFolder();
  const paths = ["Mini-L-8", "Mini-B-16", "Mini-L-8 random", "Mini-B-16 random"].map((name) =>
    join(root, "backbones", name, "model.safetensors")
  );
  await writeSafetensors(paths[0]!, [], { version: "5", seed: "7" });
  await writeSafetensors(paths[1]!, [], { version: "6", seed: "8" });
  await writeSafetensors(paths[2]!, [], { version: "6", seed: "8" });
  assert.deepEqual(await makeMiniBackbones({ root, seed: 7 }), paths);
  for (const path of paths) {
    const { metadata, tensors } = await readSafetensorsHeader(path);
    assert.deepEqual(metadata, { version: "6", seed: "7" });
    assert(tensors.size > 0);
  }
});

Deno.test("somebody's manifest.json says nothing of a mini world's seed", async () => {
  const root = temporaryFolder();
  for (const text of ['{"seed": 3}', "no JSON"]) {
    await Deno.writeTextFile(join(root, "manifest.json"), text);
    assert.equal(await MINI_WORLD.seedOf(root), undefined, text);
  }
});
