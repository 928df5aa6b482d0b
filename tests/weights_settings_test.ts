/** What tensors do not tell: who is asked, in which order, and what is refused. */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { checksumPath, checkWeights } from "../lib/backbones/checksum.ts";
import { hashWeights } from "../lib/backbones/network.ts";
import { sha256OfFile } from "../lib/io/seal.ts";
import { readConfiguration } from "../lib/backbones/families/configuration.ts";
import { FAMILIES } from "../lib/backbones/families/index.ts";
import { MAKERS } from "../lib/backbones/families/makers.ts";
import { importBackbone } from "../lib/backbones/import.ts";
import { openBackbone } from "../lib/backbones/open.ts";
import { quantizedPath, quantizeWeights } from "../lib/backbones/quantize.ts";
import { knownSettings, settingsPath, settle } from "../lib/backbones/settings.ts";
import { findVit, readVitWeights } from "../lib/backbones/vit/weights.ts";
import { examineIntegrity } from "../lib/doctor/integrity.ts";
import type { UserError } from "../lib/io/errors.ts";
import type { SafetensorsEntry, SafetensorsHeader } from "../lib/io/safetensors.ts";
import { readSafetensors, readSafetensorsHeader } from "../lib/io/safetensors.ts";
import { writeSafetensors } from "../lib/io/safetensors_writer.ts";
import { sizeOf } from "../lib/io/tensor.ts";
import { randomStream } from "../lib/random.ts";
import { GOLDENS } from "./goldens.ts";
import { temporaryFolder } from "./temporary.ts";

const family = (name: string) => FAMILIES.find((family) => family.name === name)!;

/** A header that tells of a tower of one block, of any width, without a file. */
function towerOf(name: string, width: number, more: Record<string, number[]> = {}) {
  const { stem, block, fusedQkv } = family(name);
  const shapes: Record<string, number[]> = {
    "patch.weight": [width, 3, 14, 14],
    "positions": [width > 0 && "class" in stem ? 5 : 4, width],
    "fc1.weight": [width, width],
  };
  const tensors = new Map<string, SafetensorsEntry>();
  const add = (name: string, shape: number[]) =>
    tensors.set(name, { dtype: "F32", shape, offset: 0, length: 4 * sizeOf(shape) });
  for (const [own, file] of Object.entries(stem)) {
    if (!/projection|registers|pre_norm/.test(own)) add(file, shapes[own] ?? [width]);
  }
  for (const [own, file] of Object.entries(block)) {
    if (/scale/.test(own)) continue;
    const matrix = /^(q|k|v|out|fc1|fc2)\.weight$/.test(own) ? [width, width] : [width];
    add(file.replace("{}", "0"), shapes[own] ?? matrix);
  }
  if (fusedQkv) {
    add(fusedQkv.weight.replace("{}", "0"), [3 * width, width]);
    add(fusedQkv.bias.replace("{}", "0"), [3 * width]);
  }
  for (const [name, shape] of Object.entries(more)) add(name, shape);
  return findVit({ path: "weights", metadata: {}, tensors } satisfies SafetensorsHeader);
}

const evidence = (given = {}, classes: string[] = []) => ({
  doing: "Cannot import X",
  given,
  folder: temporaryFolder(),
  classes: new Set(classes),
});

Deno.test("heads are those of every published tower of a width, and asked where these differ", async () => {
  const heads = async (width: number) =>
    (await settle(towerOf("OpenAI CLIP", width), evidence(MAKERS.openai))).settings.heads;
  assert.deepEqual(
    await Promise.all([384, 768, 1024, 1280, 1408, 1664, 1792].map(heads)),
    [6, 12, 16, 16, 16, 16, 16],
  );
  for (const width of [1536, 100, 2048]) {
    await assert.rejects(heads(width), {
      name: "UserError",
      message: new RegExp(`told its number of heads, .*--heads N \\(a tower ${width} wide`),
    });
  }
  // torchvision's ViT-H/14 has heads of 80
  const { settings } = await settle(towerOf("torchvision ViT", 1280), evidence());
  assert.deepEqual([settings.heads, settings.pixelMean![0]], [16, .485]);
});

Deno.test("a tensor or a class of OpenAI's own archive says that it is OpenAI's", async () => {
  const own = towerOf("OpenAI CLIP", 768, { input_resolution: [] });
  const { settings, from } = await settle(own, evidence());
  assert.deepEqual([settings.activation, settings.heads, settings.pixelMean![0]], [
    "quick_gelu",
    12,
    .48145466,
  ]);
  assert.equal(from["activation"], "OpenAI CLIP");
  const tower = () => towerOf("OpenAI CLIP", 768);
  const script = await settle(tower(), evidence({}, ["__torch__.___torch_mangle_7.QuickGELU"]));
  assert.equal(script.settings.activation, "quick_gelu");
  assert.equal(script.from["activation"], "the archive's code");
  // another's script has another activation, and says nothing of pixels
  const other = ["__torch__.torch.nn.modules.activation.GELU"];
  await assert.rejects(settle(tower(), evidence({}, other)), /told the mean and deviation/);
  const { settings: gelu } = await settle(tower(), evidence(MAKERS.augreg, other));
  assert.equal(gelu.activation, "gelu");
});

Deno.test("who says something goes before the configuration, and that before all else", async () => {
  const tower = towerOf("Hugging Face CLIP", 768), folder = temporaryFolder();
  const write = (name: string, value: unknown) =>
    Deno.writeTextFile(join(folder, name), JSON.stringify(value));
  const said = (given = {}) => settle(tower, { ...evidence(given), folder });
  await write("config.json", { vision_config: { hidden_act: "gelu", num_attention_heads: 8 } });
  await assert.rejects(
    said(),
    /told the mean .*config\.json, which does not say, and no preprocessor_config\.json beside it/,
  );
  await write("preprocessor_config.json", { image_mean: [.1, .2, .3], image_std: [.4, .5, .6] });
  const { settings, from } = await said({ activation: "gelu_tanh" });
  assert.deepEqual(settings, {
    activation: "gelu_tanh",
    heads: 8,
    epsilon: 1e-5,
    pixelMean: [.1, .2, .3],
    pixelStd: [.4, .5, .6],
    pooling: "class",
  });
  assert.deepEqual([from["activation"], from["heads"]], [
    "as given",
    "config.json and its processor's",
  ]);
  await write("preprocessor_config.json", { do_normalize: false });
  assert.deepEqual((await said()).settings.pixelStd, [1, 1, 1]);
});

/** Configurations beside a tower 768 wide of one block that are refused. */
const REFUSED: readonly (readonly [family: string, file: string, config: unknown, says: RegExp])[] =
  [
    [
      "Hugging Face CLIP",
      "config.json",
      { vision_config: { hidden_size: 1024 } },
      /config\.json: expected a tower of width 768 and 1 blocks, as the weights beside it have/,
    ],
    [
      "Hugging Face CLIP",
      "config.json",
      { hidden_act: "relu" },
      /expected an activation of .*relu/,
    ],
    ["Hugging Face CLIP", "config.json", { num_attention_heads: "8" }, /a whole number from 1/],
    ["Hugging Face CLIP", "config.json", { layer_norm_eps: 0 }, /layer_norm_eps, a number above 0/],
    ["OpenAI CLIP", "open_clip_config.json", {}, /expected model_cfg with vision_cfg/],
    [
      "OpenAI CLIP",
      "open_clip_config.json",
      { model_cfg: { vision_cfg: {} }, preprocess_cfg: { mean: [0, 0], std: [1, 1, 1] } },
      /expected mean of three channels, found \[0,0\]/,
    ],
    [
      "timm ViT",
      "config.json",
      { architecture: "vit_base_patch16_224", pretrained_cfg: { mean: [0, 0, 0], std: [1, 1, 0] } },
      /expected std of three channels/,
    ],
  ];

Deno.test("a configuration that is of another tower, or says what cannot be, is refused by its name", async () => {
  for (const [name, file, config, says] of REFUSED) {
    const folder = temporaryFolder();
    await Deno.writeTextFile(join(folder, file), JSON.stringify(config));
    await assert.rejects(settle(towerOf(name, 768), { ...evidence(), folder }), {
      name: "UserError",
      message: says,
    });
  }
});

Deno.test("timm's names of architectures say activation and heads as timm builds them", async () => {
  const sizes = (width: number) => ({ width, blocks: 12 });
  const said = async (architecture: string, width: number) => {
    const folder = temporaryFolder();
    await Deno.writeTextFile(join(folder, "config.json"), JSON.stringify({ architecture }));
    const found = await readConfiguration(folder, family("timm ViT"), sizes(width));
    return [found!.settings.activation, found!.settings.heads];
  };
  // as timm 1.0.31 builds them
  const built: readonly (readonly [string, number, string, number])[] = [
    ["vit_base_patch16_224.augreg_in21k", 768, "gelu", 12],
    ["vit_large_patch14_clip_quickgelu_224.openai", 1024, "quick_gelu", 16],
    ["vit_large_patch14_clip_224.openai", 1024, "gelu", 16],
    ["vit_huge_patch14_clip_224", 1280, "gelu", 16],
    ["vit_giant_patch14_clip_224", 1408, "gelu", 16],
    ["vit_giant_patch14_dinov2", 1536, "gelu", 24],
    ["vit_giantopt_patch16_siglip_256", 1536, "gelu_tanh", 16],
    ["vit_gigantic_patch14_clip_quickgelu_224", 1664, "quick_gelu", 16],
    ["vit_so400m_patch14_siglip_224", 1152, "gelu", 16],
    ["vit_so400m_patch16_siglip_256", 1152, "gelu_tanh", 16],
    ["vit_base_patch16_siglip_224", 768, "gelu", 12],
    ["vit_base_patch32_siglip_256", 768, "gelu_tanh", 12],
    ["vit_large_patch16_siglip_384", 1024, "gelu", 16],
    ["vit_large_patch16_siglip_gap_512", 1024, "gelu_tanh", 16],
    ["vit_base_patch16_gap_224", 768, "gelu", 16],
    ["test_vit", 64, "gelu", 2],
  ];
  for (const [name, width, activation, heads] of built) {
    assert.deepEqual(await said(name, width), [activation, heads], name);
  }
});

Deno.test("weights that lie there by hand have what their configuration says, and wide ones their heads", async () => {
  const folder = temporaryFolder(), path = join(folder, "X/model.safetensors");
  const { tensors } = await readSafetensors(join(GOLDENS, "clip_hf.safetensors"));
  await writeSafetensors(path, tensors);
  assert.deepEqual(await knownSettings(path), {});
  await Deno.writeTextFile(join(folder, "X/config.json"), '{"hidden_act": "gelu"}');
  await using gelu = await openBackbone("X", { folder });
  assert.match(await gelu.fingerprint(), /^[0-9a-f]{64} float32 \{"activation":"gelu"\}$/);
});

Deno.test("int8 weights are made with what was said at import, and opened with it", async () => {
  const folder = temporaryFolder(), file = join(GOLDENS, "clip_hf.safetensors");
  const settings = { activation: "gelu", heads: 2, pooling: "mean" } as const;
  const { header: { path } } = await importBackbone(file, { name: "X", folder, settings });
  await quantizeWeights(await readVitWeights(path, await knownSettings(path)), quantizedPath(path));
  await using int8 = await openBackbone("X", { folder, precision: "int8" });
  assert.deepEqual(int8.taps, ["ln2", "block", "patches"], "a mean is no embedding of CLIP's");
  await assert.rejects(
    openBackbone("X", { folder, precision: "int8", settings: { pooling: "class" } }),
    /expected int8 weights made with \{"pooling":"class"\}, found others/,
  );
});

Deno.test("a file opened where it lies is asked of as an import asks", async () => {
  const folder = temporaryFolder(), path = join(folder, "clip.safetensors");
  const { tensors } = await readSafetensors(join(GOLDENS, "clip_hf.safetensors"));
  await writeSafetensors(path, tensors);
  await assert.rejects(openBackbone(path), {
    name: "UserError",
    message: /^Cannot open .*clip\.safetensors: expected to be told its activation and/,
  });
  await using said = await openBackbone(path, { settings: MAKERS.openai });
  assert.match(await said.fingerprint(), /^[0-9a-f]{64} float32$/);
  assert.equal((await readSafetensorsHeader(path)).metadata["heads"], undefined);
});

Deno.test("settings that were changed since are refused, wherever a bit is flipped; unsealed ones are read", async () => {
  const folder = join(temporaryFolder(), "backbones");
  const file = join(GOLDENS, "clip_hf.safetensors");
  const given = { activation: "gelu", heads: 2 } as const;
  const { header: { path } } = await importBackbone(file, { name: "X", folder, settings: given });
  const kept = settingsPath(path), bytes = await Deno.readFile(kept);
  const { activation } = await knownSettings(path);
  assert.equal(activation, "gelu");
  const random = randomStream("settings");
  for (let i = 0; i < 60; i++) {
    const place = random.integer(bytes.length), changed = bytes.slice();
    changed[place]! ^= 1 << random.integer(8);
    await Deno.writeFile(kept, changed);
    await assert.rejects(openBackbone("X", { folder }), (error: Error) => {
      assert.equal((error as UserError).kind, "damaged", `${place}: ${error.message}`);
      assert.ok(error.message.includes(kept), error.message);
      return true;
    });
    const { damaged } = await examineIntegrity({
      ...{ experiments: { sections: [], profiles: {} }, results: folder, tokens: folder },
      data: dirname(folder),
    });
    assert.ok(damaged.some((line) => line.includes(kept)), `${place}: ${damaged}`);
  }
  const { seal: _, ...plain } = JSON.parse(new TextDecoder().decode(bytes));
  await Deno.writeTextFile(kept, JSON.stringify(plain, null, 2) + "\n");
  assert.equal((await knownSettings(path)).activation, "gelu");
});

Deno.test("a pipe where a checksum or weights are expected is named, and not waited for", async () => {
  const folder = temporaryFolder(), weights = join(folder, "model.safetensors");
  await Deno.copyFile(join(GOLDENS, "clip_hf.safetensors"), weights);
  const hash = await hashWeights(weights);
  const pipe = async (path: string) => {
    assert.equal((await new Deno.Command("mkfifo", { args: [path] }).output()).code, 0);
  };
  await pipe(checksumPath(weights));
  const named = (path: string) => ({
    name: "UserError",
    message: `Cannot read ${path}: expected a file, found a pipe`,
  });
  await assert.rejects(checkWeights(weights, hash), named(checksumPath(weights)));
  await assert.rejects(hashWeights(weights), named(checksumPath(weights)));
  await pipe(join(folder, "pipe"));
  await assert.rejects(sha256OfFile(join(folder, "pipe")), named(join(folder, "pipe")));
});
