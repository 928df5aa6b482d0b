/// <reference lib="dom" />
/**
 * Verdicts as files.
 * @module
 */
import type { Answer } from "./asking.ts";

/** A picture, and its verdict or what was found instead. */
export interface Result {
  readonly name: string;
  readonly answer?: Answer;
  readonly problem?: string;
}

const COLUMNS = [
  ...["name", "verdict", "score", "logit", "widthPx", "heightPx", "format", "bytes"],
  ...["claims", "problem"],
];

/** A line for each picture, with a head. */
export function toCsv(results: readonly Result[]): string {
  const lines = results.map(({ name, answer, problem }) => {
    const { verdict, score, logit, facts } = answer ?? {};
    const claims = (facts?.claims ?? []).map(({ field, text }) => `${field}: ${text}`).join("; ");
    return [
      ...[name, verdict, score, logit, facts?.widthPx, facts?.heightPx, facts?.format],
      ...[facts?.bytes, claims, problem],
    ];
  });
  return [COLUMNS, ...lines].map((line) => line.map(cell).join(",") + "\r\n").join("");
}

/** What spreadsheets would take for a formula is made a text. */
function cell(value: string | number | undefined): string {
  if (value === undefined) return "";
  if (typeof value === "number") return `${value}`;
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Hands a text over as a file. */
export function save(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
