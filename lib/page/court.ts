/**
 * Files in, verdicts out: threads that decode, and the one that judges.
 * @module
 */
import type { RgbImage } from "../image/image.ts";
import { WorkerPool } from "../io/worker_pool.ts";
import type { DecodedPicture, DecodeJob } from "./decode_worker.ts";
import type { ExplainedVerdict, Judged, JudgeOptions, MainDetector, Wanted } from "./judge.ts";
import type { JudgeJob, JudgeResult } from "./judge_worker.ts";

/** Pictures that go through the network at once, and batches that the judging thread is given ahead. */
const BATCH = 8, AHEAD = 2;

/**
 * Threads that decode, at most, with those that are late; and after how many limits a late one is
 * ended.
 */
const MOST_LANES = 8, PATIENCE = 10;

/** A thread that decodes one file at a time. */
type Lane = WorkerPool<DecodeJob, DecodedPicture>;

/** What is thrown where decoding takes longer than it may. */
export class TooSlow extends Error {
  override readonly name = "TooSlow";
}

/** Threads that decode and judge. Open one with {@linkcode Court.open}. */
export class Court implements AsyncDisposable {
  /** The detector that decides. */
  readonly main: MainDetector;
  readonly #judge: WorkerPool<JudgeJob, JudgeResult>;
  readonly #idle: Lane[];
  readonly #lanes: Set<Lane>;
  readonly #forLane: ((lane: Lane) => void)[] = [];
  readonly #forVerdict: {
    readonly image: RgbImage;
    readonly resolve: (judged: Judged) => void;
    readonly reject: (error: unknown) => void;
  }[] = [];
  #batches = 0;
  #isClosed = false;

  private constructor(
    main: MainDetector,
    judge: WorkerPool<JudgeJob, JudgeResult>,
    lanes: readonly Lane[],
  ) {
    this.main = main;
    this.#judge = judge;
    this.#idle = [...lanes];
    this.#lanes = new Set(lanes);
  }

  /**
   * Starts the threads and opens the detector that decides.
   * @param lanes how many files are decoded at once
   * @throws {UserError} where the detector cannot be opened
   */
  static async open(options: JudgeOptions, lanes = 4): Promise<Court> {
    const judge = new WorkerPool<JudgeJob, JudgeResult>(moduleNamed("judge_worker.ts"), 1);
    try {
      const main = await judge.run({ open: options }) as MainDetector;
      return new Court(main, judge, Array.from({ length: lanes }, openLane));
    } catch (error) {
      judge[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Decodes a file. One that takes too long is not waited for: another thread takes the place of its.
   * @throws {UserError} where it is no picture
   * @throws {TooSlow} where it takes longer than it may
   */
  async decode(bytes: Uint8Array, name: string, limitMs: number): Promise<DecodedPicture> {
    const lane = this.#idle.pop() ??
      await new Promise<Lane>((resolve) => this.#forLane.push(resolve));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new TooSlow(`more than ${limitMs / 1000} s`)), limitMs);
    });
    const work = lane.run({ bytes, name });
    let isLost = false;
    try {
      return await Promise.race([work, late]);
    } catch (error) {
      isLost = error instanceof TooSlow || isDeath(error);
      throw error;
    } finally {
      clearTimeout(timer);
      if (isLost) void this.#replace(lane, work, limitMs);
      else this.#give(lane);
    }
  }

  #give(lane: Lane): void {
    const waiting = this.#forLane.shift();
    if (waiting) waiting(lane);
    else this.#idle.push(lane);
  }

  /**
   * Puts another thread beside one that is late. The late one comes back when its work is done: a
   * thread that is ended keeps the memory of its native code for good. What never ends is ended all
   * the same.
   */
  async #replace(lane: Lane, work: Promise<DecodedPicture>, limitMs: number): Promise<void> {
    if (this.#lanes.size < MOST_LANES) this.#open();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const hasEnded = await Promise.race([
      work.then(({ image }) => {
        discard(image);
        return true;
      }, (error) => !isDeath(error)),
      new Promise<boolean>((resolve) =>
        timer = setTimeout(() => resolve(false), PATIENCE * limitMs)
      ),
    ]);
    clearTimeout(timer);
    if (this.#isClosed) return;
    if (hasEnded) return this.#give(lane);
    this.#lanes.delete(lane);
    lane[Symbol.dispose]();
    this.#open();
  }

  #open(): void {
    const lane = openLane();
    this.#lanes.add(lane);
    this.#give(lane);
  }

  /**
   * The verdict of the detector that decides; pictures that wait go through together.
   * @param image handed over: it has no pixels any more
   */
  verdict(image: RgbImage): Promise<Judged> {
    return new Promise((resolve, reject) => {
      this.#forVerdict.push({ image, resolve, reject });
      this.#judgeNext();
    });
  }

  #judgeNext(): void {
    const waiting = this.#forVerdict.length;
    // while one is judged a full one may wait in the thread; a small one would keep others from joining
    if (waiting === 0 || this.#batches >= AHEAD || this.#batches > 0 && waiting < BATCH) return;
    this.#batches++;
    const batch = this.#forVerdict.splice(0, BATCH);
    const images = batch.map(({ image }) => image);
    this.#judge.run({ images }, undefined, images.map(bufferOf)).then(
      (judged) => batch.forEach(({ resolve }, i) => resolve((judged as readonly Judged[])[i]!)),
      (error) => batch.forEach(({ reject }) => reject(error)),
    ).finally(() => {
      this.#batches--;
      this.#judgeNext();
    });
  }

  /**
   * A verdict, and what it hangs on.
   * @param image handed over, as by {@linkcode Court.verdict}
   */
  async explained(image: RgbImage, wanted: Wanted): Promise<ExplainedVerdict> {
    const job = { image, wanted };
    return await this.#judge.run(job, undefined, [bufferOf(image)]) as ExplainedVerdict;
  }

  /** Stops the threads; what is under way fails. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const lane of this.#lanes) await lane[Symbol.asyncDispose]();
    await this.#judge[Symbol.asyncDispose]();
  }
}

/** Whether a thread is no more. */
function isDeath(error: unknown): boolean {
  return error instanceof Error && /^A worker stopped/.test(error.message);
}

function openLane(): Lane {
  return new WorkerPool<DecodeJob, DecodedPicture>(moduleNamed("decode_worker.ts"), 1);
}

function moduleNamed(name: string): URL {
  return new URL(`./${name}`, import.meta.url);
}

/** Frees the pixels of a picture that nobody wants any more: hundreds of megabytes, which may lie long. */
export function discard(image: RgbImage): void {
  bufferOf(image).transfer(0);
}

/** The pixels of an image that came from a lane, which are all that is in their buffer. */
function bufferOf({ data }: RgbImage): ArrayBuffer {
  return data.buffer as ArrayBuffer;
}
