/** What a reproduction leaves in its folders: which files, and what of them must be the same each time. */

import { createHash } from "node:crypto";
import { join, relative } from "node:path";

/** Every file below a folder by its path, with a hash of what lasts of it. */
export async function outcome(folder: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const walk = async (path: string) => {
    for await (const { name, isDirectory } of Deno.readDir(path)) {
      const inner = join(path, name), short = relative(folder, inner);
      // notes of who uses a folder are named by where that lies
      if (name === "setups") continue;
      if (isDirectory) await walk(inner);
      else found.set(short, await lasting(inner, short));
    }
  };
  await walk(folder);
  return found;
}

/** A file without times and dates, as a hash. */
async function lasting(path: string, short: string): Promise<string> {
  const bytes = await Deno.readFile(path);
  const isTimed =
    /[\\/](?:tables|figures|paper|report)|made[\\/]cost|report\.|SHA256SUMS|best_|heads[\\/]/
      .test(short);
  if (path.endsWith(".json") && !isTimed) {
    const text = new TextDecoder().decode(bytes)
      .replaceAll(
        /"(?:date|from|to|seconds|trainingSeconds|evaluationSeconds|seal|check|sha256)": [^\n]*/g,
        "",
      );
    return hash(new TextEncoder().encode(text));
  }
  if (path.endsWith(".safetensors")) {
    // what a head says of its training holds seconds
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    return hash(bytes.subarray(8 + length));
  }
  return isTimed ? "there" : hash(bytes);
}

function hash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 12);
}
