import assert from "node:assert/strict";
import { join } from "node:path";
import { paper } from "../experiments/profiles/paper.ts";
import type { Profile } from "../lib/runs/profile.ts";
import { fewerImages, provenance, underConditions } from "../lib/report/paper/captions.ts";
import { EXPERIMENTS } from "../experiments/index.ts";
import { publishedLogs } from "../lib/published/logs.ts";
import { publishedPoints } from "../lib/published/points.ts";
import { printedCells } from "../lib/published/printed.ts";
import { publishedRows } from "../lib/report/paper/published_rows.ts";
import { reportNotice } from "../lib/report/paper/report.ts";
import type { RunRow } from "../lib/runs/config.ts";
import { reportOf } from "../lib/runs/section.ts";
import { makeSetup } from "../lib/runs/setup.ts";
import { temporaryFolder } from "./temporary.ts";

const { sections, profiles } = EXPERIMENTS;
const rows = publishedRows(await publishedLogs(), paper.backboneSizes);
const extras = { printed: await printedCells(), points: await publishedPoints() };

/** Captions of all tables and figures, by their ids. */
function captions(profile: Profile, rows: readonly RunRow[]): Map<string, string> {
  const shown = sections.flatMap((section) => {
    const { tables, figures } = reportOf(section, { profile, rows, ...extras });
    return [...tables, ...figures];
  });
  return new Map(shown.map(({ id, caption }) => [id, caption]));
}

/** Ids of what says something. */
function saying(captions: ReadonlyMap<string, string>, words: RegExp): string[] {
  return [...captions].filter(([, caption]) => words.test(caption)).map(([id]) => id).sort();
}

const usual = captions(paper, rows);

Deno.test("a report says the command that makes it and what that leaves unsaid", async () => {
  const usual = await makeSetup(EXPERIMENTS);
  assert.equal(
    provenance({ ...usual, seed: 0, seeds: [0] }, []),
    "Made by `deno task reproduce`: mini profile; best heads chosen by the test sets, as in the " +
      "paper; released protocol; backbones on cpu in full precision; heads trained by onnx; seed 0.",
  );
  const setup = await makeSetup(EXPERIMENTS, {
    profile: "paper",
    seed: 3,
    seeds: [1, 2],
    draws: 1,
    engine: "tensorflow",
    device: "cuda",
    protocol: "paper",
    select: "val",
    skipCorrupt: true,
  });
  assert.equal(
    provenance(setup, ["tensorflow (native gpu)"]),
    "Made by `deno task reproduce --profile paper --seed 3 --seeds 1,2 --draws 1 --engine tensorflow --device cuda " +
      "--protocol paper --select val --skip-corrupt`: paper profile; best heads chosen by " +
      "validation; paper protocol; backbones on cuda in full precision; heads trained by " +
      "tensorflow (native gpu); seeds 1, 2; images drawn once, with seed 3; images that cannot be " +
      "decoded left out.",
  );
});

Deno.test("test sets that are not whole are counted; those that are not there are not", async () => {
  const root = temporaryFolder();
  const add = async (folder: string, count: number) => {
    await Deno.mkdir(join(root, folder), { recursive: true });
    for (let i = 0; i < count; i++) await Deno.writeTextFile(join(root, folder, `${i}.png`), "");
  };
  assert.equal(await fewerImages({ profile: paper, root }), undefined);
  await add("test/seeingdark/0_real", 180);
  await add("test/seeingdark/1_fake", 180);
  assert.equal(await fewerImages({ profile: paper, root }), undefined);
  await add("test/san/0_real", 2);
  await add("test/san/1_fake", 3);
  assert.equal(
    await fewerImages({ profile: paper, root }),
    "A test set holds fewer images than published, 5 of 438: not comparable with the paper",
  );
  await Deno.remove(join(root, "test/seeingdark/1_fake/0.png"));
  assert.match(
    (await fewerImages({ profile: paper, root }))!,
    /^2 test sets hold .*, 364 of 798: /,
  );
});

Deno.test("captions say where the protocol, the precision or the engine is not the usual one", () => {
  const section = reportOf(sections[0]!, { profile: paper, rows, ...extras });
  const normal = {
    profile: paper,
    seeds: [0],
    engine: "onnx",
    precision: "full",
    protocol: "released",
  } as const;
  assert.deepEqual(underConditions(section, normal), section);
  assert.deepEqual(underConditions(section, { ...normal, seeds: [0, 1] }), section);
  const { tables, figures } = underConditions(section, {
    ...normal,
    engine: "tensorflow",
    precision: "int8",
    protocol: "paper",
  });
  const says = " Images treated as the paper's text says; backbones in int8; heads trained by " +
    "tensorflow.";
  for (const { id, caption } of [...tables, ...figures]) {
    assert.equal(caption, usual.get(id) + says);
  }
  const ufd = underConditions(
    section,
    { ...normal, engine: "tensorflow", precision: "int8", protocol: "paper" },
    "ufd",
  );
  for (const { id, caption } of [...ufd.tables, ...ufd.figures]) {
    assert.equal(caption, `${usual.get(id)} Backbones in int8.`);
  }
  const alone = [
    [{ engine: "tensorflow" }, "Heads trained by tensorflow."],
    [{ precision: "int8" }, "Backbones in int8."],
    [{ protocol: "paper" }, "Images treated as the paper's text says."],
    [
      { profile: { ...paper, draws: 1 }, seeds: [0, 1] },
      "All seeds share one draw of images, so that they differ by less than repetitions do.",
    ],
  ] as const;
  for (const [changed, remark] of alone) {
    const [table] = underConditions(section, {
      ...normal,
      ...changed,
    }).tables;
    assert.equal(table!.caption, `${usual.get(table!.id)} ${remark}`);
  }
});

/** UFD's tables of print alone show no head of these rows. */
const isUfd = (id: string) => id.startsWith("ufd_");

Deno.test("captions of what the best heads did say where validation has chosen them", () => {
  const chosen = captions({ ...paper, selection: "val" }, rows);
  // Table 1 shows both choices, Figures 3 and 4 show all heads
  const others = ["figure_3", "figure_4", "table_1"];
  assert.deepEqual(
    saying(chosen, /chosen by validation accuracy/),
    [...chosen.keys()].filter((id) => !others.includes(id) && !isUfd(id)).sort(),
  );
  assert.deepEqual(saying(usual, /chosen by validation accuracy/), []);
});

Deno.test("captions say what is shown of several seeds", () => {
  const several = captions(
    paper,
    [0, 1, 2].flatMap((seed) => rows.map((row) => ({ ...row, seed }))),
  );
  assert.deepEqual(
    saying(several, / Numbers are mean ± standard deviation over 3 seeds\.$/),
    [...usual.keys()].filter((id) => !id.startsWith("figure") && !isUfd(id)).sort(),
  );
  assert.deepEqual(
    saying(several, / Values are means over 3 seeds\.$/),
    ["figure_5", "figure_6", "figure_7"],
  );
  assert.deepEqual(
    saying(several, / Every head counts once for each of 3 seeds\.$/),
    ["figure_3", "figure_4"],
  );
  assert.deepEqual(saying(several, / The head is that of the first of 3 seeds\.$/), ["figure_1"]);
  assert.deepEqual(saying(usual, /seeds/), []);
});

Deno.test("only a report whose numbers are not the paper's says that differences mean nothing", () => {
  const { notice } = reportNotice(profiles["mini"]!, "A test set holds fewer images");
  assert.match(
    notice!,
    /^Mini profile: .*\. A test set holds fewer images\. Its numbers stand beside/,
  );
  assert.deepEqual(reportNotice(profiles["paper"]!), {});
});
