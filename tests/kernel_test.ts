import assert from "node:assert/strict";
import { endingOf } from "../lib/kernel/child.ts";
import { completion, inspection } from "../lib/kernel/names.ts";
import { prepared, syntaxFault } from "../lib/kernel/syntax.ts";
import { framesOf, messageIn, messageOf } from "../lib/kernel/wire.ts";
import { type Frames, Peer } from "../lib/kernel/zmtp.ts";

Deno.test("a cell can be stopped wherever it waits itself, and nowhere else", () => {
  const cases = [
    ["await f(await g()) + 1", "await $stoppable(f(await $stoppable(g()))) + 1"],
    ["const z = await (a, b);", "const z = await $stoppable((a, b));"],
    ["for await (const x of y()) z", "for await (const x of $stoppable.each(y())) z"],
    ["`a${await b}`", "`a${await $stoppable(b)}`"],
    ["if (await a) { await b }", "if (await $stoppable(a)) { await $stoppable(b) }"],
    ["(await a as B)!.c", "(await $stoppable(a) as B)!.c"],
    ["const e = <b>{await a}</b>", "const e = <b>{await $stoppable(a)}</b>"],
    // what waits in functions is waited for by their callers
    ["const f = async () => await a", "const f = async () => await a"],
    ["class A { x = 1; async m() { await z } }", "class A { x = 1; async m() { await z } }"],
    ["({ async m() { await z } })", "({ async m() { await z } })"],
    // several statements say which of them runs
    [
      "const f = async () => await a\nfunction g() {}\n\n  await f()",
      "$stoppable.at(1);const f = async () => await a\nfunction g() {}\n\n" +
      "  $stoppable.at(4);await $stoppable(f())",
    ],
    // lines stay, and what cannot be read is left to the compiler
    ["// await\nawait a // b\n", "// await\nawait $stoppable(a) // b\n"],
    ["await show(rows", "await show(rows"],
  ] as const;
  for (const [code, expected] of cases) assert.equal(prepared(code).code, expected);
});

Deno.test("what is wrong with a cell is said in the compiler's words, with its line", async () => {
  assert.deepEqual(await syntaxFault("const a = 1;\nlet b = (1, ;\n"), {
    said: "Expression expected (line 2, column 13)",
    frame: ["  |", "2 | let b = (1, ;", "  |             ~"],
  });
  assert.equal(
    (await syntaxFault("def f(x): pass"))!.said,
    "Expected ';', '}' or <eof> (line 1, column 5)",
  );
  assert.equal(
    await syntaxFault("const x: number = await y; for await (const z of x) {}"),
    undefined,
  );
});

Deno.test("fields of rows and methods of objects are found by their values, and nothing is called", () => {
  class Session {
    calls = 0;
    get testSets(): string[] {
      return ["progan"];
    }
    report(_name: string): number {
      return ++this.calls;
    }
  }
  const session = new Session();
  Object.assign(globalThis, {
    kernelTest: { session, rows: [{ acc: 0.5, ap: 0.75, "not a name": 1 }] },
  });
  const matches = (code: string) => completion(code)?.matches;
  assert.deepEqual(matches("const x = kernelTest.rows[0]."), ["acc", "ap"]);
  assert.deepEqual(matches("kernelTest.rows[0]!.ac"), ["acc"]);
  assert.deepEqual(matches("await kernelTest.session."), ["calls", "testSets", "report"]);
  assert.deepEqual(matches("kernelTest.session.testSets.fin"), [
    "find",
    "findIndex",
    "findLast",
    "findLastIndex",
  ]);
  assert.deepEqual(completion("kernelTest.se"), { from: 11, matches: ["session"] });
  for (const code of ["nothingOfThisName.", "f(x).", "kernelTest.rows[5].", "a b"]) {
    assert.equal(matches(code), undefined, code);
  }
  assert.equal(inspection("kernelTest.session.report"), "report(_name)");
  assert.match(inspection("kernelTest.rows[0]")!, /acc: 0.5/);
  assert.equal(session.calls, 0);
});

Deno.test("how a session ended is said in words", () => {
  const words =
    "\n<--- Last few GCs --->\n#\n# Fatal JavaScript out of memory: Reached heap limit\n";
  assert.equal(endingOf(133, "SIGTRAP", words), "memory ran out");
  assert.equal(endingOf(137, "SIGKILL", ""), "somebody ended it, or memory ran out: SIGKILL");
  assert.equal(endingOf(139, "SIGSEGV", "a warning"), "it crashed: SIGSEGV");
  assert.equal(endingOf(3, null, ""), "it was ended with exit code 3");
});

Deno.test("a message that somebody else has signed, or has changed, is none", () => {
  const message = messageOf("execute_request", { code: "é" });
  const frames = framesOf(message, "key", "topic");
  assert.deepEqual(messageIn(frames, "key"), message);
  assert.equal(messageIn(frames, "another key"), undefined);
  const changed = frames.with(6, new TextEncoder().encode('{"code":"e"}'));
  assert.equal(messageIn(changed, "key"), undefined);
  assert.equal(messageIn([], "key"), undefined);
});

/** Two ends of a connection in memory; what is read comes in pieces. */
function connected(): [Deno.Conn, Deno.Conn] {
  const way = () => new TransformStream<Uint8Array>({}, undefined, { highWaterMark: 1000 });
  const ways = [way(), way()] as const;
  const end = (from: 0 | 1): Deno.Conn => {
    const reader = ways[from].readable.getReader(), writer = ways[1 - from]!.writable.getWriter();
    let rest = new Uint8Array();
    return {
      async read(into: Uint8Array) {
        if (rest.length === 0) {
          const { done, value } = await reader.read();
          if (done) return null;
          rest = new Uint8Array(value);
        }
        const count = Math.min(rest.length, into.length, 1000);
        into.set(rest.subarray(0, count));
        rest = rest.subarray(count);
        return count;
      },
      async write(bytes: Uint8Array) {
        await writer.write(bytes.slice());
        return bytes.length;
      },
      close: () => void writer.close().catch(() => {}),
    } as unknown as Deno.Conn;
  };
  return [end(0), end(1)];
}

Deno.test("frames of every length come as they were sent, and who speaks otherwise is let go", async () => {
  const [here, there] = connected();
  const [server, client] = await Promise.all([
    Peer.greet(here, "ROUTER"),
    Peer.greet(there, "DEALER", "someone"),
  ]);
  assert.equal(server.identity, "someone");
  const sizes = [0, 1, 255, 256, 65_535, 65_536, 300_000];
  const sent = sizes.map((
    size,
  ): Frames => [Uint8Array.of(1), new Uint8Array(size).fill(size), Uint8Array.of()]);
  for (const frames of sent) void client.send(frames);
  const received: Frames[] = [];
  for await (const frames of server) {
    received.push(frames);
    if (received.length === sent.length) client.close();
  }
  assert.deepEqual(received, sent);
  const [stranger, other] = connected();
  void stranger.write(new TextEncoder().encode("GET / HTTP/1.1\r\n".repeat(8)));
  const greeting = Peer.greet(other, "ROUTER");
  await stranger.read(new Uint8Array(64));
  await assert.rejects(greeting, /expected ZMTP 3/);
});
