/**
 * Real images of the mini world: dead leaves, seen through a simulated camera.
 *
 * Leaves of sizes after a power law occlude each other, which gives photographs' scale-invariant
 * statistics (spectrum near 1/f, heavy-tailed wavelet coefficients; Lee, Mumford & Huang, 2001).
 * @module
 */
import { type Random, randomStream } from "../random.ts";
import { convolve, type Picture, picture, shrink } from "./picture.ts";

/** Outlines that leaves can have. */
export const LEAF_SHAPES = ["discs", "squares", "triangles", "stars", "rings", "bars"] as const;

/** The outline of a scene's leaves. */
export type LeafShape = typeof LEAF_SHAPES[number];

/** Pixels of the scene to one of the image, each way. */
const SUPERSAMPLING = 2;
const TEXTURE_SIZE = 256;

/** Whether a point is in a leaf of radius 1. */
const INSIDE: Readonly<Record<LeafShape, (x: number, y: number) => boolean>> = {
  discs: (x, y) => x * x + y * y < 1,
  squares: (x, y) => Math.abs(x) < .7 && Math.abs(y) < .7,
  triangles: (x, y) => y > -.5 && Math.abs(x) * 1.732 < 1 - y,
  stars: (x, y) =>
    Math.min(Math.abs(x), Math.abs(y)) < .3 * (1 - Math.max(Math.abs(x), Math.abs(y))) + .02,
  rings: (x, y) => {
    const square = x * x + y * y;
    return square < 1 && square > .3;
  },
  bars: (x, y) => Math.abs(x) < .95 && Math.abs(y) < .3,
};

/** How a shape's scenes are and are taken: parts of the range that all scenes span, in [0, 1]. */
interface Style {
  /** Of small leaves. */
  readonly clutter: readonly [number, number];
  readonly noise: readonly [number, number];
  readonly blur: readonly [number, number];
}

const LOW = [0, .7] as const, HIGH = [.3, 1] as const, ALL = [0, 1] as const;

/** Classes differ by more than outlines, as photographs of horses and of chairs do. */
const STYLES: Readonly<Record<LeafShape | "mixed", Style>> = {
  discs: { clutter: LOW, noise: LOW, blur: LOW },
  squares: { clutter: HIGH, noise: LOW, blur: HIGH },
  triangles: { clutter: LOW, noise: HIGH, blur: HIGH },
  stars: { clutter: HIGH, noise: HIGH, blur: LOW },
  rings: { clutter: ALL, noise: ALL, blur: ALL },
  bars: { clutter: ALL, noise: ALL, blur: ALL },
  mixed: { clutter: ALL, noise: ALL, blur: ALL },
};

/** What all scenes of a world share: the sheet that leaves are cut from. */
export interface SceneMaterial {
  /** Tileable 1/f noise, zero mean, unit variance, `TEXTURE_SIZE` each way. */
  readonly texture: Float32Array;
}

/** Makes the material of a world. */
export function sceneMaterial(seed: number): SceneMaterial {
  const random = randomStream(seed, "mini", "texture");
  const texture = new Float32Array(TEXTURE_SIZE * TEXTURE_SIZE);
  for (let cells = 8; cells <= TEXTURE_SIZE; cells *= 2) {
    const grid = Float32Array.from({ length: cells * cells }, () => random.normal());
    const amplitude = 1 / Math.sqrt(cells);
    const step = cells / TEXTURE_SIZE;
    for (let y = 0, at = 0; y < TEXTURE_SIZE; y++) {
      const gy = Math.floor(y * step), fy = y * step - gy;
      for (let x = 0; x < TEXTURE_SIZE; x++, at++) {
        const gx = Math.floor(x * step), fx = x * step - gx;
        const right = (gx + 1) % cells, down = (gy + 1) % cells;
        const top = grid[gy * cells + gx]! * (1 - fx) + grid[gy * cells + right]! * fx;
        const bottom = grid[down * cells + gx]! * (1 - fx) + grid[down * cells + right]! * fx;
        texture[at]! += amplitude * (top * (1 - fy) + bottom * fy);
      }
    }
  }
  let sum = 0, squares = 0;
  for (const value of texture) {
    sum += value;
    squares += value * value;
  }
  const mean = sum / texture.length;
  const std = Math.sqrt(squares / texture.length - mean * mean);
  return { texture: texture.map((value) => (value - mean) / std) };
}

/**
 * A real image.
 * @param size width and height in pixels
 * @param shape outline of the leaves; `mixed` draws it anew for every leaf
 */
export function photograph(
  size: number,
  shape: LeafShape | "mixed",
  material: SceneMaterial,
  random: Random,
): Picture {
  const light = shrink(scene(size, shape, material, random), SUPERSAMPLING);
  const style = STYLES[shape];
  const blur = .12 * random.uniform(...style.blur);
  return develop(
    convolve(light, [blur, 1 - 2 * blur, blur]),
    random.uniform(...style.noise),
    random,
  );
}

/** Leaves in linear light, laid front to back until every pixel has one. */
function scene(
  size: number,
  shape: LeafShape | "mixed",
  { texture }: SceneMaterial,
  random: Random,
): Picture {
  const side = size * SUPERSAMPLING;
  const out = picture(side, side);
  const isPainted = new Uint8Array(side * side);
  let unpainted = isPainted.length;
  const clutter = random.uniform(...STYLES[shape].clutter);
  const smallest = 2 * Math.exp(1.5 * (1 - clutter)), largest = .5 * side;
  // with density r⁻³ every octave of radii covers the same area; what they leave bare is ground
  const meanArea = 2 * Math.PI * smallest ** 2 * Math.log(largest / smallest);
  const leafCount = Math.ceil(2.5 * side * side / meanArea);
  const brightness = random.uniform(.15, .5), contrast = random.uniform(.5, 1.1);
  const tint = [random.normal() * .15, random.normal() * .08, random.normal() * .15];
  const textureGain = random.uniform(.05, .25);
  const lightX = random.normal() * .3 / side, lightY = random.normal() * .3 / side;
  for (let leaf = 0; unpainted > 0; leaf++) {
    const isGround = leaf === leafCount;
    const radius = isGround
      ? 2 * side
      : 1 / Math.sqrt(smallest ** -2 + random.uniform() * (largest ** -2 - smallest ** -2));
    const isInside = INSIDE[shape === "mixed" ? random.pick(LEAF_SHAPES) : shape];
    const centerX = random.uniform(-radius / 2, side + radius / 2);
    const centerY = random.uniform(-radius / 2, side + radius / 2);
    const angle = random.uniform(0, 2 * Math.PI);
    const cos = Math.cos(angle) / radius, sin = Math.sin(angle) / radius;
    const light = brightness * Math.exp(contrast * random.normal());
    const red = light * Math.exp(tint[0]! + .2 * random.normal());
    const green = light * Math.exp(tint[1]! + .1 * random.normal());
    const blue = light * Math.exp(tint[2]! + .25 * random.normal());
    const gain = textureGain * random.uniform() ** 2 * 2;
    const shadeX = random.normal() * .25, shadeY = random.normal() * .25;
    const sheetX = random.integer(TEXTURE_SIZE), sheetY = random.integer(TEXTURE_SIZE);
    const x0 = Math.max(0, Math.floor(centerX - radius));
    const x1 = Math.min(side - 1, Math.ceil(centerX + radius));
    const y0 = Math.max(0, Math.floor(centerY - radius));
    const y1 = Math.min(side - 1, Math.ceil(centerY + radius));
    for (let y = y0; y <= y1; y++) {
      const sheetRow = ((y + sheetY) & (TEXTURE_SIZE - 1)) * TEXTURE_SIZE;
      for (let x = x0, at = y * side + x0; x <= x1; x++, at++) {
        if (isPainted[at]) continue;
        const u = (x - centerX) * cos + (y - centerY) * sin;
        const v = (y - centerY) * cos - (x - centerX) * sin;
        if (!isGround && !isInside(u, v)) continue;
        isPainted[at] = 1;
        unpainted--;
        const grain = texture[sheetRow + ((x + sheetX) & (TEXTURE_SIZE - 1))]!;
        const shade = 1 + shadeX * u + shadeY * v + gain * grain + lightX * x + lightY * y;
        out.data[3 * at] = red * shade;
        out.data[3 * at + 1] = green * shade;
        out.data[3 * at + 2] = blue * shade;
      }
    }
  }
  return out;
}

/** Sensor noise in linear light, its smoothing, tone curve, sharpening. */
function develop(light: Picture, noiseLevel: number, random: Random): Picture {
  const { width, height, data } = light;
  const noise = picture(width, height);
  const gain = .003 * Math.exp(2 * noiseLevel);
  const readNoise = .3 * gain;
  for (let i = 0; i < data.length; i++) noise.data[i] = random.normal();
  const side = random.uniform(.05, .2);
  const smooth = convolve(noise, [side, 1 - 2 * side, side]);
  for (let i = 0; i < data.length; i++) {
    const value = Math.max(0, data[i]!);
    const noisy = value + Math.sqrt(readNoise ** 2 + gain * gain * 8 * value) * smooth.data[i]!;
    data[i] = noisy <= 0 ? 0 : toneCurve(noisy);
  }
  const sharpening = random.uniform(0, .5);
  const soft = convolve(light, [.25, .5, .25]);
  for (let i = 0; i < data.length; i++) {
    const value = data[i]! + sharpening * (data[i]! - soft.data[i]!);
    data[i] = value < 0 ? 0 : value > 1 ? 1 : value;
  }
  return light;
}

/** Display value of linear light: a power with a soft shoulder. */
function toneCurve(light: number): number {
  const value = Math.sqrt(light);
  return value / Math.sqrt(Math.sqrt(1 + value ** 4));
}
