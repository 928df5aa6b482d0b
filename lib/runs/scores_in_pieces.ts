/**
 * Scores of a list of images that a detector looks at: put on disk piece by piece, so that what is
 * interrupted goes on, and found again; several processes divide the pieces.
 * @module
 */
import { join } from "node:path";
import { UserError } from "../io/errors.ts";
import { exists } from "../io/files.ts";
import { readSafetensors } from "../io/safetensors.ts";
import { writeSealedSafetensors } from "../io/safetensors_writer.ts";
import { divide } from "./divide.ts";

/** Images of a list whose scores are put on disk at once. */
const PIECE = 256;

/** Whose scores are kept, of what, and where. */
export interface KeptPieces {
  /** Results folder of the profile. */
  readonly folder: string;
  /** Folder in `scores/`: names the detector and how it reads images. */
  readonly own: string;
  /** Names the list's content, and what is done to its images before. */
  readonly list: string;
  /** What a file says of the detector to people. */
  readonly about: Readonly<Record<string, string>>;
  /** Whether images that cannot be decoded are left out; else pieces that lack some are made again. */
  readonly skipCorrupt: boolean;
  /** Told of images that have been scored, now or before. */
  readonly onImages: (images: number) => void;
}

/**
 * Scores a list, or finds its scores.
 * @param score scores the images of a piece; NaN where one cannot be decoded
 * @returns probabilities that images are generated, [images]; NaN where one cannot be decoded
 */
export async function scoresInPieces<Image>(
  images: readonly Image[],
  { folder, own, list, about, skipCorrupt, onImages }: KeptPieces,
  score: (piece: readonly Image[]) => Promise<Float32Array>,
): Promise<Float32Array> {
  const all = new Float32Array(images.length), done = new Set<number>();
  const pieceAt = (first: number) => {
    const piece = images.slice(first, first + PIECE), name = `${list}-${first}`;
    const path = join(folder, "scores", own, `${name}.safetensors`);
    return { piece, path, whose: `${own}/${name}` };
  };
  const keep = (first: number, scores: Float32Array) => {
    all.set(scores, first);
    done.add(first);
  };
  const firsts = Array.from({ length: Math.ceil(images.length / PIECE) }, (_, p) => p * PIECE);
  await divide(firsts, {
    atOnce: 1,
    group: (some) => some.map((first) => [first]),
    claimPath: (first) => `${pieceAt(first).path}.lock`,
    async undone(some) {
      for (const first of some.filter((first) => !done.has(first))) {
        const { piece, path, whose } = pieceAt(first);
        const scores = await readPiece(path, piece.length, whose);
        if (!scores || !skipCorrupt && scores.some(Number.isNaN)) continue;
        keep(first, scores);
        onImages(piece.length);
      }
      return some.filter((first) => !done.has(first));
    },
    async work([first]) {
      const { piece, path, whose } = pieceAt(first!);
      const scores = await score(piece);
      await writeSealedSafetensors(path, [["scores", { data: scores, shape: [piece.length] }]], {
        key: whose,
        ...about,
      });
      keep(first!, scores);
    },
  });
  return all;
}

/**
 * Scores of images that are looked at now.
 * @param found what a detector says of them, in their order
 * @param count of images
 * @param corrupt what is said of one that cannot be decoded; where it is left out, `undefined`
 * @param onImages told of images that have been looked at
 * @returns probabilities that images are generated, [images]; NaN where one is left out
 * @throws {UserError} where an image cannot be decoded and is not to be left out
 */
export async function scoresOf(
  found: AsyncIterable<
    { readonly path: string } & ({ readonly score: number } | { readonly problem: string })
  >,
  count: number,
  corrupt: ((path: string, problem: string) => string) | undefined,
  onImages: (images: number) => void = () => {},
): Promise<Float32Array> {
  const scores = new Float32Array(count);
  let done = 0;
  for await (const one of found) {
    onImages(1);
    if ("problem" in one && corrupt) {
      throw new UserError("damaged", corrupt(one.path, one.problem));
    }
    scores[done++] = "problem" in one ? NaN : one.score;
  }
  return scores;
}

/** Scores that are whole and their own; damaged ones, and others' in their place, are made again. */
async function readPiece(
  path: string,
  count: number,
  whose: string,
): Promise<Float32Array | undefined> {
  if (!await exists(path)) return undefined;
  try {
    const { metadata, tensors } = await readSafetensors(path);
    const scores = tensors.get("scores")?.data;
    // files of before there were keys say nothing
    return scores?.length === count && (metadata["key"] ?? whose) === whose ? scores : undefined;
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}
