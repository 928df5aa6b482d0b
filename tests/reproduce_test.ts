import assert from "node:assert/strict";
import { join } from "node:path";
import type { Profile } from "../lib/runs/profile.ts";
import { reproduce } from "../lib/cli/reproduce.ts";
import { exists } from "../lib/io/files.ts";
import { makeSmallWorld, smallProfile } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

/** The small world as one whose images are brought: what is not there is not made. */
const profile: Profile = {
  ...smallProfile,
  name: "paper",
  synthbusterSets: smallProfile.synthbusterSets.slice(0, 1),
  ldmGrid: { contrastiveWeights: [.2], projectionLayers: [1], projectionDims: [8] },
};
const LARGE = profile.synthbusterSets[0]!.name;

const made = temporaryFolder("reproduce_");
await makeSmallWorld(made);
const data = join(made, "mini");
/** Generated images of Synthbuster, which no other section reads. */
const synthbuster = join(data, "synthbuster", LARGE.replace("large_", ""));

/** Reproduces sections, without showing progress; returns what is said. */
async function run(
  results: string,
  only: string[],
  skipCorrupt = false,
  onProblem: (line: string) => void = (line) => assert.fail(line),
): Promise<string> {
  const { error } = console;
  console.error = () => {};
  try {
    return await reproduce({
      ...{ profile, data, results, only, skipCorrupt, force: false, seed: 0, seeds: [0] },
      ...{ engine: "onnx", device: "cpu", precision: "full", protocol: "released" },
      ...{ theme: "default", onProblem },
    });
  } finally {
    console.error = error;
  }
}

/** Whether §5.3 and §5.8 stand in the report. */
async function reported(results: string): Promise<{ grid: boolean; synthbuster: boolean }> {
  const report = await Deno.readTextFile(join(results, profile.name, "report.md"));
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
});

Deno.test("what was made without some images is reported to those who may leave them out", async () => {
  const results = temporaryFolder("results_");
  const [image] = Array.from(Deno.readDirSync(synthbuster), ({ name }) => name).sort();
  await Deno.truncate(join(synthbuster, image!), 60);
  assert.match(
    await run(results, ["synthbuster"], true),
    new RegExp(`\nLeft out images that cannot be decoded: 1 of ${LARGE}; `),
  );
  assert.deepEqual(await reported(results), { grid: true, synthbuster: true });
  await run(results, ["grid"]);
  assert.deepEqual(await reported(results), { grid: true, synthbuster: false });
  await run(results, ["grid"], true);
  assert.deepEqual(await reported(results), { grid: true, synthbuster: true });
});

Deno.test("a damaged best head is told, and all else is written", async () => {
  const results = temporaryFolder("results_"), folder = join(results, profile.name);
  await run(results, ["grid"]);
  const copy = join(folder, "best_1-class.safetensors");
  const intact = await Deno.readFile(copy);
  for await (const { name } of Deno.readDir(join(folder, "heads"))) {
    await Deno.truncate(join(folder, "heads", name), 100);
  }
  for (const made of ["tables", "figures"]) {
    await Deno.remove(join(folder, made), { recursive: true });
  }
  await Deno.remove(join(folder, "report.html"));
  const problems: string[] = [];
  const said = await run(results, ["grid", "feature_space"], false, (line) => problems.push(line));
  assert.equal(problems.length, 1);
  assert.match(problems[0]!, /^Cannot keep the best 1-class head, .*; delete it and .* run again$/);
  assert.ok(said.includes(`${copy}  its head`), said);
  assert.deepEqual(await Deno.readFile(copy), intact);
  for (const path of ["tables/table_1.md", "figures/figure_3.svg", "report.html"]) {
    assert.ok(await exists(join(folder, path)), path);
  }
  assert.ok(!await exists(join(folder, "figures/figure_1.svg")));
});
