/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The report in a real Chromium, from a file and without network; `report_browser_test.ts` starts it. With
 * `RINE_SHOTS` set to a folder, pictures of it lie there afterwards; with `RINE_REPORT` it looks at
 * another report.
 */
import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import puppeteer from "puppeteer-core";
import { EXPERIMENTS } from "../experiments/index.ts";
import { publishedReport } from "../lib/report/paper/published.ts";
import { type ReportSection, writeReport } from "../lib/report/page.ts";
import { writeResultsIndex } from "../lib/report/results_index.ts";
import { headingOf } from "../lib/runs/section.ts";
import { shoot, violations } from "./in_browser.ts";
import { temporaryFolder } from "./temporary.ts";

const { env } = Deno;
const given = env.get("RINE_REPORT");
const path = given ?? await smallReport();
const browser = await puppeteer.launch({
  executablePath: env.get("RINE_BROWSER") ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"],
});
const options = { sanitizeOps: false, sanitizeResources: false };

/** The paper's own results beside themselves, and one row and one number otherwise. */
async function smallReport(): Promise<string> {
  const folder = temporaryFolder();
  const names = ["table_1", "table_2", "figure_7"];
  const published = (await publishedReport(EXPERIMENTS)).map(({ section, report }) => ({
    heading: headingOf(section),
    tables: report.tables.filter(({ id }) => names.includes(id)),
    figures: report.figures.filter(({ id }) => names.includes(id)),
  })).filter(({ tables, figures }) => tables.length + figures.length > 0);
  const sections = published.map(({ tables, ...rest }): ReportSection => ({
    ...rest,
    tables: tables.map((table) => ({
      ...table,
      rows: table.rows.slice(1).map((row) => ({ ...row, progan: .5, notice: "not theirs" })),
    })),
  }));
  const provenance = "Made by `deno task published --out a-folder-with-a-long-name/and-another`.";
  const notice = "These numbers say nothing.";
  for (const name of ["mini", "other"]) {
    await writeReport(join(folder, name), { title: name, notice, provenance, sections, published });
  }
  await writeResultsIndex(folder);
  return join(folder, "mini", "report.html");
}

/** A tab that shows a file without network, and what went wrong in it. */
async function openTab(file: string, width = 1400, hasScripts = true) {
  const context = await browser.createBrowserContext();
  const tab = await context.newPage();
  await tab.setViewport({ width, height: 900 });
  await tab.setJavaScriptEnabled(hasScripts);
  await tab.setOfflineMode(true);
  const wrong: string[] = [];
  tab.on("console", (message) => {
    if (["error", "warn"].includes(message.type())) wrong.push(message.text());
  });
  tab.on("pageerror", (error) => wrong.push(String(error)));
  tab.on("request", (request) => {
    if (!/^(?:file|data|blob):/.test(request.url())) wrong.push(request.url());
  });
  await tab.goto(pathToFileURL(resolve(file)).href);
  return { tab, wrong, [Symbol.asyncDispose]: () => context.close() };
}

for (const width of [1400, 400]) {
  for (const scheme of ["light", "dark"] as const) {
    Deno.test(
      `the report is read ${width} pixels wide in ${scheme}, by everybody, without network`,
      options,
      async () => {
        await using opened = await openTab(path, width);
        const { tab, wrong } = opened;
        await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
        assert.deepEqual(await violations(tab), []);
        const wide = await tab.evaluate(() => document.documentElement.scrollWidth);
        assert(wide <= width, `${wide} pixels`);
        await shoot(tab, `report_${width}_${scheme}`);
        assert.deepEqual(wrong, []);
      },
    );
  }
}

Deno.test("results side by side are read by everybody too", options, async () => {
  await using opened = await openTab(given ?? join(path, "../../index.html"));
  const { tab, wrong } = opened;
  assert.deepEqual(await violations(tab), []);
  await shoot(tab, "index");
  assert.deepEqual(wrong, []);
});

Deno.test("a click on a heading sorts, and words sift the rows", options, async () => {
  await using opened = await openTab(path);
  const { tab, wrong } = opened;
  const column = (place: number) =>
    tab.$$eval(
      "#table_2 tbody tr",
      (rows, place) =>
        rows.filter((row) => !row.hidden)
          .map((row) => row.cells[place]!.querySelector("span")!.textContent!),
      place,
    );
  const before = await column(0);
  assert(before.length > 8);
  const last = (await tab.$$("#table_2 thead tr:last-child th")).length - 1;
  const heading = (await tab.$$("#table_2 thead tr:last-child th button"))[last]!;
  await heading.click();
  const values = (await column(last)).filter((text) => text !== "–").map(Number);
  assert(values.length > 5);
  assert.deepEqual(values, values.toSorted((a, b) => b - a));
  assert.equal((await column(last)).at(-1), "–", "rows without a value are last");
  await heading.click();
  const other = (await column(last)).filter((text) => text !== "–").map(Number);
  assert.deepEqual(other, values.toReversed());
  assert.equal((await column(last)).at(-1), "–", "either way");
  await heading.click();
  assert.deepEqual(await column(0), before, "a third time: as it was");
  await tab.type("#table_2 .filter input", "rine 2");
  const sifted = await column(0);
  assert(sifted.length > 0 && sifted.length < before.length);
  assert(sifted.every((name) => /rine/i.test(name)), `${sifted}`);
  const says = await tab.$eval("#table_2 output", (one) => one.textContent);
  assert.equal(says, `${sifted.length} of ${before.length} rows`);
  assert.deepEqual(wrong, []);
});

Deno.test(
  "a figure says its values under the pointer, and is looked at from near",
  options,
  async () => {
    await using opened = await openTab(path);
    const { tab, wrong } = opened;
    await tab.click('figure[data-figure="figures/figure_7"] button');
    await tab.waitForSelector("dialog .stage svg");
    const at = await tab.$eval("dialog .stage .mark-rect path", (mark) => {
      const { x, y, width, height } = mark.getBoundingClientRect();
      return [x + width / 2, y + height / 2] as const;
    });
    await tab.mouse.move(...at);
    await tab.waitForSelector("dialog .says:not([hidden])");
    assert.match(
      await tab.$eval(".says", (one) => one.textContent!),
      /^training2-classblock1value0\.\d+$/,
    );
    assert.deepEqual(await violations(tab), []);
    await shoot(tab, "near", false);
    const width = () => tab.$eval("dialog .stage svg", (one) => one.getBoundingClientRect().width);
    const narrow = await width();
    await tab.click('dialog [data-zoom="1.25"]');
    assert(Math.abs(await width() / narrow - 1.25) < .02, `${await width()} from ${narrow}`);
    await tab.keyboard.press("Escape");
    assert.equal(await tab.$("dialog[open]"), null);
    assert.deepEqual(wrong, []);
  },
);

Deno.test("where scripts are off all figures and all rows are there", options, async () => {
  await using opened = await openTab(path, 1400, false);
  const { tab, wrong } = opened;
  const html = await tab.content();
  assert.equal(
    [...html.matchAll(/<figure /g)].length,
    [...html.matchAll(/<figure [^]*?<svg /g)].length,
  );
  assert.deepEqual(await tab.$$("button"), [], "nothing that does nothing");
  const height = await tab.$eval("figure svg", (one) => one.getBoundingClientRect().height);
  assert(height > 100, `${height} pixels`);
  await shoot(tab, "no_scripts", false);
  assert.deepEqual(wrong, []);
});

Deno.test("the browser ends", options, async () => await browser.close());
