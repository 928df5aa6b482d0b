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
   * Decodes a file. One that takes too long is ended with its thread.
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
    let next = lane;
    try {
      return await Promise.race([lane.run({ bytes, name }), late]);
    } catch (error) {
      const isStopped = error instanceof Error && /^A worker stopped/.test(error.message);
      if (error instanceof TooSlow || isStopped) {
        lane[Symbol.dispose]();
        this.#lanes.delete(lane);
        this.#lanes.add(next = openLane());
      }
      throw error;
    } finally {
      clearTimeout(timer);
      const waiting = this.#forLane.shift();
      if (waiting) waiting(next);
      else this.#idle.push(next);
    }
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
    for (const lane of this.#lanes) await lane[Symbol.asyncDispose]();
    await this.#judge[Symbol.asyncDispose]();
  }
}

function openLane(): Lane {
  return new WorkerPool<DecodeJob, DecodedPicture>(moduleNamed("decode_worker.ts"), 1);
}

function moduleNamed(name: string): URL {
  return new URL(`./${name}`, import.meta.url);
}

/** The pixels of an image that came from a lane, which are all that is in their buffer. */
function bufferOf({ data }: RgbImage): ArrayBuffer {
  return data.buffer as ArrayBuffer;
}
