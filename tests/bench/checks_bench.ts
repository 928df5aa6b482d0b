/**
 * What checking costs beside the work it is part of, in the same run: the checks of a `reproduce` that
 * finds everything done, and those of an extraction. RINE_MINIATURE names the folder of a finished
 * miniature, with `data/` and `results/`.
 */
import { join } from "node:path";
import { openBackbone } from "../../lib/backbones/open.ts";
import { listImages } from "../../lib/data/dataset.ts";
import { changedFiles, checksByPath } from "../../lib/mini/checks.ts";
import { readClaim } from "../../lib/mini/files.ts";
import { MINI_TRAINING_SETS } from "../../lib/mini/sets.ts";
import { extractFeatures } from "../../lib/tokens/extract.ts";
import { findFeatures } from "../../lib/tokens/store.ts";
import { verifyFeatures } from "../../lib/tokens/verify.ts";
import { temporaryFolder } from "../temporary.ts";
import { measureWarm, UNCHECKED } from "./warm.ts";

const ROUNDS = 5;

/** Of warm reproductions. */
const PAIRS = 10;

/** The least of some rounds, in milliseconds: what others do on the machine comes on top. */
async function least(work: () => Promise<unknown> | unknown, rounds = ROUNDS): Promise<number> {
  let time = Infinity;
  for (let round = 0; round < rounds; round++) {
    const started = performance.now();
    await work();
    time = Math.min(time, performance.now() - started);
  }
  return time;
}

async function measureExtraction(folder: string): Promise<void> {
  const root = join(folder, "data", "mini");
  const claim = (await readClaim(root, "made"))!;
  const images = await listImages(root, MINI_TRAINING_SETS.discs.train);
  const checks = checksByPath(claim.files, claim.checks!);
  await using backbone = await openBackbone("Mini-L/8", { folder: join(root, "backbones") });
  const tokens = temporaryFolder();
  const size = backbone.architecture.resolutionPx;
  let key = "";
  const extraction = await least(async () => {
    await Deno.remove(tokens, { recursive: true });
    const [[set] = []] = await extractFeatures([{
      ...{ images, generator: "g", transform: { kind: "center", size }, seed: 0, epoch: 0 },
      backbones: [backbone],
    }], { root, folder: tokens, batchSize: 64, workers: navigator.hardwareConcurrency });
    key = set!.key;
  }, 3);
  const mending = await least(() => changedFiles(root, images.map(({ path }) => path), checks));
  const reading = await least(async () => verifyFeatures((await findFeatures(tokens, key))!));
  for (
    const [what, time] of [
      ["images before they are read", mending],
      ["features before they are read", reading],
    ] as const
  ) {
    console.log(
      `${time.toFixed(1)} ms of ${extraction.toFixed(0)} ms that ${images.length} images take to ` +
        `extract, ${(100 * time / extraction).toFixed(1)} %: ${what}`,
    );
  }
}

const folder = Deno.env.get("RINE_MINIATURE");
if (folder) {
  const modules = Object.keys(UNCHECKED) as (keyof typeof UNCHECKED)[];
  await measureWarm(folder, PAIRS, modules);
  // what the mini world looked at is not looked at again for the names of features
  await measureWarm(folder, PAIRS, modules.filter((path) => !path.startsWith("lib/mini/")));
  await measureExtraction(folder);
} else console.log("checks_bench: RINE_MINIATURE names no finished miniature");
