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
if (browser === undefined) {
  console.log(
    "the page is not tried in a browser: Chromium is needed (Debian's chromium, or RINE_BROWSER)",
  );
}

Deno.test({
  name: "the page does in Chromium what page_in_browser.ts says",
  ignore: browser === undefined,
  fn: async () => {
    // tests have no network; what asks a page needs this machine's own address
    const { code, out, error } = await runDeno([
      ...["test", "--quiet", "--frozen", "--no-check", "--allow-read", "--allow-write"],
      ...["--allow-env", "--allow-sys", "--allow-ffi", "--allow-run", "--allow-net=127.0.0.1"],
      join(ROOT, "tests/page_in_browser.ts"),
    ], { env: { RINE_BROWSER: browser! } });
    assert.equal(code, 0, `${out}\n${error}`);
    assert.match(out, /\d+ passed \| 0 failed/);
  },
});
