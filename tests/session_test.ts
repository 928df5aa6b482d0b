import assert from "node:assert/strict";
import { join } from "node:path";
import { runsFigure, setsFigure } from "../lib/session/explore.ts";
import { reproduceCommand } from "../lib/runs/setup.ts";
import { findSection, FinishedRuns } from "../lib/runs/finished.ts";
import { mini } from "../experiments/profiles/mini.ts";
import { paper } from "../experiments/profiles/paper.ts";
import { doneSections, writeSections } from "../lib/report/paper/report.ts";
import type { ReproduceOptions } from "../lib/cli/reproduce.ts";
import { openSession, Session } from "../lib/session/session.ts";
import { type Sweep, sweepRuns } from "../lib/session/sweep.ts";
import { weightsPath } from "../lib/backbones/open.ts";
import { makeMiniWorld } from "../lib/mini/make.ts";
import { loadCheckpoint, saveCheckpoint } from "../lib/detectors/rine/checkpoint.ts";
import { initialParameters } from "../lib/detectors/rine/architecture.ts";
import { decodeImage } from "../lib/image/image.ts";
import { PERTURBATIONS } from "../lib/image/perturb.ts";
import { randomStream } from "../lib/random.ts";
import { renderFigure } from "../lib/report/write/render.ts";
import type { RunRow } from "../lib/runs/config.ts";
import { openDetector, verdictText } from "../lib/detectors/verdict.ts";
import type { World } from "../lib/runs/plan.ts";
import {
  executeSmall,
  makeSmallWorld,
  openSmallWorld,
  SMALL_BACKBONE,
  smallProfile,
} from "./small_world.ts";
import { temporaryFile, temporaryFolder } from "./temporary.ts";

interface SmallWorld {
  readonly world: World;
  readonly session: Session;
  /** Options that `reproduce` would be called with. */
  readonly options: ReproduceOptions;
  /** Runs a section, as `reproduce` does. */
  run(name: string, rows?: readonly RunRow[]): Promise<void>;
}

async function withSmallWorld(action: (small: SmallWorld) => Promise<void>): Promise<void> {
  const data = temporaryFolder(), results = join(data, "results");
  await makeSmallWorld(data);
  const { world, backbone } = await openSmallWorld(data);
  await using _ = backbone;
  try {
    await action({
      world,
      session: new Session(
        smallProfile,
        { data, results },
        () => Promise.resolve({ world, seed: 0 }),
      ),
      options: {
        ...{ profile: smallProfile, data, results, only: [], seed: 0, seeds: [0], engine: "onnx" },
        ...{ device: "cpu", precision: "full", protocol: "released", theme: "default" },
        ...{ force: false, skipCorrupt: false },
      },
      run: async (experiment, rows = []) => {
        const configs = findSection(experiment).runs(smallProfile, [0], rows);
        await executeSmall(data, configs, join(results, "mini"), { experiment });
      },
    });
  } finally {
    await Deno.remove(data, { recursive: true });
  }
}

const SWEEP: Sweep = {
  contrastiveWeights: [0, .5],
  projectionLayers: [1, 2],
  projectionDims: [8, 16, 32],
  classSets: ["2-class"],
};

Deno.test("a session in a small world", (t) =>
  withSmallWorld(async ({ session, run, world, options }) => {
    await t.step("the published sections need no results", async () => {
      const { tables } = await session.published("ablations");
      assert.deepEqual(tables.map(({ id }) => id), ["table_4"]);
      await assert.rejects(
        session.published("table 4"),
        /Cannot show a section: expected one of grid, comparison.*; found table 4/,
      );
    });

    await t.step("openDetector() refuses a head for tokens of other sizes", async () => {
      const backbone = world.backbones.get(SMALL_BACKBONE)!;
      const { blocks, width } = backbone.architecture;
      const path = temporaryFile(".safetensors");
      const architecture = {
        blocks: blocks + 1,
        width,
        projectionLayers: 1,
        projectionDim: 4,
        ablation: "none",
      } as const;
      await saveCheckpoint(path, architecture, initialParameters(architecture, randomStream(0)));
      assert.equal((await loadCheckpoint(path)).architecture.blocks, blocks + 1);
      await assert.rejects(openDetector(backbone, path), (error: Error) => {
        assert.equal(error.name, "UserError");
        assert.match(error.message, new RegExp(`expected a head for ${blocks} blocks`));
        return true;
      });
      await Deno.remove(path);
    });

    await t.step(
      "it reads what was run, tries heads of the reader's own, and detects",
      async () => {
        await assert.rejects(
          session.rows("grid"),
          /^UserError: Cannot show grid: expected 2 runs in .*mini, found 0; run `deno task reproduce --only grid --data [^ ]+ --results [^ ]+` first$/,
        );
        await run("grid");
        const rows = await session.rows("grid");
        assert.deepEqual(rows.map(({ contrastiveWeight }) => contrastiveWeight), [.1, .2]);
        assert.deepEqual(Object.keys(rows[0]!.test), smallProfile.testSets.map(({ name }) => name));

        const { tables, figures } = await session.report("grid");
        assert.deepEqual(tables.map(({ id }) => id), ["table_1"]);
        assert.deepEqual(figures.map(({ id }) => id), ["figure_3", "figure_4"]);
        const filtered = await session.report("grid", (row) => row.contrastiveWeight > .1);
        assert.equal(filtered.figures[0]!.rows.length, figures[0]!.rows.length / 2);
        await assert.rejects(
          session.rows("epochs"),
          /Cannot show epochs: expected .* found 0; run/,
        );

        const swept = await session.sweep({
          contrastiveWeights: [.1, .3],
          projectionLayers: [1],
          projectionDims: [8],
          classSets: ["1-class"],
          testSets: [smallProfile.testSets[1]!.name],
        });
        assert.deepEqual(swept.map(({ contrastiveWeight }) => contrastiveWeight), [.1, .3]);
        assert.deepEqual(
          swept[0]!.test[smallProfile.testSets[1]!.name],
          rows[0]!.test[smallProfile.testSets[1]!.name],
          "the head that the grid trained is the sweep's",
        );

        // a backbone of the reader's own: the same weights under another name
        const own: Sweep = {
          contrastiveWeights: [.1],
          projectionLayers: [1],
          projectionDims: [8],
          classSets: ["1-class"],
          backbones: ["Own/1"],
          testSets: [smallProfile.testSets[1]!.name],
        };
        await assert.rejects(session.sweep(own), /expected .*Own-1.model\.safetensors, found none/);
        const folder = join(world.root, "backbones");
        await Deno.mkdir(join(folder, "Own-1"));
        await Deno.copyFile(weightsPath(folder, SMALL_BACKBONE), weightsPath(folder, "Own/1"));
        const [{ backbone, test }] = await session.sweep(own) as [RunRow];
        const [{ test: same }] = await session.sweep({ ...own, backbones: [SMALL_BACKBONE] }) as [
          RunRow,
        ];
        assert.equal(backbone, "Own/1");
        assert.deepEqual(test, same);

        const [real, generated] = await session.examples(smallProfile.testSets[0]!.name);
        assert.deepEqual([real!.label, generated!.label], [0, 1]);
        assert.equal(real!.caption, "real");
        assert.deepEqual(await decodeImage(real!.file), real!.image);
        await assert.rejects(
          session.examples("progan"),
          /Cannot list images: expected one of .*progan/,
        );

        await using detector = await session.detector();
        const verdicts = await detector.detect([real!.image, generated!.image]);
        const [alone] = await detector.detect([generated!.image]);
        assert.ok(Math.abs(alone!.score - verdicts[1]!.score) < 1e-5);
        assert.equal(detector.backbone, world.backbones.get(SMALL_BACKBONE));
        assert.equal(detector.blockImportance.reduce((a, b) => a + b), 8);
        await assert.rejects(
          session.detector("5-class"),
          /Cannot open a detector: expected a class set of 1-class; found 5-class/,
        );

        const views = await session.perturbed(generated!, detector);
        assert.deepEqual(views.map(({ caption }) => caption.split(":")[0]), [
          "as it is",
          ...PERTURBATIONS,
        ]);
        assert.equal(views[0]!.caption, `as it is: ${verdictText(alone!)}`);
        const pixels = new Set(views.map(({ image }) => image.data.join()));
        assert.equal(pixels.size, views.length, "every perturbation changes the image");
        assert.deepEqual(await session.perturbed(generated!, detector), views);
      },
    );

    await t.step(
      "a report keeps sections that are done, and ends with those that are not",
      async () => {
        const { folder } = session, tokensFolder = join(options.data, "tokens");
        const source = { folder, tokensFolder, engine: "onnx" } as const;
        const write = async () => {
          const finished = new FinishedRuns(smallProfile, world, {
            ...{ ...source, seed: 0, seeds: [0] },
            command: (section) => reproduceCommand(smallProfile, options, [section]),
          });
          const lines = new Map([["grid", "just run"]]);
          const said = await writeSections(
            await doneSections(finished, await finished.names(), lines, options, source),
            options,
            { folder, written: new Set() },
          );
          assert.deepEqual(said.filter((line) => !line.startsWith("  ")), ["just run"]);
          return (await Deno.readTextFile(join(folder, "report.md"))).trimEnd();
        };
        const headings = (report: string) =>
          [...report.matchAll(/^## (\S+)/gm)].map(([, one]) => one);
        const first = await write();
        assert.deepEqual(headings(first), ["§5.3", "§5.7"]);
        assert.ok(
          first.includes(`\n\nMade by \`deno task reproduce --data ${options.data} --results`) &&
            first.includes("; heads trained by onnx (onnxruntime "),
          first,
        );
        const [last] = first.split("\n").slice(-1);
        assert.match(last!, /^Not run yet: §5\.1 Comparison with other methods, §5\.2 Ablations, /);
        assert.ok(
          last!.endsWith(
            "`deno task reproduce --only comparison,ablations,epochs,dataset_size,perturbations," +
              `synthbuster,feature_space --data ${options.data} --results ${options.results}\``,
          ),
          first,
        );
        await run("ablations", await session.rows("grid"));
        const second = await write();
        assert.deepEqual(headings(second), ["§5.3", "§5.2", "§5.7"]);
        assert.match(second, /\nNot run yet: [^\n]*$/);
        assert.doesNotMatch(second, /Not run yet: .*§5\.2/);
      },
    );
  }));

Deno.test("a session makes nothing: every call says what does, until it is there", async () => {
  const data = temporaryFolder();
  const session = await openSession({ data });
  for (const call of [() => session.rows("grid"), () => session.examples("bilinear_2x")]) {
    await assert.rejects(
      call,
      /^UserError: Cannot open the mini profile: expected its images in .*, found none; run `deno task reproduce --data [^ ]+` first$/,
    );
  }
  const unopened = await openSession({ profile: "paper", data });
  await assert.rejects(
    unopened.detector(),
    /^UserError: Cannot open backbone: expected .*ViT-L-14.*backbone import/,
  );
  await assert.rejects(
    openSession({ profile: "maxi" as "mini", data }),
    /^UserError: Cannot open a session: expected a profile of mini, paper; found maxi$/,
  );
  assert.deepEqual(await Array.fromAsync(Deno.readDir(data)), []);

  await makeMiniWorld({ root: join(data, "mini"), seed: 3, scale: .004, workers: 1 });
  const other = await openSession({ data, seed: 5 });
  await assert.rejects(
    other.rows("grid"),
    /found those of seed 3; run `deno task reproduce --data [^ ]+ --seed 5` first$/,
  );
  await Deno.remove(data, { recursive: true });
});

Deno.test("what is missing is made by the command that a session was opened like", async () => {
  const project = join(import.meta.dirname!, "..");
  assert.equal(
    reproduceCommand(paper, {}, ["grid"]),
    "deno task reproduce --profile paper --only grid",
  );
  const defaults = {
    data: join(project, "data"),
    results: "results",
    seed: 0,
    seeds: [0],
    engine: "onnx",
    device: "cpu",
    precision: "full",
    protocol: "released",
  } as const;
  assert.equal(reproduceCommand({ ...mini, selection: "test" }, defaults), "deno task reproduce");

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
    engine: "tensorflow",
    precision: "int8",
    protocol: "paper",
    select: "val",
    datasets,
  } as const;
  const session = await openSession(options);
  assert.equal(session.profile.selection, "val");
  assert.deepEqual(session.profile.testSets.at(-1)!.name, "own");
  const command =
    `deno task reproduce --data ${data} --results results/other --seed 3 --seeds 0,1 ` +
    "--engine tensorflow --precision int8 --protocol paper --select val " +
    `--datasets "${datasets}"`;
  await assert.rejects(session.rows("grid"), (error: Error) => {
    assert.ok(error.message.endsWith(`run \`${command}\` first`), error.message);
    return true;
  });
  await Deno.remove(data, { recursive: true });
});

Deno.test("a sweep combines each value with each, on the test sets that were named", () => {
  const runs = sweepRuns(mini, { ...SWEEP, testSets: ["bilinear_2x"] }, [0, 1]);
  assert.equal(runs.length, 2 * 2 * 2 * 3);
  assert.equal(new Set(runs.map(({ training }) => JSON.stringify(training))).size, runs.length);
  for (const { training, evaluation } of runs) {
    assert.deepEqual(training.classes, mini.classSets[1]!.classes);
    assert.equal(training.backbone, mini.backbones[0]);
    assert.deepEqual(evaluation.testSets, ["bilinear_2x"]);
  }
});

Deno.test("a sweep with values of the grid plans the grid's own heads", () => {
  const known = new Set(
    findSection("grid").runs(mini, [0], []).map(({ training }) => JSON.stringify(training)),
  );
  const { contrastiveWeights, projectionLayers, projectionDims } = mini.grid;
  const runs = sweepRuns(mini, {
    contrastiveWeights,
    projectionLayers,
    projectionDims,
    classSets: mini.classSets.map(({ name }) => name),
    backbones: mini.backbones,
  }, [0]);
  assert.equal(runs.length, known.size);
  for (const { training } of runs) assert.ok(known.has(JSON.stringify(training)));
});

Deno.test("a sweep of impossible values is refused with what is possible", () => {
  const refused: readonly (readonly [Partial<Sweep>, RegExp])[] = [
    [{ contrastiveWeights: [-1] }, /contrastiveWeights of numbers from 0, found -1/],
    [{ projectionLayers: [0] }, /projectionLayers of whole numbers from 1, found 0/],
    [{ projectionDims: [1.5] }, /projectionDims of whole numbers from 1, found 1.5/],
    [{ projectionDims: [] }, /values in projectionDims, found none/],
    [{ classSets: ["3-class"] }, /a class set of 1-class, 2-class, 4-class; found 3-class/],
  ];
  for (const [values, says] of refused) {
    assert.throws(() => sweepRuns(mini, { ...SWEEP, ...values }, [0]), says);
  }
});

/** Rows as a sweep would give them, with scores from a stream. */
function sweptRows() {
  const random = randomStream("swept rows");
  return sweepRuns(mini, { ...SWEEP, classSets: ["1-class", "4-class"] }, [0]).map(
    ({ training, evaluation }) => ({
      ...training,
      experiment: "sweep",
      view: evaluation.view,
      parameterCount: 1000 * training.projectionDim,
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
