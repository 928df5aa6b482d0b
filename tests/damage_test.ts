import assert from "node:assert/strict";
import { join } from "node:path";
import { imagesIn } from "../lib/data/image_folder.ts";
import { statePath } from "../lib/detectors/detector.ts";
import { UserError } from "../lib/io/errors.ts";
import { planRuns } from "../lib/runs/plan.ts";
import type { RunRecord } from "../lib/runs/record.ts";
import { compareChecksums, keepingChecksums } from "../lib/report/write/checksums.ts";
import { featurePaths } from "../lib/tokens/store.ts";
import { score, trainTogether, writeTokens } from "./small_training.ts";
import {
  executeSmall,
  makeSmallWorld,
  openSmallWorld,
  smallRun,
  smallSetup,
} from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

const data = temporaryFolder("damage_");
await makeSmallWorld(data);

const CONFIG = smallRun();

/** A record without what differs from one execution to the next. */
function lasting([record]: readonly RunRecord[]) {
  const { timings: _timings, date: _date, made: _made, ...rest } = record!;
  return rest;
}

function flip(path: string, at = -3): void {
  const bytes = Deno.readFileSync(path);
  bytes[bytes.length + at]! ^= 1;
  Deno.writeFileSync(path, bytes);
}

Deno.test("no number in features is named by its file, not taken for a training that diverged", async () => {
  const folder = temporaryFolder("nan_");
  await writeTokens(folder, "train", { labels: [0, 1, 0, 1, 0, 1, 0, 1] });
  await writeTokens(folder, "val", { labels: [0, 1], from: 100 });
  const tokens = { folder, train: [["train"]], val: ["val"] };
  await trainTogether([{}], tokens, temporaryFolder());
  for (const { name } of Deno.readDirSync(folder)) {
    if (!/^[0-9a-f]{16}\.npy$/.test(name)) continue;
    const path = join(folder, name), whole = await Deno.readFile(path);
    const spoilt = whole.slice();
    new DataView(spoilt.buffer).setUint16(spoilt.length - 2, 0x7e00, true);
    await Deno.writeFile(path, spoilt);
    await assert.rejects(trainTogether([{}], tokens, temporaryFolder()), (error: Error) => {
      assert.ok(error instanceof UserError && error.kind === "damaged", `${error.stack}`);
      assert.ok(error.message.startsWith(`Cannot use features: ${path} holds what is no number`));
      assert.match(error.message, /; delete it to have the set made again$/);
      return true;
    });
    await Deno.writeFile(path, whole);
  }
});

Deno.test("no number in a test set's features is named by its file, not measured", async () => {
  const folder = temporaryFolder("nan_test_"), results = temporaryFolder();
  for (const [name, from] of [["train", 0], ["val", 100]] as const) {
    await writeTokens(folder, name, { labels: [0, 1, 0, 1], from });
  }
  const tokens = { folder, train: [["train"]], val: ["val"] };
  const [trained] = await trainTogether([{}], tokens, results);
  const apart = temporaryFolder("nan_test_");
  await writeTokens(apart, "test", { labels: [0, 1], from: 200 });
  const [name] = Array.from(Deno.readDirSync(apart), ({ name }) => name)
    .filter((name) => /^[0-9a-f]{16}\.npy$/.test(name));
  const path = join(apart, name!), bytes = Deno.readFileSync(path);
  new DataView(bytes.buffer).setUint16(bytes.length - 2, 0x7e00, true);
  Deno.writeFileSync(path, bytes);
  await assert.rejects(
    score([trained!.head(1)], apart, { test: ["test"] }, results),
    (error: Error) => {
      assert.ok(error instanceof UserError && error.kind === "damaged", `${error.stack}`);
      assert.ok(error.message.startsWith(`Cannot use features: ${path} holds what is no number`));
      return true;
    },
  );
});

Deno.test("a state that is damaged is told of, and training begins again with the same numbers", async () => {
  const results = temporaryFolder("state_");
  const { records } = await executeSmall(data, [CONFIG], temporaryFolder("whole_"));
  const path = join(results, statePath(records[0]!.trainingKey));
  await Deno.mkdir(join(results, "heads"));
  for (const bytes of [new Uint8Array(), new Uint8Array(5000)]) {
    await Deno.writeFile(path, bytes);
    const lines: string[] = [];
    const onDamage = (line: string) => lines.push(line);
    const again = await executeSmall(data, [CONFIG], results, {
      onDamage,
      setup: { force: false },
    });
    assert.deepEqual(lasting(again.records), lasting(records));
    assert.equal(lines.length, 1);
    assert.ok(lines[0]!.includes(path) && lines[0]!.endsWith("; it is made again"), lines[0]!);
    await Deno.remove(join(results, "records"), { recursive: true });
    await Deno.remove(join(results, "heads"), { recursive: true });
    await Deno.mkdir(join(results, "heads"));
  }
});

Deno.test("features that are damaged in any file are told of and made again before heads learn from them", async () => {
  const { world, backbone } = await openSmallWorld(data);
  await using _ = backbone;
  const whole = await executeSmall(data, [CONFIG], temporaryFolder("whole_"));
  const { runs: [run] } = await planRuns([CONFIG], world, smallSetup(data, temporaryFolder()));
  const { tokens } = smallSetup(data, temporaryFolder());
  const [key] = run!.features.train[0]!;
  const paths = featurePaths(tokens, key!);
  for (const path of [paths.features, paths.labels, paths.paths, paths.index]) {
    // JSON stays JSON: only its seal tells
    flip(path, path === paths.index ? -10 : -3);
    const lines: string[] = [];
    const onDamage = (line: string) => lines.push(line);
    const { records } = await executeSmall(data, [CONFIG], temporaryFolder(), { onDamage });
    assert.deepEqual(lasting(records), lasting(whole.records));
    assert.equal(lines.length, 1);
    assert.ok(lines[0]!.includes(path) && lines[0]!.endsWith("its set is made again"), lines[0]!);
  }
  // an index is read whenever runs are planned, and is made again though all is done
  const results = temporaryFolder();
  await executeSmall(data, [CONFIG], results);
  flip(paths.index, -10);
  const lines: string[] = [];
  const onDamage = (line: string) => lines.push(line);
  const { reused } = await executeSmall(data, [CONFIG], results, { onDamage });
  assert.deepEqual([reused, lines.length], [1, 1]);
  assert.deepEqual((await executeSmall(data, [CONFIG], results)).reused, 1);
});

Deno.test("scores that are shown have to be there with their images' labels and paths", async () => {
  const results = temporaryFolder("shown_");
  const { records } = await executeSmall(data, [CONFIG], results, { scoresAreShown: true });
  const again = (scoresAreShown: boolean, lines: string[] = []) =>
    executeSmall(data, [CONFIG], results, {
      scoresAreShown,
      onDamage: (line) => lines.push(line),
    });
  assert.equal((await again(true)).reused, 1);
  const { features, evaluations: [evaluation] } = records[0]!;
  const [key] = Object.values(features.test)[0]!;
  const { tokens } = smallSetup(data, results);
  flip(featurePaths(tokens, key!).labels, -1);
  assert.equal((await again(false)).reused, 1, "nobody reads them");
  const lines: string[] = [];
  const mended = await again(true, lines);
  assert.deepEqual(
    [mended.reused, lines.length],
    [1, 1],
    "the set is made again, nothing is scored",
  );
  assert.deepEqual(lasting(mended.records), lasting(records));
  const folder = join(results, evaluation!.scores);
  for (const { name } of Deno.readDirSync(folder)) flip(join(folder, name));
  const remade = await again(true);
  assert.equal(remade.reused, 0);
  assert.deepEqual(lasting(remade.records), lasting(records));
  assert.equal((await again(true)).reused, 1);
});

Deno.test("what is written for people is held to SHA256SUMS, which is held to itself", async () => {
  const folder = temporaryFolder("sums_"), list = join(folder, "SHA256SUMS");
  for (
    const [name, text] of Object.entries({ "tables/a.csv": "1", "report.md": "two", "other": "x" })
  ) {
    await Deno.mkdir(join(folder, "tables"), { recursive: true });
    await Deno.writeTextFile(join(folder, name), text);
  }
  const nothing = () => Promise.resolve();
  await keepingChecksums(folder, nothing);
  assert.equal(
    (await Deno.readTextFile(list)).split("\n").slice(1).join("\n"),
    "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3  report.md\n" +
      "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b  tables/a.csv\n",
  );
  assert.deepEqual((await compareChecksums(folder)).problems, []);
  flip(join(folder, "tables", "a.csv"), -1);
  const lines: string[] = [];
  const again = async () => {
    assert.deepEqual(Array.from(Deno.readDirSync(join(folder, "tables"))), []);
    assert.deepEqual((await compareChecksums(folder)).files, 0, "of what is being written");
    await Deno.writeTextFile(join(folder, "tables", "a.csv"), "1");
  };
  await keepingChecksums(folder, again, (line) => lines.push(line));
  assert.match(lines.join(), /^Cannot use \S+a\.csv: expected .*; it is made again$/);
  const { mtime } = await Deno.stat(list);
  await keepingChecksums(folder, nothing);
  assert.deepEqual((await Deno.stat(list)).mtime, mtime, "written again, though it is the same");
  assert.deepEqual(
    Array.from(Deno.readDirSync(folder), ({ name }) => name).sort(),
    ["SHA256SUMS", "other", "report.md", "tables"],
  );
  const whole = await Deno.readFile(list);
  for (let at = 1; at <= whole.length; at++) {
    flip(list, -at);
    const { problems, paths } = await compareChecksums(folder);
    assert.deepEqual([problems.length, paths], [1, [list]], `byte ${whole.length - at}`);
    await Deno.writeFile(list, whole);
  }
});

Deno.test("images behind linked folders are found, each once, and many are no trouble", async () => {
  const root = temporaryFolder("linked_"), away = temporaryFolder("away_");
  await Deno.mkdir(join(root, "a"));
  for (const path of [join(root, "a", "1.png"), join(away, "2.png"), join(away, "no.txt")]) {
    await Deno.writeTextFile(path, "");
  }
  await Deno.symlink(away, join(root, "linked"));
  await Deno.symlink(root, join(root, "a", "circle"));
  await Deno.symlink(join(root, "a"), join(root, "again"));
  assert.deepEqual(await imagesIn(root), ["a/1.png", "linked/2.png"]);
  const many = 130_000;
  await Deno.mkdir(join(root, "many"));
  for (let i = 0; i < many; i++) {
    Deno.openSync(join(root, "many", `${i}.png`), { write: true, create: true }).close();
  }
  assert.equal((await imagesIn(root)).length, many + 2);
});
