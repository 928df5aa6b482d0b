/**
 * The doctor's report on one set of images.
 * @module
 */
import type { ImageFormat } from "../image/header.ts";
import type { DatasetSpec, SourceListing } from "../data/dataset.ts";
import type { Role } from "./duplicates.ts";
import type { ImageFile } from "../data/image_file.ts";

/** A file that is no image that can be decoded. */
export interface UnreadableFile {
  /** Relative to the data root, or absolute. */
  readonly path: string;
  /** What was found instead: `a GIF image`. */
  readonly found: string;
}

/** Images of one size. */
export interface SizeCount {
  /** Pixels a row. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** How many images have it. */
  readonly count: number;
}

/** The real or the generated images of a set. */
export interface LabelReport {
  /** Files that are images by name. */
  readonly found: number;
  /** In the published set, where there is one. */
  readonly expected?: number;
  /** Files that cannot be decoded. */
  readonly unreadable: readonly UnreadableFile[];
  /** Paths of files that are passed over, because their names are not images'. */
  readonly passedOver: readonly string[];
  /** Images that a crop has to be padded for; ten crops cannot be cut from them. */
  readonly tooSmall: number;
  /** Readable images by format, whatever their names say. */
  readonly formats: Readonly<Partial<Record<ImageFormat, number>>>;
  /** The most frequent sizes of readable images, at most 5, the most frequent first. */
  readonly sizes: readonly SizeCount[];
  /** How many different sizes there are. */
  readonly distinctSizes: number;
}

/**
 * What tells a set's real images from its generated ones without a look at the picture: what a
 * detector may learn, and be tested on, instead of generation.
 */
export interface Bias {
  /** In what they differ. */
  readonly kind: "formats" | "sizes";
  /** How they differ: `real images are JPEG (100 %), generated ones PNG (100 %)`. */
  readonly text: string;
}

/** Report on one set. */
export interface SetReport {
  /** Name of the set. */
  readonly name: string;
  /** What it is for. */
  readonly role: Role;
  /** Why it cannot be used, one line each; none where it can. */
  readonly problems: readonly string[];
  /** What lies there instead of its images, or beside them and is passed over, and what to do. */
  readonly instead?: readonly string[];
  /** Its real images. */
  readonly real: LabelReport;
  /** Its generated images. */
  readonly generated: LabelReport;
  /** How real and generated images differ in what they should not. */
  readonly biases: readonly Bias[];
}

/** The files of a set. */
export interface SetFiles {
  /** The set. */
  readonly spec: DatasetSpec;
  /** What it is for. */
  readonly role: Role;
  /** Why it cannot be used, one line each. */
  readonly problems: readonly string[];
  /** What lies there instead. */
  readonly instead?: readonly string[];
  /** Real, then generated. */
  readonly labels: readonly [SourceListing, SourceListing];
}

/** Sizes that a report names. */
const MAX_SIZES = 5;

/** By how much the shares of a format, or of a size, may differ between labels without a word. */
const FORMAT_TOLERANCE = .2, SIZE_TOLERANCE = .5;

/**
 * Sums up a set's files.
 * @param files what is known of each path
 * @param cropPx side of the crops that images are cut to
 */
export function reportSet(
  { spec: { name, expected }, role, problems, instead = [], labels }: SetFiles,
  files: ReadonlyMap<string, ImageFile>,
  cropPx: number,
): SetReport {
  const [real, generated] = [tally(labels[0], files), tally(labels[1], files)];
  return {
    name,
    role,
    problems,
    ...(instead.length === 0 ? {} : { instead }),
    real: labelReport(real, labels[0], cropPx, expected?.real),
    generated: labelReport(generated, labels[1], cropPx, expected?.generated),
    biases: [...formatBias(real, generated), ...sizeBias(real, generated)],
  };
}

interface Tally {
  readonly unreadable: UnreadableFile[];
  readonly formats: ReadonlyMap<ImageFormat, number>;
  /** The most frequent first. */
  readonly sizes: readonly SizeCount[];
  readonly readable: number;
}

function tally({ paths }: SourceListing, files: ReadonlyMap<string, ImageFile>): Tally {
  const unreadable: UnreadableFile[] = [];
  const formats = new Map<ImageFormat, number>();
  const sizes = new Map<string, { width: number; height: number; count: number }>();
  for (const path of paths) {
    const { header, problem } = files.get(path)!;
    if (!header) {
      unreadable.push({ path, found: problem! });
      continue;
    }
    const { format, width, height } = header;
    formats.set(format, (formats.get(format) ?? 0) + 1);
    const key = `${width} ${height}`;
    const size = sizes.get(key);
    if (size) size.count++;
    else sizes.set(key, { width, height, count: 1 });
  }
  return {
    unreadable,
    formats,
    sizes: [...sizes.values()].sort((a, b) => b.count - a.count),
    readable: paths.length - unreadable.length,
  };
}

function labelReport(
  { unreadable, formats, sizes }: Tally,
  { paths, passedOver }: SourceListing,
  cropPx: number,
  expected: number | undefined,
): LabelReport {
  return {
    found: paths.length,
    ...(expected === undefined ? {} : { expected }),
    unreadable,
    passedOver,
    tooSmall: sizes
      .filter(({ width, height }) => Math.min(width, height) < cropPx)
      .reduce((sum, { count }) => sum + count, 0),
    formats: Object.fromEntries(formats),
    sizes: sizes.slice(0, MAX_SIZES),
    distinctSizes: sizes.length,
  };
}

function formatBias(real: Tally, generated: Tally): Bias[] {
  if (real.readable === 0 || generated.readable === 0) return [];
  const share = ({ formats, readable }: Tally, format: ImageFormat) =>
    (formats.get(format) ?? 0) / readable;
  const differs = [...real.formats.keys(), ...generated.formats.keys()].some((format) =>
    Math.abs(share(real, format) - share(generated, format)) > FORMAT_TOLERANCE
  );
  if (!differs) return [];
  const text = (of: Tally) =>
    [...of.formats.keys()].sort((a, b) => share(of, b) - share(of, a))
      .map((format) => `${format.toUpperCase()} (${percent(share(of, format))})`).join(", ");
  return [{
    kind: "formats",
    text: `real images are ${text(real)}, generated ones ${text(generated)}`,
  }];
}

/**
 * Sizes differ where one size is far more frequent with one label, or where a side length parts the
 * labels: the largest distance between the distributions of the shorter side (Kolmogorov, Smirnov).
 */
function sizeBias(real: Tally, generated: Tally): Bias[] {
  if (real.readable === 0 || generated.readable === 0) return [];
  const share = ({ sizes, readable }: Tally, { width, height }: SizeCount) =>
    (sizes.find((size) => size.width === width && size.height === height)?.count ?? 0) / readable;
  const frequent = [...real.sizes.slice(0, MAX_SIZES), ...generated.sizes.slice(0, MAX_SIZES)];
  const differs = largestGap(real, generated) > SIZE_TOLERANCE ||
    frequent.some((size) => Math.abs(share(real, size) - share(generated, size)) > SIZE_TOLERANCE);
  if (!differs) return [];
  const text = (of: Tally) => {
    const [size] = of.sizes as [SizeCount];
    const others = of.sizes.length - 1;
    return `${size.width} × ${size.height} (${percent(size.count / of.readable)})` +
      (others > 0 ? ` and ${others} other sizes` : "");
  };
  return [{
    kind: "sizes",
    text: `real images are ${text(real)}, generated ones ${text(generated)}`,
  }];
}

/** Largest difference between the shares of images whose shorter side is at most some length. */
function largestGap(real: Tally, generated: Tally): number {
  const steps = [real, generated].flatMap(({ sizes, readable }, label) =>
    sizes.map(({ width, height, count }) => ({
      side: Math.min(width, height),
      step: (label === 0 ? count : -count) / readable,
    }))
  ).sort((a, b) => a.side - b.side);
  let gap = 0, largest = 0;
  for (const [i, { side, step }] of steps.entries()) {
    gap += step;
    if (steps[i + 1]?.side !== side) largest = Math.max(largest, Math.abs(gap));
  }
  return largest;
}

function percent(share: number): string {
  return share > 0 && share < .01 ? "under 1 %" : `${Math.round(100 * share)} %`;
}
