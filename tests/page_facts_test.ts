import assert from "node:assert/strict";
import { zlibSync } from "fflate";
import sharp from "sharp";
import { readImageHeader } from "../lib/image/header.ts";
import { Budget, Busy } from "../lib/page/budget.ts";
import { type Claim, pictureFacts } from "../lib/page/facts.ts";
import { MOST_ENTRIES, readMetadata } from "../lib/page/metadata.ts";
import { readWanted } from "../lib/page/wishes.ts";
import { concat, noiseImage, pngFile } from "./image_samples.ts";

const text = (value: string) => new TextEncoder().encode(value);
const pixels = sharp(noiseImage(20, 10).data, { raw: { width: 20, height: 10, channels: 3 } });
const RECIPE = "a cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42";

function png(...chunks: [string, Uint8Array][]): Uint8Array {
  return pngFile({ width: 1, bits: 8, type: "rgb", rows: [[1, 2, 3]], chunks });
}

function claimsOf(bytes: Uint8Array): readonly Claim[] {
  return pictureFacts(bytes, readImageHeader(bytes)).claims;
}

const exif = {
  IFD0: { Make: "Canon", Model: "EOS R5", Software: "Firmware 1.8" },
  IFD2: { UserComment: "seen at noon" },
};

const withTexts = pixels.clone().withExif(exif).withXmp('<x xmp:CreatorTool="Firefly"/>');

for (const format of ["jpeg", "png", "webp"] as const) {
  Deno.test(`a camera's name is read out of the Exif of ${format}`, async () => {
    const bytes = new Uint8Array(await withTexts.clone().toFormat(format).toBuffer());
    const claims = claimsOf(bytes);
    const named = (field: string) => claims.find((claim) => claim.field === field);
    assert.deepEqual(named("Exif Make"), { field: "Exif Make", text: "Canon", names: "camera" });
    assert.deepEqual(named("Exif Model"), { field: "Exif Model", text: "EOS R5", names: "camera" });
    assert.deepEqual(named("Exif Software"), { field: "Exif Software", text: "Firmware 1.8" });
    assert.equal(named("XMP CreatorTool")?.names, "generator");
    assert.equal(readMetadata(bytes.slice(0, bytes.length / 2)).hasC2pa, false, "cut off");
  });
}

Deno.test("the tags of a TIFF are its own, in either order of bytes", () => {
  const little = "II*\0\x08\0\0\0\x01\0\x0f\x01\x02\0\x06\0\0\0\x1a\0\0\0\0\0\0\0Canon\0";
  const big = "MM\0*\0\0\0\x08\0\x01\x01\x0f\0\x02\0\0\0\x06\0\0\0\x1a\0\0\0\0Canon\0";
  for (const file of [little, big]) {
    const bytes = Uint8Array.from(file, (letter) => letter.charCodeAt(0));
    assert.deepEqual(readMetadata(bytes).entries, [{ field: "Exif Make", text: "Canon" }]);
  }
});

Deno.test("what web interfaces of generators write into a PNG is read in each of its three ways", () => {
  const plain = ["tEXt", text(`parameters\0${RECIPE}`)] as [string, Uint8Array];
  const packed = concat([text("Comment\0\0"), zlibSync(text(RECIPE))]);
  const international = concat([
    text("workflow\0"),
    Uint8Array.of(0, 0),
    text('\0\0{"nodes": "é"}'),
  ]);
  const claims = claimsOf(png(plain, ["zTXt", packed], ["iTXt", international]));
  const recipe = RECIPE.replaceAll("\n", " ");
  assert.deepEqual(claims, [
    { field: 'PNG text "parameters"', text: recipe, names: "generator" },
    { field: 'PNG text "Comment"', text: recipe, names: "generator" },
    { field: 'PNG text "workflow"', text: '{"nodes": "é"}', names: "generator" },
  ]);
});

Deno.test("a text that only speaks of a thing names no generator, and one by its name does", () => {
  for (
    const [said, names] of [
      ["Adobe Photoshop 25.1", undefined],
      ["Steps to the river", undefined],
      ["Influx 1.0", undefined],
      ["Midjourney v6", "generator"],
      ["Made with Google AI", "generator"],
      ["Stable Diffusion XL", "generator"],
    ] as const
  ) {
    const [claim] = claimsOf(png(["tEXt", text(`Software\0${said}`)]));
    assert.deepEqual([claim!.text, claim!.names], [said, names]);
  }
});

Deno.test("XMP says how a picture was made, and a C2PA manifest is seen", async () => {
  const xmp = '<x xmp:CreatorTool="Firefly" Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/' +
    'newscodes/digitalsourcetype/trainedAlgorithmicMedia"/>';
  const jpeg = new Uint8Array(await pixels.clone().jpeg().toBuffer());
  const segment = (marker: number, content: Uint8Array) =>
    concat([
      Uint8Array.of(0xff, marker, content.length + 2 >> 8, content.length + 2 & 255),
      content,
    ]);
  const start = jpeg.slice(0, 2), rest = jpeg.slice(2);
  const said = concat([
    start,
    segment(0xe1, text(`http://ns.adobe.com/xap/1.0/\0${xmp}`)),
    segment(0xeb, concat([text("JP"), new Uint8Array(14), text("jumbc2pa")])),
    segment(0xfe, text("a comment")),
    rest,
  ]);
  const facts = pictureFacts(said, readImageHeader(said));
  assert.equal(facts.hasC2pa, true);
  assert.deepEqual(facts.claims.map(({ field, names }) => [field, names]), [
    ["XMP CreatorTool", "generator"],
    ["XMP DigitalSourceType", "generator"],
    ["JPEG comment", undefined],
  ]);
  assert.deepEqual(pictureFacts(jpeg, readImageHeader(jpeg)), {
    ...{ format: "jpeg", bytes: jpeg.length, widthPx: 20, heightPx: 10, bits: 8 },
    ...{ claims: [], hasC2pa: false },
  });
  assert.equal(pictureFacts(png(["caBX", text("x")]), readImageHeader(jpeg)).hasC2pa, true);
});

Deno.test("hostile texts are short, few and printable", () => {
  const bomb = zlibSync(new Uint8Array(2 ** 24).fill(97));
  const many = Array.from({ length: 200 }, (_, i): [string, Uint8Array] => [
    "tEXt",
    text(`k${i}\0\u001b[31m\u202e${"x".repeat(5000)}`),
  ]);
  const { entries } = readMetadata(png(["zTXt", concat([text("bomb\0\0"), bomb])], ...many));
  assert.equal(entries.length, MOST_ENTRIES);
  for (const { text } of entries) {
    assert(text.length <= 600);
    // deno-lint-ignore no-control-regex -- they are what is looked for
    assert.doesNotMatch(text, /[\u0000-\u001f\u202e]/);
  }
  const bombs = Array.from({ length: 3000 }, (): [string, Uint8Array] => [
    "zTXt",
    concat([text("bomb\0\0"), bomb]),
  ]);
  const before = performance.now();
  readMetadata(png(...bombs));
  assert(performance.now() - before < 3000, "all of them are unpacked");
  // a list of tags that points at itself
  const loop = Uint8Array.from(
    [..."II*\0\x08\0\0\0\x02\0", ..."\x69\x87\x04\0\x01\0\0\0\x08\0\0\0".repeat(2)],
    (letter) => letter.charCodeAt(0),
  );
  assert.deepEqual(readMetadata(loop).entries, []);
  const long = new Uint8Array(12 * 65_535 + 22);
  for (let at = 10; at < long.length; at += loop.length - 10) long.set(loop.subarray(10), at);
  long.set([...loop.subarray(0, 8), 255, 255]);
  const started = performance.now();
  assert.deepEqual(readMetadata(long).entries, []);
  assert(performance.now() - started < 500, "each tag leads to all tags");
});

Deno.test("a budget lets in by turn, and never more than it holds", async () => {
  const budget = new Budget(10, 2), order: string[] = [];
  const first = await budget.take(8);
  const wide = budget.take(9).then((place) => (order.push("wide"), place));
  const narrow = budget.take(1).then((place) => (order.push("narrow"), place));
  await assert.rejects(budget.take(1), Busy);
  assert.deepEqual([budget.taken, budget.waiting, order.length], [8, 2, 0]);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  (await wide)[Symbol.dispose]();
  (await narrow)[Symbol.dispose]();
  assert.deepEqual(order, ["wide", "narrow"]);
  assert.equal(budget.taken, 0);
  // wider than all of it
  (await budget.take(99))[Symbol.dispose]();
  const gone = new AbortController(), holds = await budget.take(10);
  const waits = budget.take(5, gone.signal);
  const behind = budget.take(10);
  gone.abort(new Error("gone"));
  await assert.rejects(waits, /gone/);
  holds[Symbol.dispose]();
  (await behind)[Symbol.dispose]();
  assert.deepEqual([budget.taken, budget.waiting], [0, 0]);
});

Deno.test("wishes are read from a query", () => {
  const read = (query: string) => readWanted(new URLSearchParams(query), ["a", "b"]).wanted;
  assert.equal(read(""), undefined);
  assert.deepEqual(read("why=blocks,%20crops&why=occlusion"), {
    ...{ blocks: true, crops: true, occlusion: true },
  });
  assert.deepEqual(read("detectors=all"), { detectors: ["a", "b"] });
  assert.deepEqual(read("detectors=b,b&why="), { detectors: ["b"] });
  assert.throws(() => read("detectors=a,all"), { status: 400, message: /found all$/ });
});
