import assert from "node:assert/strict";
import { join } from "node:path";
import { openDetector } from "../lib/detectors/verdict.ts";
import { decodeImageBytes } from "../lib/image/image.ts";
import { Judge } from "../lib/page/judge.ts";
import { randomStream } from "../lib/random.ts";
import {
  backbones,
  candidates,
  form,
  head,
  noiseFile,
  NOTICE,
  openCourt,
  pageOf,
  PORT,
  request,
  silent,
} from "./page_world.ts";

const options = { sanitizeOps: false, sanitizeResources: false };
const court = await openCourt();
const page = pageOf(court);
const picture = await noiseFile(90, 80), large = await noiseFile(300, 200, "jpeg");
globalThis.addEventListener("unload", () => void court[Symbol.asyncDispose]());

const bytes = (body: Uint8Array<ArrayBuffer>): RequestInit => ({ method: "POST", body });

/** What a page answers, which must be JSON of the right type and safe to show. */
async function asked(asking: Request, of = page) {
  const response = await of.handle(asking);
  const text = await response.text();
  assert.match(response.headers.get("content-type")!, /^application\/(problem\+)?json$/);
  assert.match(response.headers.get("content-security-policy")!, /^default-src 'none';/);
  assert.doesNotMatch(text, /\.ts:\d+|\bat async\b|\bat file:/, "a stack trace");
  return { status: response.status, headers: response.headers, body: JSON.parse(text) };
}

Deno.test(
  "a picture has the verdict that the library gives, as bytes and in a form",
  options,
  async () => {
    await using detector = await openDetector(head, { backbones });
    const { score, logit, isGenerated } = await detector.detect(
      await decodeImageBytes(picture, "picture"),
    );
    for (
      const [init, name] of [[bytes(picture), "picture"], [
        form({ "a.png": picture }),
        "a.png",
      ]] as const
    ) {
      const { status, body } = await asked(request("/detect", init));
      assert.equal(status, 200);
      const { results: [result, ...more], ...rest } = body;
      assert.deepEqual(rest, { notice: NOTICE, detector: "best_1-class", threshold: .5 });
      assert.equal(more.length, 0);
      assert.deepEqual(result, {
        ...{ name, score, logit, isGenerated, verdict: isGenerated ? "generated" : "real" },
        facts: {
          ...{ format: "png", bytes: picture.length, widthPx: 90, heightPx: 80, bits: 8 },
          ...{ claims: [], hasC2pa: false },
        },
      });
    }
  },
);

Deno.test(
  "several pictures are answered in their order, and a damaged one says so",
  options,
  async () => {
    const cut = large.slice(0, 500);
    const files = { "a.png": picture, "cut.jpg": cut, "b.jpg": large };
    const { status, body } = await asked(request("/detect", form(files)));
    assert.equal(status, 200);
    const [a, cutOff, b] = body.results;
    assert.deepEqual([a.name, b.name], ["a.png", "b.jpg"]);
    assert.match(cutOff.problem, /^Cannot decode cut\.jpg: expected an image, found a/);
    assert.equal(cutOff.score, undefined);
    assert.notEqual(a.score, b.score);
  },
);

Deno.test("what a verdict hangs on comes where it is asked for", options, async () => {
  const path = "/detect?detectors=all&why=blocks,crops,variations,occlusion";
  const { body } = await asked(request(path, bytes(large)));
  const [{ logit, score, explanation }] = body.results;
  const { detectors, logitsWithoutBlock, crops, variations, occlusion } = explanation;
  assert.deepEqual(detectors.map(({ id }: { id: string }) => id), ["best_1-class", "best_2-class"]);
  assert.equal(detectors[0].score, score);
  assert.notEqual(detectors[1].score, score);
  assert.equal(logitsWithoutBlock.length, body.results[0].explanation.logitsWithoutBlock.length);
  assert(logitsWithoutBlock.every((without: number) => without !== logit));
  assert.equal(crops.scores.length, 10);
  assert.equal(crops.scores[4], score, "the fifth is the middle");
  assert.deepEqual(variations.map(({ change }: { change: string }) => change), [
    ...["JPEG, quality 90", "JPEG, quality 70", "JPEG, quality 50"],
    ...["resized to 75 %", "resized to 50 %"],
  ]);
  const { columns, rows, logitFalls, ...area } = occlusion;
  assert.deepEqual([columns, rows, logitFalls.length], [8, 8, 64]);
  assert.deepEqual(area, { leftPx: 118, topPx: 68, widthPx: 64, heightPx: 64 });
  assert(new Set(logitFalls).size > 32);
});

Deno.test("a head is given no other backbone than its own", options, async () => {
  const all = [...candidates, { id: "silent", path: silent }];
  await using judge = new Judge({ candidates: all, backbones });
  const image = await decodeImageBytes(picture, "picture");
  const ids = all.map(({ id }) => id);
  const { explanation: { detectors } } = await judge.explained(image, { detectors: ids });
  const [main, other, unsaid] = detectors!;
  assert(!("problem" in main!) && !("problem" in other!), "they share theirs");
  assert.match(
    (unsaid as { problem: string }).problem,
    /^Cannot open backbone: expected .*ViT-L-14/,
  );
});

Deno.test("a small picture is said to be padded, and has no ten crops", options, async () => {
  const { body } = await asked(request("/detect?why=crops", bytes(await noiseFile(20, 30))));
  const [{ paddedFromPx, explanation }] = body.results;
  assert.deepEqual(paddedFromPx, [20, 30]);
  assert.deepEqual(explanation, {});
});

Deno.test("detectors say what they were trained on, and not where they lie", options, async () => {
  const { body } = await asked(request("/detectors"));
  assert.equal(body.notice, NOTICE);
  assert.deepEqual(body.detectors, [
    ...[["best_1-class", "RINE, 1 class"], ["best_2-class", "RINE, 1 class"]].map((
      [id, title],
    ) => ({ id, title, backbone: "Mini-B/16", trainedOn: { set: "drawn", classes: ["discs"] } })),
  ]);
  assert.equal(body.main.cropPx, 64);
  assert.equal(JSON.stringify(body).includes(join(head, "..")), false);
});

Deno.test("another page, another name and another origin are refused", options, async () => {
  const own = `http://127.0.0.1:${PORT}`;
  for (
    const [headers, status] of [
      [{ host: "evil.example" }, 421],
      [{ host: `127.0.0.1:${PORT + 1}` }, 421],
      [{ host: `localhost:${PORT}` }, 200],
      [{ origin: "http://evil.example" }, 403],
      [{ origin: "null" }, 403],
      [{ origin: `http://127.0.0.1:${PORT + 1}` }, 403],
      [{ origin: own }, 200],
      [{ origin: own, "sec-fetch-site": "same-origin" }, 200],
      [{ "sec-fetch-site": "cross-site" }, 403],
      [{ "sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors" }, 403],
    ] as const
  ) {
    for (
      const asking of [
        request("/health", { headers }),
        request("/detect", { ...bytes(picture), headers }),
      ]
    ) {
      assert.equal((await asked(asking)).status, status, JSON.stringify(headers));
    }
  }
  // a link to the page may be followed
  const visit = {
    "sec-fetch-site": "cross-site",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
  };
  assert.equal((await page.handle(request("/", { headers: visit }))).status, 200);
});

Deno.test("what is asked wrongly is told with what there is", options, async () => {
  for (
    const [path, init, status, says] of [
      ["/none", {}, 404, /^Expected \/, \/detect, \/detectors or \/health/],
      ["/detect", {}, 405, /^Expected POST for \/detect$/],
      ["/health", { method: "DELETE" }, 405, /^Expected GET or HEAD/],
      ["/../deno.json", {}, 404, /another path$/],
      ["/detect", { method: "POST" }, 400, /found nothing$/],
      ["/detect?why=magic", bytes(picture), 400, /^Expected why of blocks, .*; found magic$/],
      ["/detect?detectors=x", bytes(picture), 400, /^Expected detectors of all, best_1-class/],
      ["/detect?wy=blocks", bytes(picture), 400, /found wy$/],
      ["/detect", form({}), 400, /^Expected (1 to 64 files|a form)/],
      [
        "/detect",
        bytes(new TextEncoder().encode("this is no picture, but a text")),
        422,
        /Cannot decode/,
      ],
      [
        "/detect",
        { ...bytes(picture), headers: { "content-type": "multipart/form-data; boundary=x" } },
        400,
        /found a damaged one$/,
      ],
    ] as const
  ) {
    const { status: found, body } = await asked(request(path, init as RequestInit));
    assert.equal(found, status, path);
    assert.match(body.detail, says);
    assert.equal(body.status, status);
    assert(body.title.length > 0);
  }
});

Deno.test(
  "bodies and pictures that are too large are refused before they are read",
  options,
  async () => {
    const small = pageOf(court, { bodyBytes: 10_000, pixels: 5000 });
    const long = await asked(request("/detect", bytes(new Uint8Array(10_001))), small);
    assert.deepEqual([long.status, long.body.title], [413, "Too large"]);
    const endless = new ReadableStream({ pull: (to) => to.enqueue(new Uint8Array(4096)) });
    const unsaid = request("/detect", { method: "POST", body: endless });
    assert.equal((await asked(unsaid, small)).status, 413);
    const wide = await asked(request("/detect", bytes(await noiseFile(80, 70, "webp"))), small);
    assert.deepEqual([wide.status, /found 5600;/.test(wide.body.detail)], [413, true]);
    assert.equal(
      (await asked(request("/detect", bytes(await noiseFile(50, 40, "webp"))), small)).status,
      200,
    );
  },
);

Deno.test("a body that does not come is not waited for", options, async () => {
  const hasty = pageOf(court, { bodyMs: 60 });
  const slow = new ReadableStream({ start: (to) => to.enqueue(picture.slice(0, 100)) });
  assert.equal(
    (await asked(request("/detect", { method: "POST", body: slow }), hasty)).status,
    408,
  );
  assert.equal((await asked(request("/detect", bytes(picture)), hasty)).status, 200);
});

Deno.test(
  "who comes second waits, who comes after those that may wait is sent away",
  options,
  async () => {
    const narrow = pageOf(court, { inHand: 1, inLine: 1 });
    const all = await Promise.all(
      [1, 2, 3].map(() => asked(request("/detect?why=occlusion", bytes(large)), narrow)),
    );
    assert.deepEqual(all.map(({ status }) => status), [200, 200, 503]);
    assert.equal(all[2]!.headers.get("retry-after"), "2");
    assert.equal((await asked(request("/detect", bytes(picture)), narrow)).status, 200);
  },
);

Deno.test("a picture that takes too long costs itself only", options, async () => {
  await using own = await openCourt();
  const hasty = pageOf(own, { decodeMs: 25 });
  // runs of QOI: 60 million pixels in a file of a megabyte
  const slow = new Uint8Array(14 + 970_000 + 8).fill(0xfd);
  slow.set(new TextEncoder().encode("qoif"));
  new DataView(slow.buffer).setUint32(4, 7750);
  new DataView(slow.buffer).setUint32(8, 7750);
  slow.set([3, 0], 12);
  slow.set([0, 0, 0, 0, 0, 0, 0, 1], slow.length - 8);
  const others = [1, 2, 3, 4].map(() => asked(request("/detect", bytes(slow)), hasty));
  for (const { status, body } of await Promise.all(others)) {
    assert.equal(status, 422, JSON.stringify(body));
    assert.match(body.detail, /takes more than 0\.025 s/);
  }
  const patient = pageOf(own);
  assert.equal((await asked(request("/detect", bytes(picture)), patient)).status, 200);
});

Deno.test(
  "an answer that takes too long is not waited for, and its place stays taken till then",
  options,
  async () => {
    const hasty = pageOf(court, { answerMs: 1, inHand: 1, inLine: 0 });
    const { status, body } = await asked(request("/detect", bytes(large)), hasty);
    assert.deepEqual([status, body.title], [504, "Took too long"]);
    assert.equal((await asked(request("/detect", bytes(large)), hasty)).status, 503);
  },
);

Deno.test("changed files are answered or refused, and nothing else happens", options, async () => {
  const random = randomStream("changed files");
  const seeds = [picture, large, await noiseFile(70, 70, "webp")];
  const counts = new Map<number, number>();
  for (let i = 0; i < 150; i++) {
    const changed = seeds[i % seeds.length]!.slice();
    for (let n = 0; n < 1 + random.integer(8); n++) {
      changed[random.integer(Math.min(changed.length, 400))] = random.integer(256);
    }
    const end = random.integer(4) === 0 ? random.integer(changed.length) + 1 : changed.length;
    const { status } = await asked(request("/detect?why=blocks", bytes(changed.slice(0, end))));
    counts.set(status, (counts.get(status) ?? 0) + 1);
  }
  assert.deepEqual([...counts.keys()].filter((status) => ![200, 413, 422].includes(status)), []);
  assert(counts.get(200)! > 5 && counts.get(422)! > 5, JSON.stringify([...counts]));
  assert.equal((await asked(request("/health"))).body.inHand, 0);
});

Deno.test(
  "a page that is being closed finishes what is in hand, and takes nothing on",
  options,
  async () => {
    const closing = pageOf(court);
    const last = asked(request("/detect?why=occlusion", bytes(large)), closing);
    await new Promise((resolve) => setTimeout(resolve, 5));
    const finished = closing.finish();
    assert.equal((await asked(request("/detect", bytes(picture)), closing)).status, 503);
    assert.equal((await last).status, 200);
    await finished;
  },
);
Deno.test("the page is small, and asks nobody else for anything", options, async () => {
  const read = async (path: string) => {
    const response = await page.handle(request(path));
    assert.equal(response.status, 200, path);
    return await response.text();
  };
  const html = await read("/");
  assert.doesNotMatch(html, /<script(?![^>]* src="\/[\w.]+")|<style|\son\w+=|https?:\/\//);
  const files = [...html.matchAll(/(?:src|href)="(\/[\w.]+)"/g)].map(([, path]) => path!);
  assert(files.length >= 2, "a script and a style sheet");
  let length = html.length;
  const seen = new Set<string>(files);
  for (const path of seen) {
    const text = await read(path);
    length += text.length;
    for (const [, name] of text.matchAll(/from "\.(\/[\w.]+)"/g)) seen.add(name!);
    assert.doesNotMatch(text.replaceAll("http://www.w3.org/", ""), /https?:\/\//, path);
  }
  assert(length < 200_000, `${length} bytes`);
});
