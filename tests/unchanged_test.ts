/** Rows of images that a perturbation leaves alone: they are those of the centre crops. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { mini } from "../experiments/profiles/mini.ts";
import { listImages } from "../lib/data/dataset.ts";
import { applyTransform, isUnchanged, type Transform } from "../lib/image/transform.ts";
import { PERTURBATIONS } from "../lib/image/perturb.ts";
import { decodeImage } from "../lib/image/image.ts";
import { extractFeatures } from "../lib/tokens/extract.ts";
import type { FeatureRequest } from "../lib/tokens/request.ts";
import { CROP_PX } from "./small_extraction.ts";
import { makeSmallWorld, openSmallWorld, smallProfile } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

const data = temporaryFolder("unchanged_");
await makeSmallWorld(data);

const CENTER: Transform = { kind: "center", size: CROP_PX };
const perturbed = (
  perturbation: typeof PERTURBATIONS[number],
  protocol: "released" | "paper" = "released",
): Transform => ({
  ...{ kind: "perturbed", size: CROP_PX, perturbation, protocol, probability: .5 },
  resizePx: mini.perturbation.resizePx,
});
const KEY = { seed: 3, epoch: 0 };

/** Bytes of the sets of a test set's images, view after view. */
async function extract(folder: string, views: readonly Transform[], broken?: string) {
  const { world, backbone } = await openSmallWorld(data);
  await using _ = backbone;
  const images = await listImages(world.root, smallProfile.testSets[0]!);
  const sets: Uint8Array[] = [];
  for (const transform of views) {
    const request: FeatureRequest = {
      ...{ images, generator: "tiny", transform, ...KEY },
      backbones: [backbone, backbone.at("block")],
    };
    const options = { root: world.root, folder, batchSize: 8, workers: 2 };
    if (broken !== undefined && transform !== CENTER) {
      const path = join(world.root, broken), whole = await Deno.readFile(path);
      await Deno.writeFile(path, new Uint8Array(whole.length));
      try {
        await extractFeatures([request], options);
      } finally {
        await Deno.writeFile(path, whole);
      }
    }
    for (const { path } of (await extractFeatures([request], options)).flat()) {
      sets.push(await Deno.readFile(path));
    }
  }
  return { sets, images, root: world.root };
}

Deno.test("an image that is left alone has the centre crop, and others have none", async () => {
  const { world, backbone } = await openSmallWorld(data);
  await using _ = backbone;
  const images = await listImages(world.root, smallProfile.testSets[0]!);
  for (const protocol of ["released", "paper"] as const) {
    for (const perturbation of PERTURBATIONS) {
      const transform = perturbed(perturbation, protocol);
      let alone = 0;
      for (const { path } of images) {
        const image = await decodeImage(join(world.root, path));
        const [crop] = applyTransform(image, transform, { ...KEY, path });
        const [center] = applyTransform(image, CENTER, { ...KEY, path });
        const isSame = crop!.every((value, i) => value === center![i]);
        const isKnown = isUnchanged(transform, { ...KEY, path });
        alone += Number(isKnown);
        // after the paper's protocol each of the four is drawn: it is not known before
        if (protocol === "paper" && perturbation === "combined") assert.ok(!isKnown);
        else assert.equal(isKnown, isSame, `${protocol} ${perturbation} ${path}`);
      }
      const isNever = protocol === "paper" && perturbation === "combined";
      assert.ok(isNever || alone > .2 * images.length && alone < .8 * images.length);
    }
  }
});

Deno.test("their features are those of the centre crop, and are not computed again", async () => {
  const view = perturbed("noise");
  const { sets: computed } = await extract(temporaryFolder("computed_"), [view]);
  const { sets, images } = await extract(temporaryFolder("copied_"), [CENTER, view]);
  assert.deepEqual(sets.slice(2), computed, "bit for bit");
  const untouched = images.find(({ path }) => isUnchanged(view, { ...KEY, path }))!.path;
  const { sets: again } = await extract(temporaryFolder("untouched_"), [CENTER, view], untouched);
  assert.deepEqual(again.slice(2), computed, "an image that is left alone is not read");
  const touched = images.find(({ path }) => !isUnchanged(view, { ...KEY, path }))!.path;
  await assert.rejects(
    extract(temporaryFolder("touched_"), [CENTER, view], touched),
    { kind: "damaged", message: new RegExp(touched) },
  );
});
