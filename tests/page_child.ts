/** The page as the command line opens it, in a process of its own. */

import assert from "node:assert/strict";
import { join } from "node:path";
import config from "../deno.json" with { type: "json" };
import { ROOT } from "./command_line.ts";

/** A page that was opened. */
export interface OpenedPage {
  /** `http://127.0.0.1:PORT/` */
  readonly url: string;
  readonly process: Deno.ChildProcess;
  /** What it has said on its error channel. */
  errors(): string;
  /** Ends it as Ctrl-C does; its exit code. */
  end(): Promise<number>;
}

/** Opens it with the permissions of its task, at any free port where none is named. */
export async function openPage(...words: string[]): Promise<OpenedPage> {
  const flags = config.tasks.page.command.match(/ (--(?:allow|unstable|frozen)\S*)/g)!;
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", ...flags.map((flag) => flag.trim())],
      ...[join(ROOT, "experiments/main.ts"), "page", "--no-open"],
      ...(words.includes("--port") ? words : ["--port", "0", ...words]),
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", INIT_CWD: ROOT, MALLOC_ARENA_MAX: "2" },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let errors = "";
  const reading = process.stderr.pipeThrough(new TextDecoderStream())
    .pipeTo(new WritableStream({ write: (text) => void (errors += text) }));
  let out = "";
  let url: string | undefined;
  const lines = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  while (url === undefined) {
    const { value, done } = await lines.read();
    if (done) break;
    out += value;
    url = /http:\/\/127\.0\.0\.1:\d+\//.exec(out)?.[0];
  }
  assert(url !== undefined, `${out}\n${errors}`);
  return {
    url,
    process,
    errors: () => errors,
    async end() {
      process.kill("SIGINT");
      const { code } = await process.status;
      await lines.cancel();
      await reading;
      return code;
    },
  };
}
