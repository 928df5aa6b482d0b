/**
 * Shows progress: a bar on a terminal, a plain line now and then elsewhere. Both go to the error
 * output, so that results can be piped.
 * @module
 */
import { MultiBar, Presets, type SingleBar } from "cli-progress";
import process from "node:process";
import type { OnProgress, Progress } from "./progress.ts";

const LINE_INTERVAL_MS = 10_000;
const SHORT = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

/** Shows the stages of a run, one after the other or at once. */
export class ProgressDisplay implements Disposable {
  static readonly #open = new Set<ProgressDisplay>();
  readonly onProgress: OnProgress;
  readonly #bars: MultiBar | undefined;
  readonly #stages = new Map<string, Stage>();

  /** @param isTerminal whether to draw bars; by default, whether the error output is a terminal */
  constructor(isTerminal: boolean = Deno.stderr.isTerminal()) {
    if (isTerminal) {
      this.#bars = new MultiBar({
        format: "{stage} {bar} {value}/{total} {unit} · {rate} · {left}",
        hideCursor: true,
        clearOnComplete: false,
        stream: process.stderr,
      }, Presets.shades_grey);
    }
    this.onProgress = (progress) => this.#show(progress);
    ProgressDisplay.#open.add(this);
  }

  /** Ends what is shown, whoever shows it: the process is about to end. */
  static closeAll(): void {
    for (const display of ProgressDisplay.#open) display[Symbol.dispose]();
  }

  /** Says a line above the bars. */
  say(line: string): void {
    if (this.#bars) this.#bars.log(`${line}\n`);
    else console.error(line);
  }

  #show(progress: Progress): void {
    if (!ProgressDisplay.#open.has(this)) return;
    const { stage, unit, done, total, elsewhere = 0 } = progress;
    let shown = this.#stages.get(stage);
    if (!shown || done < shown.done) {
      shown = new Stage(done);
      this.#stages.set(stage, shown);
      shown.bar = this.#bars?.create(total, done, {
        stage: stage.padEnd(12),
        unit,
        rate: "",
        left: "",
      });
    }
    const { rate, left } = shown.advance(done, total, unit, elsewhere);
    if (shown.bar) {
      shown.bar.setTotal(total);
      shown.bar.update(done, { stage: stage.padEnd(12), unit, rate, left });
    } else if (shown.isLineDue(done >= total)) {
      console.error(
        `${stage}: ${done} of ${total} ${unit}${done >= total ? "" : `, ${rate}, ${left}`}`,
      );
    }
  }

  /** Leaves the terminal as it was; nothing is shown any more. */
  [Symbol.dispose](): void {
    ProgressDisplay.#open.delete(this);
    this.#bars?.stop();
  }
}

class Stage {
  done: number;
  bar: SingleBar | undefined;
  readonly #first: number;
  readonly #started = performance.now();
  #lastLine = performance.now();
  #isFinished = false;

  constructor(done: number) {
    this.done = done;
    this.#first = done;
  }

  /**
   * Rate and time left, of all processes that work at it; where others do, this one's rate too. What was
   * done before this process began counts for nothing.
   */
  advance(
    done: number,
    total: number,
    unit: string,
    elsewhere: number,
  ): { rate: string; left: string } {
    this.done = done;
    const seconds = Math.max((performance.now() - this.#started) / 1000, 1e-3);
    const perSecond = (done - this.#first) / seconds;
    if (done === this.#first) return { rate: "…", left: "…" };
    const left = `${duration((total - done) / perSecond)} left`;
    const all = rateOf(perSecond, unit);
    if (elsewhere === 0) return { rate: all, left };
    const own = Math.max(0, done - this.#first - elsewhere) / seconds;
    return { rate: `${all} with others, ${own === 0 ? "none" : rateOf(own, unit)} here`, left };
  }

  isLineDue(isFinished: boolean): boolean {
    if (this.#isFinished) return false;
    const now = performance.now();
    if (!isFinished && now - this.#lastLine < LINE_INTERVAL_MS) return false;
    this.#lastLine = now;
    this.#isFinished = isFinished;
    return true;
  }
}

function rateOf(perSecond: number, unit: string): string {
  return perSecond >= 1
    ? `${SHORT.format(perSecond)} ${unit}/s`
    : `${SHORT.format(1 / perSecond)} s each`;
}

/** A time for people: `45 s`, `3 min 20 s`, `2 h 5 min`, `12 days`. */
export function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole >= 3 * 86_400) return `${Math.round(whole / 86_400)} days`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole / 60) % 60} min`;
}
