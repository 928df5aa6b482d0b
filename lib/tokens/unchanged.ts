/**
 * Rows that need no pass through a backbone: of images that a random transform leaves as they are, whose
 * centre crops have gone through it before.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { isUnchanged } from "../image/transform.ts";
import { makerId, VERSIONS } from "./made.ts";
import { FeatureReader } from "./reader.ts";
import type { Wanted } from "./request.ts";
import { featureKey, type FeatureSource } from "./set_index.ts";
import { type FeatureSet, findFeatures } from "./store.ts";
import { verifyOnce } from "./verify.ts";

/** Features of the centre crops of a group's images: those of unchanged images are copied. */
export class UnchangedRows implements Disposable {
  /** For each set of the group, its images' centre crops' features. */
  readonly #readers: readonly FeatureReader[];
  /** By image: whether its row is to be computed. */
  readonly #isChanged: readonly boolean[];

  private constructor(readers: readonly FeatureReader[], isChanged: readonly boolean[]) {
    this.#readers = readers;
    this.#isChanged = isChanged;
  }

  /**
   * Looks for the centre crops' features of sets of one group.
   * @returns `undefined` where the transform leaves no image as it is, or one set has none that are
   * whole and were made as they would be made now
   */
  static async open(folder: string, sets: readonly Wanted[]): Promise<UnchangedRows | undefined> {
    const { images, request: { transform, seed, epoch } } = sets[0]!;
    const isChanged = images.map(({ path }) => !isUnchanged(transform, { seed, epoch, path }));
    if (isChanged.every(Boolean)) return undefined;
    using opened = new DisposableStack();
    const readers: FeatureReader[] = [];
    for (const set of sets) {
      const center = await findCenter(folder, set);
      if (!center) return undefined;
      // these are tried again, and said
      for (const position of center.unreadable) isChanged[position] = true;
      readers.push(opened.use(await FeatureReader.open(center)));
    }
    opened.move();
    return new UnchangedRows(readers, isChanged);
  }

  /** Which of `count` images from `first` on have to be computed, counted from the first. */
  changed(first: number, count: number): number[] {
    const positions: number[] = [];
    for (let i = 0; i < count; i++) if (this.#isChanged[first + i]) positions.push(i);
    return positions;
  }

  /**
   * The rows of `count` images from `first` on.
   * @param s which set of the group
   * @param computed rows of those that were computed, in their order
   */
  fill(s: number, computed: Float32Array, first: number, count: number): Float32Array {
    const reader = this.#readers[s]!, { rowLength } = reader;
    const rows = new Float32Array(count * rowLength);
    let next = 0;
    for (let i = 0; i < count; i++) {
      if (!this.#isChanged[first + i]) reader.copyRow(first + i, rows, i * rowLength);
      else rows.set(computed.subarray(next, next += rowLength), i * rowLength);
    }
    return rows;
  }

  /** Closes the files. */
  [Symbol.dispose](): void {
    for (const reader of this.#readers) reader[Symbol.dispose]();
  }
}

/** The set of the same images' centre crops, where it is whole and of the same device and versions. */
async function findCenter(
  folder: string,
  { source, device }: Wanted,
): Promise<FeatureSet | undefined> {
  const { seed: _seed, epoch: _epoch, ...plain } = source;
  const center: FeatureSource = {
    ...plain,
    transform: { kind: "center", size: plain.transform.size },
  };
  try {
    const set = await findFeatures(folder, featureKey(center));
    if (!set || makerId(set.index.made) !== makerId({ device, versions: VERSIONS })) {
      return undefined;
    }
    return (await verifyOnce(set)).length === 0 ? set : undefined;
  } catch (error) {
    // one that is damaged is told of, and made again, where it is wanted itself
    if (error instanceof UserError && error.kind === "damaged") return undefined;
    throw error;
  }
}
