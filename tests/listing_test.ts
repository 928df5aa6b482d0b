import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import grid from "../experiments/rine/grid.ts";
import { Listings } from "../lib/data/listing.ts";
import { nameFeatures } from "../lib/tokens/request.ts";
import { mapBounded } from "../lib/io/bounded.ts";
import { lookAtAll } from "../lib/io/look.ts";
import { planRuns } from "../lib/runs/plan.ts";
import { executeSmall, makeSmallWorld, openSmallWorld, smallProfile } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

const SOURCE = { label: 1, directory: "set" } as const;

/** A folder `set` of files, each of as many bytes as its number. */
function files(count: number): string {
  const root = temporaryFolder("listing_");
  Deno.mkdirSync(join(root, "set"));
  for (let i = 0; i < count; i++) {
    Deno.writeTextFileSync(join(root, "set", `${1000 + i}.png`), "x".repeat(i));
  }
  return root;
}

/** Does something and counts how often, and how often at once, files are looked at meanwhile. */
async function counting(
  work: () => Promise<unknown>,
  waitMs = 0,
): Promise<{ all: number; atOnce: number }> {
  const { stat, statSync } = Deno;
  let all = 0, now = 0, atOnce = 0;
  Deno.stat = async (path) => {
    if (/\.(png|jpg)$/.test(`${path}`)) all++;
    atOnce = Math.max(atOnce, ++now);
    try {
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      return await stat(path);
    } finally {
      now--;
    }
  };
  Deno.statSync = (path) => {
    if (/\.(png|jpg)$/.test(`${path}`)) all++;
    const until = performance.now() + waitMs;
    while (performance.now() < until);
    return statSync(path);
  };
  try {
    await work();
  } finally {
    Object.assign(Deno, { stat, statSync });
  }
  return { all, atOnce };
}

Deno.test("files on a disk that answers at once are looked at one by one, on a slow one many at a time", async () => {
  const root = files(300), names = Array.from({ length: 301 }, (_, i) => `${1000 + i}.png`);
  const sizes: (number | string)[] = [];
  const look = () =>
    lookAtAll(names, (name) => join(root, "set", name), (found, i) => {
      assert(!(i in sizes), "each once");
      sizes[i] = found instanceof Error ? found.name : found.size;
    });
  const expected = [...Array(300).keys(), "NotFound"];
  assert.equal((await counting(look)).all, 301);
  assert.deepEqual(sizes.splice(0), expected);
  assert.deepEqual(await counting(look, 10), { all: 301, atOnce: 32 });
  assert.deepEqual(sizes, expected);
});

Deno.test("many things are worked on a bounded number at a time, and come out in order", async () => {
  const items = Array.from({ length: 100 }, (_, i) => i);
  let now = 0, most = 0;
  const doubled = await mapBounded(items, async (item) => {
    most = Math.max(most, ++now);
    // later ones are done first
    await new Promise((resolve) => setTimeout(resolve, 5 - item % 5));
    now--;
    return 2 * item;
  }, 7);
  assert.deepEqual(doubled, items.map((item) => 2 * item));
  assert.equal(most, 7);
  assert.deepEqual(await mapBounded([], () => assert.fail("of nothing")), []);
  const begun: number[] = [];
  await assert.rejects(
    mapBounded(items, (item) => {
      begun.push(item);
      return item === 3 ? Promise.reject(new Error("third")) : Promise.resolve(item);
    }, 2),
    /third/,
  );
  assert.ok(begun.length < 10, `${begun.length} were begun`);
});

Deno.test("images are named by path, label and size, and those that are not there are told", async () => {
  const root = files(4);
  await Deno.remove(join(root, "set/1002.png"));
  await Deno.symlink("nowhere", join(root, "set/1002.png"));
  const listings = new Listings(root);
  const images = await listings.images(SOURCE, "mine");
  assert.deepEqual(images[0], { path: "set/1000.png", label: 1, generator: "mine" });
  const expected = [0, 1, -1, 3].map((bytes, i) => `["set/${1000 + i}.png",1,${bytes}]\0`);
  assert.deepEqual(await listings.look(images), {
    key: createHash("sha256").update(expected.join("")).digest("hex").slice(0, 16),
    missing: [2],
  });
});

Deno.test("naming tokens looks at a bounded number of files at once, however many lists there are", async () => {
  const root = files(300);
  const images = await new Listings(root).images(SOURCE, "mine");
  const request = {
    generator: "mine",
    seed: 0,
    epoch: 0,
    backbones: [],
    transform: { kind: "center", size: 8 },
  } as const;
  const requests = [images, images.slice(1), images.slice(2), images].map((images) => ({
    ...request,
    images,
  }));
  const { all, atOnce } = await counting(() => nameFeatures(requests, new Listings(root)), 1);
  assert.equal(all, 300 + 299 + 298, "each list once");
  assert.ok(atOnce <= 32, `${atOnce} at once`);
});

Deno.test("what was listed is believed until it is forgotten, what was not there is looked for again", async () => {
  const root = files(3);
  const listings = new Listings(root);
  const look = async (known = listings) => (await known.look(await known.images(SOURCE, "a"))).key;
  const before = await look();
  await Deno.writeTextFile(join(root, "set/1000.png"), "longer");
  await Deno.writeTextFile(join(root, "set/1003.png"), "new");
  assert.equal(await look(), before);
  const now = await look(new Listings(root));
  assert.notEqual(now, before);
  listings.forget();
  assert.equal(await look(), now);

  const held = await listings.images(SOURCE, "a");
  const { key } = await listings.look(held);
  Deno.writeTextFileSync(join(root, held[0]!.path), "grown since");
  assert.equal((await listings.look(held)).key, key);
  listings.forget();
  assert.notEqual((await listings.look(held)).key, key);

  const later = { label: 0, directory: "later" } as const;
  await assert.rejects(listings.images(later, "a"), /expected a folder/);
  await Deno.rename(join(root, "set"), join(root, "later"));
  const images = await listings.images(later, "a");
  assert.equal(images.length, 4);
});

Deno.test("runs are planned again without a look at the images, and anew after work was done", async () => {
  const data = temporaryFolder("listing_"), results = join(data, "results");
  await makeSmallWorld(data);
  const configs = grid.runs(smallProfile, [0], []).slice(0, 1);
  const { world, backbone } = await openSmallWorld(data);
  await using _ = backbone;
  const { listings } = world;
  const plan = () =>
    planRuns(configs, world, {
      profile: smallProfile,
      engine: "onnx",
      seed: 0,
      tokens: "none",
    });
  assert.ok((await counting(plan)).all > 50);
  assert.equal((await counting(plan)).all, 0);

  const changed = join(world.root, "train/discs/0_real/00000.png");
  /** Bytes behind an image's end are of no account to who decodes it. */
  const grow = () => Deno.writeTextFile(changed, "more", { append: true });
  const execute = () => executeSmall(data, configs, results, { listings });
  assert.equal((await execute()).reused, 0);
  await grow();
  assert.equal((await execute()).reused, 0, "old sizes are believed after work");
  assert.equal((await execute()).reused, 1);
  assert.equal((await counting(execute)).all, 0);
});
