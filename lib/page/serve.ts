/**
 * The page on this machine's own address.
 * @module
 */
import { UserError } from "../io/errors.ts";
import type { Page } from "./server.ts";

/** The only address that the page is at. */
export const HOSTNAME = "127.0.0.1";

/** How long answers may take to be read when the page is closed. */
const GRACE_MS = 1000;

/** A page that can be asked. */
export interface ServedPage extends AsyncDisposable {
  /** Where: `http://127.0.0.1:8018/`. */
  readonly url: string;
  /** Takes nothing new on, answers what is in hand, and closes. */
  finish(): Promise<void>;
}

/**
 * Lets a page be asked at a port of this machine's own address.
 * @param port 0 for any that is free
 * @throws {UserError} where somebody else has the port
 */
export function servePage(page: Page, port: number): ServedPage {
  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = Deno.serve(
      { hostname: HOSTNAME, port, onListen: () => {} },
      (request) => page.handle(request),
    );
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    throw new UserError(
      "usage",
      `Cannot open the page: expected port ${port} of ${HOSTNAME} to be free, found it taken; ` +
        "choose another with --port, or --port 0 for any",
    );
  }
  page.port = server.addr.port;
  const finish = async () => {
    await page.finish();
    // connections over which nothing comes are not waited for
    await Promise.race([
      server.shutdown(),
      new Promise((resolve) => setTimeout(resolve, GRACE_MS)),
    ]);
  };
  return {
    url: `http://${HOSTNAME}:${server.addr.port}/`,
    finish,
    [Symbol.asyncDispose]: finish,
  };
}
