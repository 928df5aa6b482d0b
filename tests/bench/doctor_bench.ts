/**
 * The doctor on 100,000 small files in the released layout, beside Pillow opening as many: from the
 * page cache, as the second of two rounds.
 */
import { join } from "node:path";
import sharp from "sharp";
import { examineProfile } from "../../lib/doctor/profile.ts";
import { EXPERIMENTS } from "../../experiments/index.ts";
import { makeSetup } from "../../lib/runs/setup.ts";
import { concat, noiseImage } from "../image_samples.ts";

const FILES = 100_000;
const SIDE_PX = 64;
const ROUNDS = 2;

const FOLDERS = [
  ...["car", "cat", "chair", "horse"].flatMap((name) => [
    `train/${name}/0_real`,
    `train/${name}/1_fake`,
  ]),
  "test/biggan/0_real",
  "test/biggan/1_fake",
];

const PEER = `
import os, sys, time
from PIL import Image
start = time.perf_counter()
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        with Image.open(os.path.join(folder, name)) as image:
            image.size
print(time.perf_counter() - start)
`;
import { temporaryFolder } from "../temporary.ts";

/** Images that differ in a comment alone: of equal size, and each of a content of its own. */
async function writeFiles(root: string): Promise<void> {
  const { data } = noiseImage(SIDE_PX, SIDE_PX);
  const raw = { width: SIDE_PX, height: SIDE_PX, channels: 3 } as const;
  const jpeg = new Uint8Array(await sharp(data, { raw }).jpeg().toBuffer());
  const comment = Uint8Array.of(0xff, 0xfe, 0, 6, 0, 0, 0, 0);
  for (const [f, folder] of FOLDERS.entries()) {
    await Deno.mkdir(join(root, folder), { recursive: true });
    for (let i = 0; i < FILES / FOLDERS.length; i++) {
      new DataView(comment.buffer).setUint32(4, f * FILES + i);
      Deno.writeFileSync(
        join(root, folder, `${i}.jpg`),
        concat([jpeg.subarray(0, 2), comment, jpeg.subarray(2)]),
      );
    }
  }
}

async function peerSeconds(root: string): Promise<number | undefined> {
  try {
    const { success, stdout } = await new Deno.Command("/usr/bin/python3", {
      args: ["-c", PEER, root],
    }).output();
    return success ? Number(new TextDecoder().decode(stdout)) : undefined;
  } catch {
    return undefined;
  }
}

async function ourSeconds(data: string): Promise<number> {
  const start = performance.now();
  const setup = await makeSetup(EXPERIMENTS, { profile: "paper", data });
  const { files, duplicates } = await examineProfile(setup, { only: [], deep: false });
  if (files !== FILES || duplicates.length > 0) {
    throw new Error(`Cannot time the doctor: expected ${FILES} different files, found ${files}`);
  }
  return (performance.now() - start) / 1000;
}

const root = temporaryFolder();
try {
  await writeFiles(root);
  let ours = Infinity, theirs = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    ours = Math.min(ours, await ourSeconds(root));
    theirs = Math.min(theirs, await peerSeconds(root) ?? Infinity);
  }
  const peer = Number.isFinite(theirs)
    ? `Pillow opens as many in ${theirs.toFixed(1)} s`
    : "no comparison: no /usr/bin/python3 with Pillow";
  const line = `the doctor on ${FILES} files: ${ours.toFixed(1)} s; ${peer}\n`;
  await Deno.stdout.write(new TextEncoder().encode(line));
} finally {
  await Deno.remove(root, { recursive: true });
}
