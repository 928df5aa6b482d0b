import assert from "node:assert/strict";
import { basename, join, resolve } from "node:path";
import sharp from "sharp";
import { openBackbone, weightsPath } from "../lib/backbones/open.ts";
import { makeMiniBackbones } from "../lib/mini/backbones.ts";
import { makeMiniWorld } from "../lib/mini/make.ts";
import { initialParameters } from "../lib/detectors/rine/architecture.ts";
import { saveCheckpoint } from "../lib/detectors/rine/checkpoint.ts";
import { exists } from "../lib/io/files.ts";
import { randomStream } from "../lib/random.ts";
import { commandLine, commandLineWith, ROOT, smallCommandLine } from "./command_line.ts";
import { noiseImage } from "./image_samples.ts";
import { SMALL_BACKBONE } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

const folder = temporaryFolder("commands_");
const data = join(folder, "data"), backbones = join(data, "backbones");
await makeMiniWorld({ root: data, seed: 0, scale: .004, workers: 2 });
await makeMiniBackbones({ root: data, seed: 0 });

const images = join(folder, "images"), head = join(folder, "head.safetensors");
const [first, second] = [join(images, "a.png"), join(images, "b.png")];
const broken = join(images, "c.png");
await Deno.mkdir(images);
for (const [path, sigma] of [[first, 1], [second, 4]] as const) {
  const { width, height, data } = noiseImage(96, 90);
  await sharp(data, { raw: { width, height, channels: 3 } }).blur(sigma).toFile(path);
}
await Deno.writeTextFile(broken, "a line of text, no image");
{
  await using opened = await openBackbone(SMALL_BACKBONE, { folder: backbones });
  const { blocks, width } = opened.featureSizes;
  const sizes = { blocks, width, projectionLayers: 1, projectionDim: 8 };
  const architecture = { ...sizes, ablation: "none" } as const;
  const parameters = initialParameters(architecture, randomStream(0));
  const config = JSON.stringify({ backbone: SMALL_BACKBONE });
  await saveCheckpoint(head, architecture, parameters, { config });
}

const detect = (...args: string[]) =>
  commandLine("detect", "--head", head, "--backbones", backbones, ...args);

Deno.test("detect says a verdict a line, in words or as JSON, and ends with 0", async () => {
  const json = await detect("--json", first, second);
  assert.equal(json.code, 0, json.error);
  const verdicts = json.out.split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(verdicts.map(({ path }) => path), [first, second]);
  assert.notEqual(verdicts[0].score, verdicts[1].score);
  const text = await detect(first, second);
  assert.deepEqual(
    text.out.split("\n"),
    verdicts.map(({ path, score, isGenerated }) => {
      assert.equal(isGenerated, score > .5);
      return `${path}: ${isGenerated ? "generated" : "real"} (score ${score.toFixed(2)})`;
    }),
  );
  assert.match(text.error, /^Mini profile: .*not comparable with the paper$/);
});

Deno.test("detect ends with 1 where an image cannot be decoded, and judges the others", async () => {
  const { code, out, error } = await detect(images);
  assert.equal(code, 1);
  assert.deepEqual(out.split("\n").map((line) => line.split(": ")[0]), [first, second]);
  const said = error.split("\n").filter((line) => line.startsWith("Cannot decode"));
  assert.equal(said.length, 1);
  assert.ok(said[0]!.startsWith(`Cannot decode ${broken}: expected an image, found `), error);
});

Deno.test("detect ends with 2 for words that are off, and takes the backbone that is named", async () => {
  for (
    const [args, says] of [
      [["detect", first], /--head <file>.*not specified/],
      [["detect", "--head", head, first, "--device", "tpu"], /tpu.*choices are auto, cpu/],
      [["detect", "--head", head], /missing required argument 'images'/],
    ] as const
  ) {
    const { code, out, error } = await commandLine(...args);
    assert.match(error, says);
    assert.deepEqual([code, out, error.split("\n").length], [2, "", 1]);
  }
  const unknown = await detect("--backbone", "Mini-X", first);
  assert.match(unknown.error, /^Cannot open backbone: .*Mini-X/);
  assert.equal(unknown.code, 2);
  const other = await detect("--backbone", "Mini-L/8", first);
  assert.match(other.error, /expected a head for \d+ blocks/);
  assert.equal(other.code, 1);
  const twice = await detect("--backbones", images, first);
  assert.equal(twice.error, "option '--backbones <folder>' given twice");
  assert.equal(twice.code, 2);
  const elsewhere = await commandLine("detect", "--head", head, "--backbones", images, first);
  assert.match(elsewhere.error, /^Cannot open backbone: .*images/);
  assert.equal(elsewhere.code, 2);
});

const features = (out: string, ...args: string[]) =>
  commandLine(
    ...["features", "--backbone", SMALL_BACKBONE, "--backbones", backbones, "--images", images],
    ...["--out", join(folder, out), ...args],
  );

async function index(out: string) {
  return JSON.parse(await Deno.readTextFile(join(folder, `${out}.json`)));
}

Deno.test("features stop at an image that cannot be decoded, and with leave give it rows of NaN", async () => {
  const { code, error } = await features("stopped.npy");
  assert.equal(code, 1);
  assert.ok(error.split("\n").at(-1)!.includes(broken), error);
  assert.equal(await exists(join(folder, "stopped.npy")), false);

  const done = await features("center.npy", "--skip-corrupt");
  assert.equal(done.code, 0, done.error);
  assert.equal(
    done.out,
    `${join(folder, "center.npy")}: float16 [3, 4, 128] of 3 images; 1 cannot be decoded: ` +
      "their rows are NaN",
  );
  const { shape, source, images, unreadable } = await index("center.npy");
  assert.deepEqual(shape, [3, 4, 128]);
  assert.deepEqual([source.backbone, source.precision], [SMALL_BACKBONE, "full"]);
  assert.equal(source.transform.kind, "center");
  assert.deepEqual([images, unreadable], [["a.png", "b.png", "c.png"], ["c.png"]]);
  const strict = await features("center.npy");
  assert.equal(strict.code, 1, "rows of NaN are no features for those who leave nothing out");
  assert.ok(strict.error.split("\n").at(-1)!.includes(broken), strict.error);
});

Deno.test("features of ten crops at int8 are ten rows an image of that precision", async () => {
  const name = ["--name", SMALL_BACKBONE, "--backbones", backbones];
  const { out } = await commandLine("backbone", "quantize", ...name);
  assert.equal(out, `${join(backbones, "Mini-B-16/int8.safetensors")}: 1.0 MB`);
  await features("ten.npy", "--skip-corrupt", "--transform", "ten", "--precision", "int8");
  const { shape, source, cropsPerImage } = await index("ten.npy");
  assert.equal(cropsPerImage, 10);
  assert.deepEqual([shape, source.transform.kind], [[30, 4, 128], "ten"]);
  assert.equal(source.precision, "int8");
});

Deno.test("backbone import leaves weights where they lie or copies them, and show finds them", async () => {
  const weights = weightsPath(backbones, SMALL_BACKBONE), taken = join(folder, "taken");
  for (const [name, mode] of [["Own/1", []], ["Own/2", ["--mode", "copy"]]] as const) {
    const args = ["import", weights, "--name", name, "--backbones", taken, ...mode];
    const { code, error } = await commandLine("backbone", ...args);
    assert.equal(code, 0, error);
    const path = join(taken, name.replace("/", "-"));
    const isLink = mode.length === 0;
    const names = Array.from(Deno.readDirSync(path), ({ name }) => name).sort();
    // what is copied has a checksum beside it
    assert.deepEqual(names, [
      "model.safetensors",
      ...(isLink ? [] : ["model.safetensors.sha256"]),
      "settings.json",
    ]);
    const held = join(path, "model.safetensors");
    assert.equal((await Deno.lstat(held)).isSymlink, isLink);
    assert.deepEqual(await Deno.readFile(held), await Deno.readFile(weights));
  }
  const { out } = await commandLine("backbone", "show", "--backbones", taken);
  assert.match(out, /4 blocks of width 128, 2 heads, .*; patches of 16 px in 64 px/);
  for (const name of ["Own-1", "Own-2"]) assert.ok(out.includes(join(taken, name)), out);
});

Deno.test("checkpoint convert writes the second file from the first, and show describes both alike", async () => {
  const other = join(folder, "head.pth");
  const { code, error } = await commandLine("checkpoint", "convert", head, other);
  assert.equal(code, 0, error);
  const [of, to] = await Promise.all(
    [head, other].map((path) => commandLine("checkpoint", "show", path)),
  );
  assert.match(of!.out, /\n {2}blocks \(n\) +4\n[^]*\n {2}parameters +1289\n/);
  const sizes = ({ out }: { out: string }) => out.split("\n").slice(1, 7);
  assert.deepEqual(sizes(to!), sizes(of!));
});

Deno.test("kernel is installed where Jupyter is told to look, and taken away again", async () => {
  const env = { JUPYTER_DATA_DIR: join(folder, "jupyter") };
  const spec = join(env.JUPYTER_DATA_DIR, "kernels/rine/kernel.json");
  const { code, error } = await commandLineWith(env, "kernel");
  assert.equal(code, 0, error);
  assert.equal(await exists(spec), true);
  await commandLineWith(env, "kernel", "--remove");
  assert.equal(await exists(spec), false);
});

const doctor = (...args: string[]) =>
  smallCommandLine("doctor", "--profile", "paper", "--data", data, ...args);

/** The lines under a heading. */
function under(text: string, heading: string): string[] {
  const lines = text.split("\n"), start = lines.indexOf(heading);
  if (start < 0) return [];
  const end = lines.indexOf("", start);
  return lines.slice(start + 1, end < 0 ? undefined : end).map((line) => line.trim());
}

Deno.test("doctor ends with 0 where what is asked for can run, and counts what is there", async () => {
  const { code, out } = await doctor("--only", "grid");
  assert.equal(code, 0);
  const lines = out.split("\n");
  assert.equal(
    lines[0],
    `32 image files of the paper profile under ${data}, looked at without decoding (--deep decodes)`,
  );
  assert.deepEqual(lines.slice(2, 7).map((line) => line.split(/ {2,}/)), [
    ["set", "real", "generated", "formats", "sizes", "state"],
    ["train_discs", "2", "2", "JPEG PNG", "76×76", "ok"],
    ["val_discs", "2", "2", "JPEG PNG", "76×76", "ok"],
    ["zero_insertion_k3", "8", "8", "JPEG PNG", "76×76", "ok"],
    ["zero_insertion_k5", "4", "4", "JPEG PNG", "76×76", "ok"],
  ]);
  assert.deepEqual(under(out, "Sections").map((line) => line.split(/ {2,}/)), [
    ["§5.3", "grid", "can run"],
  ]);
});

Deno.test("doctor ends with 1 where images are damaged or too small for ten crops, and says which", async () => {
  const test = join(data, "test/zero_insertion_k3/discs"), large = join(data, "synthbuster");
  const { width, height, data: pixels } = noiseImage(40, 30);
  const small = sharp(pixels, { raw: { width, height, channels: 3 } }).png();
  const [name] = Array.from(Deno.readDirSync(large), ({ name }) => name)
    .filter((name) => name.endsWith("fine"));
  await small.toFile(join(large, name!, "00000.png"));
  // whole at both ends, so that only decoding tells
  const hurt = join(test, "1_fake/00000.png");
  const before = await Deno.readFile(hurt);
  await Deno.writeFile(hurt, before.map((byte, i) => i > 200 && i < 2200 ? 0 : byte));

  const shallow = await doctor("--only", "grid,synthbuster");
  assert.equal(shallow.code, 1);
  assert.deepEqual(under(shallow.out, "Sections").map((line) => line.split(/ {2,}/)), [
    ["§5.3", "grid", "can run"],
    ["§5.8", "synthbuster", `cannot run: needs 64 px for ten crops in large_${name}`],
  ]);
  assert.ok(
    under(shallow.out, "To know").includes(
      `large_${name}: 1 images are smaller than a crop of 64 px, and are padded`,
    ),
    shallow.out,
  );
  const deep = await doctor("--only", "grid", "--deep", "--json");
  assert.equal(deep.code, 1);
  const report = JSON.parse(deep.out);
  assert.deepEqual([report.isDeep, report.canRun, report.cropPx], [true, false, 64]);
  assert.deepEqual(report.sections.map(({ problems }: { problems: string[] }) => problems), [
    ["stops at 1 images that cannot be decoded, without --skip-corrupt"],
  ]);
  const text = await doctor("--only", "grid", "--deep");
  assert.match(text.out, /^32 image files .*, all decoded\n/);
  const note = under(text.out, "To know")[0]!;
  assert.ok(note.startsWith("zero_insertion_k3: 1 images cannot be decoded, the first "), note);
  assert.ok(note.includes("discs/1_fake/00000.png: "), note);
  await Deno.writeFile(hurt, before);
});

Deno.test("doctor looks at sets of the user's own", async () => {
  const datasets = join(folder, "sets.json"), made = join(folder, "made");
  await Deno.mkdir(made);
  await Deno.copyFile(first, join(made, "1.png"));
  const own = [{ name: "faces", real: join(data, "RAISEpng"), generated: made }];
  await Deno.writeTextFile(datasets, JSON.stringify(own));
  const { code, out, error } = await doctor("--only", "grid", "--datasets", datasets);
  assert.equal(code, 0, error);
  const line = out.split("\n").find((line) => line.startsWith("faces "))!;
  assert.deepEqual(line.split(/ {2,}/).slice(0, 3), ["faces", "2", "1"]);
});

Deno.test("published reads a clone, writes where it is told and draws in the theme", async () => {
  const out = join(folder, "published");
  const clone = resolve(ROOT, "tests/fixtures/released");
  const said = await commandLine(
    ...["published", "--from", clone, "--out", out, "--theme", "paper", "--width", "100.5"],
  );
  assert.equal(said.code, 0, said.error);
  assert.match(said.out, /\n46 of 142 printed cells agree\n/);
  assert.ok(
    said.out.includes("  Table 2, RINE, 1-class, progan, ACC: printed 99.8, from the logs 95.9\n"),
  );
  const written = [...said.out.matchAll(/^ {2}(\/.*?) {2}.* \(written\)$/gm)];
  assert.deepEqual(written.map(([, path]) => basename(path!)), [
    ...["table_1.md", "figure_3.svg", "figure_4.svg", "table_2.md", "table_3.md", "table_4.md"],
    ...["figure_5.svg", "dataset_size.md", "figure_6.svg", "table_5.md", "table_6.md"],
    ...["figure_1.svg", "ufd_table_2.md", "ufd_table_3.md"],
  ]);
  for (const [, path] of written) {
    assert.ok(path!.startsWith(out) && await exists(path!), `${path}`);
  }
  const spec = JSON.parse(await Deno.readTextFile(join(out, "figures/figure_3.vl.json")));
  assert.equal(spec.config.range.category[0], "#808000");
  const svg = await Deno.readTextFile(join(out, "figures/figure_3.svg"));
  assert.match(svg, /^<svg width="100\.5mm"/);
  const narrow = await commandLine("published", "--out", out, "--width", "letter");
  assert.equal(narrow.code, 2);
  assert.match(narrow.error, /Expected 20 to 2000 millimetres, or one of lncs, column, page\./);
});
