/**
 * Pictures out of a request's body: one as it is, or several in a form.
 * @module
 */
import { printable } from "../io/errors.ts";
import { Problem } from "./problem.ts";

/** A file that was sent. */
export interface SentFile {
  /** Its name, as far as one was given. */
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Characters of a name that are kept. */
const LONGEST_NAME = 200;

/** Files in one form, at most. */
const MOST_FILES = 64;

/** How long a body may still take to come once the page is being closed. */
const CLOSING_MS = 1000;

/**
 * Reads a body as far as it may be long.
 * @param closing aborted when the page is being closed
 * @throws {Problem} where it is longer, is not there, comes too slowly, or the form is damaged
 */
export async function readFiles(
  request: Request,
  { bodyBytes, bodyMs }: { readonly bodyBytes: number; readonly bodyMs: number },
  closing: AbortSignal,
): Promise<readonly SentFile[]> {
  const bytes = await readBody(request, bodyBytes, bodyMs, closing);
  const type = request.headers.get("content-type") ?? "";
  if (!/^multipart\/form-data\b/i.test(type)) {
    if (bytes.length === 0) throw new Problem(400, "Expected a picture in the body, found nothing");
    return [{ name: "picture", bytes }];
  }
  let form: FormData;
  try {
    form = await new Response(bytes, { headers: { "content-type": type } }).formData();
  } catch {
    throw new Problem(400, "Expected a form of files (multipart/form-data), found a damaged one");
  }
  const files = [...form.values()].filter((value) => value instanceof File);
  if (files.length === 0 || files.length > MOST_FILES) {
    throw new Problem(400, `Expected 1 to ${MOST_FILES} files in the form, found ${files.length}`);
  }
  return await Promise.all(files.map(async (file) => ({
    name: printable(file.name.toWellFormed().slice(0, LONGEST_NAME)) || "picture",
    bytes: new Uint8Array(await file.arrayBuffer()),
  })));
}

async function readBody(
  request: Request,
  most: number,
  limitMs: number,
  closing: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const tooLong = () => {
    const problem = new Problem(
      413,
      `Expected at most ${most} bytes in the body, found more; send fewer pictures at once, or ` +
        "ask `deno task detect`",
    );
    return problem;
  };
  if (Number(request.headers.get("content-length") ?? 0) > most) throw tooLong();
  if (!request.body) return new Uint8Array();
  const reader = request.body.getReader();
  const timers: ReturnType<typeof setTimeout>[] = [];
  let onClosing = () => {};
  const late = new Promise<never>((_, reject) => {
    const wait = (ms: number, problem: Problem) =>
      timers.push(setTimeout(() => reject(problem), ms));
    wait(limitMs, new Problem(408, `Expected the body within ${limitMs / 1000} s`));
    onClosing = () => wait(CLOSING_MS, new Problem(503, "The page is being closed", 30));
    closing.addEventListener("abort", onClosing);
    if (closing.aborted) onClosing();
  });
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    while (true) {
      const { value, done } = await Promise.race([reader.read(), late]);
      if (done) break;
      length += value.length;
      if (length > most) throw tooLong();
      chunks.push(value);
    }
  } catch (error) {
    reader.cancel().catch(() => {}); // the connection may be gone
    throw error instanceof Problem
      ? error
      : new Problem(400, "Expected a whole body, found a part");
  } finally {
    timers.forEach(clearTimeout);
    closing.removeEventListener("abort", onClosing);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
