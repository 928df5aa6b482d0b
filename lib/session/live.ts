/**
 * The losses of a training that is under way, in the cell that is running.
 * @module
 */
import { trainingFacts } from "../detectors/checkpoint_file.ts";
import type { EpochLog, TrainedHead } from "../detectors/detector.ts";
import { UserError } from "../io/errors.ts";
import { exists } from "../io/files.ts";
import { readSafetensorsHeader } from "../io/safetensors.ts";
import { figureMedia } from "../report/write/media.ts";
import type { ThemeName } from "../report/theme.ts";
import type { Profile } from "../runs/profile.ts";
import { display, isNotebook } from "./kernel.ts";
import { epochsFigure } from "./training.ts";

/** Time between two looks at what training has put on disk. */
const LOOK_MS = 500;

let displays = 0;

/**
 * Draws the losses after each epoch, again in place, until it is disposed of: then what has been drawn
 * is taken away, for the finished figure is shown by who asked for it. Nothing is shown outside a
 * notebook.
 */
export class LiveCurve implements AsyncDisposable {
  readonly #id = `rine-curve-${displays++}`;
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  #looking: Promise<void> = Promise.resolve();
  #shown = 0;

  /**
   * Begins to look.
   * @param state path of the head in training: `statePath` in the results folder
   */
  constructor(
    state: string,
    profile: Profile,
    theme: ThemeName,
    everyMs: number = LOOK_MS,
  ) {
    if (!isNotebook()) return;
    let isLooking = false;
    this.#timer = setInterval(() => {
      if (isLooking) return;
      isLooking = true;
      this.#looking = this.#look(state, profile, theme).finally(() => isLooking = false);
    }, everyMs);
  }

  async #look(state: string, profile: Profile, theme: ThemeName): Promise<void> {
    const epochs = await epochsSoFar(state);
    if (epochs.length <= this.#shown) return;
    const [bundle] = await figureMedia(epochsFigure(profile, epochs), theme);
    await display(bundle!, { display_id: this.#id, update: this.#shown > 0 });
    this.#shown = epochs.length;
  }

  /** Looks no more, and takes away what was drawn. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
    if (this.#shown === 0) return;
    await display({ "text/markdown": "", "text/plain": "" }, {
      display_id: this.#id,
      update: true,
    });
  }
}

/** What a training that is under way has said after its epochs; nothing where none has ended. */
export async function epochsSoFar(state: string): Promise<readonly EpochLog[]> {
  try {
    if (!await exists(state)) return [];
    const { metadata } = await readSafetensorsHeader(state);
    return trainingFacts<TrainedHead>(state, metadata, "journal").epochs;
  } catch (error) {
    // the file is gone when training ends, and whoever trains says what is amiss with it
    if (error instanceof UserError || error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
