/**
 * Questions to the program that served this page.
 * @module
 */
import type { Candidate } from "../candidates.ts";
import type { MainDetector } from "../judge.ts";
import type { Reliability } from "../reliability.ts";
import type { PictureAnswer } from "../server.ts";

/** What there is to ask. */
export interface Detectors {
  readonly notice?: string;
  readonly threshold: number;
  readonly main: MainDetector & { readonly id: string };
  readonly limits: { readonly bodyBytes: number; readonly pixels: number };
  readonly reliability?: Reliability;
  readonly detectors: readonly Omit<Candidate, "path" | "record">[];
}

/** A verdict on one picture. */
export type Answer = Extract<PictureAnswer, { readonly score: number }>;

/** What was found instead of an answer, in words. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";
}

/** Which detectors there are, and what is known of them. */
export async function askDetectors(): Promise<Detectors> {
  const response = await fetch("/detectors");
  if (!response.ok) throw new NoAnswer(await detailOf(response));
  return await response.json() as Detectors;
}

/**
 * The verdict on a picture; waits and asks again where the program is busy.
 * @param query what is wanted besides: `why=blocks`
 */
export async function askVerdict(file: File, query: string, signal: AbortSignal): Promise<Answer> {
  while (true) {
    const body = new FormData();
    body.append("picture", file, file.name);
    let response: Response;
    try {
      response = await fetch(`/detect${query === "" ? "" : `?${query}`}`, {
        method: "POST",
        body,
        signal,
      });
    } catch (error) {
      if (signal.aborted) throw error;
      throw new NoAnswer("The program does not answer; is it still running in its terminal?");
    }
    const waitSeconds = Number(response.headers.get("retry-after") ?? NaN);
    if (response.status === 503 && waitSeconds < 10) {
      await response.body?.cancel();
      await new Promise((resolve) => setTimeout(resolve, 1000 * waitSeconds));
      signal.throwIfAborted();
      continue;
    }
    if (!response.ok) throw new NoAnswer(await detailOf(response));
    const { results: [answer] } = await response.json() as { results: [Answer] };
    return answer;
  }
}

async function detailOf(response: Response): Promise<string> {
  try {
    return (await response.json() as { detail: string }).detail;
  } catch {
    return `The program answered with status ${response.status}`;
  }
}
