/**
 * The page: takes pictures, asks for their verdicts one after the other, and shows them.
 * @module
 */
import { aboutDetectors } from "./about.ts";
import { askDetectors, type Detectors, NoAnswer } from "./asking.ts";
import { Card } from "./card.ts";
import { byId, el } from "./dom.ts";
import { droppedFiles, picturesAmong } from "./picking.ts";
import { save, toCsv } from "./saving.ts";

/** Pictures that are asked about at once. */
const AT_ONCE = 3;

const cards: Card[] = [];
const waiting: Card[] = [];
let stopping = new AbortController();
let working = 0, leftOutInAll = 0;

const detectors = askDetectors();
detectors.then(showDetectors, (error) => {
  byId("about").replaceChildren(el("p", "notice", error.message));
});

function showDetectors(found: Detectors): void {
  byId("about").replaceChildren(...aboutDetectors(found));
  const { notice } = found;
  if (notice === undefined) return;
  byId("notice").textContent = `${notice}. A verdict here means nothing.`;
  byId("notice").hidden = false;
}

function take(files: readonly File[], leftOut = 0): void {
  if (files.length === 0) {
    byId("results").hidden = false;
    byId("status").textContent = "There was no picture among that.";
    return;
  }
  const taken = files.map((file) => new Card(file));
  cards.push(...taken);
  waiting.push(...taken);
  byId("list").append(...taken.map(({ element }) => element));
  byId("results").hidden = false;
  leftOutInAll += leftOut;
  // one alone is what somebody wants to know all about
  for (let i = working; i < AT_ONCE; i++) void work(cards.length === 1);
  showProgress();
}

async function work(opens: boolean): Promise<void> {
  working++;
  try {
    const found = await detectors;
    for (let card = waiting.shift(); card; card = waiting.shift()) {
      await card.judge(found, stopping.signal);
      if (opens) card.open();
      showProgress();
    }
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    byId("status").textContent = error.message;
  } finally {
    working--;
    showProgress();
  }
}

function showProgress(): void {
  const done = cards.filter(({ isDone }) => isDone);
  const generated = done.filter(({ answer }) => answer?.isGenerated).length;
  const failed = done.filter(({ problem }) => problem !== undefined).length;
  const progress = byId<HTMLProgressElement>("progress");
  progress.max = Math.max(cards.length, 1);
  progress.value = done.length;
  const leftOut = leftOutInAll;
  byId("status").textContent = [
    `${done.length} of ${cards.length} judged`,
    `${generated} taken for generated`,
    `${done.length - generated - failed} for real`,
    ...(failed > 0 ? [`${failed} without a verdict`] : []),
    ...(leftOut > 0
      ? [`${leftOut} left out that ${leftOut === 1 ? "is no picture" : "are no pictures"}`]
      : []),
  ].join(", ") + (waiting.length > 0 || working > 0 ? "." : ". Done.");
  byId<HTMLButtonElement>("stop").disabled = working === 0;
}

function takeFolder(files: readonly File[]): void {
  const pictures = picturesAmong(files);
  take(pictures, files.length - pictures.length);
}

function chooses(button: string, input: string, then: (files: File[]) => void): void {
  const field = byId<HTMLInputElement>(input);
  byId(button).addEventListener("click", () => field.click());
  field.addEventListener("change", () => {
    const files = Array.from(field.files ?? []);
    // so that the same ones can be chosen again
    field.value = "";
    if (files.length > 0) then(files);
  });
}

chooses("choose", "files", take);
chooses("choose-folder", "folder", takeFolder);

document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dragging");
});
document.addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) document.body.classList.remove("dragging");
});
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  if (event.dataTransfer) take(await droppedFiles(event.dataTransfer));
});
document.addEventListener("paste", (event) => {
  const files = Array.from(event.clipboardData?.files ?? []);
  if (files.length === 0) return;
  event.preventDefault();
  take(files);
});

byId("stop").addEventListener("click", () => {
  waiting.length = 0;
  stopping.abort();
  stopping = new AbortController();
});
byId("clear").addEventListener("click", () => {
  waiting.length = 0;
  stopping.abort();
  stopping = new AbortController();
  cards.length = leftOutInAll = 0;
  byId("list").replaceChildren();
  byId("results").hidden = true;
  byId("choose").focus();
});
byId("save-csv").addEventListener("click", () => {
  save("verdicts.csv", "text/csv", toCsv(cards.map(({ result }) => result)));
});
byId("save-json").addEventListener("click", async () => {
  const { main, notice, threshold } = await detectors;
  const results = cards.map(({ result }) => result);
  const all = { ...(notice === undefined ? {} : { notice }), detector: main, threshold, results };
  save("verdicts.json", "application/json", JSON.stringify(all, null, 2) + "\n");
});
