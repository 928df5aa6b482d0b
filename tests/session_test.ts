import assert from "node:assert/strict";
import { join } from "node:path";
import { EXPERIMENTS } from "../experiments/index.ts";
import { mini } from "../experiments/profiles/mini.ts";
import { paper } from "../experiments/profiles/paper.ts";
import { weightsPath } from "../lib/backbones/open.ts";
import { listImages } from "../lib/data/dataset.ts";
import { verdictText } from "../lib/detectors/verdict.ts";
import { decodeImage } from "../lib/image/image.ts";
import { PERTURBATIONS } from "../lib/image/perturb.ts";
import { evaluateScores } from "../lib/metrics.ts";
import { makeMiniWorld } from "../lib/mini/make.ts";
import { randomStream } from "../lib/random.ts";
import { renderFigure } from "../lib/report/write/render.ts";
import type { RunRow } from "../lib/runs/config.ts";
import { execute } from "../lib/runs/execute.ts";
import type { Experiments } from "../lib/runs/section.ts";
import { makeSetup, reproduceCommand } from "../lib/runs/setup.ts";
import { openMadeWorld } from "../lib/runs/world.ts";
import { runsFigure, setsFigure } from "../lib/session/explore.ts";
import { openSession, type Session } from "../lib/session/session.ts";
import { type Sweep, sweepRuns } from "../lib/session/sweep.ts";
import { makeSmallWorld, SMALL_BACKBONE, smallProfile } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

/** The paper's sections in a world of a few images. */
const SMALL = {
  sections: EXPERIMENTS.sections,
  profiles: { mini: smallProfile, paper },
} satisfies Experiments;

interface SmallWorld {
  readonly session: Session<typeof EXPERIMENTS["sections"][number]["name"]>;
  readonly options: { readonly data: string; readonly results: string };
  /** Runs a section, as `reproduce` does. */
  run(name: string, rows?: readonly RunRow[]): Promise<void>;
}

async function withSmallWorld(action: (small: SmallWorld) => Promise<void>): Promise<void> {
  const data = temporaryFolder(), options = { data, results: join(data, "results") };
  await makeSmallWorld(data);
  try {
    await using session = await openSession(SMALL, options);
    await action({
      session,
      options,
      run: async (name, rows = []) => {
        const setup = await makeSetup(SMALL, options);
        await using world = await openMadeWorld(setup);
        const section = SMALL.sections.find((section) => section.name === name)!;
        await execute(name, section.runs(smallProfile, [0], rows), world, setup);
      },
    });
  } finally {
    await Deno.remove(data, { recursive: true });
  }
}

const [FIRST_SET, SECOND_SET] = smallProfile.testSets.map(({ name }) => name) as [string, string];

Deno.test("a session in a small world", (t) =>
  withSmallWorld(async ({ session, options, run }) => {
    await t.step("the published sections need no results", async () => {
      const { tables } = await session.published("ablations");
      assert.deepEqual(tables.map(({ id }) => id), ["table_4"]);
      await assert.rejects(
        session.published("table 4" as "grid"),
        /Cannot show a section: expected one of grid, comparison.*; found table 4/,
      );
    });

    await t.step("before the grid has been run, a sweep takes its first values", async () => {
      await assert.rejects(
        session.rows("grid"),
        /^UserError: Cannot show grid: expected 2 runs in .*mini, found 0; run `deno task reproduce --only grid --data [^ ]+ --results [^ ]+` first$/,
      );
      assert.deepEqual(await session.rows("sweep"), []);
      const [row] = await session.sweep({ testSets: [SECOND_SET] });
      assert.deepEqual(row!.head, {
        contrastiveWeight: .1,
        projectionLayers: 1,
        projectionDim: 8,
        variant: "full",
      });
    });

    await t.step("it reads what was run", async () => {
      await run("grid");
      const rows = await session.rows("grid");
      assert.deepEqual(rows.map(({ head }) => head["contrastiveWeight"]), [.1, .2]);
      assert.deepEqual(Object.keys(rows[0]!.test), [FIRST_SET, SECOND_SET]);
      assert.equal(await session.rows("grid"), rows, "a row is always the same object");
      assert.throws(() => Object.assign(rows[0]!, { epochs: 2 }), TypeError);

      const { tables, figures } = await session.report("grid");
      assert.deepEqual(tables.map(({ id }) => id), ["table_1"]);
      assert.deepEqual(figures.map(({ id }) => id), ["figure_3", "figure_4"]);
      const filtered = await session.report("grid", ({ head }) => head["contrastiveWeight"] === .2);
      assert.equal(filtered.figures[0]!.rows.length, figures[0]!.rows.length / 2);
      await assert.rejects(
        session.report("grid", ({ epochs }) => epochs === 7),
        /expected rows that meet the condition, found 0 of 2; a row has .*head/,
      );
      await assert.rejects(
        session.rows("epochs"),
        /Cannot show epochs: expected .* found 0; run/,
      );
      assert.equal((await session.runsFigure()).rows.length, 2);
      assert.equal((await session.setsFigure(session.rows("grid"))).rows.length, 4);
    });

    await t.step("a section that is misspelt is a type error, and is refused by name", async () => {
      // @ts-expect-error no section has that name
      const rows = session.rows("grdi");
      await assert.rejects(rows, /^UserError: .*expected one of grid, .*; found grdi$/);
    });

    await t.step("a sweep finds the grid's heads, and is read again", async () => {
      const [grid] = await session.rows("grid");
      const [first, second] = await session.sweep({
        contrastiveWeights: [.1, .3],
        testSets: [SECOND_SET],
      });
      assert.deepEqual([first, second].map((row) => row!.head["contrastiveWeight"]), [.1, .3]);
      assert.deepEqual(first!.test[SECOND_SET], grid!.test[SECOND_SET]);

      // a backbone of the reader's own: the same weights under another name
      const own: Sweep = { contrastiveWeights: [.1], backbones: ["Own/1"], testSets: [SECOND_SET] };
      await assert.rejects(session.sweep(own), /expected .*Own-1.model\.safetensors, found none/);
      const folder = join(options.data, "mini", "backbones");
      await Deno.mkdir(join(folder, "Own-1"));
      await Deno.copyFile(weightsPath(folder, SMALL_BACKBONE), weightsPath(folder, "Own/1"));
      const [other] = await session.sweep(own);
      assert.equal(other!.backbone, "Own/1");
      assert.deepEqual(other!.test, first!.test);

      const again = await session.rows("sweep");
      assert.deepEqual(
        new Set(again.map(({ backbone, head }) => `${backbone} ${head["contrastiveWeight"]}`)),
        new Set([`${SMALL_BACKBONE} 0.1`, `${SMALL_BACKBONE} 0.3`, "Own/1 0.1"]),
      );
      await using elsewhere = await openSession(SMALL, { ...options, protocol: "paper" });
      assert.deepEqual(await elsewhere.rows("sweep"), [], "its heads learned from other images");
    });

    await t.step("scores stand beside their images and give the row's measures", async () => {
      const row = (await session.rows("grid"))[1]!;
      const scores = await session.scores(row, SECOND_SET);
      const spec = smallProfile.testSets[1]!;
      const images = await listImages(join(options.data, "mini"), spec);
      assert.deepEqual(
        scores.map(({ path, label }) => ({ path, label })),
        images.map(({ path, label }) => ({ path, label })),
      );
      assert.deepEqual(
        new Set(scores.map(({ generator }) => generator)),
        new Set(["real", SECOND_SET]),
      );
      const measures = evaluateScores(
        Uint8Array.from(scores, ({ label }) => label),
        scores.map(({ score }) => score),
      );
      assert.deepEqual(measures, row.test[SECOND_SET]);
      await assert.rejects(
        session.scores(row, "progan"),
        /Cannot use a test set: expected one of .*; found progan$/,
      );
      await assert.rejects(
        session.scores({ ...row }, SECOND_SET),
        /found a copy or something else$/,
      );
    });

    await t.step("a detector is the session's, judges images, and is tried on a set", async () => {
      const [real, generated] = await session.examples(FIRST_SET);
      assert.deepEqual([real!.label, generated!.label], [0, 1]);
      assert.equal(real!.caption, "real");
      assert.deepEqual(await decodeImage(real!.file), real!.image);
      await assert.rejects(
        session.examples("progan"),
        /Cannot use a test set: expected one of .*; found progan/,
      );

      const detector = await session.detector();
      assert.equal(await session.detector("1-class"), detector);
      const alone = await detector.detect(generated!.image);
      assert.deepEqual(await detector.detect(generated!.file), alone);
      const both = [real!, generated!];
      const atOnce = await Promise.all(both.map(({ image }) => detector.detect(image)));
      const scores = [(await detector.detect(real!.image)).score, alone.score];
      assert.deepEqual(atOnce.map(({ score }) => score), scores);
      assert.equal(detector.blockImportance!.reduce((a, b) => a + b), 8);
      await assert.rejects(
        session.detector("5-class"),
        /Cannot open a detector: expected a class set of 1-class; found 5-class/,
      );

      for (const row of await session.rows("grid")) {
        const own = await session.detector(row);
        const kept = (await session.scores(row, FIRST_SET)).find(({ label }) => label === 1)!;
        const { score } = await own.detect(generated!.image);
        assert.ok(Math.abs(score - kept.score) < .01, "kept features are of half precision");
        const { acc, auc } = await session.evaluate(own, FIRST_SET);
        assert.ok(Math.abs(acc! - row.test[FIRST_SET]!.acc) < .02);
        assert.ok(Math.abs(auc! - row.test[FIRST_SET]!["auc"]!) < .02);
      }

      const byName = {
        async *detectAll(paths: readonly string[]) {
          for (const path of paths) yield { path, score: path.includes("real") ? .1 : .9 };
        },
      };
      assert.equal((await session.evaluate(byName, FIRST_SET)).ap, 1);
      const cannotRead = {
        async *detectAll(paths: readonly string[]) {
          for (const path of paths) yield { path, problem: "a GIF image" };
        },
      };
      await assert.rejects(
        session.evaluate(cannotRead, FIRST_SET),
        /^UserError: Cannot decode .*: a GIF image; openSession\({ skipCorrupt: true }\) leaves it out$/,
      );

      const views = await session.perturbed(generated!);
      assert.deepEqual(views.map(({ caption }) => caption.split(":")[0]), [
        "as it is",
        ...PERTURBATIONS,
      ]);
      assert.equal(views[0]!.caption, `as it is: ${verdictText(alone)}`);
      const pixels = new Set(views.map(({ image }) => image.data.join()));
      assert.equal(pixels.size, views.length, "every perturbation changes the image");
      assert.deepEqual(await session.perturbed(generated!, detector), views);
    });
  }));

Deno.test("a session makes nothing: every call says what does, until it is there", async () => {
  const data = temporaryFolder();
  const session = await openSession(EXPERIMENTS, { data });
  for (const call of [() => session.rows("grid"), () => session.examples("bilinear_2x")]) {
    await assert.rejects(
      call,
      /^UserError: Cannot open the mini profile: expected its images in .*, found none; run `deno task reproduce --data [^ ]+` first$/,
    );
  }
  const unopened = await openSession(EXPERIMENTS, { profile: "paper", data });
  await assert.rejects(
    unopened.detector(),
    /^UserError: Cannot open backbone: expected .*ViT-L-14.*backbone import/,
  );
  assert.deepEqual(await Array.fromAsync(Deno.readDir(data)), []);

  await makeMiniWorld({ root: join(data, "mini"), seed: 3, scale: .004, workers: 1 });
  const other = await openSession(EXPERIMENTS, { data, seed: 5 });
  await assert.rejects(
    other.rows("grid"),
    /found those of seed 3; run `deno task reproduce --data [^ ]+ --seed 5` first$/,
  );
  // the first session takes the seed of the world that is there by now
  await assert.rejects(session.rows("grid"), /Cannot open backbone/);
  await Deno.remove(data, { recursive: true });
});

Deno.test("options that are not known are refused where the session is opened", async () => {
  const says = (options: object, message: RegExp) =>
    assert.rejects(openSession(EXPERIMENTS, options), message);
  await says({ profil: "paper" }, /expected options of profile, .*; found profil$/);
  await says({ profile: "maxi" }, /expected a profile of mini, paper; found maxi$/);
  await says({ force: true }, /expected options without force/);
});

Deno.test("what is missing is made by the command that a session was opened like", async () => {
  const project = join(import.meta.dirname!, "..");
  const setup = await makeSetup(EXPERIMENTS, { profile: "paper", data: join(project, "data") });
  assert.equal(
    reproduceCommand(setup, ["grid"]),
    "deno task reproduce --profile paper --only grid",
  );
  const wide = await makeSetup(EXPERIMENTS, { profile: "paper", theme: "paper", width: 122 });
  assert.match(reproduceCommand(wide), / --theme paper --width 122$/);

  const data = temporaryFolder();
  for (const name of ["real", "made"]) {
    await Deno.mkdir(join(data, name));
    await Deno.writeTextFile(join(data, name, "1.png"), "");
  }
  const datasets = join(data, "my sets.json");
  await Deno.writeTextFile(datasets, '[{"name": "own", "real": "real", "generated": "made"}]');
  const options = {
    data,
    results: join(project, "results", "other"),
    seed: 3,
    seeds: [0, 1],
    precision: "int8",
    protocol: "paper",
    select: "val",
    datasets,
  } as const;
  const session = await openSession(EXPERIMENTS, options);
  assert.equal(session.profile.selection, "val");
  assert.deepEqual(session.profile.testSets.at(-1)!.name, "own");
  const command =
    `deno task reproduce --data ${data} --results results/other --seed 3 --seeds 0,1 ` +
    "--precision int8 --protocol paper --select val " +
    `--datasets "${datasets}"`;
  await assert.rejects(session.rows("grid"), (error: Error) => {
    assert.ok(error.message.endsWith(`run \`${command}\` first`), error.message);
    return true;
  });
  await Deno.remove(data, { recursive: true });
});

const SWEEP: Sweep = {
  contrastiveWeights: [0, .5],
  projectionLayers: [1, 2],
  projectionDims: [8, 16, 32],
  classSets: ["1-class", "4-class"],
};

/** Rows as a sweep would give them, with scores from a stream. */
function sweptRows() {
  const random = randomStream("swept rows");
  return sweepRuns(mini, SWEEP, [0]).map(
    ({ training, evaluation }): RunRow => ({
      ...training,
      experiment: "sweep",
      view: evaluation.view,
      parameterCount: 1000 * Number(training.head["projectionDim"]),
      valLoss: 1,
      valAcc: .5,
      test: Object.fromEntries(
        evaluation.testSets.map((name) => [name, { acc: random.uniform(.5, 1), ap: .9 }]),
      ),
    }),
  );
}

Deno.test("figures to look around in have a menu for each value that differs, and draw", async () => {
  const rows = sweptRows();
  const figure = runsFigure(mini, rows);
  const params = figure.spec["params"] as { bind: { name: string; options: unknown[] } }[];
  assert.deepEqual(params.map(({ bind }) => bind.name.trim()), ["training", "ξ", "q", "d′"]);
  assert.deepEqual(params[3]!.bind.options, [null, 8, 16, 32]);
  assert.equal(figure.notice, mini.notice);
  assert.equal(figure.rows.length, rows.length);
  const sets = setsFigure(mini, rows);
  assert.equal(sets.rows.length, rows.length * mini.testSets.length);
  for (const { svg } of await Promise.all([figure, sets].map((one) => renderFigure(one)))) {
    assert.match(svg, /^<svg /);
  }
});
