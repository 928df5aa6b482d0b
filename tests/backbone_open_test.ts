import assert from "node:assert/strict";
import { dirname, join, relative } from "node:path";
import { FAMILIES } from "../lib/backbones/families/index.ts";
import { describeBackbone, importBackbone } from "../lib/backbones/import.ts";
import { openBackbone, weightsPath } from "../lib/backbones/open.ts";
import { quantizedPath, quantizeWeights } from "../lib/backbones/quantize.ts";
import { readVitWeights } from "../lib/backbones/vit/weights.ts";
import { GOLDENS } from "./goldens.ts";
import { temporaryFolder } from "./temporary.ts";

const NAME = "Tiny/8/b";

/** A folder of backbones that holds one, in both precisions. */
async function folderOfOne(): Promise<string> {
  const folder = temporaryFolder(), path = join(folder, "Tiny-8-b", "model.safetensors");
  await Deno.mkdir(dirname(path));
  await Deno.copyFile(join(GOLDENS, "clip_hf.safetensors"), path);
  await quantizeWeights(await readVitWeights(path), quantizedPath(path));
  return folder;
}

Deno.test("a backbone lies in the folder of its name, every slash a hyphen", async () => {
  assert.equal(weightsPath("a/b", NAME), join("a/b", "Tiny-8-b", "model.safetensors"));
  assert.equal(quantizedPath("a/b/model.safetensors"), join("a/b", "int8.safetensors"));
  const folder = await folderOfOne();
  await using backbone = await openBackbone(NAME, { folder });
  assert.equal(backbone.name, NAME);
});

Deno.test("what a backbone is opened with opens the same one elsewhere, but for its threads", async () => {
  const folder = await folderOfOne();
  const size = (await readVitWeights(weightsPath(folder, NAME))).architecture.resolutionPx;
  const rgb = Uint8Array.from({ length: 3 * size * size }, (_, i) => (i * i + 7 * i) % 256);
  for (const tap of ["ln2", "block"] as const) {
    for (const precision of ["full", "int8"] as const) {
      await using here = await openBackbone(NAME, { folder, tap, precision, threads: 2 });
      const { name, options } = structuredClone(here.source(1));
      assert.deepEqual([name, options], [NAME, { folder, tap, precision, threads: 1 }]);
      await using there = await openBackbone(name, options);
      assert.deepEqual([there.tap, there.precision, there.device], [tap, precision, "cpu"]);
      assert.equal(await there.fingerprint(), await here.fingerprint());
      assert.deepEqual(await there.featuresOfCrops(rgb, 1), await here.featuresOfCrops(rgb, 1));
    }
  }
});

Deno.test("by default the token is that of ln2, at full precision, on the CPU", async () => {
  await using backbone = await openBackbone(join(GOLDENS, "clip_hf.safetensors"));
  const { tap, precision, device } = backbone;
  assert.deepEqual([tap, precision, device], ["ln2", "full", "cpu"]);
  assert.match(await backbone.fingerprint(), /^[0-9a-f]{64} float32$/);
});

Deno.test("the number of threads reaches the session, which refuses one that is none", async () => {
  await using backbone = await openBackbone(join(GOLDENS, "clip_hf.safetensors"), { threads: -1 });
  await assert.rejects(backbone.open(), /intraOpNumThreads.*-1/);
});

Deno.test("int8 runs on the CPU alone, and says what makes its weights where there are none", async () => {
  const folder = await folderOfOne();
  await assert.rejects(openBackbone(NAME, { folder, precision: "int8", device: "cuda" }), {
    name: "UserError",
    message: `Cannot open ${NAME} as int8: expected device cpu, found cuda`,
  });
  const path = quantizedPath(weightsPath(folder, NAME));
  await Deno.remove(path);
  await assert.rejects(openBackbone(NAME, { folder, precision: "int8" }), {
    name: "UserError",
    message:
      `Cannot open ${NAME} as int8: expected ${path}, found none; \`deno task backbone quantize --name ${NAME} --backbones ${folder}\` makes it`,
  });
});

Deno.test("a backbone that is not there is named with those that are", async () => {
  const folder = await folderOfOne();
  await assert.rejects(openBackbone("ViT-L/14", { folder }), {
    name: "UserError",
    message: new RegExp(
      `expected ${folder}/ViT-L-14/model.safetensors, found none; there are Tiny-8-b; .*backbone import`,
    ),
  });
  await assert.rejects(openBackbone("ViT-L/14", { folder: join(folder, "none") }), {
    message: /none holds none; /,
  });
  await assert.rejects(openBackbone(join(folder, "x.safetensors")), {
    message: `Cannot open backbone: expected a file at ${folder}/x.safetensors, found none`,
  });
});

Deno.test("crops of more or fewer bytes than their count takes are refused", async () => {
  await using backbone = await openBackbone(join(GOLDENS, "clip_hf.safetensors"));
  const size = backbone.architecture.resolutionPx;
  for (const bytes of [0, 2 * 3 * size * size - 1, 2 * 3 * size * size + 1]) {
    await assert.rejects(backbone.featuresOfCrops(new Uint8Array(bytes), 2), {
      name: "UserError",
      message: `Cannot compute features: expected ${
        6 * size * size
      } bytes for 2 crops of ${size} px, found ${bytes}`,
    });
  }
  const { shape } = await backbone.featuresOfCrops(new Uint8Array(), 0);
  assert.equal(shape[0], 0);
});

Deno.test("the bytes of the weights that tokens are computed with are counted, and shown", async () => {
  const weights = await readVitWeights(join(GOLDENS, "clip_hf.safetensors"));
  const { width, mlpWidth, blocks, patchPx, resolutionPx, heads, embeddingWidth = 0 } =
    weights.architecture;
  const positions = (resolutionPx / patchPx) ** 2 + 1;
  const block = 4 * (width * width + width) + 2 * width * mlpWidth + mlpWidth + width + 4 * width;
  const values = blocks * block + width * 3 * patchPx ** 2 + width * (1 + positions) + 4 * width +
    embeddingWidth * width;
  await using backbone = await openBackbone(weights.header.path);
  assert.equal(backbone.weightsBytes, 4 * values);
  assert.equal(backbone.parameterCount, values);
  assert.equal(
    describeBackbone(weights),
    [
      `${weights.header.path}: Hugging Face CLIP names, F32, ${(4 * values / 1e6).toFixed(1)} MB`,
      `${blocks} blocks of width ${width}, ${heads} heads, quick_gelu; patches of ${patchPx} px in ${resolutionPx} px; image embedding of ${embeddingWidth}`,
      "pixels less 0.48145466, 0.4578275, 0.40821073 by 0.26862954, 0.26130258, 0.27577711; ε 0.00001; the class token stands for an image",
    ].join("\n"),
  );
});

Deno.test("what else is in the files that people have is passed over: text towers, scales, heads", () => {
  const others: Record<string, string> = {
    "Hugging Face CLIP": "text_model.embeddings.token_embedding.weight text_projection.weight " +
      "logit_scale vision_model.embeddings.position_ids",
    "OpenAI CLIP": "transformer.resblocks.0.ln_1.weight token_embedding.weight " +
      "positional_embedding ln_final.bias text_projection logit_scale logit_bias input_resolution " +
      "context_length vocab_size attn_mask text.transformer.resblocks.0.ln_1.weight",
    "timm ViT": "head.weight head.bias fc_norm.weight mask_token",
  };
  for (const [family, names] of Object.entries(others)) {
    const { ignored } = FAMILIES.find(({ name }) => name === family)!;
    assert.deepEqual(names.split(" ").filter((name) => !ignored.test(name)), [], family);
  }
});

Deno.test("weights that are named relative to the working folder are linked where they lie", async () => {
  const folder = temporaryFolder();
  const file = relative(Deno.cwd(), join(GOLDENS, "clip_hf.safetensors"));
  const { header: { path } } = await importBackbone(file, { name: NAME, folder });
  assert.equal(await Deno.realPath(path), await Deno.realPath(file));
});

Deno.test("of several folders, the one that holds the backbone is told to quantize it in", async () => {
  const folder = await folderOfOne();
  await Deno.remove(quantizedPath(weightsPath(folder, NAME)));
  await assert.rejects(
    openBackbone(NAME, { folder: [temporaryFolder(), folder], precision: "int8" }),
    new RegExp(`quantize --name ${NAME} --backbones ${folder}\``),
  );
});
