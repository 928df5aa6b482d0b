import assert from "node:assert/strict";
import { join } from "node:path";
import { EXPERIMENTS } from "../experiments/index.ts";
import { inOrder, reproduce, type Reproduced } from "../lib/cli/reproduce.ts";
import { exists } from "../lib/io/files.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import { makeSetup, type SetupOptions } from "../lib/runs/setup.ts";
import { openSession } from "../lib/session/session.ts";
import { smallCommandLine } from "./command_line.ts";
import "./small_paper.ts";
import { makeSmallWorld } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

const profile = EXPERIMENTS.profiles["paper"]!;
const LARGE = profile.synthbusterSets[0]!.name;

const made = temporaryFolder("reproduce_");
await makeSmallWorld(made);
const data = join(made, "mini");
/** Generated images of Synthbuster, which no other section reads. */
const synthbuster = join(data, "synthbuster", LARGE.replace("large_", ""));

/** Reproduces sections, without showing progress. */
async function run(
  results: string,
  only: readonly string[],
  options: SetupOptions = {},
): Promise<Reproduced> {
  const setup = await makeSetup(EXPERIMENTS, { profile: "paper", data, results, ...options });
  const { error } = console;
  console.error = () => {};
  try {
    return await reproduce(setup, inOrder(EXPERIMENTS, only));
  } finally {
    console.error = error;
  }
}

/** Whether §5.3 and §5.8 stand in the report of a folder of outputs. */
async function reported(
  results: string,
  outputs = "",
): Promise<{ grid: boolean; synthbuster: boolean }> {
  const report = await Deno.readTextFile(join(results, profile.name, outputs, "report.md"));
  const [grid, synthbuster] = ["§5.3", "§5.8"].map((section) => {
    const stands = report.includes(`\n## ${section} `);
    assert.equal(new RegExp(`^Not run yet: .*${section}`, "m").test(report), !stands);
    return stands;
  });
  return { grid: grid!, synthbuster: synthbuster! };
}

Deno.test("tables and report stand as soon as a section is done, whatever comes after", async () => {
  const results = temporaryFolder("results_"), aside = `${synthbuster} aside`;
  await Deno.rename(synthbuster, aside);
  await assert.rejects(run(results, ["synthbuster"]), (error: Error) => {
    assert.ok(error.message.includes(synthbuster), error.message);
    return true;
  });
  await Deno.rename(aside, synthbuster);
  for (const path of ["tables/table_1.md", "figures/figure_3.svg", "report.html"]) {
    assert.ok(await exists(join(results, profile.name, path)), path);
  }
  assert.deepEqual(await reported(results), { grid: true, synthbuster: false });

  // a section of which a part was done before is no other
  const folder = join(results, profile.name), records = join(folder, "records", "grid");
  const [record] = Array.from(Deno.readDirSync(records), ({ name }) => name);
  await Deno.remove(join(records, record!));
  await Deno.remove(join(folder, "report.html"));
  await Deno.rename(synthbuster, aside);
  await assert.rejects(run(results, ["synthbuster"]));
  await Deno.rename(aside, synthbuster);
  assert.ok(await exists(join(folder, "report.html")));
});

Deno.test("what was made without some images is reported to those who may leave them out", async () => {
  const results = temporaryFolder("results_");
  const [image] = Array.from(Deno.readDirSync(synthbuster), ({ name }) => name).sort();
  await Deno.truncate(join(synthbuster, image!), 60);
  const { lines } = await run(results, ["synthbuster"], { skipCorrupt: true });
  const left = `Left out images that cannot be decoded: 1 of ${LARGE}; the records name them`;
  assert.ok(lines.includes(left), lines.join("\n"));
  const options = { profile: "paper", data, results, skipCorrupt: true } as const;
  await using session = await openSession(EXPERIMENTS, options);
  const [row] = await session.rows("synthbuster");
  const named = (await session.scores(row!, LARGE)).map(({ path }) => join(data, path));
  assert.ok(named.length > 0 && !named.includes(join(synthbuster, image!)), named.join());
  const skipping = "skip-corrupt";
  assert.deepEqual(await reported(results, skipping), { grid: true, synthbuster: true });
  await run(results, ["grid"]);
  assert.deepEqual(await reported(results), { grid: true, synthbuster: false });
  await run(results, ["grid"], { skipCorrupt: true });
  assert.deepEqual(await reported(results, skipping), { grid: true, synthbuster: true });
});

Deno.test("what was done before stands in the report of a run that is forced", async () => {
  const results = temporaryFolder("results_");
  await run(results, ["epochs"]);
  const { lines } = await run(results, ["grid"], { force: true });
  const counted = lines.filter((line) => line.startsWith("§"));
  assert.deepEqual(counted.length, 1);
  assert.match(counted[0]!, /^§5\.3 .*: 2 runs, 0 of them done before$/);
  const report = await Deno.readTextFile(join(results, profile.name, "report.md"));
  assert.match(report, /\n## §5\.4 /);
});

Deno.test("tokens go where they are told to, and nothing is written beside images that are brought", async () => {
  const results = temporaryFolder("results_"), tokens = join(temporaryFolder(), "tokens");
  // a file that comes and goes changes the folder's time
  const { mtime } = await Deno.stat(data);
  await run(results, ["grid"], { tokens });
  assert.deepEqual((await Deno.stat(data)).mtime, mtime);
  assert.ok(Array.from(Deno.readDirSync(tokens)).some(({ name }) => name.endsWith(".npy")));
  const report = await Deno.readTextFile(join(results, profile.name, "report.md"));
  assert.ok(report.includes(`--tokens ${tokens}`), report);
});

Deno.test("a damaged best head is told of and made again, and damages no copy", async () => {
  const results = temporaryFolder("results_"), folder = join(results, profile.name);
  await run(results, ["grid"]);
  const copy = join(folder, "best_1-class.safetensors");
  const { tensors } = await readSafetensors(copy);
  for await (const { name } of Deno.readDir(join(folder, "heads"))) {
    const path = join(folder, "heads", name), bytes = await Deno.readFile(path);
    bytes[bytes.length - 1]! ^= 64;
    await Deno.writeFile(path, bytes);
  }
  for (const made of ["tables", "figures"]) {
    await Deno.remove(join(folder, made), { recursive: true });
  }
  await Deno.remove(join(folder, "report.html"));
  const { code, out, error } = await smallCommandLine(
    ...["reproduce", "--profile", "paper", "--only", "grid", "--data", data, "--results", results],
  );
  assert.equal(code, 0, error);
  assert.match(
    error,
    /^Cannot keep the best 1-class head, .*: expected .*, found .*; it is made again$/m,
  );
  assert.ok(out.split("\n").includes(`  ${copy}  its head`), out);
  assert.deepEqual((await readSafetensors(copy)).tensors, tensors);
  for (const path of ["tables/table_1.md", "figures/figure_3.svg", "report.html"]) {
    assert.ok(await exists(join(folder, path)), path);
  }
  const { lines } = await run(results, ["grid", "feature_space"]);
  assert.ok(lines.includes(`  ${copy}  its head`), lines.join("\n"));
  assert.ok(await exists(join(folder, "figures/figure_1.svg")));
});
