/**
 * Weights of the mini backbones: random, but arranged so that CLS tokens can tell images apart.
 *
 * A vision transformer with PyTorch's default random weights forgets what small patches look like.
 * Here patches enter as whitened DCT coefficients, each block's MLP measures energies of random
 * mixtures of neighbouring coefficients, and attention, near identity in its values, averages them
 * over the image into the CLS token: the deeper the block, the richer the statistics.
 * @module
 */
import { sizeOf, type Tensor, tensor } from "../io/tensor.ts";
import type { Random } from "../random.ts";

/** Sizes of a mini backbone. */
export interface MiniArchitecture {
  /** Name to open it by. */
  readonly name: string;
  /** Side of a patch in pixels. */
  readonly patchPx: number;
  /** Number of Transformer blocks. */
  readonly blocks: number;
}

/** Side of the images that mini backbones take, in pixels. */
export const MINI_RESOLUTION_PX = 64;

const HEAD_WIDTH = 64;

/** Width of a mini backbone's tokens. */
export const MINI_WIDTH: number = 2 * HEAD_WIDTH;

const WIDTH = MINI_WIDTH;
const MLP_WIDTH = 2 * WIDTH;
const EMBEDDING_WIDTH = 64;
/** Dimensions of a token: first the patch's coefficients, then its energies, then a constant. */
const COEFFICIENTS = 96;
const ENERGIES = WIDTH - COEFFICIENTS - 1;
const CONSTANT = WIDTH - 1;
/** Shares of luminance and colour: what differs between generators is mostly luminance. */
const LUMINANCE_COEFFICIENTS = 64;

const CONSTANT_OF_PATCHES = 8, CONSTANT_OF_CLS = 1;
const COEFFICIENT_VALUE_GAIN = .3, ENERGY_VALUE_GAIN = 3, SECOND_HEAD_GAIN = .5;
const MIXTURE_GAIN = 1.5, MIXED_COEFFICIENTS = 3, ENERGY_GAIN = .3;

/** A basis image of the DCT of patches in a colour channel. */
interface Frequency {
  readonly horizontal: number;
  readonly vertical: number;
  /** 0 luminance, 1 and 2 colour. */
  readonly channel: number;
}

const COLOR_AXES = [
  [1, 1, 1].map((value) => value / Math.sqrt(3)),
  [1, 0, -1].map((value) => value / Math.sqrt(2)),
  [1, -2, 1].map((value) => value / Math.sqrt(6)),
];

/** A matrix of zeros to be filled in, [rows, columns]. */
class Matrix {
  readonly data: Float32Array;
  constructor(readonly rows: number, readonly columns: number) {
    this.data = new Float32Array(rows * columns);
  }
  set(row: number, column: number, value: number): void {
    this.data[row * this.columns + column] = value;
  }
  get tensor(): Tensor {
    return tensor(this.data, [this.rows, this.columns]);
  }
}

function filled(shape: readonly number[], value: number): Tensor {
  return tensor(new Float32Array(sizeOf(shape)).fill(value), shape);
}

/**
 * A mini backbone's weights under Hugging Face's names.
 * @param pixels real images in the normalised pixel space, each [3, R, R]; they set the scale of
 * every coefficient
 */
export function miniWeights(
  { patchPx, blocks }: MiniArchitecture,
  pixels: readonly Float32Array[],
  random: Random,
): Map<string, Tensor> {
  const frequencies = chooseFrequencies(patchPx, random);
  const weights = new Map<string, Tensor>();
  const stem = "vision_model.embeddings";
  weights.set(`${stem}.class_embedding`, filled([WIDTH], 0));
  weights.set(`${stem}.patch_embedding.weight`, patchEmbedding(frequencies, patchPx, pixels));
  const patches = (MINI_RESOLUTION_PX / patchPx) ** 2;
  const positions = new Matrix(1 + patches, WIDTH);
  for (let token = 0; token <= patches; token++) {
    positions.set(token, CONSTANT, token === 0 ? CONSTANT_OF_CLS : CONSTANT_OF_PATCHES);
  }
  weights.set(`${stem}.position_embedding.weight`, positions.tensor);
  setNorm(weights, "vision_model.pre_layrnorm");
  for (let block = 0; block < blocks; block++) {
    const name = `vision_model.encoder.layers.${block}`;
    setNorm(weights, `${name}.layer_norm1`);
    setAttention(weights, `${name}.self_attn`, random);
    setNorm(weights, `${name}.layer_norm2`);
    setMlp(weights, `${name}.mlp`, frequencies, random);
  }
  setNorm(weights, "vision_model.post_layernorm");
  const projection = filled([EMBEDDING_WIDTH, WIDTH], 0);
  for (let i = 0; i < projection.data.length; i++) {
    projection.data[i] = random.normal() / Math.sqrt(WIDTH);
  }
  return weights.set("visual_projection.weight", projection);
}

/**
 * A network of the same size whose weights are only random, N(0, .02) as CLIP's are drawn before it is
 * trained, under Hugging Face's names.
 */
export function randomWeights(
  { patchPx, blocks }: MiniArchitecture,
  random: Random,
): Map<string, Tensor> {
  const weights = new Map<string, Tensor>();
  const draw = (name: string, shape: readonly number[]) => {
    const drawn = filled(shape, 0);
    for (let i = 0; i < drawn.data.length; i++) drawn.data[i] = .02 * random.normal();
    weights.set(name, drawn);
  };
  const affine = (name: string, rows: number, columns: number) => {
    draw(`${name}.weight`, [rows, columns]);
    weights.set(`${name}.bias`, filled([rows], 0));
  };
  const stem = "vision_model.embeddings";
  draw(`${stem}.class_embedding`, [WIDTH]);
  draw(`${stem}.patch_embedding.weight`, [WIDTH, 3, patchPx, patchPx]);
  draw(`${stem}.position_embedding.weight`, [1 + (MINI_RESOLUTION_PX / patchPx) ** 2, WIDTH]);
  setNorm(weights, "vision_model.pre_layrnorm");
  for (let block = 0; block < blocks; block++) {
    const name = `vision_model.encoder.layers.${block}`;
    setNorm(weights, `${name}.layer_norm1`);
    for (const part of ["q_proj", "k_proj", "v_proj", "out_proj"]) {
      affine(`${name}.self_attn.${part}`, WIDTH, WIDTH);
    }
    setNorm(weights, `${name}.layer_norm2`);
    affine(`${name}.mlp.fc1`, MLP_WIDTH, WIDTH);
    affine(`${name}.mlp.fc2`, WIDTH, MLP_WIDTH);
  }
  setNorm(weights, "vision_model.post_layernorm");
  draw("visual_projection.weight", [EMBEDDING_WIDTH, WIDTH]);
  return weights;
}

function setNorm(weights: Map<string, Tensor>, name: string): void {
  weights.set(`${name}.weight`, filled([WIDTH], 1)).set(`${name}.bias`, filled([WIDTH], 0));
}

/** Luminance at all frequencies, or a random choice of them; of colour the lowest, or a choice. */
function chooseFrequencies(patchPx: number, random: Random): Frequency[] {
  const all = Array.from({ length: patchPx ** 2 }, (_, i) => ({
    horizontal: i % patchPx,
    vertical: Math.floor(i / patchPx),
  }));
  const color = [1, 2].flatMap((channel) => all.map((frequency) => ({ ...frequency, channel })));
  const luminance = all.map((frequency) => ({ ...frequency, channel: 0 }));
  const order = (f: Frequency) => f.horizontal + f.vertical;
  if (luminance.length === LUMINANCE_COEFFICIENTS) color.sort((a, b) => order(a) - order(b));
  else shuffle(color, random);
  if (luminance.length > LUMINANCE_COEFFICIENTS) shuffle(luminance, random);
  return [
    ...luminance.slice(0, LUMINANCE_COEFFICIENTS),
    ...color.slice(0, COEFFICIENTS - LUMINANCE_COEFFICIENTS),
  ];
}

function shuffle<T>(values: T[], random: Random): void {
  const before = values.slice();
  random.permutation(values.length).forEach((from, to) => values[to] = before[from]!);
}

/** DCT basis images over their coefficient's standard deviation on real images, [d, 3, p, p]. */
function patchEmbedding(
  frequencies: readonly Frequency[],
  patchPx: number,
  pixels: readonly Float32Array[],
): Tensor {
  const size = 3 * patchPx * patchPx;
  const embedding = new Matrix(WIDTH, size);
  const patches = pixels.flatMap((image) => cutPatches(image, patchPx));
  frequencies.forEach((frequency, row) => {
    const image = basisImage(frequency, patchPx);
    let sum = 0, squares = 0;
    for (const patch of patches) {
      let coefficient = 0;
      for (let i = 0; i < size; i++) coefficient += image[i]! * patch[i]!;
      sum += coefficient;
      squares += coefficient * coefficient;
    }
    const mean = sum / patches.length;
    const std = Math.sqrt(squares / patches.length - mean * mean);
    for (let i = 0; i < size; i++) embedding.set(row, i, image[i]! / std);
  });
  return tensor(embedding.data, [WIDTH, 3, patchPx, patchPx]);
}

/** [3, p, p], of unit norm. */
function basisImage({ horizontal, vertical, channel }: Frequency, patchPx: number): Float64Array {
  const wave = (frequency: number, i: number) =>
    Math.sqrt((frequency === 0 ? 1 : 2) / patchPx) *
    Math.cos((i + .5) * frequency * Math.PI / patchPx);
  const image = new Float64Array(3 * patchPx * patchPx);
  for (let c = 0, at = 0; c < 3; c++) {
    for (let y = 0; y < patchPx; y++) {
      for (let x = 0; x < patchPx; x++) {
        image[at++] = COLOR_AXES[channel]![c]! * wave(vertical, y) * wave(horizontal, x);
      }
    }
  }
  return image;
}

function cutPatches(image: Float32Array, patchPx: number): Float32Array[] {
  const side = MINI_RESOLUTION_PX, patches: Float32Array[] = [];
  for (let y0 = 0; y0 < side; y0 += patchPx) {
    for (let x0 = 0; x0 < side; x0 += patchPx) {
      const patch = new Float32Array(3 * patchPx * patchPx);
      for (let c = 0, at = 0; c < 3; c++) {
        for (let y = 0; y < patchPx; y++) {
          const from = (c * side + y0 + y) * side + x0;
          patch.set(image.subarray(from, from + patchPx), at);
          at += patchPx;
        }
      }
      patches.push(patch);
    }
  }
  return patches;
}

/**
 * Two heads that carry energies and some coefficients. The first averages over all tokens; the
 * second leans towards patches with certain energies and writes where coefficients are.
 */
function setAttention(weights: Map<string, Tensor>, name: string, random: Random): void {
  const query = filled([WIDTH], 0);
  query.data.fill(1, HEAD_WIDTH);
  const key = new Matrix(WIDTH, WIDTH), value = new Matrix(WIDTH, WIDTH);
  const out = new Matrix(WIDTH, WIDTH);
  for (let energy = 0; energy < ENERGIES; energy++) {
    // scores get q·k / √64 from 64 equal rows: a sum of signed energies of about unit variance
    const lean = random.pick([-1, 1]) * 8 / (HEAD_WIDTH * Math.sqrt(ENERGIES));
    for (let row = HEAD_WIDTH; row < WIDTH; row++) key.set(row, COEFFICIENTS + energy, lean);
  }
  for (const head of [0, 1]) {
    const targets = random.permutation(COEFFICIENTS);
    const sources = random.permutation(COEFFICIENTS);
    for (let i = 0; i < HEAD_WIDTH; i++) {
      const row = head * HEAD_WIDTH + i;
      if (i < ENERGIES) {
        value.set(row, COEFFICIENTS + i, ENERGY_VALUE_GAIN);
        if (head === 0) out.set(COEFFICIENTS + i, row, 1);
        else out.set(targets[i]!, row, SECOND_HEAD_GAIN);
      } else {
        value.set(row, sources[i]!, COEFFICIENT_VALUE_GAIN);
        out.set(sources[i]!, row, 1);
      }
    }
  }
  weights.set(`${name}.q_proj.weight`, filled([WIDTH, WIDTH], 0)).set(`${name}.q_proj.bias`, query);
  for (const [part, matrix] of [["k_proj", key], ["v_proj", value], ["out_proj", out]] as const) {
    weights.set(`${name}.${part}.weight`, matrix.tensor);
    weights.set(`${name}.${part}.bias`, filled([WIDTH], 0));
  }
}

/**
 * Hidden units in pairs w·x and −w·x, whose QuickGELUs add up to u·tanh(.851 u): the energy of a
 * random mixture of up to three coefficients of neighbouring frequencies.
 */
function setMlp(
  weights: Map<string, Tensor>,
  name: string,
  frequencies: readonly Frequency[],
  random: Random,
): void {
  const first = new Matrix(MLP_WIDTH, WIDTH), second = new Matrix(WIDTH, MLP_WIDTH);
  const pairs = MLP_WIDTH / 2;
  for (let pair = 0; pair < pairs; pair++) {
    const center = frequencies[random.integer(COEFFICIENTS)]!;
    const near = frequencies
      .map((frequency, index) => ({ index, distance: distance(frequency, center, random) }))
      .sort((a, b) => a.distance - b.distance)
      .slice(0, 1 + random.integer(MIXED_COEFFICIENTS));
    const mixture = near.map(() => random.normal());
    const norm = Math.hypot(...mixture);
    near.forEach(({ index }, i) => {
      const weight = MIXTURE_GAIN * mixture[i]! / norm;
      first.set(pair, index, weight);
      first.set(pairs + pair, index, -weight);
    });
    const energy = COEFFICIENTS + pair % ENERGIES;
    second.set(energy, pair, ENERGY_GAIN);
    second.set(energy, pairs + pair, ENERGY_GAIN);
  }
  weights.set(`${name}.fc1.weight`, first.tensor).set(`${name}.fc1.bias`, filled([MLP_WIDTH], 0));
  weights.set(`${name}.fc2.weight`, second.tensor).set(`${name}.fc2.bias`, filled([WIDTH], 0));
}

/** How far apart two frequencies are; a random half breaks ties. */
function distance(a: Frequency, b: Frequency, random: Random): number {
  return Math.abs(a.horizontal - b.horizontal) + Math.abs(a.vertical - b.vertical) +
    (a.channel === b.channel ? 0 : 9) + random.uniform(0, .5);
}
