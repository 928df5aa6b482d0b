import assert from "node:assert/strict";
import { join } from "node:path";
import { EXPERIMENTS } from "../experiments/index.ts";
import { mini } from "../experiments/profiles/mini.ts";
import { listImages } from "../lib/data/dataset.ts";
import { Detector, openDetector } from "../lib/detectors/verdict.ts";
import { decodeImage } from "../lib/image/image.ts";
import { evaluateScores } from "../lib/metrics.ts";
import { compareScores } from "../lib/metrics/compare.ts";
import { renderFigure } from "../lib/report/write/render.ts";
import type { ImageScore } from "../lib/runs/kept_scores.ts";
import {
  confusionTable,
  distributionFigure,
  precisionRecallFigure,
  reliabilityFigure,
  rocFigure,
} from "../lib/session/score_figures.ts";
import { comparisonTable } from "../lib/session/comparison.ts";
import { plot } from "../lib/session/plot.ts";
import { toLatex } from "../lib/session/save.ts";
import { openSession } from "../lib/session/session.ts";
import { makeSmallWorld, smallProfile } from "./small_world.ts";
import { inFolder } from "./temporary.ts";

/** Scores of images of two sets. */
const SCORES: ImageScore[] = [
  ...[[.1, 0], [.6, 0], [.7, 1], [.9, 1]].map((of) => [...of, "bilinear_2x"]),
  ...[[.2, 0], [.3, 1]].map((of) => [...of, "zero_insertion"]),
].map(([score, label, set], i) => ({
  path: `${i}.png`,
  set: set as string,
  label: label as 0 | 1,
  generator: label === 0 ? "real" : set as string,
  score: score as number,
}));

/** All as sure as can be. */
const OTHERS = SCORES.map((one) => ({ ...one, score: one.label }));

Deno.test("curves go through the points of the measures that they name", () => {
  const { rows } = rocFigure(mini, { one: SCORES, other: OTHERS });
  const one = rows.filter(({ detector }) => detector === "one (AUC 88.9 %)");
  assert.deepEqual(
    one.map(({ falseAlarms, recall, threshold }) => [falseAlarms, recall, threshold]),
    [
      ...[[0, 0, 1], [0, 1 / 3, .9], [0, 2 / 3, .7], [1 / 3, 2 / 3, .6], [1 / 3, 1, .3]],
      ...[[2 / 3, 1, .2], [1, 1, .1]],
    ],
  );
  assert.deepEqual(rows.slice(one.length).map(({ detector }) => detector), [
    ...["other (AUC 100.0 %)", "other (AUC 100.0 %)", "other (AUC 100.0 %)"],
  ]);
  const steps = precisionRecallFigure(mini, { "": SCORES }).rows;
  assert.equal(steps[0]!["detector"], "(AP 91.7 %)");
  assert.deepEqual(steps.map(({ precision }) => precision), [1, 1, 2 / 3, .75, .6, .5]);
  const many = Array.from({ length: 5000 }, (_, i) => ({ label: i % 2, score: i / 5000 }));
  const thin = rocFigure(mini, { many }).rows;
  assert.equal(thin.length, 400);
  assert.deepEqual([thin[0]!["recall"], thin.at(-1)!["falseAlarms"]], [0, 1]);
});

Deno.test("a distribution holds every image of each kind, a score of 1 in the last bin", () => {
  const { rows } = distributionFigure(mini, { a: OTHERS });
  const real = rows.filter(({ images }) => images === "real");
  const generated = rows.filter(({ images }) => images === "generated");
  assert.deepEqual([real.length, generated.length], [20, 20]);
  assert.deepEqual([real[0]!["share"], generated[19]!["share"]], [1, 1]);
  assert.equal(rows.reduce((sum, { share }) => sum + Number(share), 0), 2);
});

Deno.test("reliability is drawn as it is, and calibrated where validation scores are given", () => {
  const alone = reliabilityFigure(mini, SCORES);
  // |Σ score − Σ label| of each bin, which here is each image's
  assert.equal(alone.rows[0]!["panel"], "as it is (ECE 33.3 %)");
  assert.deepEqual(alone.rows.map(({ count }) => count), [1, 1, 1, 1, 1, 1]);
  const { rows } = reliabilityFigure(mini, SCORES, SCORES);
  const names = [...new Set(rows.map(({ panel }) => String(panel)))];
  assert.deepEqual(names.map((name) => name.replace(/[\d.]+/g, "#")), [
    "as it is (ECE # %)",
    "temperature # (ECE # %)",
    "Platt (ECE # %)",
  ]);
  for (const name of names) {
    const own = rows.filter(({ panel }) => panel === name);
    assert.equal(own.reduce((sum, { count }) => sum + Number(count), 0), SCORES.length);
  }
});

Deno.test("every figure of scores draws, and says that it is the mini profile's", async () => {
  const named = { one: SCORES, other: OTHERS };
  for (
    const figure of [
      rocFigure(mini, named),
      precisionRecallFigure(mini, named),
      distributionFigure(mini, named),
      reliabilityFigure(mini, SCORES, SCORES),
    ]
  ) {
    assert.equal(figure.notice, mini.notice);
    assert.match((await renderFigure(figure)).svg, /^<svg/);
  }
});

Deno.test("confusion counts each set by a threshold", () => {
  const { rows, caption } = confusionTable(mini, SCORES, .65);
  assert.match(caption, /above 0\.65 /);
  assert.deepEqual(
    rows.map(({ set: _, ...counts }) => Object.values(counts)),
    [[2, 0, 0, 2, 0, 1, 1], [1, 0, 1, 0, 0, 0, .5]],
  );
  const title = mini.testSets.find(({ name }) => name === "bilinear_2x")!.title;
  assert.equal(rows[0]!["set"], title);
  assert.deepEqual(confusionTable(mini, SCORES).rows[0]!["falseAlarmRate"], .5);
  const onlyMade = confusionTable(mini, SCORES.filter(({ label }) => label === 1)).rows[0]!;
  assert.equal(onlyMade["falseAlarmRate"], null);
  assert.throws(() => confusionTable(mini, SCORES, 5), /a threshold in \[0, 1\], found 5$/);
});

Deno.test("two detectors are compared set by set and together, on the same images alone", () => {
  const { rows } = comparisonTable(mini, SCORES, OTHERS, { resamples: 100 });
  assert.deepEqual(rows.length, 9, "three measures of two sets, and of both");
  const labels = Uint8Array.from(SCORES, ({ label }) => label);
  const [acc] = compareScores(
    labels,
    SCORES.map(({ score }) => score),
    OTHERS.map(({ score }) => score),
    { resamples: 100, key: ["compare", "all together"] },
  );
  const { set, measure, interval, ...values } = rows[6]!;
  assert.deepEqual([set, measure], ["all together", "ACC"]);
  assert.equal(interval, `[${(100 * acc!.low).toFixed(1)}, ${(100 * acc!.high).toFixed(1)}]`);
  assert.deepEqual(values, { a: acc!.a, b: acc!.b, difference: acc!.difference, p: acc!.p });
  assert.throws(
    () => comparisonTable(mini, SCORES, OTHERS.slice(1), {}),
    /expected scores of the same images, found 6 and 5, the first others at 0$/,
  );
});

Deno.test("a session's scores: kept ones, further ones, and mistakes to look at", (t) =>
  inFolder(async (data) => {
    await makeSmallWorld(data);
    const experiments = { sections: EXPERIMENTS.sections, profiles: { mini: smallProfile } };
    const options = { data, results: join(data, "results") };
    await using session = await openSession(experiments, options);
    const [first, second] = session.testSets as [string, string];
    const { row } = await session.train({ testSets: [first] });
    const root = join(data, "mini");
    const files = () => Array.from(Deno.readDirSync(join(session.folder, "heads"))).length;
    const measuresOf = (scores: readonly ImageScore[]) =>
      evaluateScores(
        Uint8Array.from(scores, ({ label }) => label),
        scores.map(({ score }) => score),
      );

    await t.step(
      "a set that the head was not tried on is scored, and no head trained",
      async () => {
        const before = files();
        const scores = await session.scores(row, [second, first]);
        assert.equal(files(), before);
        const ofFirst = scores.filter(({ set }) => set === first);
        assert.deepEqual(measuresOf(ofFirst), row.test[first]);
        const kept = (await session.rows("sweep")).find(({ test }) => Object.hasOwn(test, second));
        assert.deepEqual(measuresOf(scores.slice(0, -ofFirst.length)), kept!.test[second]);
        await assert.rejects(
          session.scores(row, "progan"),
          /Cannot use a test set: expected one of .*; found progan$/,
        );
        await assert.rejects(session.scores({ ...row }, first), /found a copy or something else$/);
        const promised = Promise.resolve(row) as unknown as typeof row;
        await assert.rejects(session.scores(promised, first), /found a promise; write await/);
      },
    );

    await t.step("validation scores give the row's validation measures", async () => {
      const scores = await session.scores(row, "validation");
      const sets = Object.values(smallProfile.trainingSets[row.trainingSet]!).slice(0, 1);
      const images = await Promise.all(sets.map(({ val }) => listImages(root, val)));
      assert.deepEqual(scores.map(({ path }) => path), images.flat().map(({ path }) => path));
      const right = scores.filter(({ label, score }) => score > .5 === (label === 1));
      assert.equal(right.length / scores.length, row.valAcc);
      const loss = scores.reduce(
        (sum, { label, score }) => sum - Math.log(label === 1 ? score : 1 - score),
        0,
      );
      assert.ok(Math.abs(loss / scores.length - row.valLoss) < 1e-5);
      assert.deepEqual(await session.scores(row, "validation"), scores, "kept, and read again");
    });

    await t.step(
      "a detector that the session opened has its row's scores, others look",
      async () => {
        const detector = await session.detector(row);
        const kept = await session.scores(row, first);
        assert.deepEqual(await session.scores(detector, first), kept);
        const own = {
          async *detectAll(paths: readonly string[]) {
            for (const path of paths) yield { path, score: path.includes("real") ? .1 : .9 };
          },
        };
        const looked = await session.scores(own, first);
        assert.deepEqual(
          looked.map(({ score: _, ...image }) => image),
          kept.map(({ score: _, ...image }) => image),
        );
        assert.equal(measuresOf(looked).ap, 1);
        const { rows } = await session.compare(own, row, first, { resamples: 50 });
        assert.equal(rows[0]!["b"], row.test[first]!.acc);
        assert.ok((await session.scores(own, "validation")).length > 0);
      },
    );

    await t.step(
      "a detector of no run has its scores kept, until an image is another",
      async () => {
        const folder = join(data, "own"), path = join(folder, "1.png");
        const [real, generated] = await session.examples(first);
        await Deno.mkdir(folder);
        await Deno.copyFile(real!.file, path);
        const [head] = Array.from(
          Deno.readDirSync(join(session.folder, "heads")),
          ({ name }) => name,
        )
          .filter((name) => name.endsWith("-epoch1.safetensors"));
        await using detector = await openDetector(join(session.folder, "heads", head!), {
          backbones: join(root, "backbones"),
        });
        const looked: string[] = [];
        const { detectAll } = Detector.prototype;
        Detector.prototype.detectAll = function (paths, ...rest) {
          looked.push(...paths);
          return detectAll.call(this, paths, ...rest);
        };
        try {
          const scoreNow = async () => (await session.scores(detector, { real: folder }))[0]!.score;
          const score = await scoreNow();
          assert.equal(score, (await detector.detect(real!.file)).score);
          assert.deepEqual(looked.splice(0), [path]);
          assert.equal(await scoreNow(), score);
          assert.deepEqual(looked, [], "read from disk");
          await Deno.copyFile(generated!.file, path);
          assert.equal(await scoreNow(), (await detector.detect(generated!.file)).score);
          assert.deepEqual(looked, [path]);
        } finally {
          Detector.prototype.detectAll = detectAll;
        }
      },
    );

    await t.step("a folder of one's own is judged, with its label", async () => {
      const detector = await session.detector(row);
      const [real, generated] = await session.examples(first);
      const folders = { real: join(data, "photos"), generated: join(data, "made") };
      for (
        const [folder, example] of [[folders.real, real], [folders.generated, generated]] as const
      ) {
        await Deno.mkdir(join(folder, "deep"), { recursive: true });
        await Deno.copyFile(example!.file, join(folder, "deep", "1.png"));
      }
      const found = await session.scores(row, folders);
      const expected = [
        { path: join(folders.real, "deep", "1.png"), label: 0, generator: "real" },
        { path: join(folders.generated, "deep", "1.png"), label: 1, generator: "own" },
      ];
      assert.deepEqual(
        found.map(({ score: _, ...image }) => image),
        expected.map((image) => ({ ...image, set: "own" })),
      );
      assert.deepEqual(
        found.map(({ score }) => score),
        [(await detector.detect(real!.file)).score, (await detector.detect(generated!.file)).score],
      );
      assert.deepEqual(await session.scores(detector, { generated: folders.generated }), [
        found[1],
      ]);
      assert.deepEqual(await session.evaluate(detector, folders), measuresOf(found));
      await assert.rejects(
        session.scores(row, { generated: join(data, "none") }),
        /expected a folder at .*none, found none$/,
      );
      await assert.rejects(
        session.scores(row, { fake: folders.generated } as object),
        /folders as { real, generated }; found fake: /,
      );
    });

    await t.step("mistakes are wrong, the most confident first, and are their files", async () => {
      const scores = session.scores(row, [first, second]);
      const mistakes = await session.mistakes(scores, 5);
      assert.ok(mistakes.length > 1);
      for (const { label, score, file, image, caption, path } of mistakes) {
        assert.equal(score > .5, label === 0);
        assert.deepEqual(await decodeImage(file), image);
        assert.equal(file, join(root, path));
        assert.ok(caption.startsWith(`${label === 0 ? "real" : "generated"}, score `));
      }
      const confidence = mistakes.map(({ score }) => Math.abs(score - .5));
      assert.deepEqual(confidence, confidence.toSorted((a, b) => b - a));
      assert.deepEqual(await session.mistakes(scores, 9, 0).then((all) => all.length), 9);
      await assert.rejects(session.mistakes(scores, 0), /a whole number from 1; found 0$/);
    });

    await t.step("an image's score is explained, and says whose profile it is", async () => {
      const [, generated] = await session.examples(first);
      const detector = await session.detector(row);
      const found = await session.explain(generated!, detector, { cells: 2 });
      const { score, logit } = await detector.detect(generated!.file);
      assert.deepEqual([found.score, found.logit], [score, logit]);
      assert.equal(found.blocks!.length, detector.sizes.blocks);
      assert.deepEqual(found.figures.map(({ notice }) => notice), [mini.notice, mini.notice]);
      const again = await detector.explain(generated!.file, { cells: 2 });
      assert.deepEqual([again.blocks, again.occlusion], [found.blocks, found.occlusion]);
    });

    await t.step("what is made of its rows says whose profile they are of", async () => {
      const rows = await session.rows("sweep");
      const drawn = plot([...rows].reverse(), { mark: "point", x: "epochs", y: "acc" });
      assert.equal(drawn.notice, mini.notice);
      const scores = await session.scores(row, first);
      const some = scores.filter(({ label }) => label === 1);
      assert.equal(plot(some, { mark: "bar", x: "score", y: "label" }).notice, mini.notice);
      assert.ok(toLatex(some).includes(mini.notice!));
      assert.equal(plot([{ a: 1 }], { mark: "bar", x: "a" }).notice, undefined);
    });

    await t.step("figures take scores, promises of them, and several by name", async () => {
      const figure = await session.rocFigure({
        kept: session.scores(row, first),
        none: await session.scores(row, second),
      });
      assert.deepEqual(
        [...new Set(figure.rows.map(({ detector }) => String(detector).split(" ")[0]))],
        ["kept", "none"],
      );
      const drawn = await session.reliabilityFigure(
        session.scores(row, first),
        session.scores(row, "validation"),
      );
      assert.equal(new Set(drawn.rows.map(({ panel }) => panel)).size, 3);
      assert.equal((await session.confusion(session.scores(row, first))).rows.length, 1);
      assert.ok((await session.scoresFigure(session.scores(row))).rows.length > 0);
      await assert.rejects(session.precisionRecallFigure([]), /expected scores, found none$/);
    });
  }));
