import { UserError } from "../lib/io/errors.ts";
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { openBackbone } from "../lib/backbones/open.ts";
import { importBackbone } from "../lib/backbones/import.ts";
import { quantizedPath, quantizeWeights } from "../lib/backbones/quantize.ts";
import { type BackboneOptions, type Tap, TAPS } from "../lib/backbones/backbone.ts";
import { buildVitGraph } from "../lib/backbones/vit/graph.ts";
import { readVitWeights, type VitWeights } from "../lib/backbones/vit/weights.ts";
import type { VitArchitecture } from "../lib/backbones/vit/architecture.ts";
import { vitNetwork } from "../lib/backbones/vit/network.ts";
import { writePytorchFile } from "../lib/io/pytorch_file.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import { encodeSafetensors, writeLargeSafetensors } from "../lib/io/safetensors_writer.ts";
import { sizeOf, type Tensor } from "../lib/io/tensor.ts";
import { openSession, ortTensor } from "../lib/onnx/session.ts";
import { randomStream } from "../lib/random.ts";
import { GOLDENS } from "./goldens.ts";
import { temporaryFolder } from "./temporary.ts";

const WIDTH = 64, MLP = 96, PATCH = 4, GRID = 3, BLOCKS = 3;
const RESOLUTION = PATCH * GRID;

type Matrix = number[][];

/** The transformer as its definition reads, one token and one number at a time. */
class NaiveVit {
  constructor(
    readonly weights: ReadonlyMap<string, Tensor>,
    readonly architecture: VitArchitecture,
  ) {}

  #values(name: string): Float32Array {
    return this.weights.get(name)!.data;
  }

  #linear(x: Matrix, name: string): Matrix {
    const weight = this.#values(`${name}.weight`), bias = this.#values(`${name}.bias`);
    return x.map((row) =>
      Array.from(
        bias,
        (b, o) => row.reduce((sum, value, i) => sum + value * weight[o * row.length + i]!, b),
      )
    );
  }

  #norm(x: Matrix, name: string): Matrix {
    const weight = this.#values(`${name}.weight`), bias = this.#values(`${name}.bias`);
    return x.map((row) => {
      const mean = row.reduce((a, b) => a + b) / row.length;
      const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length;
      const scale = 1 / Math.sqrt(variance + this.architecture.epsilon);
      return row.map((value, i) => (value - mean) * scale * weight[i]! + bias[i]!);
    });
  }

  #attention(x: Matrix, block: string): Matrix {
    const [q, k, v] = ["q", "k", "v"].map((part) => this.#linear(x, `${block}.${part}`));
    const size = WIDTH / this.architecture.heads;
    const heads = Array.from({ length: this.architecture.heads }, (_, head) => {
      const part = (rows: Matrix) => rows.map((row) => row.slice(head * size, (head + 1) * size));
      return this.#mix(part(q!), part(k!), part(v!));
    });
    return this.#linear(x.map((_, t) => heads.flatMap((rows) => rows[t]!)), `${block}.out`);
  }

  /** One head: softmax(q kᵀ / √size) v. */
  #mix(q: Matrix, k: Matrix, v: Matrix): Matrix {
    return q.map((query) => {
      const logits = k.map((key) =>
        key.reduce((sum, value, i) => sum + value * query[i]!, 0) / Math.sqrt(query.length)
      );
      const largest = Math.max(...logits);
      const weights = logits.map((logit) => Math.exp(logit - largest));
      const total = weights.reduce((a, b) => a + b);
      return query.map((_, i) =>
        weights.reduce((sum, weight, t) => sum + weight / total * v[t]![i]!, 0)
      );
    });
  }

  #scaled(x: Matrix, name: string): Matrix {
    const scale = this.weights.get(name)?.data;
    return scale ? x.map((row) => row.map((value, i) => value * scale[i]!)) : x;
  }

  /**
   * @param pixels [3, R, R] → at each tap, vectors of the width; `embedding` without a projection, and
   * none where no token stands for the image or there is no normalisation after the last block
   */
  tokens(pixels: Float32Array): { [tap in Tap]: Matrix } {
    const { classToken, preNorm, activation } = this.architecture;
    const kernel = this.#values("patch.weight");
    const bias = this.weights.get("patch.bias")?.data;
    let x: Matrix = [];
    for (let gy = 0; gy < GRID; gy++) {
      for (let gx = 0; gx < GRID; gx++) {
        x.push(Array.from({ length: WIDTH }, (_, w) => {
          let sum = bias?.[w] ?? 0;
          for (let c = 0; c < 3; c++) {
            for (let y = 0; y < PATCH; y++) {
              for (let i = 0; i < PATCH; i++) {
                const pixel =
                  pixels[(c * RESOLUTION + gy * PATCH + y) * RESOLUTION + gx * PATCH + i]!;
                sum += pixel * kernel[((w * 3 + c) * PATCH + y) * PATCH + i]!;
              }
            }
          }
          return sum;
        }));
      }
    }
    if (classToken) x.unshift([...this.#values("class")]);
    const positions = this.#values("positions");
    x = x.map((row, t) => row.map((value, i) => value + positions[t * WIDTH + i]!));
    if (preNorm) x = this.#norm(x, "pre_norm");
    const patchesOf = (rows: Matrix) => classToken ? rows.slice(1) : rows;
    const byClass = classToken && this.architecture.pooling === undefined;
    const pool = (rows: Matrix) =>
      byClass
        ? rows[0]!
        : rows[0]!.map((_, i) =>
          patchesOf(rows).reduce((sum, row) => sum + row[i]!, 0) / patchesOf(rows).length
        );
    const add = (a: Matrix, b: Matrix) =>
      a.map((row, t) => row.map((value, i) => value + b[t]![i]!));
    const act = (value: number) =>
      activation === "quick_gelu"
        ? value / (1 + Math.exp(-1.702 * value))
        : value * normalCdf(value);
    const ln2: Matrix = [], out: Matrix = [], patches: Matrix = [];
    for (let index = 0; index < BLOCKS; index++) {
      const block = `blocks.${index}`;
      const attended = this.#attention(this.#norm(x, `${block}.norm1`), block);
      x = add(x, this.#scaled(attended, `${block}.scale1`));
      const normalised = this.#norm(x, `${block}.norm2`);
      ln2.push(pool(normalised));
      const hidden = this.#linear(normalised, `${block}.fc1`).map((row) => row.map(act));
      x = add(x, this.#scaled(this.#linear(hidden, `${block}.fc2`), `${block}.scale2`));
      out.push(pool(x));
      patches.push(...patchesOf(x));
    }
    const embedding = byClass && this.weights.has("post_norm.weight")
      ? this.#norm([x[0]!], "post_norm")
      : [];
    return { ln2, block: out, embedding, patches };
  }
}

/** Φ, by Simpson's rule: independent of any erf approximation. */
function normalCdf(x: number): number {
  const steps = 400;
  let sum = 0;
  for (let i = 0; i <= steps; i++) {
    const weight = i === 0 || i === steps ? 1 : i % 2 ? 4 : 2;
    sum += weight * Math.exp(-((x * i / steps) ** 2) / 2);
  }
  return .5 + sum * x / steps / 3 / Math.sqrt(2 * Math.PI);
}

/** Shapes of a timm ViT; `ls` with LayerScale. */
function timmShapes(ls: boolean): Record<string, number[]> {
  const shapes: Record<string, number[]> = {
    "cls_token": [1, 1, WIDTH],
    "pos_embed": [1, GRID * GRID + 1, WIDTH],
    "patch_embed.proj.weight": [WIDTH, 3, PATCH, PATCH],
    "patch_embed.proj.bias": [WIDTH],
    "norm.weight": [WIDTH],
    "norm.bias": [WIDTH],
    "head.weight": [10, WIDTH],
    "head.bias": [10],
  };
  for (let index = 0; index < BLOCKS; index++) {
    const block = `blocks.${index}`;
    Object.assign(shapes, {
      [`${block}.norm1.weight`]: [WIDTH],
      [`${block}.norm1.bias`]: [WIDTH],
      [`${block}.attn.qkv.weight`]: [3 * WIDTH, WIDTH],
      [`${block}.attn.qkv.bias`]: [3 * WIDTH],
      [`${block}.attn.proj.weight`]: [WIDTH, WIDTH],
      [`${block}.attn.proj.bias`]: [WIDTH],
      [`${block}.norm2.weight`]: [WIDTH],
      [`${block}.norm2.bias`]: [WIDTH],
      [`${block}.mlp.fc1.weight`]: [MLP, WIDTH],
      [`${block}.mlp.fc1.bias`]: [MLP],
      [`${block}.mlp.fc2.weight`]: [WIDTH, MLP],
      [`${block}.mlp.fc2.bias`]: [WIDTH],
      ...(ls ? { [`${block}.ls1.gamma`]: [WIDTH], [`${block}.ls2.gamma`]: [WIDTH] } : {}),
    });
  }
  return shapes;
}

type Dtype = "F32" | "F16" | "BF16";

function encode(values: Float32Array, dtype: Dtype): Uint8Array {
  if (dtype === "F32") return new Uint8Array(values.buffer);
  if (dtype === "F16") return new Uint8Array(new Float16Array(values).buffer);
  const bits = new Uint32Array(values.buffer);
  return new Uint8Array(Uint16Array.from(bits, (word) => word >>> 16).buffer);
}

async function writeTimm(
  path: string,
  ls: boolean,
  dtype: Dtype = "F32",
  { seed = "variant", metadata = { heads: "1" } }: {
    seed?: string;
    metadata?: Record<string, string>;
  } = {},
): Promise<void> {
  const tensors = Object.entries(timmShapes(ls)).map(([name, shape]) => ({
    name,
    dtype,
    shape,
    bytes: () => {
      const random = randomStream(seed, name);
      const values = Float32Array.from(
        { length: sizeOf(shape) },
        () => (/norm\d?\.weight/.test(name) ? 1 : 0) + .3 * random.normal(),
      );
      return Promise.resolve(encode(values, dtype));
    },
  }));
  await writeLargeSafetensors(path, tensors, metadata);
}

/** Weights under this project's names, as the naive transformer reads them. */
async function valuesOf(weights: VitWeights): Promise<Map<string, Tensor>> {
  const { tensors } = await readSafetensors(weights.header.path);
  const byOffset = new Map(
    [...weights.header.tensors].map(([name, entry]) => [entry.offset, name]),
  );
  const values = new Map<string, Tensor>();
  for (const [name, entry] of weights.tensors) {
    // parts of fused tensors begin inside them
    const start = [...byOffset.keys()].filter((offset) => offset <= entry.offset).sort((a, b) =>
      b - a
    )[0]!;
    const whole = tensors.get(byOffset.get(start)!)!.data;
    const stored = weights.header.tensors.get(byOffset.get(start)!)!;
    const bytesPerValue = stored.length / whole.length;
    const from = (entry.offset - start) / bytesPerValue;
    values.set(name, {
      data: whole.slice(from, from + sizeOf(entry.shape)),
      shape: entry.shape,
    });
  }
  return values;
}

async function assertEqualsNaive(weights: VitWeights): Promise<void> {
  const naive = new NaiveVit(await valuesOf(weights), weights.architecture);
  const random = randomStream("pixels");
  const pixels = Float32Array.from({ length: 2 * 3 * RESOLUTION ** 2 }, () => random.normal());
  const expected = [0, 1].map((i) =>
    naive.tokens(pixels.subarray(i * 3 * RESOLUTION ** 2, (i + 1) * 3 * RESOLUTION ** 2))
  );
  for (const tap of TAPS) {
    const flat = expected.flatMap((image) => image[tap].flat());
    const sizes = vitNetwork(weights).featureSizes[tap];
    assert.equal(flat.length, sizes ? 2 * sizes.blocks * sizes.width : 0, tap);
    if (!sizes) continue;
    const graph = buildVitGraph(weights, {
      taps: [tap],
      input: "pixels",
      compute: "float32",
    });
    const session = await openSession(graph, { weightsFolder: dirname(weights.header.path) });
    const images = ortTensor("float32", pixels, [2, 3, RESOLUTION, RESOLUTION]);
    const [output] = Object.values(await session.run({ images }));
    const found = output!.data as Float32Array;
    const largest = Math.max(...flat.map(Math.abs));
    assert.equal(found.length, flat.length);
    flat.forEach((value, i) => assert(Math.abs(value - found[i]!) < 2e-4 * largest, `${tap} ${i}`));
    await session.release();
  }
}

for (const dtype of ["F32", "F16", "BF16"] as const) {
  Deno.test(`timm's plain ViT stored as ${dtype} has the tokens of its definition`, async () => {
    const path = join(temporaryFolder(), "model.safetensors");
    await writeTimm(path, false, dtype);
    const weights = await readVitWeights(path);
    assert.equal(weights.family.name, "timm ViT");
    assert.deepEqual(
      [
        weights.architecture.preNorm,
        weights.architecture.patchBias,
        weights.architecture.activation,
      ],
      [false, true, "gelu"],
    );
    await assertEqualsNaive(weights);
  });
}

Deno.test("LayerScale, as DINOv2 has it, scales both branches", async () => {
  const path = join(temporaryFolder(), "model.safetensors");
  await writeTimm(path, true);
  const weights = await readVitWeights(path);
  assert(weights.architecture.layerScale);
  await assertEqualsNaive(weights);
});

Deno.test("heads are 64 wide, or as many as the metadata say", async () => {
  const path = join(temporaryFolder(), "model.safetensors");
  await writeTimm(path, false);
  assert.equal((await readVitWeights(path)).architecture.heads, WIDTH / 64);
  await writeTimm(path, false, "F32", { metadata: { heads: "4" } });
  const weights = await readVitWeights(path);
  assert.equal(weights.architecture.heads, 4);
  await assertEqualsNaive(weights);
  for (const heads of ["5", "0", "-1", "1.5", "two"]) {
    await writeTimm(path, false, "F32", { metadata: { heads } });
    await assert.rejects(readVitWeights(path), {
      name: "UserError",
      message: /expected heads that divide a width of 64, found /,
    });
  }
});

Deno.test("without a class token, as in SigLIP, the mean over patches is the token", async () => {
  const path = join(temporaryFolder(), "model.safetensors");
  await writeTimm(path, false);
  const { tensors, architecture, ...rest } = await readVitWeights(path);
  const positions = tensors.get("positions")!;
  const bytes = WIDTH * 4;
  const without = new Map(tensors);
  without.delete("class");
  without.set("positions", {
    ...positions,
    shape: [GRID * GRID, WIDTH],
    offset: positions.offset + bytes,
    length: positions.length - bytes,
  });
  await assertEqualsNaive({
    ...rest,
    tensors: without,
    architecture: { ...architecture, classToken: false },
  });
});

Deno.test("a mean over patches leaves a class token out", async () => {
  const path = join(temporaryFolder(), "model.safetensors");
  await writeTimm(path, false);
  const { architecture, ...rest } = await readVitWeights(path);
  await assertEqualsNaive({ ...rest, architecture: { ...architecture, pooling: "mean" } });
});

Deno.test("what is known of weights beside their file changes their tokens and their fingerprint", async () => {
  const path = join(temporaryFolder(), "model.safetensors");
  await writeTimm(path, false);
  const settings = {
    heads: 2,
    activation: "quick_gelu",
    epsilon: 1e-3,
    pixelMean: [.485, .456, .406],
    pixelStd: [.229, .224, .225],
  } as const;
  const weights = await readVitWeights(path, settings);
  assert.deepEqual(weights.settings, settings);
  await assertEqualsNaive(weights);
  await using plain = await openBackbone(path);
  assert.match(await plain.fingerprint(), /^[0-9a-f]{64} float32$/);
  // what the file or its family says of itself is not said twice
  await using same = await openBackbone(path, { settings: { heads: 1, activation: "gelu" } });
  assert.equal(await same.fingerprint(), await plain.fingerprint());
  await using other = await openBackbone(path, { settings: { epsilon: 1e-3, activation: "gelu" } });
  assert.equal(await other.fingerprint(), `${await plain.fingerprint()} {"epsilon":0.001}`);
  assert.equal(await other.at("block").fingerprint(), await other.fingerprint());
  await using elsewhere = await openBackbone(other.name, other.source(1).options);
  assert.equal(await elsewhere.fingerprint(), await other.fingerprint());
});

Deno.test("pixels are normalised by the mean and deviation that are known of the weights", async () => {
  const path = join(temporaryFolder(), "model.safetensors");
  await writeTimm(path, false);
  const grey = (value: number) => new Uint8Array(RESOLUTION ** 2 * 3).fill(value);
  // (102 / 255 − .2) / .5 and (v / 255 − .5) / .5 are .4 for v = 178.5; .25 as deviation: v = 229.5
  for (const [pixelStd, two] of [[.5, [178, 179]], [.25, [229, 230]]] as const) {
    const settings = {
      pixelMean: [.2, .2, .2],
      pixelStd: [pixelStd, pixelStd, pixelStd],
    } as const;
    await using known = await openBackbone(path, { settings, tap: "patches" });
    await using plain = await openBackbone(path, { tap: "patches" });
    const { data } = await known.featuresOfCrops(grey(102), 1);
    const [below, above] = [
      await plain.featuresOfCrops(grey(two[0]), 1),
      await plain.featuresOfCrops(grey(two[1]), 1),
    ];
    const largest = data.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    data.forEach((value, i) =>
      assert(Math.abs(value - (below.data[i]! + above.data[i]!) / 2) < 2e-3 * largest)
    );
  }
});

Deno.test("a backbone is read at another tap with the same weights and a session of its own", async () => {
  const path = join(temporaryFolder(), "model.safetensors");
  await writeTimm(path, false);
  await using ln2 = await openBackbone(path);
  assert.deepEqual([ln2.tap, ln2.taps], ["ln2", TAPS]);
  assert.equal(ln2.at("ln2"), ln2);
  const random = randomStream("crops");
  const rgb = Uint8Array.from({ length: 2 * RESOLUTION ** 2 * 3 }, () => random.integer(256));
  const patches = GRID * GRID;
  const sizes = {
    ln2: [BLOCKS, WIDTH],
    block: [BLOCKS, WIDTH],
    embedding: [1, WIDTH],
    patches: [BLOCKS * patches, WIDTH],
  };
  for (const tap of TAPS) {
    await using there = ln2.at(tap);
    assert.equal(there.tap, tap);
    assert.deepEqual(Object.values(there.featureSizes), sizes[tap]);
    assert.deepEqual(there.source(3).options, { tap, threads: 3 });
    const { data, shape } = await there.featuresOfCrops(rgb, 2);
    assert.deepEqual(shape, [2, ...sizes[tap]]);
    // opened there from the start it gives the same
    await using direct = await openBackbone(path, { tap });
    assert.deepEqual((await direct.featuresOfCrops(rgb, 2)).data, data);
    await there[Symbol.asyncDispose]();
    assert.deepEqual((await ln2.featuresOfCrops(rgb, 2)).shape, [2, ...sizes.ln2]);
  }
});

Deno.test("a tap that weights do not give is refused with those that they give", async () => {
  const folder = temporaryFolder();
  const path = join(folder, "model.safetensors");
  const { tensors } = await readSafetensors(join(GOLDENS, "clip_hf.safetensors"));
  tensors.delete("visual_projection.weight");
  await Deno.writeFile(path, encodeSafetensors(tensors, { heads: "2" }));
  await using backbone = await openBackbone(path);
  assert.deepEqual(backbone.taps, ["ln2", "block", "patches"]);
  const expected = {
    name: "UserError",
    message:
      `Cannot read ${path} at embedding: expected ln2 or block or patches, which is all that the weights in ${path} give`,
  };
  assert.throws(() => backbone.at("embedding"), expected);
  await assert.rejects(openBackbone(path, { tap: "embedding" }), expected);
});

Deno.test("a backbone is looked for in several folders, in their order", async () => {
  const [first, second] = [temporaryFolder(), temporaryFolder()];
  const write = async (folder: string, name: string, seed: string) => {
    await Deno.mkdir(join(folder, name));
    await writeTimm(join(folder, name, "model.safetensors"), false, "F32", { seed });
  };
  await write(second, "Both-1", "b");
  await write(second, "Second-1", "c");
  await write(first, "Both-1", "a");
  const folder = [first, second];
  const hash = async (options: BackboneOptions, name: string) =>
    await (await openBackbone(name, options)).fingerprint();
  assert.equal(await hash({ folder }, "Both/1"), await hash({ folder: first }, "Both/1"));
  assert.equal(await hash({ folder }, "Second/1"), await hash({ folder: second }, "Second/1"));
  await assert.rejects(openBackbone("Third/1", { folder }), {
    name: "UserError",
    message: `Cannot open backbone: expected ${join(first, "Third-1/model.safetensors")} or ${
      join(second, "Third-1/model.safetensors")
    }, found none; there are Both-1, Second-1; \`deno task backbone import FILE --name NAME --backbones ${first}\` adds one`,
  });
});

Deno.test("int8 weights made under other settings than those asked for are refused", async () => {
  const folder = temporaryFolder();
  const path = join(folder, "Tiny-4", "model.safetensors");
  await Deno.mkdir(dirname(path));
  await writeTimm(path, false);
  const settings = { heads: 2 };
  await quantizeWeights(await readVitWeights(path, settings), quantizedPath(path));
  await using made = await openBackbone("Tiny/4", { folder, precision: "int8", settings });
  assert.match(await made.fingerprint(), /^[0-9a-f]{64} float32 by row$/);
  await assert.rejects(
    openBackbone("Tiny/4", { folder, precision: "int8", settings: { heads: 4 } }),
    { name: "UserError", message: /expected int8 weights made with \{"heads":4\}, found others/ },
  );
});

Deno.test("int8 tokens are near full precision's, and an image's do not depend on its batch", async () => {
  const folder = temporaryFolder();
  const path = join(folder, "tiny", "model.safetensors");
  await Deno.mkdir(dirname(path));
  await writeTimm(path, false);
  await quantizeWeights(await readVitWeights(path), quantizedPath(path));
  await using full = await openBackbone("tiny", { folder });
  await using int8 = await openBackbone("tiny", { folder, precision: "int8" });
  const random = randomStream("crops");
  const crop = RESOLUTION ** 2 * 3;
  const rgb = Uint8Array.from({ length: 3 * crop }, () => random.integer(256));
  const [a, b] = [await full.featuresOfCrops(rgb, 3), await int8.featuresOfCrops(rgb, 3)];
  const error = a.data.reduce((sum, value, i) => sum + (value - b.data[i]!) ** 2, 0);
  const power = a.data.reduce((sum, value) => sum + value ** 2, 0);
  assert(error / power < 1e-2, `${error / power}`);
  assert(error > 0, "int8 is not full precision under another name");
  const alone = await int8.featuresOfCrops(rgb.subarray(crop, 2 * crop), 1);
  assert.deepEqual(alone.data, b.data.subarray(alone.data.length, 2 * alone.data.length));
  assert.notEqual(await full.fingerprint(), await int8.fingerprint());
});

Deno.test("int8 weights made of other weights than those beside them are refused with what makes them", async () => {
  const folder = temporaryFolder();
  const path = join(folder, "Tiny-4", "model.safetensors");
  await Deno.mkdir(dirname(path));
  await writeTimm(path, false);
  await quantizeWeights(await readVitWeights(path), quantizedPath(path));
  const open = () => openBackbone("Tiny/4", { folder, precision: "int8" });
  await using _made = await open();
  await writeTimm(path, false, "F32", { seed: "others" });
  await assert.rejects(open(), {
    name: "UserError",
    message: `Cannot read ${
      quantizedPath(path)
    }: expected int8 weights made of ${path}, found those of an earlier file; run \`deno task backbone quantize --name Tiny-4 --backbones ${folder}\` again`,
  });
  await quantizeWeights(await readVitWeights(path), quantizedPath(path));
  await using _again = await open();
  // as earlier versions wrote them, without the weights that they were made of
  const [entry] = (await readVitWeights(path)).tensors.values();
  const bytes = () => Promise.resolve(new Uint8Array(entry!.length));
  const { shape } = entry!;
  await writeLargeSafetensors(
    quantizedPath(path),
    [{ name: "class", dtype: "F32", shape, bytes }],
    {
      "rine.int8": "1",
    },
  );
  await assert.rejects(open(), {
    name: "UserError",
    message:
      /expected int8 weights of format 2, found 1; run `.* --name Tiny-4 --backbones .*` again$/,
  });
});

Deno.test("an import removes the int8 weights that others of its name left behind", async () => {
  const folder = temporaryFolder();
  const file = join(folder, "weights.safetensors");
  const archive = join(import.meta.dirname!, "fixtures/openai_torchscript.pt");
  await writeTimm(file, false);
  for (const given of [file, archive]) {
    const { header: { path } } = await importBackbone(file, { name: "tiny", folder });
    await quantizeWeights(await readVitWeights(path), quantizedPath(path));
    await Deno.remove(path);
    await importBackbone(given, { name: "tiny", folder });
    await assert.rejects(
      openBackbone("tiny", { folder, precision: "int8" }),
      /found none; .*quantize/,
    );
    await Deno.remove(path);
  }
});

Deno.test("an archive with other tensors than a backbone's is refused by its own name", async () => {
  const folder = temporaryFolder();
  const file = join(folder, "weights.pt");
  await writePytorchFile(file, [["visual.conv1", { data: new Float32Array(1), shape: [1] }]]);
  await assert.rejects(
    importBackbone(file, { name: "tiny", folder }),
    (error: Error) =>
      error instanceof UserError &&
      error.message.startsWith(`Cannot read ${file}: expected a vision`),
  );
  const left = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  assert.deepEqual(left, ["weights.pt"]);
});

Deno.test("a backbone that could not be opened can be tried again, and freed", async () => {
  const path = join(temporaryFolder(), "model.safetensors");
  await writeTimm(path, false);
  await using backbone = await openBackbone(path);
  await Deno.rename(path, `${path}.away`);
  await assert.rejects(backbone.open(), Deno.errors.NotFound);
  await assert.rejects(backbone.fingerprint());
  await backbone[Symbol.asyncDispose]();
  await Deno.rename(`${path}.away`, path);
  await backbone.open();
  assert.match(await backbone.fingerprint(), /^[0-9a-f]{64} float32$/);
});

Deno.test("OpenAI's TorchScript archive is read without its code, and opens by its name", async () => {
  const folder = temporaryFolder();
  const file = join(import.meta.dirname!, "fixtures/openai_torchscript.pt");
  const { header } = await importBackbone(file, { name: "Tiny/8", folder });
  const { family, architecture } = await readVitWeights(header.path);
  assert.equal(family.name, "OpenAI CLIP");
  const { blocks, width, patchPx, resolutionPx, embeddingWidth } = architecture;
  assert.deepEqual([blocks, width, patchPx, resolutionPx, embeddingWidth], [2, 64, 8, 16, 8]);
  const { tensors } = await readSafetensors(join(folder, "Tiny-8/model.safetensors"), [
    "visual.proj",
  ]);
  assert.equal(tensors.get("visual.proj")!.data[0], -0.005519866943359375);
  await using backbone = await openBackbone("Tiny/8", { folder });
  assert.deepEqual((await backbone.featuresOfCrops(new Uint8Array(768), 1)).shape, [1, 2, 64]);
});

Deno.test("import links a file where it lies, copies it when asked, and refuses a taken name", async () => {
  const folder = temporaryFolder();
  const file = join(folder, "weights.safetensors");
  await writeTimm(file, false);
  await importBackbone(file, { name: "linked", folder });
  await importBackbone(file, { name: "copied", folder, mode: "copy" });
  assert((await Deno.lstat(join(folder, "linked/model.safetensors"))).isSymlink);
  assert((await Deno.lstat(join(folder, "copied/model.safetensors"))).isFile);
  await assert.rejects(importBackbone(file, { name: "copied", folder }), /expected a new name/);
  for (const name of ["linked", "copied"]) {
    await using backbone = await openBackbone(name, { folder });
    const { data } = await backbone.featuresOfCrops(new Uint8Array(RESOLUTION ** 2 * 3), 1);
    assert(data.every(Number.isFinite));
  }
});
