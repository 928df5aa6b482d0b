import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { ldmSet } from "../lib/data/catalog.ts";
import { listImages } from "../lib/data/dataset.ts";
import { temporaryFolder } from "./temporary.ts";

async function write(root: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await Deno.mkdir(dirname(join(root, path)), { recursive: true });
    await Deno.writeTextFile(join(root, path), text);
  }
}

Deno.test("of COCO's two folders one is enough, and images of neither count as validation's", async () => {
  const folder = "latent_diffusion_trainingset/valid";
  for (const split of ["train2014", "val2014"]) {
    const root = temporaryFolder();
    await write(root, {
      [`${folder}/real_lsun.txt`]: "horse_a_1.png\n",
      [`${folder}/real_coco.txt`]: "000001.jpg\n000002.jpg\n",
      [`${folder}/bedroom/1.png`]: "",
      "train/horse/0_real/a_1.png": "",
      [`coco/${split}/COCO_${split}_000001.jpg`]: "",
    });
    const entries = await listImages(root, ldmSet("valid"));
    const paths = [
      "train/horse/0_real/a_1.png",
      `coco/${split}/COCO_${split}_000001.jpg`,
      "coco/val2014/COCO_val2014_000002.jpg",
    ];
    assert.deepEqual(entries, [
      ...paths.map((path) => ({
        path,
        label: 0,
        generator: "ldm_valid",
      })),
      { path: `${folder}/bedroom/1.png`, label: 1, generator: "ldm_valid" },
    ]);
  }
});
