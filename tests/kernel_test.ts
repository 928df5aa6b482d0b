import assert from "node:assert/strict";
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

Deno.test("a message that somebody else has signed, or has changed, is none", () => {
  const message = messageOf("execute_request", { code: "é" });
  const frames = framesOf(message, "key", "topic");
  assert.deepEqual(messageIn(frames, "key"), message);
  assert.equal(messageIn(frames, "another key"), undefined);
  const changed = frames.with(6, new TextEncoder().encode('{"code":"e"}'));
  assert.equal(messageIn(changed, "key"), undefined);
  assert.equal(messageIn([], "key"), undefined);
});

Deno.test("frames of every length come as they were sent, and who speaks otherwise is let go", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const sizes = [0, 1, 255, 256, 65_535, 65_536, 3_000_000];
  const connect = () => Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  const [server, client] = await Promise.all([
    listener.accept().then((conn) => Peer.greet(conn, "ROUTER")),
    connect().then((conn) => Peer.greet(conn, "DEALER", "someone")),
  ]);
  assert.equal(server.identity, "someone");
  const sent = sizes.map((
    size,
  ): Frames => [Uint8Array.of(1), new Uint8Array(size).fill(size), Uint8Array.of()]);
  for (const frames of sent) void client.send(frames);
  const received: Frames[] = [];
  for await (const frames of server) {
    received.push(frames);
    if (received.length === sent.length) break;
  }
  assert.deepEqual(received, sent);
  client.close();
  server.close();
  const stranger = await connect();
  await stranger.write(new TextEncoder().encode("GET / HTTP/1.1\r\n".repeat(8)));
  await assert.rejects(Peer.greet(await listener.accept(), "ROUTER"), /expected ZMTP 3/);
  stranger.close();
});
