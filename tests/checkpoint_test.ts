import assert from "node:assert/strict";
import { unzipSync, zipSync } from "fflate";
import { type HeadArchitecture, initialParameters } from "../lib/detectors/rine/architecture.ts";
import {
  blockImportance,
  loadCheckpoint,
  loadTrainingState,
  saveCheckpoint,
  saveTrainingState,
} from "../lib/detectors/rine/checkpoint.ts";
import { readCheckpointFile } from "../lib/detectors/checkpoint_file.ts";
import { convertCheckpoint, describeCheckpoint } from "../lib/cli/checkpoint.ts";
import { initialState } from "../lib/detectors/rine/engine.ts";
import { loadLinearProbe, probeLogits } from "../lib/detectors/ufd/probe.ts";
import { openOnnxEngine } from "../lib/detectors/rine/onnx/engine.ts";
import { writePytorchFile } from "../lib/io/pytorch_file.ts";
import { exists } from "../lib/io/files.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import { writeSafetensors } from "../lib/io/safetensors_writer.ts";
import { tensor } from "../lib/io/tensor.ts";
import { pickleAt } from "../lib/io/pytorch_pickle.ts";
import { randomStream } from "../lib/random.ts";
import { GOLDENS, PUBLISHED } from "./goldens.ts";
import { assertClose } from "./head_golden.ts";
import { inFolder } from "./temporary.ts";

const architecture: HeadArchitecture = {
  blocks: 3,
  width: 5,
  projectionLayers: 2,
  projectionDim: 4,
  ablation: "tie",
};

Deno.test("a checkpoint comes back with its architecture, values and metadata", () =>
  inFolder(async (folder) => {
    const path = `${folder}/head.safetensors`;
    const parameters = initialParameters(architecture, randomStream(1));
    await saveCheckpoint(path, architecture, parameters, { run: "a" });
    const found = await loadCheckpoint(path, architecture);
    assert.deepEqual(found.architecture, architecture);
    assert.deepEqual(found.parameters, parameters);
    assert.equal(found.metadata["run"], "a");
  }));

Deno.test("a checkpoint of another shape is refused with file, tensor and both shapes", () =>
  inFolder(async (folder) => {
    const path = `${folder}/head.safetensors`;
    await saveCheckpoint(path, architecture, initialParameters(architecture, randomStream(1)));
    await assert.rejects(loadCheckpoint(path, { ...architecture, projectionDim: 8 }), {
      name: "UserError",
      message: `Cannot load ${path}: expected alpha [1, 3, 8], found [1, 3, 4]`,
    });
    await assert.rejects(loadCheckpoint(path, { ...architecture, projectionLayers: 1 }), {
      name: "UserError",
      message: `Cannot load ${path}: expected no proj1.4.weight with 1 projection layers`,
    });
    await assert.rejects(loadCheckpoint(path, { ...architecture, ablation: "none" }), {
      name: "UserError",
      message: `Cannot load ${path}: expected ablation none, found tie`,
    });
  }));

Deno.test("a file without a head, or with part of one, is refused by what is missing", () =>
  inFolder(async (folder) => {
    const path = `${folder}/head.safetensors`;
    await writeSafetensors(path, [["weight", tensor(new Float32Array(3), [3])]]);
    await assert.rejects(loadCheckpoint(path), {
      message: `Cannot load ${path}: expected alpha [1, blocks, projectionDim], found none`,
    });
    const parameters = new Map(initialParameters(architecture, randomStream(1)));
    parameters.delete("head.3.bias");
    await writeSafetensors(path, parameters);
    await assert.rejects(loadCheckpoint(path), {
      message: `Cannot load ${path}: expected head.3.bias [4], found none`,
    });
    await Deno.truncate(path, (await Deno.stat(path)).size - 1);
    await assert.rejects(loadCheckpoint(path), { name: "UserError", message: /cut off at/ });
  }));

Deno.test("a training state comes back whole, and serves as a checkpoint too", () =>
  inFolder(async (folder) => {
    const path = `${folder}/state.safetensors`;
    const state = {
      ...initialState(architecture, randomStream(1)),
      firstMoment: initialParameters(architecture, randomStream(2)),
      steps: 7,
    };
    await saveTrainingState(path, architecture, state);
    assert.deepEqual((await loadTrainingState(path, architecture)).state, state);
    assert.deepEqual((await loadCheckpoint(path)).parameters, state.parameters);
    await saveCheckpoint(path, architecture, state.parameters);
    await assert.rejects(loadTrainingState(path), {
      name: "UserError",
      message: `Cannot load ${path}: expected a number of steps, found none`,
    });
  }));

Deno.test("blockImportance() counts for each block the features that weigh it most", () => {
  const alpha = tensor(Float32Array.of(1, 5, 0, 2, 2, 0, 0, 9, 3), [1, 3, 3]);
  assert.deepEqual(blockImportance(new Map([["alpha", alpha]])), [0, 1, 2]);
  // as argmax does, the first of several
  const tie = tensor(Float32Array.of(3, 2, 3, 4, 2, 4), [1, 3, 2]);
  assert.deepEqual(blockImportance(new Map([["alpha", tie]])), [1, 1, 0]);
});

Deno.test("a linear layer's logits are weighted sums and its bias", () =>
  inFolder(async (folder) => {
    const path = `${folder}/probe.safetensors`;
    await writeSafetensors(path, [
      ["weight", tensor(Float32Array.of(1, -2, .5), [1, 3])],
      ["bias", tensor(Float32Array.of(.25), [1])],
    ]);
    const logits = probeLogits(await loadLinearProbe(path), Float32Array.of(1, 1, 1, 4, -1, 2));
    assert.deepEqual([...logits], [-.25, 7.25]);
  }));

const names = `${PUBLISHED}/rine_2class.pth, ${PUBLISHED}/ufd_fc.pth`;
const published = await exists(`${PUBLISHED}/rine_2class.pth`);
const whyNot = published ? "" : ` (skipped: no ${names}; RINE_PUBLISHED names their folder)`;

Deno.test({
  name: `the released 2-class head gives PyTorch's logits, z and block importance${whyNot}`,
  ignore: !published,
  async fn() {
    const { tensors: golden } = await readSafetensors(`${GOLDENS}/released.safetensors`);
    const { architecture, parameters } = await loadCheckpoint(`${PUBLISHED}/rine_2class.pth`);
    const [count = 0, blocks = 0, width = 0] = golden.get("rine.K")!.shape;
    const [, projectionDim = 0] = golden.get("rine.z")!.shape;
    assert.deepEqual(
      architecture,
      { blocks, width, projectionLayers: 4, projectionDim, ablation: "none" },
    );
    assert.deepEqual(blockImportance(parameters), [...golden.get("rine.max_block_count")!.data]);
    const engine = await openOnnxEngine({ threads: 1 });
    const predictor = await engine.predictor(architecture, parameters);
    const { logits, z } = await predictor.predict(golden.get("rine.K")!.data, count);
    assertClose(logits, golden.get("rine.logits")!.data, 2e-4, "logits");
    assertClose(z, golden.get("rine.z")!.data, 2e-4, "z");
    await engine.dispose();
  },
});

Deno.test({
  name: `UFD's released linear layer gives PyTorch's logits${whyNot}`,
  ignore: !published,
  async fn() {
    const { tensors: golden } = await readSafetensors(`${GOLDENS}/released.safetensors`);
    const probe = await loadLinearProbe(`${PUBLISHED}/ufd_fc.pth`);
    const logits = probeLogits(probe, golden.get("ufd.features")!.data);
    assertClose(logits, golden.get("ufd.logits")!.data, 2e-4, "logits");
  },
});

Deno.test({
  name: `the released files convert to safetensors and back${whyNot}`,
  ignore: !published,
  fn: () =>
    inFolder(async (folder) => {
      for (const name of ["rine_2class.pth", "ufd_fc.pth"]) {
        const [there, back] = [`${folder}/there.safetensors`, `${folder}/back.pth`];
        await convertCheckpoint(`${PUBLISHED}/${name}`, there);
        await convertCheckpoint(there, back);
        const { tensors } = await readCheckpointFile(`${PUBLISHED}/${name}`);
        assert.deepEqual((await readCheckpointFile(there)).tensors, tensors);
        assert.deepEqual((await readCheckpointFile(back)).tensors, tensors);
      }
    }),
});

Deno.test("a head converts to .pth and back, and shows the same", () =>
  inFolder(async (folder) => {
    const [a, b] = [`${folder}/a.safetensors`, `${folder}/b.pth`];
    const plain = { ...architecture, ablation: "none" as const };
    const parameters = initialParameters(plain, randomStream(1));
    await saveCheckpoint(a, plain, parameters);
    const said = await convertCheckpoint(a, b);
    assert.equal(said, `${a} → ${b}: head of RINE, ${parameters.size} tensors`);
    assert.deepEqual((await loadCheckpoint(b, plain)).parameters, parameters);
    const shown = await describeCheckpoint(b);
    assert.match(shown, /projection layers \(q\) +2\n/);
    assert.match(shown, /parameters +141\n/);
    assert.equal(shown.split("\n").length, 8 + plain.blocks);
    assert.equal(shown.replace(b, a), await describeCheckpoint(a));
    const config = JSON.stringify({
      classes: ["cat", "horse"],
      learningRate: .001,
      decayEpochs: [],
    });
    const training = JSON.stringify({ epochs: [{ epoch: 1, valLoss: .123456 }] });
    await saveCheckpoint(a, plain, parameters, { config, training, note: "by hand" });
    const lines = (await describeCheckpoint(a)).replaceAll(/ +/g, " ");
    assert.ok(lines.includes("\n config\n classes cat, horse\n learningRate 0.001\n"), lines);
    assert.ok(lines.includes("\n training\n epochs epoch 1, valLoss 0.1235\n"), lines);
    assert.ok(lines.includes("\n note by hand\n"), lines);
    await assert.rejects(convertCheckpoint(a, `${folder}/c.onnx`), {
      name: "UserError",
      message: /expected a name ending in \.pth or \.safetensors$/,
    });
  }));

Deno.test("an ablated head is not converted to .pth, which would make it another model", () =>
  inFolder(async (folder) => {
    const [a, b, c] = [`${folder}/a.safetensors`, `${folder}/b.pth`, `${folder}/c.safetensors`];
    for (const ablation of ["tie", "intermediate"] as const) {
      const ablated = { ...architecture, ablation };
      await saveCheckpoint(a, ablated, initialParameters(ablated, randomStream(1)));
      await assert.rejects(convertCheckpoint(a, b), {
        name: "UserError",
        message:
          `Cannot convert ${a} to ${b}: expected a whole head, found one with ablation ${ablation}, which .pth cannot say; convert it to .safetensors`,
      });
      assert(!await exists(b));
      await convertCheckpoint(a, c);
      assert.equal((await loadCheckpoint(c)).architecture.ablation, ablation);
    }
  }));

/** A pickle that calls `os.system`, in an archive as PyTorch writes it. */
function archiveOf(pickle: string): Uint8Array {
  const bytes = Uint8Array.from(pickle, (character) => character.charCodeAt(0));
  return zipSync({ "archive/data.pkl": bytes }, { level: 0 });
}

Deno.test("a pickle that names anything but tensors is refused by that name", () =>
  inFolder(async (folder) => {
    const path = `${folder}/head.pth`;
    const pickles: [string, string][] = [
      ["cos\nsystem\n(X\x04\x00\x00\x00true\x85R.", "os.system"],
      ["\x80\x04\x8c\x08builtins\x8c\x04eval\x93(\x8c\x011\x85R.", "builtins.eval"],
      ["(cos\nsystem\nX\x04\x00\x00\x00trueo.", "os.system"],
      ["(X\x04\x00\x00\x00trueiposix\nsystem\n.", "posix.system"],
      ["ctorch\nload\n)R.", "torch.load"],
      ["cconstructor\nconstructor\n)R.", "constructor.constructor"],
      ["cnumpy\nload\n)R.", "numpy.load"],
    ];
    for (const [pickle, name] of pickles) {
      await Deno.writeFile(path, archiveOf(pickle));
      await assert.rejects(loadCheckpoint(path), (error: Error) => {
        assert.equal(error.name, "UserError");
        assert(error.message.startsWith(`Cannot load ${path}: `), error.message);
        assert(error.message.includes(`a pickle that calls ${name};`), error.message);
        return true;
      });
    }
  }));

Deno.test("a seed of 64 bits beside the tensors is passed over, and nothing is said of it", (t) => {
  const said: unknown[] = [];
  const { warn } = console;
  console.warn = (...words: unknown[]) => said.push(words);
  try {
    const number = (...bytes: number[]) =>
      pickleAt(Uint8Array.of(0x8a, bytes.length, ...bytes, 0x2e), 0, (found) => {
        throw new Error(`${t.name}: ${found}`);
      }).value;
    assert.equal(number(255, 255, 255, 255, 255, 255, 255, 127), 2 ** 53 - 1);
    assert.equal(number(0, 0, 0, 0, 0, 0, 32), 2 ** 53 - 1);
    assert.equal(number(254, 255, 255, 255, 255, 255, 31, 0), 2 ** 53 - 2);
    assert.equal(number(1, 2), 513);
  } finally {
    console.warn = warn;
  }
  assert.deepEqual(said, []);
});

Deno.test("a damaged .pth is refused in a line that names it", () =>
  inFolder(async (folder) => {
    const path = `${folder}/head.pth`;
    const parameters = initialParameters({ ...architecture, ablation: "none" }, randomStream(1));
    await writePytorchFile(path, parameters);
    const whole = await Deno.readFile(path);
    const damaged: [Uint8Array, RegExp][] = [
      [whole.subarray(0, whole.length / 2), /a file that does not unpack/],
      [archiveOf("N."), /a pickle without a dictionary of tensors/],
      [archiveOf("}("), /a pickle that does not parse/],
      [zipSync({ "a/b": new Uint8Array(9) }, { level: 0 }), /no data\.pkl in it/],
      [zipSync({ "a/data.pkl": new Uint8Array(999) }), /a\/data\.pkl is compressed/],
    ];
    const files = unzipSync(whole);
    const without = { ...files, "archive/data/2": files["archive/data/2"]!.subarray(4) };
    damaged.push([zipSync(without, { level: 0 }), /proj1\.1\.bias, whose values do not fit/]);
    for (const [bytes, message] of damaged) {
      await Deno.writeFile(path, bytes);
      await assertRefused(path, message);
    }
  }));

/** Pickle of a text, a number, a dictionary of one entry. */
const text = (value: string) => `X${bytesOf(value.length)}${value}`;
const number = (value: number) => Number.isInteger(value) ? `I${value}\n` : `F${value}\n`;
const dictionary = (key: string, value: string) => `}${text(key)}${value}s`;
const bytesOf = (int32: number) =>
  String.fromCharCode(...new Uint8Array(Int32Array.of(int32).buffer));

const VALUES = 1024;
const storageOf = (length: number) =>
  `(${text("storage")}ctorch\nFloatStorage\n${text("0")}${text("cpu")}${number(length)}tQ`;

/** Pickle of a tensor; all that a storage holds where nothing else is said. */
function tensorOf(
  { shape = [VALUES], strides = [1], offset = 0, storage = storageOf(VALUES) }: {
    shape?: number[];
    strides?: number[];
    offset?: number;
    storage?: string;
  },
): string {
  const tuple = (values: number[]) => `(${values.map(number).join("")}t`;
  const call = `${storage}${number(offset)}${tuple(shape)}${tuple(strides)}`;
  return `ctorch._utils\n_rebuild_tensor_v2\n(${call}\x89)tR`;
}

const MAX = Number.MAX_SAFE_INTEGER;
const NO_FIT = /found w, whose values do not fit its shape$/;
const NO_END = /found a pickle whose dictionaries contain one another without end$/;

const HOSTILE: Readonly<Record<string, readonly [pickle: string, says: RegExp]>> = {
  "more values than its storage": [dictionary("w", tensorOf({ shape: [VALUES + 1] })), NO_FIT],
  "values behind its storage": [
    dictionary("w", tensorOf({ shape: [2], offset: VALUES - 1 })),
    NO_FIT,
  ],
  "one value a trillion times": [
    dictionary("w", tensorOf({ shape: [1e12], strides: [0] })),
    NO_FIT,
  ],
  "a size that overflows": [
    dictionary("w", tensorOf({ shape: Array(15).fill(MAX), strides: Array(15).fill(0) })),
    NO_FIT,
  ],
  "a rank of thousands": [
    dictionary("w", tensorOf({ shape: Array(5000).fill(1), strides: Array(5000).fill(1) })),
    NO_FIT,
  ],
  "fewer strides than sizes": [dictionary("w", tensorOf({ shape: [2, 2] })), NO_FIT],
  "a negative stride": [dictionary("w", tensorOf({ strides: [-1], offset: VALUES - 1 })), NO_FIT],
  "a negative offset": [dictionary("w", tensorOf({ offset: -1 })), NO_FIT],
  "a negative size": [dictionary("w", tensorOf({ shape: [-VALUES] })), NO_FIT],
  "half a stride": [dictionary("w", tensorOf({ strides: [.5] })), NO_FIT],
  "a storage changed after it was checked": [
    dictionary(
      "w",
      tensorOf({ storage: `${storageOf(VALUES)}${dictionary("dtype", text("F99"))}b` }),
    ),
    /found a pickle that does not parse: /,
  ],
  "a storage of an invented type": [
    dictionary(
      "w",
      tensorOf({
        storage: `(${text("storage")}]${dictionary("dtype", text("F99"))}b${text("0")}NI4\ntQ`,
      }),
    ),
    /found a storage without type/,
  ],
  "a tensor again and again": [
    `}q\x00${text("w0")}${tensorOf({})}q\x01s${
      Array.from({ length: 999 }, (_, i) => `${text(`w${i + 1}`)}h\x01s`).join("")
    }`,
    /found w\d+, whose values do not fit its shape$/,
  ],
  "a dictionary that contains itself": [`}q\x00${text("w")}h\x00s`, NO_END],
  "a module that contains itself": ["c__torch__\nM\n)\x81q\x00h\x00b", NO_END],
  "a list as a name": [`}]q\x00h\x00aNs`, /a dictionary whose keys are no names$/],
  "two dictionaries in each of thirty": [
    `}q\x00${
      Array.from({ length: 30 }, () => `0}${text("a")}h\x00s${text("b")}h\x00sq\x00`).join("")
    }`,
    NO_END,
  ],
  "names that grow and grow": [
    Array.from({ length: 60 }, () => `}${text("a".repeat(999))}`).join("") + tensorOf({}) +
    "s".repeat(60),
    NO_END,
  ],
  "a length that leads back": [`B${bytesOf(-5)}`, /does not parse: a value of -5 bytes$/],
  "a number of a million digits": [
    `\x8b${bytesOf(1e6)}${"\x01".repeat(1e6)}`,
    /does not parse: a value of 1000000 bytes$/,
  ],
  "a name of two lines": [
    dictionary("w\nv", tensorOf({ shape: [VALUES + 1] })),
    /found w\ufffdv, whose values do not fit its shape$/,
  ],
};

for (const [what, [pickle, says]] of Object.entries(HOSTILE)) {
  Deno.test(`a .pth with ${what} is refused in a line that names it`, () =>
    inFolder(async (folder) => {
      const path = `${folder}/head.pth`;
      const bytes = Uint8Array.from(`${pickle}.`, (character) => character.charCodeAt(0));
      const files = { "archive/data.pkl": bytes, "archive/data/0": new Uint8Array(4 * VALUES) };
      await Deno.writeFile(path, zipSync(files, { level: 0 }));
      await assertRefused(path, says);
    }));
}

async function assertRefused(path: string, says: RegExp): Promise<void> {
  await assert.rejects(loadCheckpoint(path), (error: Error) => {
    assert.equal(error.name, "UserError");
    assert.match(error.message, says);
    assert(error.message.startsWith(`Cannot load ${path}: `) && !error.message.includes("\n"));
    return true;
  });
}

Deno.test("views of one storage are read where they lie", () =>
  inFolder(async (folder) => {
    const path = `${folder}/head.pth`;
    const storage = storageOf(4);
    const views: Record<string, Parameters<typeof tensorOf>[0]> = {
      column: { shape: [2, 1], strides: [2, 1], offset: 1 },
      transposed: { shape: [2, 2], strides: [1, 2] },
      empty: { shape: [0, 3], strides: [3, 1], offset: 4 },
      scalar: { shape: [], strides: [], offset: 3 },
    };
    const entries = Object.entries(views)
      .map(([name, view]) => text(name) + tensorOf({ ...view, storage }));
    const pickle = `}(${entries.join("")}u.`;
    await Deno.writeFile(
      path,
      zipSync({
        "archive/data.pkl": Uint8Array.from(pickle, (character) => character.charCodeAt(0)),
        "archive/data/0": new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer),
      }, { level: 0 }),
    );
    const { tensors } = await readCheckpointFile(path);
    assert.deepEqual(
      tensors,
      new Map([
        ["column", tensor(Float32Array.of(2, 4), [2, 1])],
        ["transposed", tensor(Float32Array.of(1, 3, 2, 4), [2, 2])],
        ["empty", tensor(new Float32Array(), [0, 3])],
        ["scalar", tensor(Float32Array.of(4), [])],
      ]),
    );
  }));

Deno.test("a .pth whose list of files says more than there is is refused in a line that names it", () =>
  inFolder(async (folder) => {
    const path = `${folder}/head.pth`;
    const storage = { "archive/data/0": new Uint8Array(1000) };
    const zip = zipSync(storage, { level: 0 });
    // end of the central directory: signature, …, files at 8 and 10, directory's length at 12 and place at 16
    const end = zip.length - 22;
    const directory = new DataView(zip.buffer).getUint32(end + 16, true);
    const entry = zip.subarray(directory, end);
    const copies = [...Array(9)].flatMap(() => [...entry]);
    const overlapping = Uint8Array.of(...zip.subarray(0, end), ...copies, ...zip.subarray(end));
    const view = new DataView(overlapping.buffer, end + copies.length);
    for (const place of [8, 10]) view.setUint16(place, 10, true);
    view.setUint32(12, 10 * entry.length, true);
    await Deno.writeFile(path, overlapping);
    await assertRefused(path, /does not unpack: its files overlap$/);
    for (const place of [8, 10]) new DataView(zip.buffer).setUint16(end + place, 65_000, true);
    await Deno.writeFile(path, zip);
    await assertRefused(path, /does not unpack: /);
  }));

const hasTorch = await new Deno.Command("/usr/bin/python3", {
  args: ["-c", "import torch"],
  stderr: "null",
}).output().then(({ success }) => success, () => false);

Deno.test({
  name: `torch.load() reads what writePytorchFile() wrote${
    hasTorch ? "" : " (skipped: /usr/bin/python3 has no torch)"
  }`,
  ignore: !hasTorch,
  fn: () =>
    inFolder(async (folder) => {
      const path = `${folder}/head.pth`;
      const parameters = initialParameters({ ...architecture, ablation: "none" }, randomStream(1));
      await writePytorchFile(path, parameters);
      const script =
        "import sys, json, torch; print(json.dumps({k: [list(v.shape), v.flatten().tolist()] for k, v in torch.load(sys.argv[1]).items()}))";
      const { stdout } = await new Deno.Command("/usr/bin/python3", { args: ["-c", script, path] })
        .output();
      const expected = Object.fromEntries(
        [...parameters].map(([name, { shape, data }]) => [name, [shape, [...data]]]),
      );
      assert.deepEqual(JSON.parse(new TextDecoder().decode(stdout)), expected);
    }),
});
