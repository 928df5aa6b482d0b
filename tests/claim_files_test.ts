import assert from "node:assert/strict";
import { join } from "node:path";
import { BEAT_DIGITS, BeatThread } from "../lib/io/claim_beats.ts";
import { systemFiles } from "../lib/io/claim_files.ts";
import { exists, sweepTemporaries, writeFileAtomic } from "../lib/io/files.ts";
import {
  HOST,
  HOST_TAG,
  isSameHost,
  PROCESS_TAG,
  silentProcesses,
  temporaryName,
} from "../lib/io/host.ts";
import { claim, releaseClaims, sweepClaims } from "../lib/io/lock.ts";
import { temporaryFolder } from "./temporary.ts";

/** Less than a claim of another machine is waited for. */
const SOON_MS = 20_000;

const names = (folder: string) => Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();

/** A process that has claimed work, and says so. */
async function startHolder(path: string): Promise<Deno.ChildProcess> {
  const module = new URL("../lib/io/lock.ts", import.meta.url).href;
  const program = `import { claim } from "${module}";
    await claim(${JSON.stringify(path)}, false);
    console.log("claimed");
    await new Promise((resolve) => setTimeout(resolve, 60_000));`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", program],
    cwd: import.meta.dirname!,
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), "claimed\n");
  await reader.cancel();
  return child;
}

Deno.test("what a killed process has claimed its machine's others have at once, and while it is stopped nobody", async () => {
  const folder = temporaryFolder("claims_"), path = join(folder, "work.lock");
  const holder = await startHolder(path);
  assert.equal(await claim(path, false), undefined);
  holder.kill("SIGSTOP");
  await sweepClaims(folder);
  assert.equal(await claim(path, false), undefined, "it was taken from who lives");
  holder.kill("SIGKILL");
  await holder.status;
  assert.deepEqual(names(folder), ["work.lock"]);
  const own = (await claim(path, false))!;
  assert.deepEqual([own.mayHaveAnother, await own.isHeld()], [false, true]);
  await own[Symbol.asyncDispose]();
  assert.deepEqual(names(folder), []);
});

Deno.test("claims that killed processes have left are swept, those of living ones are not", async () => {
  const folder = temporaryFolder("sweep_");
  const [dead, living] = await Promise.all(
    ["dead.lock", "living.lock"].map((name) => startHolder(join(folder, name))),
  );
  dead!.kill("SIGKILL");
  await dead!.status;
  await Deno.writeTextFile(join(folder, "mine.lock.txt"), "");
  await sweepClaims(folder);
  assert.deepEqual(names(folder), ["living.lock", "mine.lock.txt"]);
  living!.kill("SIGKILL");
  await living!.status;
  await sweepClaims(folder);
  await sweepClaims(join(folder, "none"));
  assert.deepEqual(names(folder), ["mine.lock.txt"]);
});

Deno.test("a process that is about to end lets go of all that it has claimed", async () => {
  const folder = temporaryFolder("release_");
  const [a, b] = [
    await claim(join(folder, "a.lock"), false),
    await claim(join(folder, "b.lock"), false),
  ];
  assert.deepEqual(names(folder), ["a.lock", "b.lock"]);
  await releaseClaims();
  assert.deepEqual(names(folder), []);
  // once more does nothing
  await a![Symbol.asyncDispose]();
  await b![Symbol.asyncDispose]();
});

Deno.test("a claim's number rises, in its own file alone, while this thread stands still", async () => {
  const folder = temporaryFolder("beats_"), path = join(folder, "work.lock");
  const content = (token: string) =>
    JSON.stringify({ beat: "0".repeat(BEAT_DIGITS), token, host: HOST }) + "\n";
  const file = (await systemFiles.create(path, content("0123abcd")))!;
  const beats = new BeatThread(20);
  const lost = Promise.withResolvers<void>();
  const stop = beats.start(path, "0123abcd", lost.resolve);
  const numbers = new Set<number>();
  const until = performance.now() + SOON_MS;
  while (numbers.size < 5 && performance.now() < until) {
    const { beat, token } = JSON.parse(Deno.readTextFileSync(path));
    assert.equal(token, "0123abcd");
    numbers.add(Number(beat));
    // the thread's module is loaded by this one, which then stands still
    if (numbers.size === 1) await new Promise((resolve) => setTimeout(resolve, 5));
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
  }
  assert.equal(numbers.size, 5);
  // another's claim has come into its place
  await Deno.writeTextFile(`${path}.other`, content("fedc4567"));
  await Deno.rename(`${path}.other`, path);
  await lost.promise;
  assert.equal(await Deno.readTextFile(path), content("fedc4567"));
  stop();
  file.close();
});

Deno.test("of many who make one file one can, and its answer may be lost", async () => {
  const folder = temporaryFolder("create_"), path = join(folder, "below", "work.lock");
  const made = await Promise.all(
    Array.from({ length: 30 }, (_, i) => systemFiles.create(path, `${i}`)),
  );
  const [first] = made.flatMap((file, i) => file ? [i] : []);
  assert.equal(made.filter((file) => file).length, 1);
  assert.equal(await systemFiles.read(path), `${first}`);
  assert.equal(await systemFiles.probe(path), "locked");
  made[first!]!.close();
  assert.equal(await systemFiles.probe(path), "free");
  assert.deepEqual(names(join(folder, "below")), ["work.lock"]);

  const { link } = Deno;
  const withLink = async (changed: typeof link, content: string, path: string) => {
    Deno.link = changed;
    try {
      return await systemFiles.create(path, content);
    } finally {
      Deno.link = link;
    }
  };
  const exists = () => new Deno.errors.AlreadyExists("File exists (os error 17)");
  const again = join(folder, "again.lock");
  const answered = await withLink(
    async (from, to) => {
      await link(from, to);
      throw exists();
    },
    "mine",
    again,
  );
  assert.ok(answered, "it has it and does not know");
  answered.close();

  // where files have no second names
  const none = () => Promise.reject(new Error("Operation not permitted (os error 1)"));
  const plain = join(folder, "plain.lock");
  const one = await withLink(none, "one", plain);
  assert.equal(await systemFiles.probe(plain), "locked");
  assert.equal(await withLink(none, "two", plain), undefined);
  assert.equal(await systemFiles.read(plain), "one");
  one!.close();
  assert.deepEqual(names(folder), ["again.lock", "below", "plain.lock"]);
});

Deno.test("a machine is the same until it is started anew", () => {
  assert.ok(isSameHost(HOST, { ...HOST, bootedAt: HOST.bootedAt + 2 }));
  assert.equal(isSameHost(HOST, { ...HOST, bootedAt: HOST.bootedAt + 3600 }), false);
  assert.equal(isSameHost(HOST, { ...HOST, name: "other" }), false);
  assert.equal(isSameHost(HOST, { ...HOST, machine: "other" }), false);
  // who may not ask knows nothing
  const unknown = { name: "", machine: HOST.machine, bootedAt: 0 };
  assert.equal(isSameHost(unknown, unknown), false);
});

Deno.test("what others are writing is not swept: on this machine by their locks, on others for an hour", async () => {
  const folder = temporaryFolder("temporaries_");
  const elsewhere = (process: string) =>
    `made.json.ffffffff-${process.slice(0, 4)}-${process.slice(4)}-0000-000000000000.tmp`;
  const left = temporaryName(join(folder, "left.json"));
  assert.ok(left.includes(`.${HOST_TAG}-${PROCESS_TAG.slice(0, 4)}-${PROCESS_TAG.slice(4)}-`));
  const away = join(folder, elsewhere("12345678")), gone = join(folder, elsewhere("9abcdef0"));
  const old = join(folder, elsewhere("11112222"));
  for (const path of [left, away, gone, old]) await Deno.writeTextFile(path, "half");
  const hours = (count: number) => new Date(Date.now() - count * 3_600_000);
  await Deno.utime(old, hours(2), hours(2));
  silentProcesses.add("9abcdef0");
  await writeFileAtomic(join(folder, "whole.json"), async (write) => {
    await sweepTemporaries(folder, true, 0);
    const there = names(folder);
    assert.equal(there.length, 2, there.join());
    assert.ok(there.includes(elsewhere("12345678")));
    await write(new TextEncoder().encode("{}"));
  });
  assert.equal(await exists(away), true);
  assert.deepEqual(names(folder).filter((name) => !name.endsWith(".tmp")), ["whole.json"]);
});
