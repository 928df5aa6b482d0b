/**
 * Starts a Deno process whose tests drive a real Chromium, where there is one.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ROOT, runDeno } from "./command_line.ts";

/** Where Debian, other Linuxes and macOS have it. */
const BROWSERS = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

const browser = [Deno.env.get("RINE_BROWSER"), ...BROWSERS].find((path) => {
  try {
    return path !== undefined && Deno.statSync(path).isFile;
  } catch {
    return false;
  }
});

/** A test that runs a file of tests with a browser; where there is none it says so, and is passed over. */
export function testInChromium(name: string, file: string): void {
  if (browser === undefined) {
    console.log(
      `${file} is not tried in a browser: Chromium is needed (Debian's chromium, or RINE_BROWSER)`,
    );
  }
  Deno.test({
    name,
    ignore: browser === undefined,
    fn: async () => {
      // tests have no network; what asks a page needs this machine's own address
      const { code, out, error } = await runDeno([
        ...["test", "--quiet", "--frozen", "--no-check", "--allow-read", "--allow-write"],
        ...["--allow-env", "--allow-sys", "--allow-ffi", "--allow-run", "--allow-net=127.0.0.1"],
        join(ROOT, "tests", file),
      ], { env: { RINE_BROWSER: browser! } });
      assert.equal(code, 0, `${out}\n${error}`);
      assert.match(out, /\d+ passed \| 0 failed/);
    },
  });
}
