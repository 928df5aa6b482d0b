import assert from "node:assert/strict";
import { join } from "node:path";
import { EXPERIMENTS } from "../experiments/index.ts";
import { paper } from "../experiments/profiles/paper.ts";
import appendix from "../experiments/rine/appendix.ts";
import featureSpace from "../experiments/rine/feature_space.ts";
import importance from "../experiments/rine/importance.ts";
import { publishedLogs } from "../lib/published/logs.ts";
import { publishedRows } from "../lib/report/paper/published_rows.ts";
import { type FinishedSection, reportSections, writeSections } from "../lib/report/paper/report.ts";
import type { RunRecord } from "../lib/runs/record.ts";
import type { Section } from "../lib/runs/section.ts";
import { makeSetup, type Setup, type SetupOptions } from "../lib/runs/setup.ts";
import { inFolder } from "./temporary.ts";

const rows = publishedRows(await publishedLogs(), paper.backboneSizes);
const records = [{ engine: "onnx (onnxruntime 1 cpu)" } as RunRecord];

/** A setup that knows importance, feature space and appendix alone, so that little is drawn. */
async function setupIn(results: string, options: SetupOptions): Promise<Setup> {
  const experiments = { ...EXPERIMENTS, sections: [importance, featureSpace, appendix] };
  return await makeSetup(experiments, { profile: "paper", results, seed: 0, ...options });
}

function finished(section: Section): FinishedSection {
  return { section, rows, records };
}

Deno.test("printed cells stand in the tables of a profile whose numbers are comparable, and in no other", async () => {
  await inFolder(async (folder) => {
    const setup = await setupIn(folder, {});
    const [theirs] = await reportSections(setup, [finished(appendix)]);
    assert.deepEqual(theirs!.report.tables.map(({ id }) => id), ["table_7"]);
    const profile = { ...setup.profile, isComparable: false };
    const [ours] = await reportSections({ ...setup, profile }, [finished(appendix)]);
    assert.deepEqual(ours!.report.tables, []);
  });
});

Deno.test("a section whose points are not on disk is left out where it has not just been run", async () => {
  await inFolder(async (folder) => {
    const setup = await setupIn(folder, {});
    const head = { key: "k", config: { training: { detector: "rine" } } } as RunRecord;
    const sections = [finished(importance), finished(featureSpace)];
    const named = async (pointsOf?: RunRecord) =>
      (await reportSections(setup, sections, pointsOf)).map(({ section }) => section.name);
    assert.deepEqual(await named(head), ["importance"]);
    assert.deepEqual(await named(), ["importance", "feature_space"]);
  });
});

Deno.test("writeSections() writes into the setup's outputs, and says what was just run and what is missing", async () => {
  await inFolder(async (folder) => {
    const setup = await setupIn(folder, { protocol: "paper" });
    assert.equal(setup.outputs, join(folder, "paper", "protocol-paper"));
    const reports = await reportSections(setup, [
      { ...finished(importance), line: "§5.7: no runs of its own" },
      finished(appendix),
    ]);
    const written = new Set<string>();
    const figure = join(setup.outputs, "figures", "figure_7.svg");
    const said = [
      "§5.7: no runs of its own",
      `  ${figure}  Figure 7. Importance of the Transformer blocks (written)`,
    ];
    assert.deepEqual(await writeSections(setup, reports, { written }), said);
    assert.ok(written.has(figure) && written.has(join(setup.outputs, "tables", "table_7.md")));
    const again = await writeSections(setup, reports, { written, fewer: "Two sets hold fewer" });
    assert.deepEqual(again, said, "what an earlier call wrote was written all the same");
    const markdown = await Deno.readTextFile(join(setup.outputs, "report.md"));
    assert.match(markdown, /^# RINE, the paper profile\n\n> Two sets hold fewer\.\n\nMade by /);
    assert.match(markdown, /heads trained by onnx \(onnxruntime 1 cpu\)/);
    assert.match(markdown, /Images treated as the paper's text says\./);
    assert.match(
      markdown,
      /Not run yet: §1 Feature spaces; `deno task reproduce .*--only feature_space/,
    );
    assert.match(markdown, /The paper's:\n\n!\[The paper's: Figure 7/);
  });
});
