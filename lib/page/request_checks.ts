/**
 * Who may ask: the page itself and programs on this machine, and no page of somebody else's that the
 * browser happens to show.
 * @module
 */
import { Problem } from "./problem.ts";

/** On every answer. */
export const SAFE_HEADERS: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; "),
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), microphone=(), geolocation=()",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

/**
 * Makes sure that a request is meant for this page, and comes from it or from a program.
 * @param port that the page is at
 * @throws {Problem} where it names another host, or another page sent it
 */
export function assertOwn({ headers }: Request, port: number): void {
  const hosts = [`127.0.0.1:${port}`, `localhost:${port}`];
  const host = headers.get("host") ?? "";
  if (!hosts.includes(host.toLowerCase())) {
    // a name that somebody made to point here
    throw new Problem(421, `Expected a request for ${hosts.join(" or ")}, found another host`);
  }
  const origin = headers.get("origin");
  const isOthers = origin !== null &&
    !hosts.some((one) => origin.toLowerCase() === `http://${one}`);
  const site = headers.get("sec-fetch-site") ?? "none";
  // where somebody follows a link to the page, nothing is asked of it but itself
  const isVisit = headers.get("sec-fetch-mode") === "navigate" &&
    headers.get("sec-fetch-dest") === "document";
  if (isOthers || !["same-origin", "none"].includes(site) && !isVisit) {
    throw new Problem(403, "Expected a request of this page or of a program, found another page's");
  }
}
