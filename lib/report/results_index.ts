/**
 * A page over several reports: the same table and the same figure of each, side by side.
 * @module
 */
import { join } from "node:path";
import { readOwnText } from "../io/regular.ts";
import { asset } from "./write/assets.ts";
import { writeIfChanged } from "./write/files.ts";
import { escapeHtml, htmlPage, scriptOf } from "./write/html.ts";

/** A report that lies in a folder of results. */
interface FoundReport {
  /** Its folder, below that of the results: `mini`, `mini/seeds-0-1-2`. */
  readonly name: string;
  /** What stands at its head, as HTML. */
  readonly head: string;
  /** Its tables and figures by their names, as HTML. */
  readonly exhibits: ReadonlyMap<string, string>;
}

/**
 * Writes `index.html` over the reports in a folder's folders and in those in them, where there are two
 * or more: one of another profile, protocol or seed stands beside each.
 * @param results holds a folder for each profile
 */
export async function writeResultsIndex(results: string): Promise<void> {
  const reports: FoundReport[] = [];
  for (const name of await foldersWithReport(results)) {
    reports.push(readReport(name, await readOwnText(join(results, name, "report.html"))));
  }
  if (reports.length < 2) return;
  const ids = [...new Set(reports.flatMap(({ exhibits }) => [...exhibits.keys()]))];
  const titles = new Map(ids.map((id) => [id, titleOf(id, reports)]));
  const body = [
    `<nav aria-label="Contents"><details open><summary>Contents</summary><ul>${
      ids.map((id) => `<li><a href="#${id}">${titles.get(id)}</a></li>`).join("")
    }</ul></details></nav>`,
    "<main>",
    "<h1>Results side by side</h1>",
    ...reports.map(({ name, head }) => `<h2>${linkTo(name)}</h2>${head}`),
    ...ids.flatMap((id) => [
      `<section id="${id}"><h2>${titles.get(id)}</h2><div class="pair close">`,
      ...reports.flatMap(({ name, exhibits }) => {
        const found = exhibits.get(id);
        if (found === undefined) return [];
        return [`<div><h3>${linkTo(name, id)}</h3>${beside(name, id, found)}</div>`];
      }),
      "</div></section>",
    ]),
    "</main>",
    scriptOf(asset("tables.ts")),
  ];
  await writeIfChanged(
    join(results, "index.html"),
    htmlPage("Results side by side", body.join("\n"), "rine with-contents"),
  );
}

/** Paths of folders that hold a report, at most two levels down, in the order of their names. */
async function foldersWithReport(results: string): Promise<string[]> {
  const found: string[] = [];
  const look = async (below: string, depth: number) => {
    for await (const { name, isDirectory, isFile } of Deno.readDir(join(results, below))) {
      if (isFile && name === "report.html" && below !== "") found.push(below);
      const isInner = isDirectory && depth < 2 && !NO_REPORTS.test(name);
      if (isInner) await look(below === "" ? name : `${below}/${name}`, depth + 1);
    }
  };
  await look("", 0);
  return found.sort();
}

/** Folders of a profile that hold files by the thousand, and no report. */
const NO_REPORTS = /^(?:heads|records|scores|points|made|tables|figures|paper|detectors|\..*)$/;

function readReport(name: string, html: string): FoundReport {
  const [, head = ""] = /<h1>[^<]*<\/h1>([^]*?)<h2/.exec(html) ?? [];
  const exhibits = [...html.matchAll(/<section id="([\w-]+)">([^]*?)<\/section>/g)]
    .map(([, id, content]) => [id!, content!] as const);
  return { name, head, exhibits: new Map(exhibits) };
}

function titleOf(id: string, reports: readonly FoundReport[]): string {
  const found = reports.map(({ exhibits }) => exhibits.get(id)).find((one) => one !== undefined);
  return /<h3>([^<]*)<\/h3>/.exec(found!)?.[1] ?? id;
}

function linkTo(name: string, id?: string): string {
  const address = `${name}/report.html${id === undefined ? "" : `#${id}`}`;
  return `<a href="${escapeHtml(encodeURI(address))}">${escapeHtml(name)}</a>`;
}

/** A table as it stands in its report, a figure as the file that lies there; its caption first. */
function beside(name: string, id: string, content: string): string {
  const plain = content.replace(/<h3>[^<]*<\/h3>/, "")
    // addresses are those of the report's folder
    .replace(/ href="(?!#)/g, ` href="${escapeHtml(encodeURI(name))}/`);
  if (!content.includes("<figure ")) return plain;
  const [caption] = /<p>[^]*?<\/p>/.exec(plain) ?? [""];
  const file = escapeHtml(encodeURI(`${name}/figures/${id}.svg`));
  return `${caption}<figure><a href="${file}"><img class="picture" loading="lazy" src="${file}" ` +
    `alt="${titleOf(id, [{ name, head: "", exhibits: new Map([[id, content]]) }])}, ${
      escapeHtml(name)
    }"></a></figure>`;
}
