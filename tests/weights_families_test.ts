/**
 * Every family of weights in the containers that people have it in, beside its configuration, held to
 * the tokens and embeddings of the makers' own libraries: golden/families.py wrote them.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { MAKERS } from "../lib/backbones/families/makers.ts";
import type { WeightsSettings } from "../lib/backbones/families/family.ts";
import { importBackbone } from "../lib/backbones/import.ts";
import { openBackbone } from "../lib/backbones/open.ts";
import { quantizedPath, quantizeWeights } from "../lib/backbones/quantize.ts";
import { isResnet } from "../lib/backbones/weights.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import { temporaryFolder } from "./temporary.ts";

const FAMILIES = join(import.meta.dirname!, "golden/families");

/** What has to be said: there is no configuration beside them. */
const NOT_SAID: Readonly<Record<string, WeightsSettings>> = {
  meta_dinov2_registers: MAKERS.dinov2,
  deit_distilled: MAKERS.deit,
};

/** Largest distance, as a share of the largest value. */
const TOLERANCE = 2e-4;

const names = (await Array.fromAsync(Deno.readDir(FAMILIES), ({ name }) => name)).sort();

for (const name of names) {
  Deno.test(`${name}: tokens and embedding are those of its makers' library`, async () => {
    const folder = temporaryFolder(), path = join(FAMILIES, name);
    const { tensors: expected } = await readSafetensors(join(path, "expected.safetensors"));
    const settings = NOT_SAID[name];
    const file = await weightsIn(path);
    if (settings) {
      await assert.rejects(importBackbone(file, { name: "X", folder }), /told the mean and/);
    }
    await importBackbone(file, { name: "X", folder, ...(settings ? { settings } : {}) });
    await using backbone = await openBackbone("X", { folder });
    const rgb = Uint8Array.from(expected.get("rgb")!.data);
    assert.equal(backbone.taps.includes("embedding"), expected.has("embedding"));
    for (const tap of ["ln2", "block", "embedding"] as const) {
      const right = expected.get(tap);
      if (!right) continue;
      await using at = backbone.at(tap);
      const { data } = await at.featuresOfCrops(rgb, 2);
      assert.equal(data.length, right.data.length);
      const largest = right.data.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
      const off = right.data.reduce(
        (max, value, i) => Math.max(max, Math.abs(value - data[i]!)),
        0,
      );
      assert(off < TOLERANCE * largest, `${tap}: ${off} of ${largest}`);
    }
  });
}

function distance(a: Float32Array, b: Float32Array): number {
  return b.reduce((max, value, i) => Math.max(max, Math.abs(value - a[i]!)), 0);
}

Deno.test("SigLIP's activation is the approximation, which is nearer to its tokens than GELU", async () => {
  const folder = temporaryFolder(), path = join(FAMILIES, "hf_siglip");
  const { tensors: expected } = await readSafetensors(join(path, "expected.safetensors"));
  await importBackbone(path, { name: "X", folder });
  const off = async (activation: "gelu" | "gelu_tanh") => {
    const settings = { activation };
    await using backbone = await openBackbone("X", { folder, tap: "block", settings });
    const { data } = await backbone.featuresOfCrops(Uint8Array.from(expected.get("rgb")!.data), 2);
    return distance(data, expected.get("block")!.data);
  };
  const [tanh, gelu] = [await off("gelu_tanh"), await off("gelu")];
  assert(tanh < .05 * gelu, `${tanh}, ${gelu}`);
});

Deno.test("int8 weights of gated MLPs and beside a pool by attention are near full precision's", async () => {
  for (const name of ["timm_dinov2_giant", "timm_siglip"]) {
    const folder = temporaryFolder(), path = join(FAMILIES, name);
    const { tensors: expected } = await readSafetensors(join(path, "expected.safetensors"));
    const weights = await importBackbone(path, { name: "X", folder });
    assert(!isResnet(weights));
    await quantizeWeights(weights, quantizedPath(weights.header.path));
    await using int8 = await openBackbone("X", { folder, tap: "embedding", precision: "int8" });
    const { data } = await int8.featuresOfCrops(Uint8Array.from(expected.get("rgb")!.data), 2);
    const right = expected.get("embedding")!.data;
    const power = right.reduce((sum, value) => sum + value ** 2, 0);
    const error = right.reduce((sum, value, i) => sum + (value - data[i]!) ** 2, 0);
    assert(error > 0 && error / power < 1e-2, `${name}: ${error / power}`);
  }
});

/** The folder, where its files have the names that libraries look for. */
async function weightsIn(folder: string): Promise<string> {
  const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  const saved = names.find((name) => /\.pth?$/.test(name));
  return saved === undefined ? folder : join(folder, saved);
}

Deno.test("all families are here", () => {
  assert(names.length >= 21, `${names}`);
});
