/**
 * What the page answers: itself, and verdicts on the pictures that it is sent.
 * @module
 */
import { readImageHeader } from "../image/header.ts";
import { cannotDecode } from "../image/image.ts";
import { UserError } from "../io/errors.ts";
import { THRESHOLD } from "../metrics.ts";
import { readAssets } from "./assets.ts";
import { Budget, Busy } from "./budget.ts";
import type { Candidate } from "./candidates.ts";
import { type Court, discard, TooSlow } from "./court.ts";
import type { PictureFacts } from "./facts.ts";
import type { Explanation, Judged } from "./judge.ts";
import { Problem, problemResponse } from "./problem.ts";
import { binOf, type Reliability, type ScoreBin } from "./reliability.ts";
import { assertOwn, SAFE_HEADERS } from "./request_checks.ts";
import { readFiles, type SentFile } from "./upload.ts";
import { readWanted, type Wishes } from "./wishes.ts";

/** How much is taken on. */
export interface Limits {
  /** Bytes of one body. */
  readonly bodyBytes: number;
  /** How long a body may take to come. */
  readonly bodyMs: number;
  /** Pixels of one picture. */
  readonly pixels: number;
  /** How long decoding one may take. */
  readonly decodeMs: number;
  /** How long an answer may take; with a map of what a verdict hangs on, five times as long. */
  readonly answerMs: number;
  /** Requests that are worked on at once. */
  readonly inHand: number;
  /** Requests that wait for that. */
  readonly inLine: number;
}

/** What a page takes on that is told nothing else. */
export const LIMITS: Limits = {
  bodyBytes: 2 ** 27,
  bodyMs: 30_000,
  pixels: 100_000_000,
  decodeMs: 20_000,
  answerMs: 60_000,
  inHand: 32,
  inLine: 64,
};

/** Bodies and decoded pictures that are in memory at once, by the largest ones. */
const BODIES = 2, PICTURES = 1.5;

/** What a page is made with. */
export interface PageOptions {
  readonly court: Court;
  /** The first one decides. */
  readonly candidates: readonly Candidate[];
  /** What is to be said of the detector that decides, on the page's face. */
  readonly notice?: string;
  /** What became of test pictures by the score that the detector which decides gave them. */
  readonly reliability?: Reliability;
  readonly limits?: Partial<Limits>;
  /** Told of a fault of the program. */
  readonly onFault?: (error: unknown) => void;
}

/** What is said of one picture. */
export type PictureAnswer =
  & { readonly name: string; readonly facts?: PictureFacts }
  & (Judged & {
    /** Test pictures with a score like this one. */
    readonly alike?: ScoreBin;
    readonly verdict?: "generated" | "real";
    readonly explanation?: Explanation;
  });

/** Answers requests; knows no network. */
export class Page {
  readonly #options: PageOptions;
  readonly #limits: Limits;
  readonly #assets = readAssets();
  readonly #door: Budget;
  readonly #bodies: Budget;
  readonly #pictures: Budget;
  readonly #started = performance.now();
  #answered = 0;
  readonly #closing = new AbortController();
  #working = 0;
  #onIdle: () => void = () => {};
  /** That it is asked at; the first number that is known. */
  port = 0;

  constructor(options: PageOptions) {
    this.#options = options;
    const limits = this.#limits = { ...LIMITS, ...options.limits };
    this.#door = new Budget(limits.inHand, limits.inLine);
    this.#bodies = new Budget(BODIES * limits.bodyBytes, Infinity);
    this.#pictures = new Budget(PICTURES * 3 * limits.pixels, Infinity);
  }

  /** Answers one request, whatever it is. */
  async handle(request: Request): Promise<Response> {
    this.#working++;
    let response: Response;
    try {
      assertOwn(request, this.port);
      response = await this.#route(request);
    } catch (error) {
      // a body that nobody reads any more
      request.body?.cancel().catch(() => {});
      response = problemResponse(this.#problemOf(error));
    } finally {
      if (--this.#working === 0) this.#onIdle();
    }
    for (const [name, value] of Object.entries(SAFE_HEADERS)) response.headers.set(name, value);
    return response;
  }

  /** Takes no more pictures on, and waits for those that are in hand. */
  async finish(): Promise<void> {
    this.#closing.abort();
    if (this.#working > 0) await new Promise<void>((resolve) => this.#onIdle = resolve);
  }

  async #route(request: Request): Promise<Response> {
    const url = new URL(request.url), { pathname } = url;
    const asset = this.#assets.get(pathname);
    const gives: Readonly<Record<string, () => unknown>> = {
      "/health": () => this.#health(),
      "/detectors": () => this.#detectors(),
    };
    const isPost = pathname === "/detect";
    const give = Object.hasOwn(gives, pathname) ? gives[pathname] : undefined;
    if (!asset && !give && !isPost) {
      throw new Problem(404, "Expected /, /detect, /detectors or /health, found another path");
    }
    const allowed = isPost ? ["POST"] : ["GET", "HEAD"];
    if (!allowed.includes(request.method)) {
      const response = problemResponse(
        new Problem(405, `Expected ${allowed.join(" or ")} for ${pathname}`),
      );
      response.headers.set("allow", allowed.join(", "));
      return response;
    }
    if (asset) return new Response(asset.body, { headers: { "content-type": asset.type } });
    return json(give ? give() : await this.#detect(request, url.searchParams));
  }

  #health() {
    return {
      status: this.#closing.signal.aborted ? "closing" : "ok",
      inHand: this.#door.taken,
      inLine: this.#door.waiting,
      picturesJudged: this.#answered,
      memoryBytes: Deno.memoryUsage().rss,
      uptimeSeconds: Math.round((performance.now() - this.#started) / 1000),
    };
  }

  #detectors() {
    const { candidates, notice, reliability, court: { main } } = this.#options;
    const { bodyBytes, pixels } = this.#limits;
    return {
      ...(notice === undefined ? {} : { notice }),
      threshold: THRESHOLD,
      main: { id: candidates[0]!.id, ...main },
      limits: { bodyBytes, pixels },
      ...(reliability ? { reliability } : {}),
      // where a file lies is nobody's business but its owner's
      detectors: candidates.map(({ path: _path, record: _record, ...candidate }) => candidate),
    };
  }

  async #detect(request: Request, search: URLSearchParams) {
    const { candidates, notice } = this.#options;
    const wishes = readWanted(search, candidates.map(({ id }) => id));
    if (this.#closing.signal.aborted) throw new Problem(503, "The page is being closed", 30);
    const { answerMs } = this.#limits;
    const patience = new AbortController();
    const limitMs = wishes.wanted?.occlusion ? 5 * answerMs : answerMs;
    const timer = setTimeout(
      () => patience.abort(new Problem(504, `Expected an answer within ${limitMs / 1000} s`, 10)),
      limitMs,
    );
    const onGone = () => patience.abort(new Problem(400, "Nobody waits for the answer any more"));
    request.signal.addEventListener("abort", onGone);
    try {
      return {
        ...(notice === undefined ? {} : { notice }),
        detector: candidates[0]!.id,
        threshold: THRESHOLD,
        results: await unless(patience.signal, this.#judgeAll(request, wishes, patience.signal)),
      };
    } finally {
      clearTimeout(timer);
      request.signal.removeEventListener("abort", onGone);
    }
  }

  /** Keeps its place until all that was begun has ended, whether or not somebody still waits. */
  async #judgeAll(
    request: Request,
    wishes: Wishes,
    signal: AbortSignal,
  ): Promise<readonly PictureAnswer[]> {
    const { bodyBytes } = this.#limits;
    using _place = await this.#door.take(1, signal);
    const length = Number(request.headers.get("content-length") ?? bodyBytes);
    using _body = await this.#bodies.take(Math.min(length, bodyBytes), signal);
    const files = await readFiles(request, this.#limits, this.#closing.signal);
    const judged = await Promise.allSettled(files.map((file) => this.#judge(file, wishes, signal)));
    return judged.map((one, i) => {
      if (one.status === "fulfilled") return one.value;
      const { status, message } = this.#problemOf(one.reason);
      if (files.length === 1 || status >= 500) throw one.reason;
      return { name: files[i]!.name, problem: message };
    });
  }

  async #judge(
    { name, bytes }: SentFile,
    { wanted }: Wishes,
    signal: AbortSignal,
  ): Promise<PictureAnswer> {
    const { court, reliability } = this.#options, { decodeMs } = this.#limits;
    using _picture = await this.#pictures.take(3 * this.#pixelsOf(bytes, name), signal);
    const { image, facts } = await court.decode(bytes, name, decodeMs);
    if (signal.aborted) {
      discard(image);
      throw signal.reason;
    }
    const { judged, explanation } = wanted
      ? await court.explained(image, wanted)
      : { judged: await court.verdict(image), explanation: undefined };
    if ("problem" in judged) throw new Problem(422, `Cannot judge ${name}: ${judged.problem}`);
    this.#answered++;
    return {
      name,
      verdict: judged.isGenerated ? "generated" : "real",
      ...judged,
      ...(reliability ? { alike: binOf(reliability, judged.score) } : {}),
      facts,
      ...(explanation ? { explanation } : {}),
    };
  }

  /** Before a pixel is decoded. */
  #pixelsOf(bytes: Uint8Array, name: string): number {
    let pixels: number;
    try {
      const { width, height } = readImageHeader(bytes);
      pixels = width * height;
    } catch (error) {
      throw cannotDecode(name, (error as Error).message);
    }
    if (pixels <= this.#limits.pixels) return pixels;
    throw new Problem(
      413,
      `Cannot decode ${name}: expected at most ${this.#limits.pixels} pixels, found ${pixels}; ` +
        "`deno task detect` takes more",
    );
  }

  #problemOf(error: unknown): Problem {
    if (error instanceof Problem) return error;
    if (error instanceof Busy) {
      return new Problem(503, "Too many pictures wait already; try again in a moment", 2);
    }
    if (error instanceof TooSlow) {
      return new Problem(422, `Cannot decode the picture: it takes ${error.message}`);
    }
    if (error instanceof UserError) return new Problem(422, error.message);
    this.#options.onFault?.(error);
    return new Problem(500, "This is a fault of the program; the terminal says more");
  }
}

/** What comes of work, unless the signal is there first; then nobody waits for the work. */
async function unless<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  signal.throwIfAborted();
  work.catch(() => {}); // where nobody waits
  let onAbort: () => void;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort!);
  }
}

function json(value: unknown): Response {
  return new Response(JSON.stringify(value) + "\n", {
    headers: { "content-type": "application/json" },
  });
}
