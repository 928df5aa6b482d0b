/**
 * One picture on the page: its verdict, and why, once somebody asks.
 * @module
 */
import { type Answer, askVerdict, type Detectors, NoAnswer } from "./asking.ts";
import { byId, el, scale } from "./dom.ts";
import type { Result } from "./saving.ts";
import { alikeOf, factsOf, mapOf, remarksOf, whyOf, wordsOf } from "./why.ts";

/** Pixels above which no small picture is drawn of one: it would take hundreds of megabytes. */
const MOST_DRAWN_PIXELS = 40_000_000;

/** Side of the small picture. */
const THUMB_PX = 192;

/** A picture that was chosen. */
export class Card {
  readonly file: File;
  readonly element: HTMLLIElement;
  answer?: Answer;
  problem?: string;
  readonly #verdict = el("p", "verdict is-problem", "Waiting");
  readonly #remarks = el("p", "quiet");
  readonly #body = el("div", "");
  readonly #thumb = el("div", "thumb thumb-none", "…");

  constructor(file: File) {
    this.file = file;
    this.#thumb.ariaHidden = "true";
    const name = el("h3", "name", file.webkitRelativePath || file.name || "Pasted picture");
    this.#body.append(name, this.#verdict, this.#remarks);
    this.element = el("li", "card", el("div", "face", this.#thumb, this.#body));
  }

  /** As it is saved. */
  get result(): Result {
    const { answer, problem, file } = this;
    return {
      name: file.webkitRelativePath || file.name,
      ...(answer ? { answer } : {}),
      ...(problem === undefined ? {} : { problem }),
    };
  }

  /** Whether nothing is left to be done. */
  get isDone(): boolean {
    return this.answer !== undefined || this.problem !== undefined;
  }

  /** Asks for the verdict and shows it. */
  async judge(detectors: Detectors, signal: AbortSignal): Promise<void> {
    this.#verdict.textContent = "Being judged…";
    try {
      const { bodyBytes } = detectors.limits;
      // a form has some bytes besides
      if (this.file.size > bodyBytes - 4096) {
        throw new NoAnswer(`${Math.round(this.file.size / 1e6)} MB: more than the page takes`);
      }
      this.#show(await askVerdict(this.file, "", signal), detectors);
    } catch (error) {
      if (signal.aborted) this.#verdict.textContent = "Stopped";
      else if (error instanceof NoAnswer) this.#fail(error.message);
      else throw error;
    }
    if (this.answer) await this.#draw(this.answer);
    else this.#thumb.textContent = "no picture";
  }

  /** Opens what is said of why. */
  open(): void {
    const details = this.element.querySelector("details");
    if (details) details.open = true;
  }

  #fail(problem: string): void {
    this.problem = problem;
    this.#verdict.textContent = "No verdict";
    this.#remarks.textContent = problem;
  }

  #show(answer: Answer, detectors: Detectors): void {
    this.answer = answer;
    this.#verdict.textContent = wordsOf(answer);
    this.#verdict.className = `verdict ${answer.isGenerated ? "is-generated" : "is-real"}`;
    this.#remarks.textContent = remarksOf(answer, detectors.main.cropPx);
    this.#body.append(scale(answer.score));
    if (answer.alike) this.#body.append(el("p", "small", alikeOf(answer.alike)));
    const named = answer.facts?.claims.find(({ names }) => names === "generator");
    if (named) {
      this.#body.append(el("p", "small", `The file itself names a generator: ${named.field}`));
    }
    const inside = el("div", "");
    const details = el("details", "", el("summary", "", `Why? All on ${this.result.name}`), inside);
    details.addEventListener("toggle", () => void this.#explain(inside, detectors), { once: true });
    this.element.append(details);
  }

  async #explain(inside: HTMLElement, detectors: Detectors): Promise<void> {
    inside.replaceChildren(el("p", "quiet", "Asking every detector…"));
    const query = "detectors=all&why=blocks,crops,variations";
    try {
      const answer = await askVerdict(this.file, query, new AbortController().signal);
      const where = el("div", "");
      const button = el("button", "", "Show where");
      button.type = "button";
      button.addEventListener("click", () => void this.#map(button, where));
      inside.replaceChildren(
        ...whyOf(answer, detectors),
        el("h4", "", "Where in the picture"),
        el("p", "buttons", button),
        where,
        ...factsOf(answer),
      );
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      inside.replaceChildren(el("p", "", error.message));
    }
    byId("status").dataset["explained"] = this.result.name;
  }

  async #map(button: HTMLButtonElement, where: HTMLElement): Promise<void> {
    button.disabled = true;
    where.replaceChildren(el("p", "quiet", "Hiding parts of it, one after the other…"));
    try {
      const answer = await askVerdict(this.file, "why=occlusion", new AbortController().signal);
      where.replaceChildren(...await mapOf(this.file, answer));
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      where.replaceChildren(el("p", "", error.message));
      button.disabled = false;
    }
  }

  async #draw({ facts }: Answer): Promise<void> {
    if (!facts || facts.widthPx * facts.heightPx > MOST_DRAWN_PIXELS) {
      this.#thumb.textContent = "too large to be shown";
      return;
    }
    const isWide = facts.widthPx > facts.heightPx;
    const size = isWide ? { resizeWidth: THUMB_PX } : { resizeHeight: THUMB_PX };
    const bitmap = await createImageBitmap(this.file, { ...size, resizeQuality: "medium" })
      .catch(() => undefined);
    if (!bitmap) {
      this.#thumb.textContent = `${facts.format.toUpperCase()}: not shown by browsers`;
      return;
    }
    const canvas = el("canvas", "thumb");
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    canvas.getContext("2d")!.drawImage(bitmap, 0, 0);
    bitmap.close();
    canvas.ariaHidden = "true";
    this.#thumb.replaceWith(canvas);
  }
}
