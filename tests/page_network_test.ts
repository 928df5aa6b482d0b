import assert from "node:assert/strict";
import { join } from "node:path";
import { ROOT, runDeno } from "./command_line.ts";

Deno.test("the page answers programs as page_over_http.ts says", async () => {
  // tests have no network; what asks a page needs this machine's own address
  const { code, out, error } = await runDeno([
    ...["test", "--quiet", "--frozen", "--no-check", "--allow-read", "--allow-write"],
    ...["--allow-env", "--allow-sys", "--allow-ffi", "--allow-run", "--allow-net=127.0.0.1"],
    join(ROOT, "tests/page_over_http.ts"),
  ]);
  assert.equal(code, 0, `${out}\n${error}`);
  assert.match(out, /\d+ passed \| 0 failed/);
});
