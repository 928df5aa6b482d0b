/**
 * What is done with the code of a cell before it runs, and what is said where it cannot.
 * @module
 */
import { parse, type ParserPlugin } from "@babel/parser";
import { STOPPABLE } from "../io/cell.ts";

/** Of a parsed cell, what is read here. */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly await?: boolean;
  readonly argument?: Node;
  readonly right?: Node;
  readonly loc: { readonly start: { readonly line: number } };
}

interface Program extends Node {
  readonly body: readonly Node[];
}

/** Statements that do nothing where they stand. */
const DECLARES = /^(Function|TSInterface|TSTypeAlias)Declaration$|^TSDeclareFunction$/;

/** What waits in its own name, and not in the cell's. */
const OWN_SCOPE = /Function|Method$|^Class.*Property$|^StaticBlock$/;

const DIALECTS: readonly ParserPlugin[][] = [["typescript", "decoratorAutoAccessors"], [
  "typescript",
  "jsx",
]];

/** A cell as it is run. */
export interface Prepared {
  readonly code: string;
  /** Line of its only statement; `undefined` where it says itself which one runs. */
  readonly line?: number;
}

/**
 * Lets a cell be stopped where it waits: `await work()` becomes `await $stoppable(work())`. Where it has
 * several statements, it says which one runs. Lines stay what they are. Code that the parser does not
 * know runs as it is.
 */
export function prepared(code: string): Prepared {
  const tree = treeOf(code);
  if (!tree) return { code };
  const inserts: { at: number; text: string }[] = [];
  for (const { start, end, name } of waits(tree)) {
    inserts.push({ at: start, text: `${name}(` }, { at: end, text: ")" });
  }
  const { body } = tree;
  if (body.length > 1) {
    for (const { type, start, loc } of body) {
      if (DECLARES.test(type)) continue;
      inserts.push({ at: start, text: `${STOPPABLE}.at(${loc.start.line});` });
    }
  }
  inserts.sort((a, b) => b.at - a.at);
  const changed = inserts.reduce(
    (text, { at, text: added }) => text.slice(0, at) + added + text.slice(at),
    code,
  );
  return { code: changed, ...(body.length === 1 ? { line: body[0]!.loc.start.line } : {}) };
}

function treeOf(code: string): Program | undefined {
  for (const plugins of DIALECTS) {
    try {
      const tree = parse(code, {
        sourceType: "module",
        createParenthesizedExpressions: true,
        plugins,
      });
      return tree.program as unknown as Program;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
}

interface Wait {
  readonly start: number;
  readonly end: number;
  readonly name: string;
}

/** What a cell waits for itself, outside its functions. */
function* waits(node: Node): Generator<Wait> {
  if (OWN_SCOPE.test(node.type)) return;
  if (node.type === "AwaitExpression") yield { ...spanOf(node.argument!), name: STOPPABLE };
  if (node.type === "ForOfStatement" && node.await) {
    yield { ...spanOf(node.right!), name: `${STOPPABLE}.each` };
  }
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child?.type === "string" && typeof child.start === "number") yield* waits(child);
    }
  }
}

function spanOf({ start, end }: Node): { start: number; end: number } {
  return { start, end };
}

/** A syntax error as the compiler tells it. */
export interface SyntaxFault {
  /** In one line, with the place. */
  readonly said: string;
  /** The line of code, with a mark below it. */
  readonly frame: readonly string[];
}

/** Asks Deno's own compiler what is wrong with a cell; `undefined` where it can be read. */
export async function syntaxFault(code: string): Promise<SyntaxFault | undefined> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--no-config", "--quiet", "--ext=ts", "-"],
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(code)).then(() => writer.close()).catch(() => {});
  const { success, stderr } = await child.output();
  if (success) return undefined;
  const [first = "", ...rest] = new TextDecoder().decode(stderr).split("\n");
  const [, said] = /SyntaxError: (.+)$/.exec(first) ?? [];
  const at = rest.findIndex((line) => /^\s+at .*:\d+:\d+$/.test(line));
  const [, line, column] = /:(\d+):(\d+)$/.exec(rest[at] ?? "") ?? [];
  if (said === undefined || line === undefined) return undefined;
  return { said: `${said} (line ${line}, column ${column})`, frame: rest.slice(0, at) };
}
