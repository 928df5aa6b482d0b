/** Every reader of files that this project has, each with files that it reads. */
import { join, resolve } from "node:path";
import { zlibSync } from "fflate";
import sharp from "sharp";
import {
  quantizedPath,
  quantizeWeights,
  readQuantizedWeights,
} from "../../lib/backbones/quantize.ts";
import { describeBackbone, importBackbone } from "../../lib/backbones/import.ts";
import { assertQuantizable, readWeights } from "../../lib/backbones/weights.ts";
import { describeCheckpoint } from "../../lib/cli/checkpoint.ts";
import { findWritten } from "../../lib/cli/features_output.ts";
import { installKernel } from "../../lib/cli/kernel.ts";
import { notebookFaults, notebookScript } from "../../lib/cli/notebook_files.ts";
import { lookAtImage, lookBuffer, tryDecode } from "../../lib/data/image_file.ts";
import { assertListed, readLabelList } from "../../lib/data/label_list.ts";
import { readUserSets } from "../../lib/data/user_sets.ts";
import { checkpointFacts, readCheckpointNames } from "../../lib/detectors/checkpoint_file.ts";
import { checkpointPath } from "../../lib/detectors/detector.ts";
import { initialParameters } from "../../lib/detectors/rine/architecture.ts";
import {
  loadCheckpoint,
  loadTrainingState,
  saveCheckpoint,
  saveTrainingState,
} from "../../lib/detectors/rine/checkpoint.ts";
import { initialState } from "../../lib/detectors/rine/engine.ts";
import { finishedTraining } from "../../lib/detectors/training.ts";
import { trainingFacts } from "../../lib/detectors/checkpoint_file.ts";
import { openDetector } from "../../lib/detectors/verdict.ts";
import { printable, UserError } from "../../lib/io/errors.ts";
import { importDetector, knownDetectors } from "../../lib/detectors/import.ts";
import { type ImageHeader, readImageHeader } from "../../lib/image/header.ts";
import type { RgbImage } from "../../lib/image/image.ts";
import { jpegRoundTrip } from "../../lib/image/jpeg.ts";
import { keepImage, keptImage } from "../../lib/image/kept.ts";
import { readSealedJson, writeSealedJson } from "../../lib/io/seal.ts";
import { pictureFacts } from "../../lib/page/facts.ts";
import { Problem } from "../../lib/page/problem.ts";
import { readFiles } from "../../lib/page/upload.ts";
import { compareChecksums, keepingChecksums } from "../../lib/report/write/checksums.ts";
import { readPytorchFile, writePytorchFile } from "../../lib/io/pytorch_file.ts";
import { readSafetensors } from "../../lib/io/safetensors.ts";
import { encodeSafetensors, writeSealedSafetensors } from "../../lib/io/safetensors_writer.ts";
import { tensor } from "../../lib/io/tensor.ts";
import { readClaim } from "../../lib/mini/files.ts";
import { readReleasedLogs } from "../../lib/published/released_pickles.ts";
import { randomStream } from "../../lib/random.ts";
import { keptPoints } from "../../lib/report/paper/feature_points.ts";
import { publishedRows } from "../../lib/report/paper/published_rows.ts";
import { showBackbones } from "../../lib/cli/backbone.ts";
import { drawnSets } from "../../lib/report/paper/figure_1.ts";
import { RecordStore, rowsOf } from "../../lib/runs/record.ts";
import { readScores } from "../../lib/runs/scores.ts";
import { readProgress } from "../../lib/tokens/progress.ts";
import { FeatureRows, readLabels } from "../../lib/tokens/rows.ts";
import { readPaths } from "../../lib/tokens/paths.ts";
import { findFeatures } from "../../lib/tokens/store.ts";
import { contentKey } from "../../lib/io/files.ts";
import { paper } from "../../experiments/profiles/paper.ts";
import { newSet, unfinish, writeFeatureSet } from "../feature_sets.ts";
import { concat, pngFile, waveImage } from "../image_samples.ts";
import { RECORD } from "./record.ts";

const LIMIT_MS = 5000;
const TESTS = resolve(import.meta.dirname!, "..");

/** A reader, and what it reads. */
export interface Reader {
  readonly name: string;
  /** Share of all inputs, in parts. */
  readonly share: number;
  /**
   * Puts files into an empty folder.
   * @returns names of those that are changed, one at a time
   */
  prepare(folder: string): Promise<readonly string[]>;
  /** Reads a file of the folder that may have been changed. */
  read(folder: string, name: string): Promise<unknown>;
  /** Puts in order what would hide the change: a seal over it. */
  readonly mend?: (bytes: Uint8Array<ArrayBuffer>, name: string) => Uint8Array<ArrayBuffer>;
}

const SIZES = {
  blocks: 3,
  width: 5,
  projectionLayers: 2,
  projectionDim: 4,
  ablation: "tie",
} as const;
const { training } = RECORD.config;
const TRAINED = JSON.stringify({ epochs: RECORD.epochs, trainingSeconds: 1.5 });
const FACTS = {
  training: TRAINED,
  config: JSON.stringify(training),
  features: JSON.stringify({
    ...{ backbone: training.backbone, weights: "0123 float32", tap: "ln2", precision: "full" },
  }),
};

const copied = (folder: string, files: readonly string[]) =>
  Promise.all(files.map(async (file) => {
    const name = file.split("/").at(-1)!;
    await Deno.copyFile(join(TESTS, file), join(folder, name));
    return name;
  }));

async function put(folder: string, files: Readonly<Record<string, Uint8Array | unknown>>) {
  for (const [name, content] of Object.entries(files)) {
    await Deno.mkdir(join(folder, name, ".."), { recursive: true });
    const bytes = content instanceof Uint8Array
      ? content
      : new TextEncoder().encode(JSON.stringify(content));
    await Deno.writeFile(join(folder, name), bytes);
  }
  return Object.keys(files);
}

const POINTS_KEY = contentKey([RECORD.key, drawnSets(paper), paper.pointImages]);

const SET = newSet({ name: "small", shape: [4, 2, 3] });

/** A changed index or progress with a seal that fits it: its form is all that can be noticed. */
function resealed(bytes: Uint8Array<ArrayBuffer>, name: string): Uint8Array<ArrayBuffer> {
  if (!name.endsWith(".json") || bytes.length % 2 === 0) return bytes;
  try {
    const { seal: _, ...said } = JSON.parse(new TextDecoder().decode(bytes));
    return new TextEncoder().encode(JSON.stringify({ ...said, seal: contentKey([said], 64) }));
  } catch {
    return bytes;
  }
}

/** Of the kinds that sharp does not write, and of many ways to store each. */
async function imageSamples(): Promise<Record<string, Uint8Array>> {
  const folder = join(import.meta.dirname!, "../cases/images");
  const samples: Record<string, Uint8Array> = {};
  for await (const { name } of Deno.readDir(folder)) {
    // which are read and which refused, image_kinds_test.ts says
    const path = join(folder, name);
    if ("image" in await tryDecode(path)) samples[name] = await Deno.readFile(path);
  }
  return samples;
}

/** What is done to small images that were decoded: they are kept for all threads, and compressed. */
function keepAndCompress(file: Uint8Array<ArrayBuffer>, image: RgbImage): void {
  const { width, height, data } = image;
  if (width * height > 2 ** 15) return;
  const stamp = contentKey([file]);
  keepImage(stamp, image);
  const kept = keptImage(stamp);
  if (kept && !(kept.width === width && kept.height === height && same(kept.data, data))) {
    throw new Error("an image that is kept is not the one that was decoded");
  }
  const compressed = jpegRoundTrip(image, 75);
  if (compressed.width !== width || compressed.data.length !== data.length) {
    throw new Error("an image is another size after compression");
  }
}

const same = (a: Uint8Array, b: Uint8Array) => a.every((byte, i) => byte === b[i]);

/** Seals are here to be held to: whatever is read must be what was written. */
const SEALED = {
  "sealed.json": async (path: string) => {
    const found = await readSealedJson(path);
    return found?.isSealed ? found.value : "of before there were seals";
  },
  "sealed.safetensors": async (path: string) => {
    const { metadata, tensors } = await readSafetensors(path);
    // a file of before there were seals does not name one
    if (!("rine.sha256" in metadata)) return "of before there were seals";
    return [metadata, [...tensors].map(([name, { shape, data }]) => [name, shape, [...data]])];
  },
  SHA256SUMS: async (path: string) => {
    const { problems } = await compareChecksums(join(path, ".."));
    if (problems.length > 0) throw new UserError("damaged", problems[0]!);
    return (await Deno.readTextFile(path)).startsWith("# sha256") && "its own";
  },
} satisfies Record<string, (path: string) => Promise<unknown>>;

const isSealed = (name: string): name is keyof typeof SEALED => Object.hasOwn(SEALED, name);

/** A body of a request, as a browser sends pictures. */
async function formOf(files: Readonly<Record<string, Uint8Array<ArrayBuffer>>>) {
  const form = new FormData();
  for (const [name, bytes] of Object.entries(files)) {
    form.append("picture", new File([bytes], name));
  }
  const response = new Response(form);
  const type = response.headers.get("content-type")!;
  const text = new Uint8Array(await response.arrayBuffer());
  return { type, text };
}

/** All of them, by how much they are tried. */
export const READERS: readonly Reader[] = [
  {
    name: "images",
    share: 30,
    async prepare(folder) {
      const { width, height, data } = waveImage(40, 30);
      const image = () => sharp(data, { raw: { width, height, channels: 3 } });
      return await put(folder, {
        "a.jpg": await image().jpeg().toBuffer(),
        "b.jpg": await image().jpeg({ progressive: true, chromaSubsampling: "4:4:4" }).toBuffer(),
        "c.jpg": await image().toColourspace("cmyk").jpeg().toBuffer(),
        "d.jpg": await image().greyscale().jpeg().withExif({ IFD0: { Copyright: "x" } }).toBuffer(),
        "a.png": await image().png().toBuffer(),
        "b.png": await image().png({ palette: true }).toBuffer(),
        "c.png": await image().ensureAlpha(.5).png({ progressive: true }).toBuffer(),
        "d.png": await image().greyscale().toColourspace("grey16").png().toBuffer(),
        "a.webp": await image().webp().toBuffer(),
        "b.webp": await image().webp({ lossless: true }).toBuffer(),
        "a.tiff": await image().tiff().toBuffer(),
        "a.avif": await image().avif({ effort: 0 }).toBuffer(),
        ...await imageSamples(),
      });
    },
    async read(folder, name) {
      await lookAtImage(join(folder, name), lookBuffer());
      const result = await tryDecode(join(folder, name));
      if ("problem" in result) throw new UserError("damaged", result.problem);
      if ("image" in result) keepAndCompress(await Deno.readFile(join(folder, name)), result.image);
      return result;
    },
  },
  {
    name: "safetensors",
    share: 8,
    prepare: (folder) =>
      put(folder, {
        "a.safetensors": encodeSafetensors(
          [["a", tensor(Float32Array.of(1, 2, 3, 4), [2, 2])], [
            "b.c",
            tensor(Float32Array.of(1), []),
          ]],
          { of: "x" },
        ),
      }),
    read: (folder, name) => readSafetensors(join(folder, name)),
  },
  {
    name: "heads",
    share: 12,
    async prepare(folder) {
      const head = checkpointPath("key", 1);
      await saveCheckpoint(
        join(folder, head),
        SIZES,
        initialParameters(SIZES, randomStream(1)),
        FACTS,
      );
      await put(folder, {
        "probe.safetensors": encodeSafetensors([
          ["weight", tensor(new Float32Array(8), [1, 8])],
          ["bias", tensor(new Float32Array(1), [1])],
        ], FACTS),
        "neighbours.safetensors": encodeSafetensors([
          ["neighbours.k", tensor(Float32Array.of(1), [1])],
        ], { ...FACTS, reading: "mean", bank: "bank.safetensors" }),
      });
      return [head, "probe.safetensors", "neighbours.safetensors"];
    },
    async read(folder, name) {
      const path = join(folder, name);
      const { metadata } = await readCheckpointNames(path);
      checkpointFacts(path, metadata);
      await describeCheckpoint(path);
      if (name.startsWith("heads")) {
        await finishedTraining(
          { key: "key", config: training, keepEpochs: [1] },
          folder,
          loadCheckpoint,
        );
      }
      await openDetector(path, { backbones: folder }).catch((error) => {
        if (!/backbone: expected .*found none/.test(error.message)) throw error;
      });
    },
  },
  {
    name: "states",
    share: 6,
    async prepare(folder) {
      const state = initialState(SIZES, randomStream(2));
      await saveTrainingState(join(folder, "a.state.safetensors"), SIZES, state, {
        journal: JSON.stringify({ epochs: RECORD.epochs, trainingSeconds: 1, lossSum: .5 }),
      });
      return ["a.state.safetensors"];
    },
    async read(folder, name) {
      const path = join(folder, name);
      const { metadata } = await loadTrainingState(path);
      return trainingFacts(path, metadata, "journal");
    },
  },
  {
    name: "backbones",
    share: 10,
    async prepare(folder) {
      const names = ["clip_hf.safetensors", "clip_rn50.safetensors"];
      for (const name of names) {
        const { tensors } = await readSafetensors(join(TESTS, "golden", name));
        // what is expected of a network stands beside its weights
        const own = [...tensors].filter(([name]) => !name.startsWith("expected."));
        await put(folder, { [name]: encodeSafetensors(own) });
      }
      const weights = await readWeights(join(folder, names[0]!));
      assertQuantizable(weights, "Cannot quantize");
      await quantizeWeights(weights, quantizedPath(join(folder, names[0]!)));
      return [...names, "int8.safetensors"];
    },
    async read(folder, name) {
      const path = join(folder, name);
      const weights = name === "int8.safetensors"
        ? await readQuantizedWeights(path, join(folder, "clip_hf.safetensors"))
        : await readWeights(path);
      return describeBackbone(weights);
    },
  },
  {
    name: "features",
    share: 10,
    async prepare(folder) {
      await writeFeatureSet(folder, { name: "small", shape: [4, 2, 3] });
      const other = await writeFeatureSet(folder, { name: "other", shape: [4, 2, 3] });
      await unfinish(other, 2, 200);
      await Deno.rename(other.paths.progress, join(folder, "other.progress.json"));
      return [".json", ".npy", ".labels.npy", ".paths.txt"].map((ending) => SET.key + ending)
        .concat("other.progress.json");
    },
    async read(folder, name) {
      if (name === "other.progress.json") return await readProgress(join(folder, name));
      const set = await findFeatures(folder, SET.key);
      if (!set) return;
      await readLabels(set);
      await readPaths(set);
      using rows = await FeatureRows.open(folder, [SET.key]);
      for (const { count } of rows.batches(3)) void count;
    },
    mend: resealed,
  },
  {
    name: "pytorch",
    share: 14,
    async prepare(folder) {
      const names = await copied(folder, [
        "golden/legacy_mixed.pth",
        "golden/wang.pth",
        "fixtures/openai_torchscript.pt",
      ]);
      await writePytorchFile(join(folder, "head.pth"), initialParameters(SIZES, randomStream(3)));
      return [...names, "head.pth"];
    },
    async read(folder, name) {
      const path = join(folder, name);
      await readPytorchFile(path);
      if (name === "head.pth") return await describeCheckpoint(path);
      if (!name.endsWith(".pt")) return;
      const made = join(folder, "made");
      await Deno.remove(made, { recursive: true }).catch(() => {});
      return await importBackbone(path, { name: "x", folder: made });
    },
  },
  {
    name: "models",
    share: 8,
    async prepare(folder) {
      const family = "golden/families/hf_gelu_heads_of_32_shards";
      const own = await copied(
        folder,
        [
          "model-00001-of-00002.safetensors",
          "model-00002-of-00002.safetensors",
          "model.safetensors.index.json",
          "config.json",
          "preprocessor_config.json",
        ].map((name) => join(family, name)),
      );
      await importBackbone(folder, { name: "x", folder: join(folder, "made") });
      return [...own, "made/x/settings.json"];
    },
    async read(folder, name) {
      const isMade = name.startsWith("made/");
      const made = join(folder, isMade ? "made" : "again");
      await Deno.remove(join(folder, "again"), { recursive: true }).catch(() => {});
      if (!isMade) await importBackbone(folder, { name: "x", folder: made });
      await showBackbones([made]);
    },
  },
  {
    name: "published",
    share: 8,
    async prepare(folder) {
      const names: string[] = [];
      for (
        const part of [
          "grid",
          "ablations",
          "epochs",
          "dataset_size",
          "diffusion",
          "perturbations",
          "figs",
        ]
      ) {
        const from = join(TESTS, "fixtures/released/results", part);
        await Deno.mkdir(join(folder, "results", part), { recursive: true });
        for await (const { name } of Deno.readDir(from)) {
          names.push(join("results", part, name));
          await Deno.copyFile(join(from, name), join(folder, names.at(-1)!));
        }
      }
      return names.sort();
    },
    async read(folder) {
      const logs = await readReleasedLogs(folder);
      // one run of each is no grid: of it follows no best one
      return publishedRows(
        { ...logs, perturbations: [], blockImportance: {} },
        paper.backboneSizes,
      );
    },
  },
  {
    name: "datasets.json",
    share: 6,
    async prepare(folder) {
      const png = await sharp({
        create: { width: 2, height: 2, channels: 3, background: "red" },
      }).png().toBuffer();
      await put(folder, { "real/a.png": png, "made/b.png": png });
      return await put(folder, {
        "datasets.json": [
          { name: "faces", title: "Faces", family: "Own", real: "real", generated: "made" },
          { name: "more", real: "./*", generated: "made" },
        ],
      });
    },
    read: (folder, name) => readUserSets(join(folder, name), ["progan"]),
  },
  {
    name: "notebooks",
    share: 5,
    prepare: (folder) => copied(folder, ["../notebooks/01_grid.ipynb"]),
    async read(folder, name) {
      await notebookFaults(join(folder, name));
      return await notebookScript(join(folder, name));
    },
  },
  {
    name: "records",
    share: 8,
    prepare: (folder) => put(folder, { "records/grid/key.json": RECORD }),
    async read(folder) {
      const record = await new RecordStore(folder).find("grid", "key");
      return record && rowsOf(record);
    },
  },
  {
    name: "other JSON",
    share: 6,
    async prepare(folder) {
      const points = [{ detector: "RINE", x: 1, y: 2, label: 0, generator: "real" }];
      const scores = join("scores", "key-epoch1", "a.safetensors");
      await put(folder, {
        [scores]: encodeSafetensors([["set", tensor(Float32Array.of(.5), [1])]], {
          head: "key",
          epoch: "1",
        }),
      });
      return [
        scores,
        ...await put(folder, {
          "manifest.json": {
            kind: "rine-mini",
            version: 7,
            seed: 0,
            scale: .1,
            files: { "train/a": ["0.png"] },
          },
          "out.npy.json": {
            kind: "rine-features",
            key: "k",
            sha256: "",
            shape: [1, 2, 3],
            images: ["a"],
          },
          "kernels/rine/kernel.json": { metadata: { project: "/x" } },
          [`points/${POINTS_KEY}.json`]: points,
        }),
      ];
    },
    async read(folder, name) {
      if (name === "manifest.json") return await readClaim(folder, "made");
      if (name === "out.npy.json") return await findWritten(join(folder, "out.npy"));
      if (name.startsWith("kernels")) return await installKernel(folder);
      if (name.startsWith("scores")) return await readScores(folder, "key", 1);
      return await keptPoints({ profile: paper, folder }, RECORD);
    },
  },
  {
    name: "sealed",
    share: 10,
    async prepare(folder) {
      await writeSealedJson(join(folder, "sealed.json"), RECORD);
      await writeSealedSafetensors(
        join(folder, "sealed.safetensors"),
        [["set", tensor(Float32Array.of(.25, .5, .75), [3])]],
        { head: "key" },
      );
      await keepingChecksums(folder, async () => void await put(folder, { "report.md": ["a"] }));
      for (const [name, read] of Object.entries(SEALED)) {
        await put(folder, { [`${name}.read`]: await read(join(folder, name)) });
      }
      return Object.keys(SEALED);
    },
    async read(folder, name) {
      if (!isSealed(name)) throw new Error(`no such file: ${name}`);
      const value = await SEALED[name](join(folder, name));
      const written = await Deno.readTextFile(join(folder, `${name}.read`));
      if (value === "of before there were seals" || JSON.stringify(value) === written) return value;
      throw new Error(`other numbers than were written are read of ${name}`);
    },
  },
  {
    name: "lists of images",
    share: 6,
    prepare: (folder) =>
      put(folder, {
        "list.csv": new TextEncoder().encode('label,path\r\n1,"a b.png"\r\nreal,b.png\r\n'),
        "list.txt": new Uint8Array([
          0xff,
          0xfe,
          ...new Uint8Array(
            Uint16Array.from("a.png\tfake\n", (letter) => letter.charCodeAt(0)).buffer,
          ),
        ]),
        "a b.png": [],
        "a.png": [],
        "b.png": [],
      }).then((names) => names.slice(0, 2)),
    async read(folder, name) {
      const images = await readLabelList(join(folder, name));
      await assertListed(join(folder, name), images);
      return images;
    },
  },
  {
    name: "sent pictures",
    share: 14,
    async prepare(folder) {
      const { width, height, data } = waveImage(20, 10);
      const image = sharp(data, { raw: { width, height, channels: 3 } })
        .withExif({ IFD0: { Make: "Canon", Software: "x" }, IFD2: { UserComment: "seen" } })
        .withXmp('<x xmp:CreatorTool="Firefly"/>');
      const files = Object.fromEntries(
        await Promise.all((["jpeg", "png", "webp", "tiff"] as const).map(async (format) => [
          `texts.${format}`,
          new Uint8Array(await image.clone().toFormat(format).toBuffer()),
        ])),
      ) as Record<string, Uint8Array<ArrayBuffer>>;
      const { type, text } = await formOf(files);
      await put(folder, { "form.type": new TextEncoder().encode(type) });
      return await put(folder, {
        ...files,
        "texts.jpeg": files["texts.jpeg"]!,
        "chunks.png": pngFile({
          width: 1,
          bits: 8,
          type: "rgb",
          rows: [[1, 2, 3]],
          chunks: [
            ["tEXt", new TextEncoder().encode("parameters\0Steps: 20, Sampler: x, Seed: 1")],
            ["zTXt", concat([new TextEncoder().encode("prompt\0\0"), zlibSync(new Uint8Array(9))])],
            ["iTXt", new TextEncoder().encode("workflow\0\0\0en\0\0{}")],
            ["caBX", new Uint8Array(3)],
          ],
        }),
        "form": text,
      });
    },
    async read(folder, name) {
      const body = await Deno.readFile(join(folder, name));
      const type = name === "form"
        ? await Deno.readTextFile(join(folder, "form.type"))
        : "application/octet-stream";
      const request = new Request("http://127.0.0.1/judge", {
        method: "POST",
        headers: { "content-type": type },
        body,
      });
      const limits = { bodyBytes: 2 ** 24, bodyMs: LIMIT_MS };
      try {
        const sent = await readFiles(request, limits, new AbortController().signal);
        return sent.map(({ name, bytes }) => [name, pictureFacts(bytes, headerOf(bytes))]);
      } catch (error) {
        throw error instanceof Problem ? new UserError("damaged", error.message) : error;
      }
    },
  },
  {
    name: "released detectors",
    share: 5,
    async prepare(folder) {
      const [name] = await copied(folder, ["golden/wang.pth"]);
      await importDetector(join(folder, name!), { as: "wang", name: "x", folder });
      return [name!, "x/model.safetensors"];
    },
    async read(folder, name) {
      if (!name.endsWith(".pth")) {
        await knownDetectors(folder);
        return await openDetector(join(folder, name));
      }
      const made = join(folder, "made");
      await Deno.remove(made, { recursive: true }).catch(() => {});
      return await importDetector(join(folder, name), { as: "wang", name: "y", folder: made });
    },
  },
];

/** What a page's thread says of a file that is no picture. */
function headerOf(bytes: Uint8Array): ImageHeader {
  try {
    return readImageHeader(bytes);
  } catch (error) {
    throw new UserError("damaged", printable((error as Error).message));
  }
}
