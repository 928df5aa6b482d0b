/**
 * Errors as programs read them: `application/problem+json`. Source: RFC 9457
 * @module
 */

/** Why a request has no answer. */
export class Problem extends Error {
  override readonly name = "Problem";
  /** HTTP's status. */
  readonly status: number;
  /** After how many seconds to try again, where that helps. */
  readonly retryAfterSeconds?: number;

  /**
   * A problem that is told to who asked.
   * @param detail what was being done, what was found and what to do, in one line
   */
  constructor(status: number, detail: string, retryAfterSeconds?: number) {
    super(detail);
    this.status = status;
    if (retryAfterSeconds !== undefined) this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** The statuses that problems have here, in words. */
const TITLES: Readonly<Record<number, string>> = {
  400: "Bad request",
  403: "Forbidden",
  404: "Not found",
  405: "Method not allowed",
  408: "Too slow",
  413: "Too large",
  415: "Not a picture",
  421: "Asked for another host",
  422: "No picture",
  500: "A fault of the program",
  503: "Busy",
  504: "Took too long",
};

/** A problem as an answer. */
export function problemResponse(problem: Problem): Response {
  const { status, message: detail, retryAfterSeconds } = problem;
  const title = TITLES[status] ?? "Problem";
  return new Response(JSON.stringify({ type: "about:blank", title, status, detail }) + "\n", {
    status,
    headers: {
      "content-type": "application/problem+json",
      ...(retryAfterSeconds === undefined ? {} : { "retry-after": `${retryAfterSeconds}` }),
    },
  });
}
