import assert from "node:assert/strict";
import { join } from "node:path";
import { importBackbone } from "../lib/backbones/import.ts";
import { listImages } from "../lib/data/dataset.ts";
import { UserError } from "../lib/io/errors.ts";
import { assertSpace, naming, sweepTemporaries, writeFileAtomic } from "../lib/io/files.ts";
import { extractFeatures } from "../lib/tokens/extract.ts";
import { featurePaths } from "../lib/tokens/store.ts";
import { FeatureWriter } from "../lib/tokens/writer.ts";
import { openBackbone } from "../lib/backbones/open.ts";
import { newSet, writeFeatureSet } from "./feature_sets.ts";
import { GOLDENS } from "./goldens.ts";
import { executeSmall, makeSmallWorld, smallProfile, smallRun } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

const CLIP = join(GOLDENS, "clip_hf.safetensors");

const mount = (...words: string[]) =>
  new Deno.Command("mount", { args: words, stdout: "null", stderr: "null" }).output()
    .then(({ success }) => success, () => false);

/** Whether small disks can be made here. */
const canMount = await (async () => {
  const folder = temporaryFolder();
  if (Deno.build.os !== "linux" || !await mount("-t", "tmpfs", "tmpfs", folder)) return false;
  await unmount(folder);
  return true;
})();

async function unmount(folder: string): Promise<void> {
  await new Deno.Command("umount", { args: ["-l", folder], stderr: "null" }).output();
}

/** Does something with a disk of some size. */
async function withDisk(kilobytes: number, use: (folder: string) => Promise<void>): Promise<void> {
  const folder = temporaryFolder("disk_");
  assert.ok(await mount("-t", "tmpfs", "-o", `size=${kilobytes}k`, "tmpfs", folder));
  try {
    await use(folder);
  } finally {
    await unmount(folder);
  }
}

const isDisk = (path: string, says: RegExp) => (error: Error) => {
  assert.ok(error instanceof UserError && error.kind === "disk", `${error.stack}`);
  assert.ok(error.message.includes(path), error.message);
  assert.match(error.message, says);
  assert.ok(!error.message.includes("\n"));
  return true;
};

const left = (folder: string) => Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();

Deno.test("what a disk refuses names the file, and says what to do of each reason", async () => {
  const reasons: readonly [number, string, RegExp][] = [
    [28, "No space left on device", /; free some space, the same command goes on from here$/],
    [30, "Read-only file system", /; it can only be read: choose another folder/],
    [122, "Disk quota exceeded", /; your share of this disk is used up/],
    [5, "Input/output error", /; the disk may be failing/],
  ];
  for (const [number, words, says] of reasons) {
    const refuse = () => Promise.reject(new Error(`${words} (os error ${number}): write 'x'`));
    await assert.rejects(
      naming("some/file", refuse),
      isDisk(`Cannot write some/file: ${words} (os error ${number});`, says),
    );
  }
});

Deno.test("work that a disk has no room for is refused before it begins", async () => {
  const folder = join(temporaryFolder(), "not", "there");
  await assertSpace(folder, 1000, "features");
  await assert.rejects(
    assertSpace(folder, 1e18, "features"),
    isDisk(
      `Cannot write features into ${folder}: expected 1,000,000,000,000 MB of free space, found `,
      /MB; free some space or choose another folder$/,
    ),
  );
});

Deno.test("what killed writers leave is swept, what somebody writes is not", async () => {
  const folder = temporaryFolder("sweep_"), below = join(folder, "below");
  await Deno.mkdir(below);
  const name = (file: string) => `${file}.${crypto.randomUUID()}.tmp`;
  const old = [join(folder, name("a.json")), join(below, name("b.svg"))];
  for (const path of old) {
    await Deno.writeTextFile(path, "half");
    await Deno.utime(path, 0, 0);
  }
  await Deno.writeTextFile(join(folder, "mine.tmp"), "somebody's");
  let during: string[] = [];
  await writeFileAtomic(join(folder, "c.json"), async (write) => {
    await write(new Uint8Array(10));
    const [writing] = left(folder).filter((name) => name.startsWith("c.json."));
    await Deno.utime(join(folder, writing!), 0, 0);
    await sweepTemporaries(folder);
    during = left(folder);
  });
  assert.deepEqual(during.filter((name) => !name.startsWith("c.json.")), ["below", "mine.tmp"]);
  assert.equal(during.length, 3, "what was being written is gone");
  assert.deepEqual(left(folder), ["below", "c.json", "mine.tmp"]);
  assert.deepEqual(left(below), []);
});

Deno.test({
  name:
    "weights that do not fit on a disk leave nothing behind, and are imported when there is room",
  ignore: !canMount,
  fn: () =>
    withDisk(1000, async (folder) => {
      const { size } = await Deno.stat(CLIP);
      assert.ok(size > 500_000 && size < 1_000_000, `${size} bytes`);
      const filler = join(folder, "filler");
      await Deno.writeFile(filler, new Uint8Array(500_000));
      await assert.rejects(
        importBackbone(CLIP, { name: "Tiny", folder, mode: "copy" }),
        isDisk(folder, /expected .* MB of free space, found .* MB; free some space/),
      );
      assert.deepEqual(left(folder), ["filler"]);
      await Deno.remove(filler);
      await importBackbone(CLIP, { name: "Tiny", folder, mode: "copy" });
      assert.deepEqual(left(join(folder, "Tiny")), [
        "model.safetensors",
        "model.safetensors.sha256",
        "settings.json",
      ]);
      assert.deepEqual(
        await Deno.readFile(join(folder, "Tiny", "model.safetensors")),
        await Deno.readFile(CLIP),
      );
    }),
});

Deno.test("weights that were copied and have changed since are refused by name", async () => {
  const folder = temporaryFolder("copied_");
  await importBackbone(CLIP, { name: "Tiny", folder, mode: "copy" });
  const path = join(folder, "Tiny", "model.safetensors");
  const fingerprint = async () => {
    await using backbone = await openBackbone("Tiny", { folder });
    return await backbone.fingerprint();
  };
  const before = await fingerprint();
  const bytes = await Deno.readFile(path);
  bytes[bytes.length - 1]! ^= 1;
  await Deno.writeFile(path, bytes);
  await assert.rejects(fingerprint(), (error: Error) => {
    assert.ok(
      error.message.startsWith(`Cannot use ${path}: expected the weights that were written`),
    );
    return true;
  });
  await Deno.remove(`${path}.sha256`);
  assert.notEqual(await fingerprint(), before, "weights of one's own are one's own");
});

Deno.test({
  name: "features that do not fit are refused before a crop is made",
  ignore: !canMount,
  fn: () =>
    withDisk(16, async (folder) => {
      const root = temporaryFolder("disk_world_");
      await makeSmallWorld(root);
      const data = join(root, "mini");
      await using backbone = await openBackbone(CLIP);
      const images = await listImages(data, smallProfile.testSets[0]!);
      const { resolutionPx: size } = backbone.architecture;
      let crops = 0;
      await assert.rejects(
        extractFeatures([{
          ...{ images, generator: "tiny", transform: { kind: "ten", size }, seed: 0, epoch: 0 },
          backbones: [backbone],
        }], {
          ...{ root: data, folder, batchSize: 4, workers: 1 },
          onProgress: ({ done }) => crops = done,
        }),
        isDisk(folder, /^Cannot write features into .*free some space/),
      );
      assert.equal(crops, 0);
    }),
});

Deno.test({
  name:
    "a disk that fills up under features names the file, and with room they have the same bytes",
  ignore: !canMount,
  fn: async () => {
    const shape = [64, 8, 32] as const, set = newSet({ name: "full", shape });
    const values = Float32Array.from({ length: 64 * 8 * 32 }, (_, i) => i % 500);
    const whole = await writeFeatureSet(temporaryFolder("whole_"), { name: "full", shape }, values);
    await withDisk(20, async (folder) => {
      const write = async () => {
        await using writer = await FeatureWriter.open(folder, set, { batchRows: 8 });
        while (writer.rowsDone < shape[0]) {
          const from = writer.rowsDone * 256;
          await writer.append(values.subarray(from, from + 8 * 256));
        }
        await writer.finish();
        return set.key;
      };
      await assert.rejects(
        write(),
        isDisk(
          featurePaths(folder, set.key).partial,
          /^Cannot write .*; free some space, the same/,
        ),
      );
      assert.ok(await mount("-o", "remount,size=400k", folder));
      const { features } = featurePaths(folder, await write());
      assert.deepEqual(await Deno.readFile(features), await Deno.readFile(whole.path));
    });
  },
});

Deno.test({
  name: "a full disk stops training at the first head, and with room the same command goes on",
  ignore: !canMount,
  fn: async () => {
    const root = temporaryFolder("disk_world_");
    await makeSmallWorld(root);
    const data = root;
    const runs = [8, 12, 16, 24].map((projectionDim) => smallRun({ projectionDim }));
    const { records: whole } = await executeSmall(data, runs, temporaryFolder("whole_"));
    const bytes = whole.reduce((sum, { parameterCount }) => sum + 4 * parameterCount, 0);
    const numbers = (records: typeof whole) =>
      records.map(({ timings: _timings, date: _date, made: _made, ...rest }) => rest);
    // too small for the heads; large enough for them, but not for heads in training besides
    for (const kilobytes of [Math.floor(bytes / 2000), Math.ceil(bytes / 1024) + 24]) {
      await withDisk(kilobytes, async (results) => {
        await assert.rejects(
          executeSmall(data, runs, results),
          isDisk(results, /free some space/),
        );
        const fewer = Array.from(Deno.readDirSync(join(results))).flatMap(({ name }) =>
          name === "heads" ? left(join(results, name)) : []
        );
        const trained = fewer.filter((name) => /-epoch2\.safetensors$/.test(name));
        assert.ok(trained.length < runs.length, "all was trained");
        assert.ok(await mount("-o", `remount,size=${kilobytes * 50}k`, results));
        const { records } = await executeSmall(data, runs, results);
        assert.deepEqual(numbers(records), numbers(whole));
        const others = left(join(results, "heads")).filter((name) =>
          !/-epoch2\.safetensors$/.test(name)
        );
        assert.deepEqual(others, []);
      });
    }
  },
});
