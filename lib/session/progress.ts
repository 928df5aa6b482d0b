/**
 * Progress of long work, in the cell that is running or on the terminal.
 * @module
 */
import type { OnProgress, Progress } from "../io/progress.ts";
import { ProgressDisplay } from "../io/progress_bar.ts";
import { stopCheck } from "../io/cell.ts";
import { escapeHtml } from "../report/write/html.ts";
import type { MediaBundle } from "../report/write/media.ts";
import { display, isNotebook, quiet } from "./kernel.ts";

/** Time between two drawings of the progress. */
const REDRAW_MS = 250;

let displays = 0;

/**
 * Shows the progress of long work in the cell that is running: a bar for each stage, drawn again in
 * place. Nothing is shown where no progress is told.
 */
export class CellProgress implements AsyncDisposable {
  /** Hand it to the work. */
  readonly onProgress: OnProgress;
  readonly #id = `rine-progress-${displays++}`;
  readonly #stages = new Map<string, Progress>();
  #drawnAt = -Infinity;
  #last: Promise<void> | undefined;

  /** Shows nothing yet. */
  constructor() {
    this.onProgress = (progress) => {
      this.#stages.set(progress.stage, progress);
      if (performance.now() - this.#drawnAt >= REDRAW_MS) this.#draw();
    };
  }

  #draw(): void {
    this.#drawnAt = performance.now();
    const bundle = progressMedia([...this.#stages.values()]);
    const options = { display_id: this.#id, update: this.#last !== undefined };
    this.#last = (this.#last ?? Promise.resolve()).then(() => display(bundle, options));
  }

  /** Draws what was told last, and waits until it is shown. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stages.size === 0) return;
    this.#draw();
    await this.#last;
    await quiet();
  }
}

/** Progress as an output: a bar and a line for each stage. */
export function progressMedia(stages: readonly Progress[]): MediaBundle {
  const texts = stages.map(({ stage, unit, done, total }) =>
    `${stage}: ${done} of ${total} ${unit}`
  );
  const bars = stages.map(({ done, total }, i) =>
    `<div><progress value="${done}" max="${total}"></progress> ${escapeHtml(texts[i]!)}</div>`
  );
  return { "text/html": bars.join(""), "text/plain": texts.join("\n") };
}

/**
 * Does long work and shows its progress, in the cell or on the terminal.
 * @throws {Stopped} where the cell has been stopped meanwhile
 */
export async function showingProgress<T>(
  work: (
    onProgress: OnProgress,
    onWait: () => void,
    say: (line: string) => void,
  ) => Promise<T>,
): Promise<T> {
  const check = stopCheck();
  const waits = "Another process works in the same folder; waiting for it";
  if (isNotebook()) {
    await using progress = new CellProgress();
    const say = (line: string) =>
      void display({ "text/markdown": escapeHtml(line), "text/plain": line });
    const onProgress: OnProgress = (told) => {
      check();
      progress.onProgress(told);
    };
    return await work(onProgress, () => say(waits), say);
  }
  using terminal = new ProgressDisplay();
  const say = (line: string) => terminal.say(line);
  return await work(terminal.onProgress, () => say(waits), say);
}
