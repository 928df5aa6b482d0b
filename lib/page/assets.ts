/**
 * The page's own files, in memory: HTML and CSS as they are, TypeScript without its types.
 * @module
 */
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";

/** A file of the page. */
export interface Asset {
  readonly type: string;
  readonly body: Uint8Array<ArrayBuffer>;
}

const TYPES = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  ts: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
} as const;

/** By path: `/` and what it asks for. */
export function readAssets(): ReadonlyMap<string, Asset> {
  const folder = join(import.meta.dirname!, "static");
  const assets = Array.from(Deno.readDirSync(folder), ({ name }): [string, Asset] => {
    const text = Deno.readTextFileSync(join(folder, name));
    const ending = name.split(".").at(-1) as keyof typeof TYPES;
    const code = ending === "ts" ? stripTypeScriptTypes(text) : text;
    const body = new TextEncoder().encode(code.replaceAll(/[ \t]+$/gm, ""));
    return [name === "index.html" ? "/" : `/${name}`, { type: TYPES[ending], body }];
  });
  return new Map(assets);
}
