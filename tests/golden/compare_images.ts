/**
 * Holds every file of a folder to Pillow's pixels, and prints a table of kinds.
 *
 *     python3 tests/golden/image_files.py /tmp/images --tools
 *     deno run -A tests/golden/compare_images.ts /tmp/images
 *
 * `--list` names each file that is refused or read differently. It fails where one is read
 * differently.
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { tryDecode } from "../../lib/data/image_file.ts";

/** Width, height, SHA-256 of R, G, B, format and mode; null where Pillow refuses. */
type Pillow = readonly [number, number, string, string] | null;

const COUNTS = ["files", "exact", "refused", "different", "both refuse", "only Pillow refuses"];

const [folder] = Deno.args;
if (folder === undefined) throw new Error("expected a folder that image_files.py has written");
const expected: Record<string, Pillow> = JSON.parse(
  await Deno.readTextFile(join(folder, "expected.json")),
);
const table: Record<string, Record<string, number>> = {};
for (const [name, pillow] of Object.entries(expected)) {
  const decoded = await tryDecode(join(folder, name));
  const isRead = !("problem" in decoded);
  let found: string;
  if (pillow === null) found = isRead ? "only Pillow refuses" : "both refuse";
  else if (!isRead) found = "refused";
  else {
    const { width, height, data } = decoded.image;
    const hash = createHash("sha256").update(data).digest("hex");
    const isSame = width === pillow[0] && height === pillow[1] && hash === pillow[2];
    found = isSame ? "exact" : "different";
  }
  const kind = pillow === null
    ? name.slice(name.lastIndexOf(".") + 1).toUpperCase()
    : pillow[3].split(" ")[0]!;
  for (const row of [kind, "all"]) {
    table[row] ??= Object.fromEntries(COUNTS.map((count) => [count, 0]));
    table[row].files!++;
    table[row][found]!++;
  }
  if (Deno.args.includes("--list") && !["exact", "both refuse"].includes(found)) {
    console.log(found, name, pillow?.[3] ?? "", isRead ? "" : decoded.problem);
  }
}
console.table(table);
if (table.all!.different! > 0) Deno.exit(1);
