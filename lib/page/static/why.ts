/**
 * Why: what of a picture and of the detector a verdict hangs on.
 * @module
 */
import type { Explanation } from "../judge.ts";
import type { ScoreBin } from "../reliability.ts";
import type { Answer, Detectors } from "./asking.ts";
import { el, percent, scale, signed, signedBar, table } from "./dom.ts";

/** Everything that is said of a verdict besides itself. */
export function whyOf(answer: Answer, { detectors }: Detectors): HTMLElement[] {
  const { explanation = {}, score, logit } = answer;
  const titles = new Map(detectors.map(({ id, title }) => [id, title]));
  return [
    ...others(explanation, titles),
    ...changes(explanation, score),
    ...crops(explanation),
    ...blocks(explanation, logit),
  ];
}

function others({ detectors }: Explanation, titles: ReadonlyMap<string, string>): HTMLElement[] {
  if (!detectors) return [];
  const rows = detectors.map((one) => {
    const name = `${titles.get(one.id)} (${one.id})`;
    if ("problem" in one) return [name, "–", "no verdict", one.problem];
    const word = el("span", one.isGenerated ? "is-generated" : "is-real", wordOf(one.isGenerated));
    return [name, one.score.toFixed(2), word, scale(one.score)];
  });
  return [
    el("h4", "", "Every detector"),
    table("", "Each by itself; a score above 0.5 is “generated”", [
      ...["Detector", "Score", "Verdict", ""],
    ], rows),
  ];
}

function wordOf(isGenerated: boolean): string {
  return isGenerated ? "generated" : "real";
}

function changes({ variations }: Explanation, score: number): HTMLElement[] {
  if (!variations) return [];
  const moved = variations.filter(({ isGenerated }) => isGenerated !== score > .5);
  const rows = variations.map(({ change, score, isGenerated, paddedFromPx }) => [
    change + (paddedFromPx ? " (then padded with black)" : ""),
    score.toFixed(2),
    el("span", isGenerated ? "is-generated" : "is-real", wordOf(isGenerated)),
    scale(score),
  ]);
  return [
    el("h4", "", "Compressed again and resized"),
    el(
      "p",
      "",
      moved.length === 0
        ? "The verdict stays the same when the picture is changed as the web changes pictures."
        : `The verdict turns in ${moved.length} of ${variations.length} cases: do not lean on it.`,
    ),
    table("", "The same picture after a change", ["Change", "Score", "Verdict", ""], rows),
  ];
}

function crops({ crops }: Explanation): HTMLElement[] {
  if (!crops) return [];
  const { score, scores } = crops;
  return [
    el("h4", "", "Ten places"),
    el(
      "p",
      "",
      `Read in its corners and its middle, and mirrored, the picture has a score of ` +
        `${score.toFixed(2)}; single places have ${Math.min(...scores).toFixed(2)} to ` +
        `${Math.max(...scores).toFixed(2)}.`,
    ),
  ];
}

function blocks({ logitsWithoutBlock }: Explanation, logit: number): HTMLElement[] {
  if (!logitsWithoutBlock) return [];
  const parts = logitsWithoutBlock.map((without) => logit - without);
  const largest = Math.max(...parts.map(Math.abs));
  const rows = parts.map((part, i) => [
    `${i + 1}`,
    signed(part),
    signedBar(part, largest),
  ]);
  return [
    el("h4", "", "Blocks of the network"),
    table(
      "bars",
      "How much higher the logit is with a block than without it; right of the middle speaks for " +
        "“generated”",
      ["Block", "Logit", "Speaks for real | generated"],
      rows,
    ),
  ];
}

/** What the file says of itself. */
export function factsOf({ facts }: Answer): HTMLElement[] {
  if (!facts) return [];
  const { format, bytes, widthPx, heightPx, bits, claims, hasC2pa, orientation } = facts;
  const lines: [string, string | Node][] = [
    ["File", `${format.toUpperCase()}, ${sizeOf(bytes)}, ${bits} bits a channel`],
    ["Size", `${widthPx} × ${heightPx} pixels`],
    ...(orientation === undefined
      ? []
      : [["Turned", "Exif turns or mirrors it; it is judged as it is stored"] as [string, string]]),
    ...claims.map(({ field, text, names }): [string, Node] => [
      field,
      el(
        "span",
        "",
        ...(names ? [el("span", "tag", `names a ${names}`), " "] : []),
        text,
      ),
    ]),
    ...(hasC2pa
      ? [["C2PA", "There is a manifest; whether its signature holds is not checked"] as [
        string,
        string,
      ]]
      : []),
  ];
  const list = el("dl", "facts");
  for (const [term, said] of lines) list.append(el("dt", "", term), el("dd", "", said));
  const claimed = claims.length > 0 || hasC2pa;
  return [
    el("h4", "", "What the file says"),
    list,
    el(
      "p",
      "small",
      claimed
        ? "A file claims what somebody wrote into it: no proof of anything. The verdict does not " +
          "read it."
        : "It says nothing of a camera or a generator. Most files on the web do not.",
    ),
  ];
}

function sizeOf(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Largest side of the map on the page, in its own pixels. */
const MAP_PX = 480;

/** The map of what a verdict hangs on, over the part of the picture that was read. */
export async function mapOf(
  file: File,
  { explanation, facts }: Answer,
): Promise<HTMLElement[]> {
  const found = explanation?.occlusion;
  if (!found) return [el("p", "", "There is no map: the detector was given no part of it.")];
  const { columns, rows, leftPx, topPx, widthPx, heightPx, logitFalls } = found;
  const zoom = MAP_PX / Math.max(widthPx, heightPx);
  const canvas = el("canvas", "map");
  canvas.width = Math.round(widthPx * zoom);
  canvas.height = Math.round(heightPx * zoom);
  const to = canvas.getContext("2d")!;
  to.fillRect(0, 0, canvas.width, canvas.height);
  // a picture that the browser turns would not lie under its map
  const shown = facts?.orientation === undefined
    ? await createImageBitmap(file, leftPx, topPx, widthPx, heightPx).catch(() => undefined)
    : undefined;
  to.imageSmoothingEnabled = zoom < 2;
  if (shown) to.drawImage(shown, 0, 0, canvas.width, canvas.height);
  shown?.close();
  const largest = Math.max(...logitFalls.map(Math.abs)) || 1;
  const strongest = logitFalls.map((_, i) => i)
    .sort((a, b) => Math.abs(logitFalls[b]!) - Math.abs(logitFalls[a]!)).slice(0, 3);
  for (const [i, fall] of logitFalls.entries()) {
    const left = Math.round(canvas.width * (i % columns) / columns);
    const top = Math.round(canvas.height * Math.floor(i / columns) / rows);
    const right = Math.round(canvas.width * (i % columns + 1) / columns);
    const bottom = Math.round(canvas.height * (Math.floor(i / columns) + 1) / rows);
    const share = Math.abs(fall) / largest;
    to.fillStyle = fall > 0 ? `rgb(230 80 10 / ${.7 * share})` : `rgb(0 150 135 / ${.7 * share})`;
    to.fillRect(left, top, right - left, bottom - top);
    if (!strongest.includes(i)) continue;
    to.lineWidth = 3;
    to.strokeStyle = "#fff";
    to.setLineDash(fall > 0 ? [] : [8, 6]);
    to.strokeRect(left + 2, top + 2, right - left - 4, bottom - top - 4);
  }
  const said = strongest.map((i) =>
    `row ${Math.floor(i / columns) + 1}, column ${i % columns + 1} (${signed(logitFalls[i]!)})`
  ).join("; ");
  canvas.role = "img";
  canvas.ariaLabel =
    `Map of ${rows} rows and ${columns} columns. The verdict hangs most on ${said}`;
  return [
    canvas,
    el(
      "p",
      "small",
      "Each part was hidden in turn. Orange: without it the picture looks less generated; green: more. " +
        `Most hangs on ${said}; these have a white frame, dashed where green. The whole range is ` +
        `±${largest.toFixed(2)} of the logit.` +
        (shown ? "" : " The picture itself is not shown here."),
    ),
  ];
}

/** The verdict in words. */
export function wordsOf({ isGenerated, score }: Answer): string {
  const distance = Math.abs(score - .5);
  if (distance < .1) return `Undecided, rather ${wordOf(isGenerated)}`;
  return distance < .4 ? `Probably ${wordOf(isGenerated)}` : `Taken for ${wordOf(isGenerated)}`;
}

/** What stands below the verdict. */
export function remarksOf({ score, paddedFromPx, tiles, facts }: Answer, cropPx?: number): string {
  const remarks = [`score ${score.toFixed(3)}`];
  if (paddedFromPx) remarks.push("smaller than what is read of it, so padded with black");
  else if (cropPx !== undefined && facts) {
    const share = cropPx * cropPx / (facts.widthPx * facts.heightPx);
    remarks.push(`of the middle, ${share > .995 ? "100 %" : percent(share)} of the picture`);
  }
  if (tiles !== undefined) remarks.push(`read in ${tiles} tiles`);
  return remarks.join(", ");
}

/** What became of test pictures with a score like this. */
export function alikeOf({ from, to, pictures, generated }: ScoreBin): string {
  const range = `${from.toFixed(1)} to ${to.toFixed(1)}`;
  return pictures === 0
    ? `No test picture had a score of ${range}.`
    : `Of ${pictures} test pictures with a score of ${range}, ${
      percent(generated / pictures)
    } were ` +
      "generated.";
}
