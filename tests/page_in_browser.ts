/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The page in a real Chromium; `page_browser_test.ts` starts it. With `RINE_SHOTS` set to a folder,
 * pictures of the page lie there afterwards; with `RINE_HEAD`, `RINE_BACKBONES` and further
 * `RINE_WORDS` of the command it asks another head, and with `RINE_PICTURES` about other pictures.
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import puppeteer, { type Page } from "puppeteer-core";
import sharp from "sharp";
import { waveImage } from "./image_samples.ts";
import { shoot, violations } from "./in_browser.ts";
import { openPage } from "./page_child.ts";
import { backbones, head } from "./page_world.ts";
import { temporaryFolder } from "./temporary.ts";

const { env } = Deno;
const folder = temporaryFolder("pictures ");
const page = await openPage(
  ...["--head", env.get("RINE_HEAD") ?? head],
  ...["--backbones", env.get("RINE_BACKBONES") ?? backbones],
  ...["--detectors", join(folder, "none")],
  ...env.get("RINE_WORDS")?.split(" ") ?? [],
);
const browser = await puppeteer.launch({
  executablePath: env.get("RINE_BROWSER") ?? "/usr/bin/chromium",
  // in a container there is no other sandbox to be had
  args: ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"],
});
const options = { sanitizeOps: false, sanitizeResources: false };

/** Fifty pictures and more: files and names. */
const given = env.get("RINE_PICTURES");
const paths: string[] = [];
for (let i = 0; i < 50; i++) {
  const { width, height, data } = waveImage(90 + i, 80);
  const path = join(folder, `picture ${i + 1}.png`);
  await sharp(data, { raw: { width, height, channels: 3 } }).toFile(path);
  paths.push(path);
}
if (given) {
  const names = Array.from(Deno.readDirSync(given), ({ name }) => name).sort();
  paths.splice(0, names.length, ...names.map((name) => join(given, name)));
}

/** A tab at the page, and what went wrong in it. */
async function openTab(width = 1100, height = 900) {
  const context = await browser.createBrowserContext();
  const tab = await context.newPage();
  await tab.setViewport({ width, height });
  const wrong: string[] = [];
  tab.on("console", (message) => {
    // what is refused is shown there too, whoever asked for it
    const isRefused = /status of 4\d\d/.test(message.text());
    if (["error", "warn"].includes(message.type()) && !isRefused) wrong.push(message.text());
  });
  tab.on("pageerror", (error) => wrong.push(String(error)));
  await tab.goto(page.url);
  await tab.waitForSelector("#about table");
  return { tab, wrong, [Symbol.asyncDispose]: () => context.close() };
}

async function choose(tab: Page, ...files: string[]): Promise<void> {
  await chooseBy(tab, () => tab.click("#choose"), files);
}

async function chooseBy(tab: Page, act: () => Promise<void>, files: string[]): Promise<void> {
  const waiting = tab.waitForFileChooser();
  // Chromium is told first that somebody waits
  await new Promise((resolve) => setTimeout(resolve, 200));
  await act();
  await (await waiting).accept(files);
}

async function allDone(tab: Page, count: number): Promise<string> {
  await tab.waitForFunction(
    (count: number) => {
      const text = document.querySelector("#status")?.textContent ?? "";
      return text.startsWith(`${count} of ${count} judged`) && text.endsWith("Done.");
    },
    { timeout: 120_000 },
    count,
  );
  return await textOf(tab, "#status");
}

function textOf(tab: Page, selector: string): Promise<string> {
  return tab.$eval(selector, (element) => element.textContent ?? "");
}

async function explained(tab: Page): Promise<void> {
  await tab.waitForFunction(
    () => document.querySelector("details[open] .facts") !== null,
    { timeout: 60_000 },
  );
}

/** Gives files to the page as a drop or a paste does. */
async function give(tab: Page, how: "drop" | "paste", files: readonly string[]): Promise<void> {
  const contents = files.map((path) => Buffer.from(Deno.readFileSync(path)).toString("base64"));
  await tab.evaluate(
    (how: string, contents: string[], names: string[]) => {
      const data = new DataTransfer();
      contents.forEach((text, i) => {
        const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
        data.items.add(new File([bytes], names[i]!, { type: "image/png" }));
      });
      const event = how === "drop"
        ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
        : new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
      document.body.dispatchEvent(event);
    },
    how,
    contents,
    files.map((path) => path.split("/").at(-1)!),
  );
}

async function scheme(tab: Page, value: "light" | "dark"): Promise<void> {
  await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value }]);
}

Deno.test(
  "one picture has a verdict in words, and why: light, dark and 400 pixels wide",
  options,
  async () => {
    await using opened = await openTab();
    const { tab, wrong } = opened;
    assert.match(await textOf(tab, "#notice"), /^Mini profile: .* A verdict here means nothing\.$/);
    assert.match(await textOf(tab, "#about"), /not a calibrated probability/);
    await choose(tab, paths[0]!);
    await allDone(tab, 1);
    await explained(tab);
    assert.match(
      await textOf(tab, ".verdict"),
      /^(Taken for|Probably|Undecided, rather) (real|generated)$/,
    );
    const headings = await tab.$$eval("details h4", (all) => all.map((one) => one.textContent));
    assert.deepEqual(headings.filter((one) => one !== "Ten places"), [
      ...["Every detector", "Compressed again and resized", "Blocks of the network"],
      ...["Where in the picture", "What the file says"],
    ]);
    await tab.click("details button");
    await tab.waitForSelector("canvas.map", { timeout: 60_000 });
    assert.match(
      await tab.$eval("canvas.map", (canvas) => canvas.ariaLabel ?? ""),
      /^Map of 8 rows and 8 columns\. The verdict hangs most on row \d, column \d \([+−]\d/,
    );
    // the picture is there under the map
    const colours = await tab.$eval("canvas.map", (canvas) => {
      const { width, height } = canvas as HTMLCanvasElement;
      const to = (canvas as HTMLCanvasElement).getContext("2d")!;
      return new Set(new Uint32Array(to.getImageData(0, 0, width, height).data.buffer)).size;
    });
    assert(colours > 100, `${colours} colours`);
    for (const name of ["light", "dark"] as const) {
      await scheme(tab, name);
      assert.deepEqual(await violations(tab), [], name);
      await shoot(tab, name);
    }
    await scheme(tab, "light");
    await tab.setViewport({ width: 400, height: 800 });
    const wide = await tab.evaluate(() => document.documentElement.scrollWidth);
    assert(wide <= 400, `${wide} pixels`);
    assert.deepEqual(await violations(tab), [], "phone");
    await shoot(tab, "phone");
    assert.deepEqual(wrong, []);
  },
);

Deno.test("fifty pictures are dropped, and each has its own verdict", options, async () => {
  await using opened = await openTab();
  const { tab, wrong } = opened;
  await give(tab, "drop", paths.slice(0, 50));
  const said = await allDone(tab, 50);
  assert.match(said, /^50 of 50 judged, \d+ taken for generated, \d+ for real\. Done\.$/);
  const names = await tab.$$eval(".name", (all) => all.map((one) => one.textContent));
  assert.deepEqual(names, paths.slice(0, 50).map((path) => path.split("/").at(-1)));
  const scores = await tab.$$eval(".quiet", (all) => all.map((one) => one.textContent));
  assert(new Set(scores).size > 10);
  const drawn = await tab.$$eval("canvas.thumb", (all) => all.length);
  assert.equal(drawn, 50);
  assert.deepEqual(await violations(tab), []);
  await shoot(tab, "many", false);
  await tab.click("#clear");
  assert.equal(await tab.$eval("#results", (element) => (element as HTMLElement).hidden), true);
  assert.deepEqual(wrong, []);
});

Deno.test(
  "a picture is pasted; a damaged one says what is wrong, and the next is judged",
  options,
  async () => {
    await using opened = await openTab();
    const { tab, wrong } = opened;
    const damaged = join(folder, "damaged.png");
    await Deno.writeFile(damaged, (await Deno.readFile(paths[0]!)).slice(0, 900));
    await give(tab, "paste", [damaged]);
    await allDone(tab, 1);
    await choose(tab, paths[1]!);
    assert.match(await allDone(tab, 2), /, 1 without a verdict\. Done\.$/);
    const verdicts = await tab.$$eval(".verdict", (all) => all.map((one) => one.textContent ?? ""));
    assert.equal(verdicts[0], "No verdict");
    assert.match(verdicts[1]!, /(real|generated)$/);
    assert.match(
      await textOf(tab, ".card .quiet"),
      /^Cannot decode damaged\.png: expected an image/,
    );
    assert.deepEqual(await violations(tab), []);
    await shoot(tab, "damaged", false);
    assert.deepEqual(wrong, []);
  },
);

Deno.test("of a folder the pictures are taken, of folders in it too", options, async () => {
  await using opened = await openTab();
  const { tab, wrong } = opened;
  const root = join(folder, "album");
  await Deno.mkdir(join(root, "inner"), { recursive: true });
  await Deno.copyFile(paths[4]!, join(root, "one.png"));
  await Deno.copyFile(paths[5]!, join(root, "inner/two.png"));
  await Deno.writeTextFile(join(root, "notes.txt"), "no picture");
  await chooseBy(tab, () => tab.click("#choose-folder"), [root]);
  assert.match(await allDone(tab, 2), /, 1 left out that is no picture\. Done\.$/);
  const names = await tab.$$eval(".name", (all) => all.map((one) => one.textContent));
  assert.deepEqual(names.toSorted(), ["album/inner/two.png", "album/one.png"]);
  assert.deepEqual(wrong, []);
});

Deno.test("a busy program is asked again until it answers", options, async () => {
  await using opened = await openTab();
  const { tab, wrong } = opened;
  await tab.setRequestInterception(true);
  let refused = 0;
  tab.on("request", (request) => {
    if (!request.url().endsWith("/detect") || refused >= 2) return void request.continue();
    refused++;
    const headers = { "retry-after": "1" };
    void request.respond({
      status: 503,
      headers,
      contentType: "application/problem+json",
      body: "{}",
    });
  });
  await choose(tab, paths[6]!);
  await allDone(tab, 1);
  assert.equal(refused, 2);
  assert.match(await textOf(tab, ".verdict"), /(real|generated)$/);
  const shown = wrong.filter((line) => !line.includes("503"));
  assert.deepEqual(shown, []);
});

Deno.test("a picture of 90 megapixels is judged, and one of more is refused", options, async () => {
  await using opened = await openTab();
  const { tab, wrong } = opened;
  const large = join(folder, "large.jpg"), larger = join(folder, "larger.png");
  const tile = waveImage(500, 500);
  const raw = { width: 500, height: 500, channels: 3 } as const;
  const input = await sharp(tile.data, { raw }).png().toBuffer();
  await sharp({ create: { width: 10_000, height: 9000, channels: 3, background: "#456" } })
    .composite([{ input, tile: true }]).jpeg({ quality: 80 }).toFile(large);
  // what its header says is enough
  const header = (await Deno.readFile(paths[0]!)).slice();
  new DataView(header.buffer).setUint32(16, 12_000);
  new DataView(header.buffer).setUint32(20, 9000);
  await Deno.writeFile(larger, header);
  await choose(tab, large, larger);
  assert.match(await allDone(tab, 2), /, 1 without a verdict\. Done\.$/);
  const verdicts = await tab.$$eval(".verdict", (all) => all.map((one) => one.textContent ?? ""));
  assert.match(verdicts[0]!, /(real|generated)$/);
  assert.equal(verdicts[1], "No verdict");
  assert.match(
    await textOf(tab, ".card:last-child .quiet"),
    /at most 100000000 pixels, found 108000000/,
  );
  assert.match(await textOf(tab, ".thumb"), /^too large to be shown$/);
  assert.deepEqual(wrong, []);
});

Deno.test("all of it works with the keyboard alone", options, async () => {
  await using opened = await openTab();
  const { tab, wrong } = opened;
  await tab.bringToFront();
  const focused = () =>
    tab.evaluate(() => document.activeElement?.id || document.activeElement?.tagName);
  const tabTo = async (wanted: string) => {
    for (let i = 0; i < 30; i++) {
      if (await focused() === wanted) return;
      await tab.keyboard.press("Tab");
    }
    assert.fail(`${wanted} is not reached`);
  };
  await tabTo("choose");
  const outline = await tab.$eval("#choose", (one) => getComputedStyle(one).outlineStyle);
  assert.notEqual(outline, "none", "where the focus is can be seen");
  await chooseBy(tab, () => tab.keyboard.press("Enter"), [paths[2]!, paths[3]!]);
  await allDone(tab, 2);
  await tabTo("SUMMARY");
  await tab.keyboard.press("Enter");
  await explained(tab);
  await tab.keyboard.press("Tab");
  assert.equal(await textOf(tab, ":focus"), "Show where");
  await tab.keyboard.press("Space");
  await tab.waitForSelector("canvas.map", { timeout: 60_000 });
  assert.deepEqual(wrong, []);
});

Deno.test("another page can neither ask nor frame this one", options, async () => {
  const judged = async () => (await (await fetch(`${page.url}health`)).json()).picturesJudged;
  const before = await judged();
  const context = await browser.createBrowserContext();
  const tab = await context.newPage();
  await tab.setContent(`<iframe src="${page.url}"></iframe>`);
  const picture = Array.from(await Deno.readFile(paths[0]!));
  const outcome = await tab.evaluate(
    async (url: string, bytes: number[]) => {
      const body = Uint8Array.from(bytes);
      const asked = await fetch(`${url}detect`, { method: "POST", body, mode: "no-cors" })
        .then(({ type }) => type, () => "refused");
      const read = await fetch(`${url}detectors`).then(() => "read", () => "refused");
      const frame = document.querySelector("iframe")!;
      return { asked, read, framed: frame.contentDocument !== null };
    },
    page.url,
    picture,
  );
  assert.equal(outcome.read, "refused");
  assert.equal(outcome.framed, false);
  assert.equal(await judged(), before, "it was judged for another page");
  // asked by a program it is
  const body = Uint8Array.from(picture);
  assert.equal((await fetch(`${page.url}detect`, { method: "POST", body })).status, 200);
  assert.equal(await judged(), before + 1);
  await context.close();
});

Deno.test("the page and the browser end", options, async () => {
  await browser.close();
  assert.equal(await page.end(), 130);
  assert.doesNotMatch(page.errors(), /\.ts:\d/);
});
