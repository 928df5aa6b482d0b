/**
 * Rules of convolutions.
 * @module
 */
import type { Value } from "../values.ts";
import type { Backward, Rule } from "./rule.ts";

/** How the window goes over a picture. */
interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Before each axis, then after each. */
  readonly pads: readonly number[];
  readonly group: number;
}

function windowOf(b: Backward): Window {
  if ((b.node.attributes["auto_pad"] ?? "NOTSET") !== "NOTSET") {
    throw b.refuse("there is a rule for given pads only");
  }
  const weights = b.x(1);
  const kernel = b.shape(weights).slice(2).map((_, i) => b.size(weights, i + 2));
  return {
    kernel,
    strides: b.ints("strides") ?? kernel.map(() => 1),
    dilations: b.ints("dilations") ?? kernel.map(() => 1),
    pads: b.ints("pads") ?? [...kernel, ...kernel].map(() => 0),
    group: b.number("group", 1),
  };
}

function attributesOf({ kernel, strides, dilations, pads, group }: Window) {
  return { kernel_shape: kernel, strides, dilations, pads, group };
}

function padded({ pads }: Window, axis: number): number {
  return pads[axis]! + pads[axis + pads.length / 2]!;
}

const conv: Rule = (b) => {
  const window = windowOf(b), dy = b.fullDy;
  return [
    b.wants(0) ? byPicture(b, window, dy) : undefined,
    b.wants(1) ? byWeights(b, window, b.x(0), dy) : undefined,
    b.wants(2) ? byBias(b, dy) : undefined,
  ];
};

const convTranspose: Rule = (b) => {
  const window = windowOf(b), dy = b.fullDy;
  if (b.node.attributes["output_shape"] !== undefined) {
    throw b.refuse("there is a rule for given pads only");
  }
  return [
    b.wants(0) ? b.op("Conv", [dy, b.x(1)], attributesOf(window)) : undefined,
    b.wants(1) ? byWeights(b, window, dy, b.x(0)) : undefined,
    b.wants(2) ? byBias(b, dy) : undefined,
  ];
};

function byBias(b: Backward, dy: Value): Value {
  return b.sum(dy, b.shape(dy).flatMap((_, axis) => axis === 1 ? [] : [axis]), 0);
}

/** The gradient by what a convolution goes over. */
function byPicture(b: Backward, window: Window, dy: Value): Value {
  const { kernel, strides, dilations } = window;
  const sizes = b.shape(b.x()).slice(2);
  // rows and columns at the end that no window reached
  const missing = kernel.map((k, i) => {
    const size = sizes[i]!, stride = strides[i]!;
    if (stride === 1) return 0;
    if (typeof size !== "number") return stride - 1;
    return (size + padded(window, i) - dilations[i]! * (k - 1) - 1) % stride;
  });
  const [outputs, inputs] = b.shape(b.x(1));
  const isByChannel = outputs === window.group && inputs === 1;
  if ((window.group === 1 || isByChannel) && strides.every((stride) => stride === 1)) {
    const direct = byTurnedWeights(b, window, dy);
    if (direct) return direct;
  }
  const back = b.op("ConvTranspose", [dy, b.x(1)], {
    ...attributesOf(window),
    output_padding: missing,
  });
  const isExact = sizes.every((size, i) => typeof size === "number" || strides[i] === 1);
  if (isExact) return back;
  const ends = b.op("Shape", [b.x()], { start: 2 });
  const axes = b.int(kernel.map((_, i) => i + 2));
  return b.op("Slice", [back, b.int(kernel.map(() => 0)), ends, axes]);
}

/**
 * The gradient by the picture of a convolution of stride 1, of all channels together or of each by
 * itself: one with the weights turned round.
 */
function byTurnedWeights(
  b: Backward,
  { kernel, dilations, pads, group }: Window,
  dy: Value,
): Value | undefined {
  const rank = kernel.length, spatial = kernel.map((_, i) => i + 2);
  const back = pads.map((pad, i) => dilations[i % rank]! * (kernel[i % rank]! - 1) - pad);
  if (back.some((pad) => pad < 0)) return undefined;
  const turned = kernel.every((k) => k === 1) ? b.x(1) : b.op("Slice", [
    b.x(1),
    b.int(kernel.map(() => -1)),
    b.int(kernel.map(() => -(2 ** 31))),
    b.int(spatial),
    b.int(kernel.map(() => -1)),
  ]);
  const weights = group > 1 ? turned : b.op("Transpose", [turned], { perm: [1, 0, ...spatial] });
  return b.op("Conv", [dy, weights], { kernel_shape: kernel, dilations, pads: back, group });
}

/** The gradient by the weights of a convolution over `picture`, with `dy` by its result. */
function byWeights(b: Backward, window: Window, picture: Value, dy: Value): Value {
  const { kernel, strides, group } = window;
  const isPoint = group === 1 && kernel.every((k, i) => k === 1 && padded(window, i) === 0);
  if (!isPoint) {
    // slices with steps cost more than the one large kernel does
    const isDense = strides.every((stride) => stride === 1);
    const isWide = group === 1 && b.size(picture, 1) >= FEW_CHANNELS;
    const isKnown = [...b.shape(dy), ...b.shape(picture)].slice(-kernel.length)
      .every((size) => typeof size === "number");
    return isDense && isWide && isKnown
      ? byPlaces(b, window, picture, dy)
      : byLargeKernel(b, window, picture, dy);
  }
  const axes = kernel.map((_, i) => i + 2);
  const read = strides.every((stride) => stride === 1) ? picture : b.op("Slice", [
    picture,
    b.int(axes.map(() => 0)),
    b.int(axes.map(() => 2 ** 31 - 1)),
    b.int(axes),
    b.int(strides),
  ]);
  const matrix = sumOfProducts(b, dy, read); // [outputs, inputs]
  return b.op("Unsqueeze", [matrix, b.int(axes)]);
}

/** Below this many, one large kernel is faster than a matrix product for every place in the window. */
const FEW_CHANNELS = 6;

/** The gradient by the weights of a convolution of stride 1: what each place of the window saw, by `dy`. */
function byPlaces(b: Backward, window: Window, picture: Value, dy: Value): Value {
  const { kernel, dilations, pads } = window;
  const spatial = kernel.map((_, i) => i + 2);
  const swap = { perm: [1, 0, ...spatial] };
  const inputs = b.size(picture, 1), outputs = b.size(dy, 1);
  const rank = kernel.length, margins = [0, 0, ...pads.slice(0, rank), 0, 0, ...pads.slice(rank)];
  const turned = b.op("Transpose", [picture], swap); // [inputs, N, …]
  const padded = pads.some((pad) => pad !== 0) ? b.op("Pad", [turned, b.int(margins)]) : turned;
  const places = kernel.reduce<number[][]>(
    (all, k) => all.flatMap((at) => Array.from({ length: k }, (_, i) => [...at, i])),
    [[]],
  );
  const axes = b.int(spatial), rows = b.int([inputs, -1]);
  const seen = places.map((place) => {
    const starts = place.map((at, i) => at * dilations[i]!);
    const ends = starts.map((start, i) => start + b.size(dy, i + 2));
    const slice = b.op("Slice", [padded, b.int(starts), b.int(ends), axes]);
    return b.op("Reshape", [slice, rows]); // [inputs, N · …]
  });
  const result = b.op("Reshape", [b.op("Transpose", [dy], swap), b.int([outputs, -1])]);
  const product = b.op("Gemm", [result, b.op("Concat", seen, { axis: 0 })], { transB: 1 });
  const apart = b.op("Reshape", [product, b.int([outputs, places.length, inputs])]);
  const back = b.op("Transpose", [apart], { perm: [0, 2, 1] });
  return b.op("Reshape", [back, b.int([outputs, inputs, ...kernel])]);
}

/** Σ a bᵀ over images and places: [N, A, …] and [N, B, …] to [A, B]. */
function sumOfProducts(b: Backward, first: Value, second: Value): Value {
  const channels = [b.size(first, 1), b.size(second, 1)] as const;
  const rows = (x: Value, size: number) => {
    const rank = b.shape(x).length;
    const perm = [1, 0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2)];
    return b.op("Reshape", [b.op("Transpose", [x], { perm }), b.int([size, -1])]);
  };
  return b.op("Gemm", [rows(first, channels[0]), rows(second, channels[1])], { transB: 1 });
}

/**
 * The gradient by weights is a convolution too: of the picture, its images taken for channels, with
 * `dy` as one large kernel, and strides and dilations exchanged.
 */
function byLargeKernel(
  b: Backward,
  { kernel, strides, dilations, pads, group }: Window,
  picture: Value,
  dy: Value,
): Value {
  const inputs = b.size(picture, 1) / group, outputs = b.size(dy, 1);
  const spatial = kernel.map((_, i) => i + 2);
  const swap = [1, 0, ...spatial];
  const read = group === 1
    ? b.op("Transpose", [picture], { perm: swap }) // [inputs, N, …]
    : groupedPicture(b, picture, group); // [inputs, group · N, …]
  const result = b.op("Conv", [read, b.op("Transpose", [dy], { perm: swap })], {
    strides: dilations,
    dilations: strides,
    pads,
    group,
  }); // [inputs, outputs, …]
  const sizes = b.shape(picture).slice(2);
  // places at the end that no window reached are no weights
  const isExact = kernel.every((k, i) => {
    const size = sizes[i]!;
    if (strides[i] === 1) return true;
    const room = Number(size) + pads[i]! + pads[i + kernel.length]! - dilations[i]! * (k - 1) - 1;
    return room % strides[i]! < dilations[i]!;
  });
  const cut = isExact ? result : b.op("Slice", [
    result,
    b.int(kernel.map(() => 0)),
    b.int(kernel),
    b.int(spatial),
  ]);
  const back = b.op("Transpose", [cut], { perm: swap });
  return b.op("Reshape", [back, b.int([outputs, inputs, ...kernel])]);
}

/** [N, group · C, …] to [C, group · N, …]. */
function groupedPicture(b: Backward, picture: Value, group: number): Value {
  const rank = b.shape(picture).length;
  const inputs = b.size(picture, 1) / group;
  const sizes = b.op("Shape", [picture], { start: 2 });
  const count = b.op("Shape", [picture], { start: 0, end: 1 });
  const list = (...parts: (Value | number)[]) =>
    b.op("Concat", parts.map((part) => typeof part === "number" ? b.int([part]) : part), {
      axis: 0,
    });
  const apart = b.op("Reshape", [picture, list(count, group, inputs, sizes)]);
  const turned = b.op("Transpose", [apart], {
    perm: [2, 1, 0, ...Array.from({ length: rank - 2 }, (_, i) => i + 3)],
  });
  return b.op("Reshape", [turned, list(inputs, -1, sizes)]);
}

/** Rules by operator. */
export const convolutionRules: Readonly<Record<string, Rule>> = {
  Conv: conv,
  ConvTranspose: convTranspose,
};
