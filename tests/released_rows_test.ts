import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { EXPERIMENTS } from "../experiments/index.ts";
import { mini } from "../experiments/profiles/mini.ts";
import { examineProfile } from "../lib/doctor/profile.ts";
import { formatReport } from "../lib/doctor/text.ts";
import { importDetector } from "../lib/detectors/import.ts";
import { openDetector } from "../lib/detectors/verdict.ts";
import { makeAlike } from "../lib/image/alike.ts";
import { decodeImage } from "../lib/image/image.ts";
import { exists } from "../lib/io/files.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import { writeSafetensors } from "../lib/io/safetensors_writer.ts";
import { evaluateScores } from "../lib/metrics.ts";
import type { PrintedCell } from "../lib/published/printed.ts";
import { table2, table3 } from "../lib/report/paper/tables_2_3.ts";
import { shownOf } from "../lib/report/paper/report.ts";
import { keptMade, makeOnce } from "../lib/runs/made.ts";
import { readyDetectors, ReleasedScorer } from "../lib/runs/released_scores.ts";
import type { Profile } from "../lib/runs/profile.ts";
import type { Experiments, Section } from "../lib/runs/section.ts";
import { makeSetup, type Setup } from "../lib/runs/setup.ts";
import { openMadeWorld, type World } from "../lib/runs/world.ts";
import { listImages } from "../lib/data/dataset.ts";
import { GOLDENS } from "./goldens.ts";
import { makeSmallWorld } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

const section = EXPERIMENTS.sections.find(({ name }) => name === "comparison") as Section;
const { detectors: _, ...plain } = mini;
const profile: Profile = { ...plain, testSets: mini.testSets.slice(0, 2) };
const SMALL = { sections: [section], profiles: { mini: profile } } satisfies Experiments;

const data = temporaryFolder("released_");
await makeSmallWorld(data);
const detectors = join(data, "mini", "detectors");
const take = (file: string, as: string, name: string) =>
  importDetector(join(GOLDENS, file), { as, name, folder: detectors });

async function inWorld(action: (world: World, setup: Setup) => Promise<void>): Promise<void> {
  const setup = await makeSetup(SMALL, { data, results: temporaryFolder("released_results_") });
  await using world = await openMadeWorld(setup);
  await action(world, setup);
}

/** Every file of scores, by its path, with what is in it. */
async function scoresIn(folder: string): Promise<Map<string, Float32Array>> {
  const found = new Map<string, Float32Array>();
  for (const { name } of Deno.readDirSync(folder)) {
    for (const file of Deno.readDirSync(join(folder, name))) {
      const path = join(folder, name, file.name);
      found.set(path, (await readSafetensors(path)).tensors.get("scores")!.data);
    }
  }
  return found;
}

const shownIn = async (world: World, setup: Setup) =>
  (await shownOf(setup, { section, rows: [], records: [] }, { world, makePoints: false }))!;

Deno.test("where no released detector is there, nothing is made and the section is shown without", () =>
  inWorld(async (world, setup) => {
    await makeOnce(section, world, setup);
    assert.equal(await keptMade(section, world, setup), undefined);
    const shown = await shownIn(world, setup);
    assert.equal(shown.made, undefined);
    for (const name of ["made", "scores"]) assert.ok(!await exists(join(setup.folder, name)));
  }));

Deno.test("released detectors are tried on every test set, once, and stand behind their printed rows", () =>
  inWorld(async (world, setup) => {
    await take("wang.pth", "wang", "wang_0.5");
    const { path } = await take("dmid.pth", "dmid", "dmid_latent");
    const told: string[] = [];
    await makeOnce(section, world, setup, {
      onProgress: ({ stage, done, total }) => told.push(`${stage} ${done}/${total}`),
    });
    assert.ok(told.some((line) => line.startsWith("DMID (latent diffusion) ")), told.join());
    const made = await keptMade(section, world, setup) as {
      title: string;
      test: Record<string, { acc: number; ap: number }>;
    }[];
    assert.deepEqual(made.map(({ title }) => title), [
      "Wang et al. (.5)",
      "DMID (latent diffusion)",
    ]);
    await using dmid = await openDetector(path);
    for (const spec of profile.testSets) {
      const images = await listImages(world.root, spec);
      const scores: number[] = [];
      for await (
        const found of dmid.detectAll(images.map(({ path }) => resolve(world.root, path)))
      ) {
        scores.push((found as { score: number }).score);
      }
      const labels = Uint8Array.from(images, ({ label }) => label);
      const expected = evaluateScores(labels, Float32Array.from(scores));
      assert.deepEqual(made[1]!.test[spec.name], JSON.parse(JSON.stringify(expected)));
    }
    const cell = (
      table: number,
      metric: "acc" | "ap",
      generator: string,
      method = "Wang (prob. 0.5)",
    ) =>
      ({
        ...{ table, metric, generator, method, trainingClasses: "20", variant: "", percent: 50 },
      }) satisfies PrintedCell;
    const [first] = profile.testSets;
    const printed = [
      cell(2, "acc", first!.name),
      cell(2, "acc", first!.name, "UFD"),
      cell(3, "ap", first!.name),
    ];
    const shown = { ...await shownIn(world, setup), printed };
    const { rows, caption } = table2(shown);
    assert.deepEqual(rows.map(({ method }) => method), [
      "Wang (prob. 0.5)",
      "Wang (prob. 0.5), run here",
      "UFD",
      "DMID (latent diffusion), run here",
    ]);
    assert.equal(rows[1]![first!.name], made[0]!.test[first!.name]!.acc);
    assert.equal(table3(shown).rows[1]![first!.name], made[0]!.test[first!.name]!.ap);
    const accs = profile.testSets.map(({ name }) => made[1]!.test[name]!.acc);
    assert.equal(rows[3]!["AVG"], (accs[0]! + accs[1]!) / 2);
    assert.match(
      caption,
      /Wang et al\. \(\.5\): centre crop 224 \(original\); DMID .*: whole image/,
    );

    // what is kept is not computed again, what is damaged is
    const folder = join(setup.folder, "scores");
    const before = await scoresIn(folder);
    const [damaged, marked] = [...before.keys()];
    await Deno.writeTextFile(damaged!, "no scores");
    const written = (path: string) => Deno.statSync(path).mtime!.getTime();
    const times = new Map([...before.keys()].map((path) => [path, written(path)]));
    await Deno.remove(join(setup.folder, "made"), { recursive: true });
    await makeOnce(section, world, setup);
    assert.deepEqual(await scoresIn(folder), before);
    assert.equal(written(marked!), times.get(marked!));
    assert.deepEqual(await keptMade(section, world, setup), made);
    // another checkpoint of the name has scores of its own
    await Deno.remove(join(detectors, "wang_0.5"), { recursive: true });
    await take("lgrad_classifier.pth", "wang", "wang_0.5");
    assert.equal(await keptMade(section, world, setup), undefined);
  }));

Deno.test("scores of images made alike are those of the images that they become", () =>
  inWorld(async (world, setup) => {
    const { path } = await importDetector(join(GOLDENS, "dmid.pth"), {
      ...{ as: "dmid", name: "alike", folder: temporaryFolder("alike_") },
    });
    const ready = {
      ...{
        name: "alike",
        title: "DMID",
        reads: "whole image",
        path,
        transform: "original",
        key: "k",
      },
    };
    await using scorer = new ReleasedScorer(ready, { ...setup, skipCorrupt: false });
    const images = (await listImages(world.root, profile.testSets[0]!)).slice(0, 5);
    const plain = await scorer.scores(images, "list");
    const alike = { sidePx: 32, jpegQuality: 96 };
    const scores = await scorer.scores(images, "list", { alike });
    await using detector = await openDetector(path);
    for (const [i, { path }] of images.entries()) {
      const image = await decodeImage(resolve(world.root, path));
      assert.equal(scores[i], (await detector.detect(makeAlike(image, alike))).score);
      assert.equal(plain[i], (await detector.detect(image)).score);
    }
    assert.notDeepEqual(scores, plain);

    // scores that were changed, or another list's in their place, are made again
    const folder = join(setup.folder, "scores", "alike-k");
    const files = Array.from(Deno.readDirSync(folder), ({ name }) => join(folder, name));
    const whole = files.map((file) => Deno.readFileSync(file));
    assert.equal(files.length, 2);
    const damaged = (n: number) => {
      const bytes = whole[0]!.slice();
      bytes[Math.floor(bytes.length * n / 9)]! ^= 1;
      return bytes;
    };
    for (const bytes of [...Array.from({ length: 9 }, (_, n) => damaged(n)), whole[1]!]) {
      Deno.writeFileSync(files[0]!, bytes);
      assert.deepEqual(await scorer.scores(images, "list"), plain);
      assert.deepEqual(await scorer.scores(images, "list", { alike }), scores);
      assert.deepEqual(Deno.readFileSync(files[0]!), whole[0]);
    }
  }));

Deno.test("the doctor says which rows can be run, and where the others' files are to be had", async () => {
  const { made: _, ...brought } = profile;
  const sections = EXPERIMENTS.sections.filter(({ name }) => ["grid", "comparison"].includes(name));
  const experiments: Experiments = { sections, profiles: { mini: brought } };
  const report = await examineProfile(
    {
      ...{ experiments, profile: brought, data, root: join(data, "mini") },
      ...{ results: join(data, "results"), tokens: join(data, "tokens") },
    },
    { only: [], deep: false },
  );
  const rows = Object.fromEntries(report.detectors.map(({ title, canRun }) => [title, canRun]));
  assert.deepEqual(rows, {
    "Wang et al. (.5)": true,
    "Wang et al. (.1)": false,
    "DMID (ProGAN)": false,
    "DMID (latent diffusion)": true,
    "Patch-Forensics": false,
    "LGrad (1-class)": false,
    "LGrad (2-class)": false,
    "LGrad (4-class)": false,
    "StyleGAN's discriminator, for LGrad": false,
  });
  const text = formatReport(report);
  assert.match(text, /\n {2}Wang et al\. \(\.5\) +can run\n/);
  assert.match(
    text,
    /\(\.1\) +needs blur_jpg_prob0\.1\.pth, from .*; then `deno task detector import/,
  );
});

Deno.test("scores hang on the way to read, and on every file that a detector needs", async () => {
  const folder = temporaryFolder("ready_");
  const keys = async (wanted: Record<string, string>) =>
    (await readyDetectors(folder, wanted)).map(({ name, reads, key }) => [name, reads, key]);
  const kept = (file: string, as: string, name: string) =>
    importDetector(join(GOLDENS, file), { as, name, folder });
  await kept("patch_forensics.pth", "patch_forensics", "patches");
  const [mean] = await keys({ patch_forensics: "original" });
  const [vote] = await keys({ patch_forensics: "vote" });
  assert.deepEqual(mean!.slice(0, 2), [
    "patches",
    "short side 299 (lanczos), centre crop 299 (original)",
  ]);
  assert.notEqual(mean![2], vote![2]);

  // without its discriminator there is no LGrad, with another one it has other scores
  await kept("lgrad_classifier.pth", "lgrad", "lgrad_4class");
  const wanted = { lgrad: "original" };
  assert.deepEqual(await keys(wanted), []);
  const { path } = await kept(
    "lgrad_discriminator.pth",
    "stylegan_discriminator",
    "stylegan_discriminator",
  );
  const [first] = await keys(wanted);
  assert.equal(first![0], "lgrad_4class");
  const { tensors, metadata } = await readSafetensors(path);
  tensors.get("layer0.bias")!.data[0]! += 1;
  await writeSafetensors(path, tensors, metadata);
  const [second] = await keys(wanted);
  assert.notEqual(second![2], first![2]);
});
