/**
 * What checking costs beside the work it is part of, in the same run: the checks of a `reproduce` that
 * finds everything done, and those of an extraction. RINE_MINIATURE names the folder of a finished
 * miniature, with `data/` and `results/`.
 */
import { join } from "node:path";
import { openBackbone } from "../../lib/backbones/open.ts";
import { listImages } from "../../lib/data/dataset.ts";
import { sweepTemporaries } from "../../lib/io/files.ts";
import { readSealedJson, sha256OfFile } from "../../lib/io/seal.ts";
import { changedFiles, checksByPath, resizedFiles } from "../../lib/mini/checks.ts";
import { readClaim } from "../../lib/mini/files.ts";
import { MINI_TRAINING_SETS } from "../../lib/mini/sets.ts";
import { keepingChecksums } from "../../lib/report/write/checksums.ts";
import { extractFeatures } from "../../lib/tokens/extract.ts";
import { RunFiles } from "../../lib/runs/damage.ts";
import type { RunRecord } from "../../lib/runs/record.ts";
import { findFeatures } from "../../lib/tokens/store.ts";
import { verifyFeatures } from "../../lib/tokens/verify.ts";
import { temporaryFolder } from "../temporary.ts";

const ROUNDS = 5;

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

async function measureWarm(folder: string): Promise<void> {
  const root = join(folder, "data", "mini"), results = join(folder, "results", "mini");
  const claim = await readClaim(root, "made");
  const records: string[] = [];
  for (const { name } of Deno.readDirSync(join(results, "records"))) {
    for (const file of Deno.readDirSync(join(results, "records", name))) {
      records.push(join(results, "records", name, file.name));
    }
  }
  const parts: Record<string, number> = {};
  parts["sizes of the mini world's files"] = await least(() =>
    resizedFiles(root, claim!.files, claim!.checks!)
  );
  parts["its list of files"] = await least(() => readClaim(root, "made"));
  const weights = Array.from(
    Deno.readDirSync(join(root, "backbones")),
    ({ name, isDirectory }) =>
      isDirectory ? [join(root, "backbones", name, "model.safetensors")] : [],
  ).flat();
  parts["mini weights"] = await least(() => Promise.all(weights.map(sha256OfFile)));
  const plain = await least(async () => {
    for (const path of records) JSON.parse(await Deno.readTextFile(path));
  });
  const values: RunRecord[] = [];
  parts["records, beyond reading them"] = await least(async () => {
    values.length = 0;
    for (const path of records) {
      const { value } = (await readSealedJson<RunRecord>(path))!;
      values.push(value);
    }
  }) - plain;
  parts["heads and scores that records need"] = await least(async () => {
    const files = new RunFiles(results);
    for (const value of values) await files.areThere(value);
  });
  parts["SHA256SUMS"] = await least(() => keepingChecksums(results, () => Promise.resolve()));
  parts["left-overs"] = await least(async () => {
    for (const name of ["heads", "records", "points", "made", "tables", "figures", "paper"]) {
      await sweepTemporaries(join(results, name));
    }
  });
  const warm = await least(async () => {
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--frozen", "--quiet", "-A", "experiments/main.ts", "reproduce"],
        ...["--data", join(folder, "data"), "--results", join(folder, "results")],
      ],
      cwd: join(import.meta.dirname!, "..", ".."),
      stdout: "null",
      stderr: "null",
    }).output();
    if (!success) throw new Error("Cannot reproduce: expected a finished miniature");
  });
  for (const [what, time] of Object.entries(parts)) console.log(`${time.toFixed(1)} ms  ${what}`);
  const sum = Object.values(parts).reduce((sum, time) => sum + time, 0);
  console.log(
    `${sum.toFixed(0)} ms of a warm reproduce's ${warm.toFixed(0)} ms, ` +
      `${(100 * sum / warm).toFixed(1)} %`,
  );
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
  await measureWarm(folder);
  await measureExtraction(folder);
} else console.log("checks_bench: RINE_MINIATURE names no finished miniature");
