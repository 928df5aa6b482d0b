import assert from "node:assert/strict";
import { join } from "node:path";
import sharp from "sharp";
import { listDetectors } from "../lib/cli/detector.ts";
import { detectorPath, importDetector, knownDetectors } from "../lib/detectors/import.ts";
import { examineIntegrity } from "../lib/doctor/integrity.ts";
import { openDetector } from "../lib/detectors/verdict.ts";
import type { RgbImage } from "../lib/image/image.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import { writeSafetensors, writeSealedSafetensors } from "../lib/io/safetensors_writer.ts";
import { tensor } from "../lib/io/tensor.ts";
import { commandLine } from "./command_line.ts";
import { GOLDENS } from "./goldens.ts";
import { temporaryFolder } from "./temporary.ts";

const { tensors, metadata } = await readSafetensors(join(GOLDENS, "resnet.safetensors"));
const folder = temporaryFolder("detectors_");
const golden = (name: string) => join(GOLDENS, name);
const images = Array.from({ length: Number(metadata["images"]) }, (_, i): RgbImage => {
  const { data, shape: [height, width] } = tensors.get(`image_${i}`)!;
  return { width: width!, height: height!, data: Uint8Array.from(data) };
});
const paths = await Promise.all(images.map(async ({ width, height, data }, i) => {
  const path = join(folder, `${i}.png`);
  await sharp(data, { raw: { width, height, channels: 3 } }).png().toFile(path);
  return path;
}));

/** A golden checkpoint under the name that it is released under. */
async function named(file: string, ...name: string[]): Promise<string> {
  const path = join(folder, ...name);
  await Deno.mkdir(join(path, ".."), { recursive: true });
  await Deno.copyFile(golden(file), path);
  return path;
}

Deno.test("a checkpoint as people have it is kept with its own tensors and whose it is", async () => {
  const kept = join(folder, "kept");
  const files = [
    [await named("wang.pth", "blur_jpg_prob0.1.pth"), "wang", "wang_0.1", "Wang et al. (.1)"],
    [
      await named("dmid.pth", "Grag2021_latent", "model_epoch_best.pth"),
      ...["dmid", "dmid_latent", "DMID (latent diffusion)"],
    ],
  ] as const;
  const wanted = [...tensors].filter(([name]) =>
    name.startsWith("weights.") && !name.endsWith("num_batches_tracked")
  );
  for (const [file, as, name, title] of files) {
    const path = detectorPath(kept, name!);
    assert.deepEqual(await importDetector(file, { as: as!, folder: kept }), { path, title });
    const found = await readSafetensors(path);
    assert.equal(found.tensors.size, wanted.length);
    for (const [name, value] of wanted) {
      assert.deepEqual(found.tensors.get(name.slice("weights.".length)), value, name);
    }
    assert.equal(found.metadata["detector"], as);
    assert.match(found.metadata["sha256"]!, /^[0-9a-f]{64}$/);
    await assert.rejects(importDetector(file, { as: as!, folder: kept }), /found a detector at/);
  }
  await importDetector(golden("lgrad_classifier.pth"), { as: "wang", name: "mine", folder: kept });
  const known = await knownDetectors(kept);
  assert.deepEqual(
    known.filter(({ path }) => path).map(({ name, title }) => [name, title]),
    [
      ["wang_0.1", "Wang et al. (.1)"],
      ["mine", "Wang et al. (mine)"],
      ["dmid_latent", "DMID (latent diffusion)"],
    ],
  );
  assert.match(
    await listDetectors(kept),
    /\(\.5\) +not there: blur_jpg_prob0\.5\.pth, from .*--as/,
  );
});

Deno.test("what a file says of how it was trained is kept, for it says what is read", async () => {
  const kept = join(folder, "trained"), file = join(folder, "trained here.safetensors");
  const own = [...tensors].filter(([name]) => name.startsWith("weights."))
    .map(([name, value]) => [name.slice("weights.".length), value] as const);
  await writeSealedSafetensors(file, own, { recipe: JSON.stringify({ cropPx: 48 }) });
  const { path } = await importDetector(file, { as: "wang", name: "small", folder: kept });
  await using detector = await openDetector(path);
  assert.equal(detector.cropPx, 48);
});

Deno.test("one bit that changes after the import is found before anything is scored, and by the doctor", async () => {
  const data = temporaryFolder("detectors_damaged_"), kept = join(data, "detectors");
  const { path } = await importDetector(golden("wang.pth"), {
    ...{ as: "wang", name: "mine", folder: kept },
  });
  const bytes = await Deno.readFile(path);
  bytes[bytes.length - 9]! ^= 4;
  await Deno.writeFile(path, bytes);
  const message =
    `Cannot read ${path}: expected what was written, found a file that was changed since`;
  await assert.rejects(openDetector(path), { name: "UserError", message });
  const { damaged } = await examineIntegrity({
    ...{ experiments: { profiles: {}, sections: [] }, data, results: data, tokens: data },
  });
  assert.deepEqual(damaged, [message]);
});

Deno.test("the command imports, lists and shows; nothing is written where a file is refused", async () => {
  const kept = join(folder, "by command"), where = ["--detectors", kept];
  const file = await named("wang.pth", "wang_blur_jpg_prob0.5.pth");
  const taken = await commandLine("detector", "import", file, "--as", "wang", ...where);
  const path = detectorPath(kept, "wang_0.5");
  assert.deepEqual([taken.code, taken.out], [0, `${path}: Wang et al. (.5)`], taken.error);
  await Deno.writeTextFile(join(kept, "README.md"), "what lies here");
  await Deno.symlink(join(kept, "nowhere"), join(kept, "gone"));
  const list = await commandLine("detector", "list", ...where);
  for (const name of ["README.md", "gone"]) await Deno.remove(join(kept, name));
  assert.ok(list.out.includes(path), list.out);
  const shown = await commandLine("checkpoint", "show", path);
  assert.match(shown.out, /Wang et al\., a ResNet with one logit\n/);
  const broken = new Map([...(await readSafetensors(path)).tensors]);
  const bad = async (name: string, change: () => void) => {
    change();
    await writeSafetensors(join(folder, `${name}.safetensors`), broken);
    return join(folder, `${name}.safetensors`);
  };
  const fc = broken.get("fc.weight")!;
  const refused = [
    [golden("clip_openai.safetensors"), /found a backbone \(OpenAI CLIP\), which `deno task/],
    [
      await bad("nan", () => broken.set("fc.weight", { ...fc, data: fc.data.with(0, NaN) })),
      /expected numbers in fc\.weight, found NaN$/,
    ],
    [
      await bad("classes", () => {
        broken.set(
          "fc.weight",
          tensor(new Float32Array(1000 * fc.data.length), [1000, fc.data.length]),
        );
        broken.set("fc.bias", tensor(new Float32Array(1000), [1000]));
      }),
      /expected a detector's last layer, .* found \[1000, \d+\] and \[1000\]: ImageNet's classifier$/,
    ],
    [
      await bad("body", () => ["fc.weight", "fc.bias"].forEach((name) => broken.delete(name))),
      /found a backbone \(torchvision ResNet\)/,
    ],
    [
      await bad("part", () => {
        broken.set("fc.weight", fc).set("fc.bias", tensor(Float32Array.of(0), [1]));
        broken.delete("layer3.0.conv2.weight");
      }),
      /missing layer3\.0\.conv2\.weight$/,
    ],
    [join(folder, "none.pth"), /expected a checkpoint, found none$/],
  ] as const;
  for (const [file, message] of refused) {
    const { code, error } = await commandLine(
      ...["detector", "import", file, "--as", "wang", "--name", "x", ...where],
    );
    assert.match(error, message);
    assert.equal(code, 1);
    assert.deepEqual([...Deno.readDirSync(kept)].map(({ name }) => name), ["wang_0.5"]);
  }
});

Deno.test("detect takes any detector by its file, whose it is where that must be said, and a way to read", async () => {
  const kept = join(folder, "for detect");
  const { path } = await importDetector(golden("wang.pth"), {
    ...{ as: "wang", name: "mine", folder: kept },
  });
  const logits = async (head: string, ...flags: string[]) => {
    const { code, out, error } = await commandLine(
      "detect",
      "--head",
      head,
      ...flags,
      "--json",
      ...paths,
    );
    assert.equal(code, 0, error);
    return out.split("\n").map((line) => JSON.parse(line).logit);
  };
  const near = (found: number[], name: string) =>
    found.forEach((logit, i) => {
      const expected = tensors.get(name)!.data[i]!;
      assert.ok(Math.abs(logit - expected) <= 1e-4, `${name}: ${logit} is not ${expected}`);
    });
  near(await logits(path, "--transform", "demo"), "plain.logits");
  near(await logits(golden("wang.pth"), "--as", "wang", "--transform", "demo"), "plain.logits");
  near(await logits(golden("dmid.pth"), "--as", "dmid"), "dmid.logits");
  for (
    const [flags, message, code] of [
      [[golden("wang.pth")], /Wang et al\..*DMID.*; say --as wang or --as dmid/, 1],
      [[path, "--as", "dmid"], /expected a checkpoint of DMID, found one of Wang et al\.$/, 1],
      [
        [path, "--transform", "mine"],
        /transform of original, demo, rine, sidbench; found mine$/,
        2,
      ],
      [
        [path, "--backbone", "X"],
        /expected no backbone for Wang et al\., which reads pixels/,
        1,
      ],
      [[path, "--as", "x"], /Allowed choices are wang, dmid/, 2],
    ] as const
  ) {
    const said = await commandLine("detect", "--head", ...flags, ...paths);
    assert.match(said.error, message);
    assert.equal(said.code, code);
  }
});

Deno.test("a detector says what it is and reads, and judges many images as it does each", async () => {
  const file = await named("wang.pth", "wang_0.5", "blur_jpg_prob0.5.pth");
  await using wang = await openDetector(file, { as: "wang", transform: "sidbench" });
  assert.deepEqual(
    [wang.title, wang.reads, wang.cropPx, wang.backbone],
    [
      "Wang et al. (.5)",
      "resized to 256 × 256 (bilinear), centre crop 224 (sidbench)",
      224,
      undefined,
    ],
  );
  await using dmid = await openDetector(file, { as: "dmid" });
  assert.deepEqual([dmid.title, dmid.reads, dmid.cropPx], [
    "DMID",
    "whole image (original)",
    undefined,
  ]);
  const text = join(folder, "text.png");
  await Deno.writeTextFile(text, "this is no image, but a line of text");
  for (const detector of [wang, dmid]) {
    const all = [...paths, text, ...paths];
    let done = 0;
    for await (const found of detector.detectAll(all)) {
      assert.equal(found.path, all[done++]);
      if ("problem" in found) {
        assert.equal(found.path, text);
        continue;
      }
      const { path: _path, ...verdict } = found;
      const alone = await detector.detect(found.path);
      assert.ok(Math.abs(verdict.logit - alone.logit) < 1e-5);
      assert.equal(verdict.isGenerated, alone.isGenerated);
    }
    assert.equal(done, all.length);
  }
  const large = { width: 700, height: 650, data: new Uint8Array(700 * 650 * 3).fill(90) };
  assert.ok((await dmid.detect(large)).tiles! > 1);
  assert.equal((await dmid.detect(images[0]!)).tiles, undefined);
});
