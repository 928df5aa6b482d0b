/**
 * Which images there are and how large their files are, each looked at once.
 * @module
 */
import { resolve } from "node:path";
import { contentKey } from "../io/files.ts";
import { lookAtAll } from "../io/look.ts";
import { type ImageEntry, type LabelledImage, listImages, type Source } from "./dataset.ts";
import { reasonOf } from "./folder_tree.ts";

/** A list of images as it is on disk. */
export interface Listed {
  /**
   * A hash of the images by path, label and size in bytes. Their content is not read: it takes longer
   * than all else that a finished experiment does. So an image that is replaced by another of the
   * same size keeps the features of the first one, until the set's `.npy` file is deleted.
   */
  readonly key: string;
  /** Positions of images that are not there. */
  readonly missing: readonly number[];
}

/**
 * What folders and files under a data root looked like when they were first asked for. It is believed
 * as long as the object lives, or until {@linkcode Listings.forget}: make one for a plan, or for a
 * command that plans several times, and forget after work that takes long enough for somebody to
 * change an image meanwhile. A process that lives on, a notebook's, makes one for each call.
 *
 * @example
 * ```ts
 * import { Listings } from "./listing.ts";
 *
 * const root = await Deno.makeTempDir();
 * await Deno.writeTextFile(`${root}/1.png`, "an image");
 * const listings = new Listings(root);
 * const images = await listings.images({ label: 0, directory: "." }, "mine");
 * console.assert((await listings.look(images)).missing.length === 0);
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export class Listings {
  readonly #root: string;
  #images = new Map<string, Promise<readonly ImageEntry[]>>();
  #looks = new WeakMap<readonly LabelledImage[], Promise<Listed>>();
  #sizes: ReadonlyMap<string, number>;

  /**
   * Looks at nothing yet.
   * @param root data root that image paths are relative to
   * @param sizes of files that have just been looked at, in bytes, by path
   */
  constructor(root: string, sizes: ReadonlyMap<string, number> = new Map()) {
    this.#root = root;
    this.#sizes = sizes;
  }

  /**
   * Lists a source of a set, as {@linkcode listImages} does; the same array whenever it is asked for.
   * @param name of the set, for errors
   * @throws {UserError} where the source is not there or holds no image; it is looked for again when
   * asked for again
   */
  images(source: Source, name: string): Promise<readonly ImageEntry[]> {
    const id = JSON.stringify(source);
    let images = this.#images.get(id);
    if (!images) {
      images = this.#list(source, name);
      this.#images.set(id, images);
      const known = this.#images;
      images.catch(() => known.delete(id));
    }
    return images;
  }

  /** Looks for a list's files, a bounded number at a time, once for a list. */
  look(images: readonly LabelledImage[]): Promise<Listed> {
    let look = this.#looks.get(images);
    if (!look) {
      look = this.#look(images);
      this.#looks.set(images, look);
      const known = this.#looks;
      look.catch(() => known.delete(images));
    }
    return look;
  }

  /** Looks at everything again when it is asked for again. */
  forget(): void {
    this.#images = new Map();
    this.#looks = new WeakMap();
    this.#sizes = new Map();
  }

  async #list(source: Source, name: string): Promise<readonly ImageEntry[]> {
    const spec = { name, title: name, family: name, sources: [source] };
    return await listImages(this.#root, spec);
  }

  async #look(images: readonly LabelledImage[]): Promise<Listed> {
    const bytes = Float64Array.from(images, ({ path }) => this.#sizes.get(path) ?? NaN);
    const others = [...bytes.keys()].filter((i) => Number.isNaN(bytes[i]));
    await lookAtAll(
      others,
      (i) => resolve(this.#root, images[i]!.path),
      (found, n) => bytes[others[n]!] = sizeOf(found),
    );
    const missing: number[] = [];
    const parts = images.values().map(({ path, label }, i) => {
      if (bytes[i] === -1) missing.push(i);
      return [path, label, bytes[i]];
    });
    return { key: contentKey(parts), missing };
  }
}

/** -1 where there is no file: once there is one, the name changes. */
function sizeOf(found: Deno.FileInfo | Error): number {
  if (!(found instanceof Error)) return found.size;
  reasonOf(found);
  return -1;
}
