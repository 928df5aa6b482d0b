/** The page as programs ask it, over this machine's own address; `page_network_test.ts` starts it. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { commandLine } from "./command_line.ts";
import { openPage } from "./page_child.ts";
import { backbones, head, noiseFile } from "./page_world.ts";
import { temporaryFolder } from "./temporary.ts";

const folder = temporaryFolder("page http ");
const picture = await noiseFile(90, 80), path = join(folder, "a b.png");
await Deno.writeFile(path, picture);
const words = ["--head", head, "--backbones", backbones, "--detectors", join(folder, "none")];
const page = await openPage(...words);
const options = { sanitizeOps: false, sanitizeResources: false };

/** What a program says; `undefined` where there is no such program. */
async function say(program: string, ...args: string[]): Promise<string | undefined> {
  try {
    const { stdout } = await new Deno.Command(program, { args, stderr: "inherit" }).output();
    return new TextDecoder().decode(stdout);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

Deno.test(
  "the page is at this machine's own address, and says that its detector knows nothing",
  options,
  () => {
    assert.match(page.url, /^http:\/\/127\.0\.0\.1:\d+\/$/);
    assert.match(page.errors(), /^Mini profile: .*not comparable with the paper\n$/);
  },
);

Deno.test(
  "the same verdict comes as detect gives, asked by fetch and by curl",
  options,
  async () => {
    const { out, error } = await commandLine("detect", "--json", ...words.slice(0, 4), path);
    const { score } = JSON.parse(out || error);
    const scoreOf = (text: string) => JSON.parse(text).results[0].score;
    const response = await fetch(`${page.url}detect`, { method: "POST", body: picture });
    assert.equal(scoreOf(await response.text()), score);
    const ways = [["--data-binary", `@${path}`], ["-F", `picture=@${path}`], [
      "-T",
      path,
      "-X",
      "POST",
    ]];
    for (const way of ways) {
      const said = await say("curl", "-s", ...way, `${page.url}detect`);
      if (said === undefined) return console.log("curl is not there, so not tried");
      assert.equal(scoreOf(said), score, way.join(" "));
    }
  },
);

Deno.test("requests at once are all answered, each about its own picture", options, async () => {
  const files = await Promise.all(
    Array.from({ length: 24 }, (_, i) => noiseFile(70 + i, 75, i % 2 === 0 ? "png" : "webp")),
  );
  const ask = async (body: Uint8Array<ArrayBuffer>) => {
    const response = await fetch(`${page.url}detect`, { method: "POST", body });
    const { results: [{ score, facts }] } = await response.json();
    return `${score} ${facts.widthPx} ${facts.format}`;
  };
  const alone: string[] = [];
  for (const file of files) alone.push(await ask(file));
  assert.equal(new Set(alone).size, files.length);
  const together = await Promise.all(files.map(ask));
  together.forEach((one, i) => {
    const [score, ...rest] = one.split(" "), [expected, ...facts] = alone[i]!.split(" ");
    assert.deepEqual(rest, facts);
    assert(Math.abs(Number(score) - Number(expected)) < 1e-5, `${one}, alone ${alone[i]}`);
  });
});

Deno.test(
  "a port that is taken, and a detector that is not there, are said in a line",
  options,
  async () => {
    const { port } = new URL(page.url);
    await assert.rejects(openPage(...words, "--port", port), {
      message:
        /^\s*Cannot open the page: expected port \d+ of 127\.0\.0\.1 to be free, found it taken; .*\n$/,
    });
    const none = await commandLine("page", "--no-open", "--results", join(folder, "none"));
    assert.match(none.error, /^Cannot open the page: expected a detector .*deno task reproduce/);
    const gone = await commandLine("page", "--no-open", "--head", join(folder, "x.safetensors"));
    assert.match(
      gone.error,
      /^Cannot open .*x\.safetensors: expected a detector, found no such file$/,
    );
    const text = await commandLine("page", "--no-open", "--head", path);
    assert.match(text.error, /^Cannot read .*a b\.png: expected weights as .*, found an image$/);
    for (const { code, error } of [none, gone, text]) {
      assert.deepEqual([code, error.split("\n").length], [1, 1]);
    }
  },
);

Deno.test("Ctrl-C finishes what is in hand, and waits for nobody else", options, async () => {
  const { host, port } = new URL(page.url);
  const connect = () => Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
  using _idle = await connect();
  using stalled = await connect();
  const start = `POST /detect HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 1000\r\n\r\nabc`;
  await stalled.write(new TextEncoder().encode(start));
  const asked = Array.from({ length: 6 }, async () => {
    const way = { method: "POST", body: picture };
    const response = await fetch(`${page.url}detect?why=occlusion`, way);
    return [response.status, (await response.json()).results?.length];
  });
  for (let i = 0; i < 100; i++) {
    const { inHand } = await (await fetch(`${page.url}health`)).json();
    if (inHand === 7) break;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const told = performance.now();
  assert.equal(await page.end(), 130);
  assert(performance.now() - told < 6000, "it waited for those that send nothing");
  assert.deepEqual(await Promise.all(asked), Array.from({ length: 6 }, () => [200, 1]));
  assert.match(page.errors(), /\nStopped; what is in hand is finished first\n$/);
  assert.doesNotMatch(page.errors(), /\.ts:\d/);
});
