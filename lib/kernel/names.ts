/**
 * What may follow a name in a cell, and what a name stands for: looked up in the session itself, so
 * that fields of rows and methods of sessions are found.
 * @module
 */
import type { Completion } from "./link.ts";

/** `session.detector`, `rows[0]!.acc`: nothing in it is called. */
const CHAIN = String.raw`[A-Za-z_$][\w$]*(?:[!?]?\.[A-Za-z_$][\w$]*|!?\[\d+\])*`;
const BEFORE_DOT = new RegExp(String.raw`(?:^|[^\w$.\])])(${CHAIN})[!?]?\.([\w$]*)$`);
const AT_END = new RegExp(String.raw`(?:^|[^\w$.\])])(${CHAIN})$`);

const MOST_LINES = 20;

/** What may follow code that ends with a name and a dot. */
export function completion(code: string): Completion | undefined {
  const [, chain, begun = ""] = BEFORE_DOT.exec(code) ?? [];
  const value = chain === undefined ? undefined : valueOf(chain);
  if (value === undefined || value === null) return undefined;
  const matches = namesOf(value).filter((name) => name.startsWith(begun));
  return { from: code.length - begun.length, matches };
}

/** What a name stands for, in some lines; `undefined` where it stands for nothing. */
export function inspection(code: string): string | undefined {
  const [, chain] = AT_END.exec(code) ?? [];
  const value = chain === undefined ? undefined : valueOf(chain);
  if (value === undefined) return undefined;
  if (typeof value === "function") return headOf(value);
  const text = Deno.inspect(value, { depth: 1, iterableLimit: 5, strAbbreviateSize: 200 });
  return text.split("\n").slice(0, MOST_LINES).join("\n");
}

/** A function's name and parameters. */
function headOf(value: { readonly name: string }): string {
  const source = Function.prototype.toString.call(value);
  const [head] = /^[^{]*?\((?:[^()]|\([^()]*\))*\)/.exec(source) ?? [];
  return head?.replaceAll(/\s+/g, " ") ?? `${value.name}: a function`;
}

/** Names of a value's fields and methods, its own first; those that every object has are left out. */
function namesOf(value: NonNullable<unknown>): string[] {
  const names = new Set<string>();
  for (let of = Object(value); of && of !== Object.prototype; of = Object.getPrototypeOf(of)) {
    // a list has its places as names, and may have millions
    const isList = of === value && (Array.isArray(of) || ArrayBuffer.isView(of));
    for (const name of isList ? ["length"] : Object.getOwnPropertyNames(of)) {
      if (/^[A-Za-z$][\w$]*$/.test(name) && name !== "constructor") names.add(name);
    }
  }
  return [...names];
}

/** What a chain of names stands for in the session; `undefined` where it stands for nothing. */
function valueOf(chain: string): unknown {
  const [first, ...steps] = chain.replaceAll(/[!?\]]/g, "").split(/[.[]/);
  try {
    // what cells declare is a property of nothing; a single name runs no code of theirs
    let value = (0, eval)(first!);
    for (const step of steps) value = value[step];
    return value;
  } catch {
    return undefined;
  }
}
