/** What people have where weights should be, and what is said of it; heads in every container. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { MAKERS } from "../lib/backbones/families/makers.ts";
import { importBackbone } from "../lib/backbones/import.ts";
import { openBackbone } from "../lib/backbones/open.ts";
import { settingsPath } from "../lib/backbones/settings.ts";
import { describeCheckpoint } from "../lib/cli/checkpoint.ts";
import { showBackbones } from "../lib/cli/backbone.ts";
import { readCheckpointFile, readCheckpointNames } from "../lib/detectors/checkpoint_file.ts";
import { readPytorchFile, writePytorchFile } from "../lib/io/pytorch_file.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import { writeSafetensors } from "../lib/io/safetensors_writer.ts";
import { CASES, GOLDENS } from "./goldens.ts";
import { temporaryFolder } from "./temporary.ts";

const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** First bytes of what is no file of tensors, and what is said of it. */
const OTHERS: Readonly<Record<string, readonly [content: Uint8Array, says: RegExp]>> = {
  "a Git LFS pointer": [
    bytes("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"),
    /a Git LFS pointer, not the file that it stands for: `git lfs pull`/,
  ],
  "a web page": [bytes("\n<!DOCTYPE html><html><head>"), /a web page, as where a download needs/],
  "an error of a server": [bytes('{"error":"Repository not found"}'), /a text that begins with/],
  "an empty file": [new Uint8Array(), /0 bytes, an empty file/],
  "a file of zeros": [new Uint8Array(4096), /zeros where its head should be/],
  "an HDF5 file": [bytes("\x89HDF\r\n\x1a\n\0\0"), /an HDF5 file/],
  "a NumPy array": [bytes("\x93NUMPY\x01\0v\0{'descr'"), /a NumPy array/],
  "a gzip archive": [bytes("\x1f\x8b\x08\0\0\0\0\0"), /a packed archive: unpack it first/],
  "a photo": [bytes("\xff\xd8\xff\xe0\0\x10JFIF"), /an image/],
};

for (const [what, [content, says]] of Object.entries(OTHERS)) {
  Deno.test(`${what} is called so, as a backbone and as a head`, async () => {
    const folder = temporaryFolder();
    for (const name of ["model.safetensors", "ViT-L-14.pt", "pytorch_model.bin"]) {
      const path = join(folder, name);
      await Deno.writeFile(path, content);
      const isSaid = (error: Error) => {
        assert.equal(error.name, "UserError");
        assert.match(error.message, says);
        assert(error.message.includes(path) && !error.message.includes("\n"), error.message);
        return true;
      };
      await assert.rejects(importBackbone(path, { name: "X", folder }), isSaid);
      await assert.rejects(describeCheckpoint(path), isSaid);
    }
  });
}

Deno.test("the pointers that a clone without LFS leaves are called so", async () => {
  const folder = temporaryFolder();
  for (const name of ["model.safetensors", "weights.pth", "ViT-L-14.pt"]) {
    const path = join(CASES, "lfs_pointer_weights", name);
    await assert.rejects(importBackbone(path, { name: "X", folder }), /a Git LFS pointer/);
    await assert.rejects(readCheckpointNames(path), /a Git LFS pointer/);
  }
});

Deno.test("a folder, a pipe and a device are no head, in a line", async () => {
  const pipe = join(temporaryFolder(), "pipe");
  await new Deno.Command("mkfifo", { args: [pipe] }).output();
  const found = { [temporaryFolder()]: "a folder", [pipe]: "a pipe" };
  for (const [path, what] of Object.entries({ ...found, "/dev/null": "a device" })) {
    await assert.rejects(describeCheckpoint(path), {
      name: "UserError",
      message:
        `Cannot read ${path}: expected weights as safetensors or PyTorch's file, found ${what}`,
    });
  }
});

Deno.test("a download that broke off is called so, whatever it was", async () => {
  const folder = temporaryFolder();
  const files = ["hf_pytorch_model_bin/pytorch_model.bin", "torch_legacy_backbone/ViT-L-14.pt"];
  for (const file of [...files, "hf_folder/clip-vit/model.safetensors"]) {
    const whole = await Deno.readFile(join(CASES, file));
    const path = join(folder, file.split("/").at(-1)!);
    for (const part of [.5, .9, .999]) {
      await Deno.writeFile(path, whole.subarray(0, part * whole.length));
      await assert.rejects(
        importBackbone(path, { name: "X", folder, settings: MAKERS.openai }),
        /cut off|its end is not there|found its end at/,
        `${part} of ${file}`,
      );
    }
  }
});

Deno.test("a folder that holds no weights, or several, is told by what it holds", async () => {
  const folder = temporaryFolder();
  const imported = () => importBackbone(folder, { name: "X", folder: temporaryFolder() });
  await assert.rejects(imported(), /found none: it is empty$/);
  await Deno.writeTextFile(join(folder, "README.md"), "");
  await assert.rejects(imported(), /found none among README\.md$/);
  await Deno.writeTextFile(join(folder, "a.pt"), "");
  await assert.rejects(imported(), /a\.pt: .*0 bytes/, "the only one is taken");
  await Deno.writeTextFile(join(folder, "b.pth"), "");
  await assert.rejects(imported(), /found several: a\.pt, b\.pth; name one of them$/);
});

Deno.test("a shard that is missing or lies elsewhere, and a tensor that its shard lacks, are named", async () => {
  const folder = temporaryFolder(), index = join(folder, "model.safetensors.index.json");
  const weight = { data: new Float32Array(1), shape: [1] };
  await writeSafetensors(join(folder, "1.safetensors"), [["a", weight]]);
  const write = (map: unknown) => Deno.writeTextFile(index, JSON.stringify({ weight_map: map }));
  const imported = () => importBackbone(index, { name: "X", folder });
  await write({ a: "1.safetensors", b: "2.safetensors" });
  await assert.rejects(imported(), /expected .*2\.safetensors beside it, found none$/);
  await write({ b: "1.safetensors" });
  await assert.rejects(imported(), /expected b in 1\.safetensors, found none$/);
  for (const map of [{}, { a: "../1.safetensors" }, { a: "/etc/passwd" }, { a: 1 }, "a", null]) {
    await write(map);
    await assert.rejects(imported(), /expected `weight_map`/);
  }
});

Deno.test("a file without any known network lists what is in it", async () => {
  const folder = temporaryFolder(), path = join(folder, "a.pth");
  const tensors = Array.from(
    { length: 10 },
    (_, i) => [`encoder.w${i}`, { data: new Float32Array(1), shape: [1] }] as const,
  );
  await writePytorchFile(path, tensors);
  await assert.rejects(
    importBackbone(path, { name: "X", folder }),
    /found encoder\.w0, encoder\.w1, .*, encoder\.w7 and 2 more$/,
  );
  await assert.rejects(readPytorchFile(path, () => false), /found encoder\.w0, .* and 2 more$/);
});

Deno.test("two networks in one file are not told apart by chance", async () => {
  const folder = temporaryFolder(), path = join(folder, "dino.pth");
  const { tensors } = await readSafetensors(join(GOLDENS, "clip_openai.safetensors"));
  await writePytorchFile(
    path,
    ["student", "teacher"].flatMap((under) =>
      [...tensors].map(([name, value]) => [`${under}.${name}`, value] as const)
    ),
  );
  await assert.rejects(
    importBackbone(path, { name: "X", folder }),
    /expected one network, found 2, under student\. and teacher\.; save one of them alone$/,
  );
});

Deno.test("what is standard for CLIP leaves its fingerprint as it was, what is not stands in it", async () => {
  const folder = temporaryFolder();
  const { tensors } = await readSafetensors(join(GOLDENS, "clip_openai.safetensors"));
  const path = join(folder, "clip.safetensors");
  await writeSafetensors(path, tensors);
  await importBackbone(path, { name: "openai", folder, settings: MAKERS.openai });
  await using openai = await openBackbone("openai", { folder });
  assert.match(await openai.fingerprint(), /^[0-9a-f]{64} float32$/);
  const settings = { activation: "gelu", ...MAKERS.augreg } as const;
  await importBackbone(path, { name: "laion", folder, settings });
  await using laion = await openBackbone("laion", { folder });
  assert.equal(
    await laion.fingerprint(),
    `${await openai
      .fingerprint()} {"activation":"gelu","pixelMean":[0.5,0.5,0.5],"pixelStd":[0.5,0.5,0.5]}`,
  );
  // as it was imported before anything was kept
  await Deno.remove(settingsPath(join(folder, "openai/model.safetensors")));
  await using before = await openBackbone("openai", { folder });
  assert.equal(await before.fingerprint(), await openai.fingerprint());
  const shown = await showBackbones([folder]);
  assert(shown.includes("1 heads, gelu; patches"), shown);
  assert(shown.includes("pixels less 0.5, 0.5, 0.5 by 0.5, 0.5, 0.5"), shown);
  assert(shown.includes("activation, pixelMean, pixelStd: as given; heads: its width"), shown);
});

Deno.test("heads that training scripts save with other things are read", async () => {
  const plain = join(CASES, "head_wrapped/model_epoch_best.pth");
  const { tensors } = await readCheckpointFile(plain);
  assert.deepEqual([...tensors.keys()].slice(0, 3), ["alpha", "proj1.1.weight", "proj1.1.bias"]);
  assert.match(await describeCheckpoint(plain), /: head of RINE\n/);
  assert.equal(
    await describeCheckpoint(join(CASES, "head_wrapped/lightning.pth")),
    (await describeCheckpoint(plain)).replaceAll("model_epoch_best", "lightning"),
  );
  const ufd = await describeCheckpoint(join(CASES, "head_wrapped/ufd_model_epoch.pth"));
  assert.match(ufd, /UFD/);
});
