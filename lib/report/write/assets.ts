/**
 * What HTML pages and outputs carry along: style sheets, scripts, and vega, packed.
 * @module
 */
import { createRequire, stripTypeScriptTypes } from "node:module";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";

const held = new Map<string, string>();

/** A file of `static/` by its name; a script without its types. */
export function asset(name: "tables.css" | "report.css" | "tables.ts" | "figures.ts"): string {
  const found = held.get(name);
  if (found !== undefined) return found;
  const text = Deno.readTextFileSync(join(import.meta.dirname!, "../static", name));
  const bare = text.replace(/\/\*[^]*?\*\//g, "").replace(/^\/\/\/.*$/gm, "");
  // in a block of its own: several scripts stand in one page
  const code = name.endsWith(".ts") ? `{${stripTypeScriptTypes(bare)}}` : bare;
  const short = code.replace(/\n\s*\n/g, "\n").replace(/^[ \t]+|[ \t]+$/gm, "").trim();
  held.set(name, short);
  return short;
}

/** A text as base64 of gzip, as browsers unpack it; equal texts give equal ones. */
export function packed(text: string): string {
  return new Uint8Array(gzipSync(text)).toBase64();
}

/** vega and vega-lite as browsers run them, packed. */
export function packedVega(): Readonly<Record<"vega" | "vega-lite", string>> {
  const { resolve } = createRequire(import.meta.url);
  const pack = (name: string) => {
    const found = held.get(name) ??
      packed(Deno.readTextFileSync(join(dirname(resolve(name)), `${name}.min.js`)));
    held.set(name, found);
    return found;
  };
  return { vega: pack("vega"), "vega-lite": pack("vega-lite") };
}
