import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { EXPERIMENTS } from "../experiments/index.ts";
import { exists } from "../lib/io/files.ts";
import { resolveDevice } from "../lib/onnx/session.ts";
import { tableToMarkdown } from "../lib/report/write/markdown.ts";
import type { RunRecord } from "../lib/runs/record.ts";
import { openSession, type SessionOptions } from "../lib/session/session.ts";
import type { FeatureIndex } from "../lib/tokens/set_index.ts";
import { smallCommandLine as run } from "./command_line.ts";
import "./small_paper.ts";
import { makeSmallWorld, SMALL_BACKBONE, smallProfile } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

const folder = temporaryFolder("options_");
await makeSmallWorld(folder);
const data = join(folder, "mini"), datasets = join(folder, "sets.json");

const [testSet] = smallProfile.testSets;
const TEST_IMAGES = join(data, "test", testSet!.name, "discs");

// a set of the user's own, one image of which cannot be decoded
for (const [own, label] of [["camera", "0_real"], ["made", "1_fake"]] as const) {
  await Deno.mkdir(join(folder, own));
  for (const name of ["00000.png", "00001.jpg"]) {
    await Deno.copyFile(join(TEST_IMAGES, label, name), join(folder, own, name));
  }
}
const broken = join(folder, "made", "00001.jpg");
await Deno.truncate(broken, 60);
await Deno.writeTextFile(
  datasets,
  JSON.stringify([{ name: "faces", real: "camera", generated: "made" }]),
);
await run("backbone", "quantize", "--name", SMALL_BACKBONE, "--backbones", `${data}/backbones`);

/** Every option that is no folder, none as it is by default. */
const OTHERWISE = {
  "--seed": "3",
  "--seeds": "1,2",
  "--draws": "1",
  "--engine": "tensorflow",
  "--precision": "int8",
  "--protocol": "paper",
  "--select": "val",
  "--theme": "paper",
  "--datasets": datasets,
} as const;

type Changed = Partial<Record<keyof typeof OTHERWISE, string>>;

/** Words of `reproduce` with some options otherwise; `results` is the folder's name. */
function words(results: string, options: Changed, ...more: string[]): string[] {
  return [
    ...["reproduce", "--profile", "paper", "--only", "grid", "--data", data],
    ...["--results", join(folder, results), ...Object.entries(options).flat(), ...more],
  ];
}

async function readAll<T>(path: string): Promise<T[]> {
  const names = Array.from(Deno.readDirSync(path), ({ name }) => name)
    .filter((name) => name.endsWith(".json")).sort();
  return await Promise.all(
    names.map(async (name) => JSON.parse(await Deno.readTextFile(join(path, name))) as T),
  );
}

const recordsOf = (results: string) =>
  readAll<RunRecord>(join(folder, results, "paper", "records", "grid"));

/** Sets of tokens that a run has read. */
async function tokensOf({ features: { train, val, test } }: RunRecord): Promise<FeatureIndex[]> {
  const keys = [...train.flat(), ...val, ...Object.values(test).flat()];
  return await Promise.all(
    keys.map(async (key) =>
      JSON.parse(await Deno.readTextFile(join(data, "tokens", `${key}.json`)))
    ),
  );
}

/** What the tokens of a run are made with, each once. */
async function madeWith(record: RunRecord) {
  const sources = (await tokensOf(record)).map(({ source }) => source);
  const training = sources.filter(({ transform }) => transform.kind === "train");
  const protocols = training.map(({ transform }) =>
    transform.kind === "train" && transform.augmentation.protocol
  );
  return {
    precisions: [...new Set(sources.map(({ precision }) => precision))],
    protocols: [...new Set(protocols)],
    seeds: [...new Set(training.map(({ seed }) => seed))],
  };
}

/** What a dry run says of the grid: runs, done, heads, token sets, crops. */
async function planned(results: string, options: Changed, ...more: string[]): Promise<number[]> {
  const { code, out, error } = await run(...words(results, options, "--dry-run", ...more));
  assert.equal(code, 0, error);
  const line = out.split("\n").find((line) => line.startsWith("grid "))!;
  return line.split(/ {2,}/).slice(1, 6).map((cell) => Number(cell.replaceAll(",", "")));
}

const colours = async (path: string) =>
  JSON.parse(await Deno.readTextFile(join(folder, path, "figure_3.vl.json"))).config.range
    .category[0];

/** The folder of what was made with every option otherwise. */
async function outputs(): Promise<string> {
  const paper = join(folder, "other/paper");
  const names = (await Array.fromAsync(Deno.readDir(paper))).map(({ name }) => name);
  return join(paper, names.find((name) => name.startsWith("seed-"))!);
}

Deno.test("a dry run of the small world counts its runs, heads, token sets and crops", async () => {
  // 2 ξ; train and val real and generated, and two test sets: 20 + 20, 2 + 2, 8 + 8, 4 + 4 images
  assert.deepEqual(await planned("none", {}), [2, 0, 2, 8, 68]);
  assert.deepEqual(await planned("none", { "--seeds": "4,5,6" }), [6, 0, 6, 12, 148]);
  const shared = { "--seeds": "4,5,6", "--draws": "1" };
  assert.deepEqual(await planned("none", shared), [6, 0, 6, 8, 68]);
  const mini = ["reproduce", "--dry-run", "--only", "grid", "--data", join(folder, "none")];
  const { out } = await run(...mini);
  assert.match(out, /^The mini profile: .* done is what lies in results\/mini and/);
  assert.match(out, /\ngrid +288 +0 +288 /);
  assert.equal(await exists(join(folder, "none")), false);
  assert.equal(await exists(join(data, "tokens")), false);
});

Deno.test("what reproduce does by itself is in records, token sets, report and figures", async () => {
  const { code, out, error } = await run(...words("plain", {}));
  assert.equal(code, 0, error);
  assert.match(out, /\n§5\.3 .*: 2 runs, 0 of them done before\n/);
  const records = await recordsOf("plain");
  assert.deepEqual(
    records.map(({ config }) => config.training.head["contrastiveWeight"]).sort(),
    smallProfile.grid.contrastiveWeights,
  );
  for (const record of records) {
    assert.equal(record.profile, "paper");
    assert.equal(record.config.training.seed, 0);
    assert.match(record.engine, /^onnx /);
    assert.equal(record.skippedImages, undefined);
    assert.deepEqual(await madeWith(record), {
      precisions: ["full"],
      protocols: ["released"],
      seeds: [0],
    });
  }
  assert.equal(await colours("plain/paper/figures"), "#0072b2");
  const report = await Deno.readTextFile(join(folder, "plain/paper/report.md"));
  assert.ok(report.includes("; seed 0."), report);
  assert.doesNotMatch(report, /Images treated as/);
  assert.deepEqual(await planned("plain", {}), [2, 2, 0, 0, 0]);
  assert.deepEqual(
    await planned("plain", {}, "--batch", "3"),
    [2, 2, 0, 0, 0],
    "no name hangs on it",
  );
});

Deno.test("every option of reproduce reaches records, token sets, report and figures", async () => {
  const { code, out, error } = await run(...words("other", OTHERWISE, "--skip-corrupt"));
  assert.equal(code, 0, error);
  assert.ok(out.includes("1 of faces; the records name them"), out);
  const records = await recordsOf("other");
  assert.deepEqual(records.map(({ config }) => config.training.seed).sort(), [1, 1, 2, 2]);
  for (const record of records) {
    assert.match(record.engine, /^tensorflow /);
    assert.deepEqual(record.skippedImages!.test, { faces: [broken] });
    assert.deepEqual(Object.keys(record.evaluations[0]!.test), [
      ...smallProfile.testSets.map(({ name }) => name),
      "faces",
    ]);
    assert.deepEqual(await madeWith(record), {
      precisions: ["int8"],
      protocols: ["paper"],
      seeds: [3],
    });
  }
  const written = await outputs();
  assert.match(
    basename(written),
    /^seed-3\+seeds-1-2\+draws-1\+engine-tensorflow\+precision-int8\+protocol/,
  );
  assert.equal(await colours(join("other/paper", basename(written), "figures")), "#808000");
  const table = await Deno.readTextFile(join(written, "tables/table_1.md"));
  assert.ok(
    table.includes(
      "Numbers are mean ± standard deviation over 2 seeds. Images treated as the paper's text says; " +
        "all seeds share one draw of images, so that they differ by less than repetitions do; " +
        "backbones in int8; heads trained by tensorflow.",
    ),
    table,
  );
  assert.match(table, /\*Mini profile: .*leave out added ones \(faces\)\*/);
  const report = await Deno.readTextFile(join(written, "report.md"));
  assert.ok(report.includes("; best heads chosen by validation; paper protocol; "), report);
  // on TensorFlow itself where it is installed, or else on its JavaScript twin
  assert.match(
    report,
    /; heads trained by tensorflow \((tensorflow [\d.]+ cpu|javascript) \(tfjs /,
  );
  assert.ok(
    report.includes("; seeds 1, 2; images drawn once, with seed 3; images that cannot be"),
    report,
  );
});

Deno.test("the command that a report prints finds all that was done for it", async () => {
  const report = await Deno.readTextFile(join(await outputs(), "report.md"));
  const [, printed] = /Made by `deno task ([^`]+)`/.exec(report)!;
  const { code, out, error } = await run(...printed!.split(" "), "--only", "grid");
  assert.equal(code, 0, error);
  assert.match(out, /\n§5\.3 .*: 4 runs, 4 of them done before\n/);
  const written = await outputs();
  const lines = out.split("\n").filter((line) => line.startsWith(`  ${written}`));
  assert.equal(lines.filter((line) => line.endsWith("(up to date)")).length, 3, out);
  assert.ok(!out.includes("(written)"), out);
});

Deno.test("a dry run obeys every option that what is done hangs on", async () => {
  const skip = "--skip-corrupt";
  assert.deepEqual(await planned("other", OTHERWISE, skip), [4, 4, 0, 0, 0]);
  const done = async (changed: Changed, ...more: string[]) =>
    (await planned("other", { ...OTHERWISE, ...changed }, ...more))[1];
  assert.equal(await done({ "--seed": "0" }, skip), 0);
  assert.equal(await done({ "--seeds": "2" }, skip), 2);
  assert.equal(await done({ "--draws": "2" }, skip), 0);
  assert.equal(await done({ "--engine": "onnx" }, skip), 0);
  assert.equal(await done({ "--precision": "full" }, skip), 0);
  assert.equal(await done({ "--protocol": "released" }, skip), 0);
  assert.equal(await done({}, skip, "--force"), 0);
  assert.equal(await done({}), 0, "what was made without an image is done for those who may skip");
  const { "--datasets": _own, ...without } = OTHERWISE;
  assert.deepEqual((await planned("other", without, skip))[1], 0);
  assert.deepEqual(await planned("nowhere", OTHERWISE, skip), [4, 0, 4, 0, 0]);
});

Deno.test("a session that is opened alike finds the same runs, and otherwise none", async () => {
  const options: SessionOptions = {
    profile: "paper",
    data,
    results: join(folder, "other"),
    seed: 3,
    seeds: [1, 2],
    draws: 1,
    engine: "tensorflow",
    precision: "int8",
    protocol: "paper",
    select: "val",
    datasets,
    skipCorrupt: true,
  };
  await using session = await openSession(EXPERIMENTS, options);
  const rows = await session.rows("grid"), records = await recordsOf("other");
  assert.equal(rows.length, 4);
  for (const { seed, head, test } of rows) {
    const record = records.find(({ config: { training } }) =>
      training.seed === seed && training.head["contrastiveWeight"] === head["contrastiveWeight"]
    )!;
    assert.deepEqual(test, record.evaluations[0]!.test);
  }
  const { tables } = await session.report("grid");
  const written = join(await outputs(), "tables/table_1.md");
  assert.equal(tableToMarkdown(tables[0]!), await Deno.readTextFile(written));

  const others: SessionOptions[] = [
    { seed: 0 },
    { seeds: [3] },
    { draws: 2 },
    { engine: "onnx" },
    { precision: "full" },
    { protocol: "released" },
    { results: join(folder, "plain") },
  ];
  for (const changed of others) {
    await using other = await openSession(EXPERIMENTS, { ...options, ...changed });
    await assert.rejects(other.rows("grid"), /^UserError: .*expected \d runs in .*, found 0;/);
  }
});

Deno.test("--force trains again what is done", async () => {
  const dates = async () => (await recordsOf("plain")).map(({ date }) => date);
  const before = await dates();
  const { out } = await run(...words("plain", {}, "--force"));
  assert.match(out, /\n§5\.3 .*: 2 runs, 0 of them done before\n/);
  const after = await dates();
  assert.equal(after.length, 2);
  for (const date of after) assert.ok(!before.includes(date), "a record is as it was");
});

Deno.test("another protocol's report stands in a folder of its own and leaves the usual one as it is", async () => {
  const usual = join(folder, "plain/paper");
  const shown = ["report.html", "report.md", "tables/table_1.md", "figures/figure_3.svg"];
  const state = () =>
    Promise.all(shown.map(async (name) => {
      const path = join(usual, name);
      return [await Deno.readTextFile(path), (await Deno.stat(path)).mtime!.getTime()];
    }));
  const before = await state();
  const { code, error } = await run(...words("plain", { "--protocol": "paper" }));
  assert.equal(code, 0, error);
  assert.deepEqual(await state(), before);
  const own = join(usual, "protocol-paper");
  assert.match(await Deno.readTextFile(join(own, "report.html")), /paper protocol/);
  const table = await Deno.readTextFile(join(own, "tables/table_1.md"));
  assert.match(table, /Images treated as the paper's text says\./);
});

Deno.test("without --skip-corrupt a damaged image stops the work in one line that names it", async () => {
  const { code, error } = await run(...words("stopped", { "--datasets": datasets }));
  assert.equal(code, 1);
  const last = error.split("\n").at(-1)!;
  assert.ok(last.startsWith("Cannot ") && last.includes(broken), error);
});

for (const device of ["cuda", "webgpu"] as const) {
  Deno.test(`--device ${device} is opened, or it is said that it is not there`, async () => {
    const problem = await resolveDevice(device).then(() => undefined, ({ message }) => message);
    for (
      const args of [
        words("plain", {}, "--device", device),
        words("plain", {}, "--device", device, "--dry-run"),
        ["features", "--backbone", SMALL_BACKBONE, "--backbones", `${data}/backbones`].concat(
          ["--images", TEST_IMAGES, "--out", join(folder, "x.npy"), "--device", device],
        ),
        ["detect", "--head", join(folder, "plain/paper/best_1-class.safetensors"), TEST_IMAGES]
          .concat(["--backbones", `${data}/backbones`, "--device", device]),
      ]
    ) {
      const { code, error } = await run(...args);
      const said = error.split("\n").at(-1)!;
      if (problem === undefined) assert.equal(code, 0, error);
      else assert.ok(code === 1 && said.startsWith(`Cannot open a session on ${device}: `), error);
    }
  });
}
