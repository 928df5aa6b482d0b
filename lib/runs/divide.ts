/**
 * Divides work among all processes that share a folder: each does what it can claim, leaves what others
 * have claimed, and comes back for it.
 * @module
 */
import { type Claim, claim } from "../io/lock.ts";

/** How pieces of work are claimed and done. */
export interface Division<Piece> {
  /** Groups that are under way at once. */
  readonly atOnce: number;
  /** Divides pieces into groups that are done in one go. */
  group(pieces: readonly Piece[]): readonly (readonly Piece[])[];
  /** File of a piece's claim. */
  claimPath(piece: Piece): string;
  /** Which pieces are not done by now, whoever may have done them. */
  undone(pieces: readonly Piece[]): Promise<Piece[]>;
  /**
   * Does pieces that are claimed and not done.
   * @param isHeld whether a piece is still this process's: what is not is not to be counted as done
   */
  work(pieces: readonly Piece[], isHeld: (piece: Piece) => Promise<boolean>): Promise<void>;
  /** Told, once, that all that is left is done by other processes and waited for. */
  readonly onWait?: (() => void) | undefined;
}

/** Pieces that are claimed at once where others are at work too: about a quarter of a fair share. */
const SHARES = 4;

/** Pauses between looks at work that others have claimed, from the first to the longest. */
const PAUSE_MS = [50, 1000] as const;

/**
 * Sees to it that pieces are done, by this process or by others.
 * @throws what work throws, once all that is under way has come to its end
 */
export async function divide<Piece>(
  pieces: readonly Piece[],
  division: Division<Piece>,
): Promise<void> {
  let left: readonly Piece[] = pieces, pauseMs: number = PAUSE_MS[0];
  let areOthers = false, isTold = false;
  while (true) {
    const { busy, isAnyDone } = await doUnclaimed(left, areOthers, division);
    left = await division.undone(busy);
    if (left.length === 0) return;
    areOthers = true;
    if (isAnyDone) {
      pauseMs = PAUSE_MS[0];
      continue;
    }
    if (!isTold) division.onWait?.();
    isTold = true;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    pauseMs = Math.min(1.5 * pauseMs, PAUSE_MS[1]);
  }
}

/** Does what nobody else has claimed; the others' pieces. */
async function doUnclaimed<Piece>(
  pieces: readonly Piece[],
  areOthers: boolean,
  { atOnce, group, claimPath, undone, work }: Division<Piece>,
): Promise<{ readonly busy: Piece[]; readonly isAnyDone: boolean }> {
  const waiting = [...group(pieces)], busy: Piece[] = [];
  let isAnyDone = false, hasFailed = false;

  /** Claims some of a group, and does them. */
  const take = async (group: readonly Piece[]): Promise<void> => {
    const count = waiting.reduce((sum, { length }) => sum + length, group.length);
    const claims = new Map<Piece, Claim>();
    await using held = new AsyncDisposableStack();
    for (const [index, piece] of group.entries()) {
      if (areOthers && claims.size >= Math.ceil(count / (SHARES * atOnce))) {
        waiting.unshift(group.slice(index));
        break;
      }
      const own = await claim(claimPath(piece), false);
      if (own) claims.set(piece, held.use(own));
      else busy.push(piece);
      areOthers ||= !own;
    }
    // they may have been done until they were claimed
    const mine = await undone([...claims.keys()]);
    if (mine.length === 0) return;
    isAnyDone = true;
    await work(mine, (piece) => claims.get(piece)!.isHeld());
    busy.push(...mine.filter((piece) => claims.get(piece)!.isLost));
  };
  const lane = async () => {
    while (waiting.length > 0 && !hasFailed) {
      try {
        const group = await undone(waiting.shift()!);
        if (group.length > 0) await take(group);
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: atOnce }, lane));
  for (const one of lanes) if (one.status === "rejected") throw one.reason;
  return { busy, isAnyDone };
}
