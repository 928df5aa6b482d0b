/**
 * What the doctor found, as text for people.
 * @module
 */
import type { Duplicates } from "./duplicates.ts";
import type { LabelReport, SetReport, SizeCount } from "./set_report.ts";
import type { DoctorReport, MissingSet } from "./profile.ts";

/** Formats a report: a table of what is there, what to know of it, what is missing, what can run. */
export function formatReport(report: DoctorReport): string {
  const present = report.sets.filter(({ real, generated }) => real.found + generated.found > 0);
  const notes = [
    ...report.sets.flatMap(({ name, instead = [] }) => instead.map((text) => `${name}: ${text}`)),
    ...present.flatMap((set) => notesOf(set, report.cropPx)),
    ...report.duplicates.map(duplicateNote),
  ];
  return [
    report.notice ??
      `${report.files} image files of the ${report.profile} profile under ${report.root}` +
        (report.isDeep ? ", all decoded" : ", looked at without decoding (--deep decodes)"),
    ...(present.length === 0 ? [] : ["", ...table([HEADINGS, ...present.map(rowOf)])]),
    ...(notes.length === 0 ? [] : ["", "To know", ...notes.map((note) => `  ${note}`)]),
    ...missingLines(report),
    ...backboneLines(report),
    ...detectorLines(report),
    ...integrityLines(report),
    "",
    "Sections",
    ...table(report.sections.map(({ section, name, canRun, problems }) => [
      `  ${section}`,
      name,
      canRun ? "can run" : `cannot run: ${problems.join("; ")}`,
    ])),
  ].join("\n");
}

const HEADINGS = ["set", "real", "generated", "formats", "sizes", "state"];

function rowOf(set: SetReport): string[] {
  const { name, real, generated, problems, biases } = set;
  const unreadable = real.unreadable.length + generated.unreadable.length;
  const isShort = [real, generated].some(({ found, expected = found }) => found < expected);
  const states = [
    ...(problems.length > 0 ? ["incomplete"] : []),
    ...(unreadable > 0 ? ["damaged"] : []),
    ...(isShort ? ["fewer than published"] : []),
    ...biases.map(({ kind }) => `${kind} differ`),
    ...(problems.length > 0 || real.found > 0 ? [] : ["generated images alone: no AP"]),
    ...(problems.length > 0 || generated.found > 0 ? [] : ["real images alone: no AP"]),
  ];
  return [
    name,
    countText(real),
    countText(generated),
    sideBySide(formatsText(real), formatsText(generated)),
    sideBySide(sizesText(real), sizesText(generated)),
    states.join(", ") || "ok",
  ];
}

function countText({ found, expected }: LabelReport): string {
  return expected === undefined || found === expected ? `${found}` : `${found} of ${expected}`;
}

function formatsText({ formats }: LabelReport): string {
  return Object.keys(formats).map((format) => format.toUpperCase()).sort().join(" ");
}

function sizesText({ sizes: [most], distinctSizes }: LabelReport): string {
  return most === undefined ? "" : sizeText(most) + (distinctSizes > 1 ? " …" : "");
}

function sizeText({ width, height }: SizeCount): string {
  return `${width}×${height}`;
}

function sideBySide(real: string, generated: string): string {
  return real === generated ? real : `${real || "-"} | ${generated || "-"}`;
}

function notesOf({ name, problems, real, generated, biases }: SetReport, cropPx: number): string[] {
  const unreadable = [...real.unreadable, ...generated.unreadable];
  const passedOver = [...real.passedOver, ...generated.passedOver];
  const tooSmall = real.tooSmall + generated.tooSmall;
  const notes = [
    ...problems,
    ...(unreadable.length > 0
      ? [
        `${name}: ${unreadable.length} images cannot be decoded, the first ${
          unreadable[0]!.path
        }: ${unreadable[0]!.found}`,
      ]
      : []),
    ...biases.map(({ kind, text }) =>
      `${name}: ${kind} differ by label: ${text}; a detector can tell them by that alone`
    ),
    ...(tooSmall > 0
      ? [`${name}: ${tooSmall} images are smaller than a crop of ${cropPx} px, and are padded`]
      : []),
    ...(passedOver.length > 0
      ? [`${name}: ${passedOver.length} files are no images by name, the first ${passedOver[0]}`]
      : []),
  ];
  return notes;
}

function duplicateNote({ kind, sets: [first, second], count, examples }: Duplicates): string {
  const [a, b] = examples[0]!;
  const what = kind === "leak"
    ? `${count} images of ${second} stand in ${first} too`
    : `${count} images of ${second} stand in ${first} with the other label`;
  return `${what}: ${b} is ${a}`;
}

function missingLines({ missing, sets }: DoctorReport): string[] {
  if (missing.length === 0) return [];
  const bySource = new Map<string, MissingSet[]>();
  for (const set of missing) {
    const source = set.origins
      .map(({ published, licence }) => `  ${published}\n    licence: ${licence}`).join("\n") ||
      "  Your own";
    bySource.set(source, [...bySource.get(source) ?? [], set]);
  }
  const list = (says: string, group: readonly MissingSet[]) =>
    group.length === 0 ? [] : [`    ${says}: ${group.map(({ name }) => name).join(", ")}`];
  const example = missing.find(({ isNeeded }) => isNeeded) ?? missing[0]!;
  return [
    "",
    "Missing, and where to get it",
    ...[...bySource].flatMap(([source, group]) => [
      source,
      ...list("needed", group.filter(({ isNeeded }) => isNeeded)),
      ...list("needed by no section", group.filter(({ isNeeded }) => !isNeeded)),
    ]),
    `  For example: ${sets.find(({ name }) => name === example.name)!.problems[0]}`,
  ];
}

function backboneLines({ backbones }: DoctorReport): string[] {
  const closed = backbones.flatMap(({ problem }) => problem ?? []);
  return closed.length === 0 ? [] : ["", "Backbones", ...closed.map((problem) => `  ${problem}`)];
}

function detectorLines({ detectors }: DoctorReport): string[] {
  if (detectors.length === 0) return [];
  const rows = detectors.map(({ title, problem }) => [`  ${title}`, problem ?? "can run"]);
  return ["", "Released detectors, rows of Tables 2 and 3", ...table(rows)];
}

function integrityLines({ integrity }: DoctorReport): string[] {
  if (!integrity) return [];
  const { files, unchecked, damaged } = integrity;
  const without = unchecked === 0
    ? ""
    : `; ${unchecked} more have no checksum, as they were written before there were any`;
  return [
    "",
    `Damaged: ${damaged.length} of ${files} files that were made here${without}`,
    ...damaged.map((line) => `  ${line}`),
  ];
}

/** Lines with columns below one another; the last column is as wide as it is. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row.map((cell, column) => column === row.length - 1 ? cell : cell.padEnd(widths[column]!))
      .join("  ")
  );
}
