/** Weights as people have them: what is imported has the right tokens, all else is asked or named. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { MAKERS } from "../lib/backbones/families/makers.ts";
import type { WeightsSettings } from "../lib/backbones/families/family.ts";
import { importBackbone } from "../lib/backbones/import.ts";
import { openBackbone } from "../lib/backbones/open.ts";
import { decodeImage } from "../lib/image/image.ts";
import { CASES } from "./goldens.ts";
import { temporaryFolder } from "./temporary.ts";

/** The case's file, what has to be said of it, and what is asked where that is left out. */
interface Case {
  readonly file: string;
  readonly said?: WeightsSettings;
  readonly asked?: RegExp;
}

const { pixelMean, pixelStd } = MAKERS.openai;
const HALF = { pixelMean: MAKERS.augreg.pixelMean, pixelStd: MAKERS.augreg.pixelStd };

const IMPORTED: Readonly<Record<string, Case>> = {
  gelu_open_clip: { file: "open_clip_model.safetensors" },
  heads_not_64_wide: { file: "model.safetensors" },
  hf_folder: { file: "clip-vit" },
  hf_pytorch_model_bin: {
    file: "pytorch_model.bin",
    said: MAKERS.openai,
    asked: /told its activation and the mean and deviation of its pixels, .*no config\.json/,
  },
  open_clip_epoch_pt: {
    file: "epoch_3.pt",
    said: { activation: "quick_gelu" },
    asked: /told its activation and .*no open_clip_config\.json beside it/,
  },
  open_clip_text_dot: {
    file: "open_clip_model.safetensors",
    said: { activation: "gelu", pixelMean, pixelStd },
    asked: /--activation NAME --mean R,G,B --std R,G,B/,
  },
  open_clip_timm_trunk: {
    file: "open_clip_model.safetensors",
    said: HALF,
    asked: /told the mean and deviation of its pixels, .*no open_clip_config\.json/,
  },
  // its tokens were computed with quick_gelu, which its configuration leaves out
  pixel_mean_open_clip_half: {
    file: "open_clip_model.safetensors",
    said: { activation: "quick_gelu" },
  },
  timm_clip_norm_pre: { file: "model.safetensors" },
  torch_legacy_backbone: {
    file: "ViT-L-14.pt",
    said: MAKERS.openai,
    asked: /--family openai for OpenAI's own/,
  },
};

for (const [name, { file, said, asked }] of Object.entries(IMPORTED)) {
  Deno.test(`${name}: the tokens are those of the makers' own code`, async () => {
    const folder = temporaryFolder(), path = join(CASES, name, file);
    const options = { name: "X", folder };
    if (asked) {
      await assert.rejects(importBackbone(path, options), (error: Error) => {
        assert.equal(error.name, "UserError");
        assert.match(error.message, asked);
        return true;
      });
      assert.deepEqual(await Array.fromAsync(Deno.readDir(folder)), [], "nothing is left behind");
    }
    await importBackbone(path, { ...options, ...(said ? { settings: said } : {}) });
    const expected = JSON.parse(await Deno.readTextFile(join(CASES, name, "expected.json")));
    const image = await decodeImage(join(CASES, name, "image.png"));
    // whatever was said at import is known when it is opened
    await using backbone = await openBackbone("X", { folder });
    for (const [tap, tokens] of [["ln2", expected.tokens], ["block", expected.tokens_tap_block]]) {
      await using at = backbone.at(tap);
      const { data } = await at.features([image]);
      const values = (tokens as number[][]).flat();
      const largest = Math.max(...values.map(Math.abs));
      assert.equal(data.length, values.length);
      const off = Math.max(...values.map((value, i) => Math.abs(value - data[i]!)));
      // the cases hold half-precision weights and six digits
      assert(off < 2e-4 * largest, `${tap}: ${off} of ${largest}`);
    }
  });
}
