import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { installTensorflow } from "../lib/detectors/rine/tensorflow/install.ts";
import { tensorflowPackageFolder } from "../lib/detectors/rine/tensorflow/library.ts";
import { UserError } from "../lib/io/errors.ts";

const hasCompiler = await new Deno.Command("g++", { args: ["--version"], stdout: "null" }).output()
  .then(({ success }) => success, () => false);

/** An archive that holds nothing, as an address that asks nobody; with its SHA-256. */
const ARCHIVE = gzipSync(new Uint8Array(1024), { level: 0 });
const URL = `data:application/gzip;base64,${ARCHIVE.toString("base64")}`;

async function refusal(sha256?: string): Promise<{ message: string; log: string[] }> {
  const log: string[] = [];
  try {
    await installTensorflow({
      url: URL,
      ...(sha256 === undefined ? {} : { sha256 }),
      log: (line) => log.push(line),
    });
  } catch (error) {
    assert.ok(error instanceof UserError, `${error}`);
    return { message: error.message, log };
  }
  throw new Error("an empty archive was installed");
}

Deno.test({
  name:
    "a download of TensorFlow with another checksum is refused before anything of it is unpacked",
  ignore: Deno.build.os !== "linux" || !hasCompiler,
  fn: async () => {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", Uint8Array.from(ARCHIVE)));
    const archive = `${tensorflowPackageFolder()}/deps/libtensorflow.tar.gz`;
    const wrong = "0".repeat(64);
    const refused = await refusal(wrong);
    assert.match(refused.message, new RegExp(`expected SHA-256 ${wrong}, found ${digest.toHex()}`));
    assert.match(refused.message, /nothing of it was unpacked/);
    assert.equal(existsSync(archive), false, "the download is left");
    // the right one is accepted, and what is in it then found wanting; without one it is told
    for (const sha256 of [digest.toHex().toUpperCase(), undefined]) {
      const { message, log } = await refusal(sha256);
      assert.match(message, /Cannot find TensorFlow|Cannot run tar/);
      const expected = sha256 ? /, as expected$/ : /publishes none to compare it with/;
      assert.match(log.at(-1)!, expected);
      assert.ok(log.at(-1)!.includes(digest.toHex()));
    }
  },
});
