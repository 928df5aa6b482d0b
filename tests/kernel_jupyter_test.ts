import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { type Content, JupyterClient, jupyterPython, type Ran } from "./kernel_client.ts";
import { inFolder } from "./temporary.ts";

const python = await jupyterPython();
if (python === undefined) {
  console.log(
    "the kernel is not tried with Jupyter: `apt-get install python3-jupyter-client` or " +
      "`pip install jupyter-client` (RINE_JUPYTER_PYTHON names another Python)",
  );
}

/** Longest time between a stop and the end of its cell; on a machine that does nothing else, 5 s. */
const STOP_MS = 20_000;
const GOES_ON = "the cell was stopped; the session goes on";
const ANEW = /was started anew: run the cells above again; finished work on disk is kept$/;

interface Scenario {
  readonly name: string;
  readonly test: (client: JupyterClient, folder: string) => Promise<void>;
}

const scenarios: Scenario[] = [];

/** A test of a kernel that Jupyter's own client has started; what it writes never holds its key. */
function withKernel(name: string, test: Scenario["test"]): void {
  scenarios.push({ name, test });
}

/** Runs a cell that never ends by itself, and one that waits for it, and stops them. */
async function stopped(
  client: JupyterClient,
  code: string,
  signal?: "SIGINT",
  afterMs = 300,
): Promise<Ran> {
  const running = await client.send({ do: "execute", code });
  const waiting = await client.send({ do: "execute", code: "'never run'" });
  await pause(afterMs);
  const since = performance.now();
  await client.stop(signal);
  const ran = await running.done;
  const ms = performance.now() - since;
  assert.ok(ms < STOP_MS, `${code} ended after ${ms} ms`);
  assert.equal((await waiting.done).reply.status, "aborted");
  return ran;
}

function errorOf({ reply, shown }: Ran): Content {
  const errors = shown.filter(({ type }) => type === "error");
  assert.equal(errors.length, 1);
  assert.equal(reply.status, "error");
  const { ename, evalue, traceback } = errors[0]!.content;
  assert.deepEqual([reply.ename, reply.evalue, reply.traceback], [ename, evalue, traceback]);
  return { ename, evalue, traceback };
}

function textsOf({ shown }: Ran): string[] {
  return shown.filter(({ type }) => type !== "execute_input").map(({ content }) =>
    // deno-lint-ignore no-control-regex
    (content.data?.["text/plain"] ?? content.text).replaceAll(/\x1b\[\d+m/g, "")
  );
}

withKernel(
  "a cell that waits, or never does, is stopped in one line and the session goes on",
  async (client) => {
    await client.run("const kept = 42; async function sleep() { await new Promise(() => {}) }");
    const cells = [
      "await new Promise(() => {})",
      "await sleep()",
      "for await (const x of (async function* () { yield 1; await sleep() })()) x",
      "while (true) {}",
    ];
    for (const code of cells) {
      for (const signal of [undefined, "SIGINT"] as const) {
        assert.deepEqual(errorOf(await stopped(client, code, signal)), {
          ename: "KeyboardInterrupt",
          evalue: GOES_ON,
          traceback: [`KeyboardInterrupt: ${GOES_ON}`],
        });
        assert.deepEqual(textsOf(await client.run("kept")), ["42"]);
      }
    }
    const flood = await stopped(client, "while (true) console.log('again')", undefined, 1000);
    assert.equal(errorOf(flood).evalue, GOES_ON);
    assert.deepEqual(textsOf(await client.run("kept")), ["42"]);
    // nothing runs: nothing is stopped
    await client.stop();
    await pause(200);
    assert.deepEqual(textsOf(await client.run("kept + 1")), ["43"]);
  },
);

withKernel(
  "a sweep is stopped with its threads, and the next one runs",
  async (client, folder) => {
    const ran = await client.run(`
      const { makeSmallWorld, smallProfile } = await import("./tests/small_world.ts");
      const { openSession } = await import("./lib/session/session.ts");
      const folder = ${JSON.stringify(folder)}, data = folder + "/data";
      await makeSmallWorld(data);
      const { EXPERIMENTS: { sections } } = await import("./experiments/index.ts");
      const experiments = { profiles: { mini: smallProfile }, sections };
      const session = await openSession(experiments, { data, results: folder + "/results" });
    `);
    assert.equal(ran.reply.status, "ok", JSON.stringify(ran.reply));
    // more heads than there is time for
    const ks = Array.from({ length: 200 }, (_, i) => (i + 1) / 1e4);
    const code = `await session.sweep({ learningRates: ${JSON.stringify(ks)}, epochs: [20] })`;
    for (const afterMs of [100, 1500]) {
      assert.equal(errorOf(await stopped(client, code, undefined, afterMs)).evalue, GOES_ON);
    }
    const next = "(await session.sweep({ learningRates: [.02, .03] })).length";
    assert.deepEqual(textsOf(await client.run(next)).at(-1), "2");
  },
);

withKernel("a job is stopped at once, and the stop is not for the next cell", async (client) => {
  await client.run(
    'const { WorkerPool } = await import("./lib/io/worker_pool.ts");\n' +
      'const module = new URL("tests/pool_worker.ts", `file://${Deno.cwd()}/`);\n' +
      "const pool = new WorkerPool(module, 1, 1);",
  );
  const since = performance.now();
  assert.equal(errorOf(await stopped(client, 'await pool.run("wait 1500")')).evalue, GOES_ON);
  assert.ok(performance.now() - since < 1000);
  // the thread is free again when it has finished for nobody
  assert.deepEqual(textsOf(await client.run('await pool.run("wait 1000")')), ['"wait 1000"']);
  await client.run("pool[Symbol.dispose]()");
});

withKernel(
  "a cell that will not be stopped takes its session with it, which is said",
  async (client) => {
    await client.run("const lost = 1;");
    const cells = [
      "while (true) { try { await new Promise(() => {}) } catch {} }",
      "await null; while (true) {}",
    ];
    for (const code of cells) {
      const { ename, evalue } = errorOf(await stopped(client, code));
      assert.equal(ename, "KeyboardInterrupt");
      assert.match(evalue, ANEW);
      assert.equal(errorOf(await client.run("lost")).evalue, "lost is not defined");
    }
  },
);

withKernel(
  "a session that ends by itself is said to, in its cell or after it, and started anew",
  async (client) => {
    const dies = async (code: string, how: RegExp) => {
      // so late that the next cell has come by then
      const late = `await new Promise((resolve) => setTimeout(resolve, 2000)); ${code}`;
      const running = await client.send({ do: "execute", code: late });
      const waiting = await client.send({ do: "execute", code: "'never run'" });
      const { ename, evalue } = errorOf(await running.done);
      assert.equal(ename, "SessionEnded");
      assert.match(evalue, how);
      assert.match(evalue, ANEW);
      assert.equal((await waiting.done).reply.status, "aborted");
      assert.deepEqual(textsOf(await client.run("1 + 1")), ["2"]);
    };
    await dies("Deno.exit(3)", /exit code 3/);
    await dies('Deno.kill(Deno.pid, "SIGKILL"); await new Promise(() => {})', /SIGKILL/);
    await dies('Deno.kill(Deno.pid, "SIGABRT"); while (true) {}', /it crashed: SIGABRT/);
    const ran = await client.send({
      do: "execute",
      code: "void setTimeout(() => Deno.exit(4), 1500);",
    });
    const { shown } = await ran.done;
    assert.deepEqual(shown.map(({ type }) => type), ["execute_input"]);
    await pause(2500);
    assert.deepEqual(textsOf(await client.run("2 + 2")), ["4"]);
  },
);

withKernel(
  "a syntax error is shown with its line, and cells after it are not run",
  async (client) => {
    const running = await client.send({ do: "execute", code: "const a = 1;\nconst x =" });
    const waiting = await client.send({ do: "execute", code: "'never run'" });
    assert.deepEqual(errorOf(await running.done), {
      ename: "SyntaxError",
      evalue: "Expression expected (line 2, column 7)",
      traceback: [
        "SyntaxError: Expression expected (line 2, column 7)",
        "  |",
        "2 | const x =",
        "  |       ~",
      ],
    });
    assert.equal((await waiting.done).reply.status, "aborted");
    assert.match(errorOf(await client.run("await show(rows")).evalue, /^Expected ',', got '<eof>'/);
    // the compiler's own lines are others
    await client.run("function fails() {\n\n  throw new TypeError('no');\n}");
    const calls = "// a comment\n\nconst before = 1;\n  fails();\nconst after = 2;";
    assert.deepEqual(errorOf(await client.run(calls)).traceback, [
      "TypeError: no",
      "    at fails (a cell)",
      "    at line 4: fails();",
    ]);
    assert.equal(errorOf(await client.run("\nfails()")).traceback[2], "    at line 2: fails()");
  },
);

withKernel("all outputs come before the end of their cell, in order, ten times", async (client) => {
  const display = "Deno.jupyter.display({ 'text/plain': `shown ${i}` }, { raw: true })";
  for (let run = 0; run < 10; run++) {
    const code =
      `for (let i = 0; i < 200; i++) { console.log(\`said \${i}\`); await ${display}; }\n"last"`;
    const texts = textsOf(await client.run(code));
    const expected = Array.from({ length: 200 }, (_, i) => [`said ${i}\n`, `shown ${i}`]).flat();
    assert.deepEqual(texts, [...expected, '"last"']);
  }
  const large = "await Deno.jupyter.display({ 'text/plain': 'x'.repeat(3e6) }, { raw: true })";
  const texts = textsOf(await client.run(`for (let i = 0; i < 20; i++) ${large}`));
  assert.deepEqual(texts.map(({ length }) => length), new Array(20).fill(3e6));
  // what is not waited for, and before what goes wrong, too
  const ran = await client.run(`for (let i = 0; i < 200; i++) ${display}\nthrow new Error("end")`);
  assert.deepEqual(ran.shown.map(({ type }) => type).slice(1), [
    ...new Array(200).fill("display_data"),
    "error",
  ]);
});

withKernel("what fails where nobody waits for it is told, and holds up nothing", async (client) => {
  const forgotten = 'Promise.reject(new Error("forgotten"));\nvoid 0';
  assert.match(
    textsOf(await client.run(forgotten)).join(""),
    /^Nobody waited for: Error: forgotten/,
  );
  const late = 'setTimeout(() => { throw new Error("late") }, 50);\n' +
    "await new Promise((end) => setTimeout(end, 100))";
  assert.match(textsOf(await client.run(late)).join(""), /^Failed after its cell: Error: late/);
  const since = performance.now();
  assert.deepEqual(textsOf(await client.run("1")), ["1"]);
  assert.ok(performance.now() - since < 1000);
  const missing = errorOf(await client.run('import x from "npm:@rine-test/is-not-there"'));
  assert.match(missing.evalue, /every package that it imports/);
  assert.equal(errorOf(await client.run("throw 'text'")).evalue, "text");
});

withKernel(
  "what a reader types is completed and looked up, also while a cell runs",
  async (client) => {
    await client.run(
      "const rows = [{ acc: 0.5, ap: 0.7 }]; const é = { b: 1 }; function f(a, b = 2) {}",
    );
    // a session that is busy for half a second is answered for with nothing; a reader types on
    const complete = async (code: string, cursor_pos = [...code].length) => {
      for (let left = 20;; left--) {
        const { reply } = await (await client.send({ do: "complete", code, cursor_pos })).done;
        if (reply.matches.length > 0 || left === 0) return reply;
      }
    };
    const inspect = async (code: string, cursor_pos = code.length) =>
      (await (await client.send({ do: "inspect", code, cursor_pos })).done).reply;
    const fields = {
      status: "ok",
      matches: ["acc", "ap"],
      cursor_start: 8,
      cursor_end: 9,
      metadata: {},
    };
    assert.deepEqual(await complete("rows[0].a"), fields);
    assert.deepEqual((await complete("'🙂'; rows[0].")).cursor_start, 13);
    assert.ok((await complete("row")).matches.includes("rows"));
    assert.ok(!(await complete("$st")).matches.includes("$stoppable"));
    assert.deepEqual((await inspect("f(1, ")).data, { "text/plain": "function f(a, b = 2)" });
    assert.match((await inspect("rows[0].ac")).data?.["text/plain"] ?? "none", /none/);
    assert.match((await inspect("rows[0].acc", 9)).data["text/plain"], /0.5/);
    const running = await client.send({ do: "execute", code: "await new Promise(() => {})" });
    await pause(200);
    assert.deepEqual(await complete("rows[0].a"), fields);
    await client.stop();
    errorOf(await running.done);
  },
);

withKernel(
  "the last value of a cell shows itself, or is cut short; a promise asks for await",
  async (client) => {
    assert.deepEqual(textsOf(await client.run("Promise.resolve(1)")), [
      "A promise: write await before it",
    ]);
    const [text] = textsOf(
      await client.run(
        "Array.from({ length: 99 }, (_, i) => ({ number: i, text: 'x'.repeat(90) }))",
      ),
    );
    assert.ok(text!.split("\n").length <= 31);
    assert.match(text!, /… \d+ more lines$/);
    const [long] = textsOf(await client.run("'x'.repeat(1e5)"));
    assert.match(long!, /^"x{4990,5000}\n… \d+ more characters$/);
    assert.match(textsOf(await client.run("(async function* () {})()"))[0]!, /for await \(const/);
    // plain data that the library knows, once it is there
    const pixels = "({ width: 2, height: 2, data: new Uint8Array(12) })";
    assert.match(textsOf(await client.run(pixels))[0]!, /Uint8Array/);
    const { shown: [, image] } = await client.run(`import "rine/notebook";\n${pixels}`);
    assert.ok(image!.content.data["image/png"].length > 50);
    const tensor = "({ shape: [1, 12], data: new Float32Array(12) })";
    assert.deepEqual(textsOf(await client.run(tensor)), ["tensor of shape [1, 12]"]);
    const shows = `({ [Symbol.for("Jupyter.display")]: () => ({ "text/plain": "itself" }) })`;
    assert.deepEqual(textsOf(await client.run(shows)), ["itself"]);
    const { evalue } = errorOf(
      await client.run(
        `({ [Symbol.for("Jupyter.display")]: () => { throw new Error("cannot") } })`,
      ),
    );
    assert.equal(evalue, "cannot");
  },
);

withKernel("a cell may ask the reader", async (client) => {
  const running = await client.send({ do: "execute", code: 'prompt("name?")' });
  while (client.questions.length === 0) await pause(50);
  assert.match(client.questions[0].prompt, /name\?/);
  await client.input("me");
  assert.deepEqual(textsOf(await running.done), ['"me"']);
});

Deno.test({
  name: "with Jupyter's own client",
  ignore: python === undefined,
  fn: async (t) => {
    // kernels wait for most of their time
    const waiting = [...scenarios];
    const lane = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        const { name, test } = next;
        await t.step({
          name,
          fn: () => inFolder((folder) => tried(test, folder)),
          ...{ sanitizeOps: false, sanitizeResources: false, sanitizeExit: false },
        });
      }
    };
    await Promise.all(Array.from({ length: 4 }, lane));
  },
});

async function tried(test: Scenario["test"], folder: string): Promise<void> {
  const client = await JupyterClient.start(python!, folder);
  {
    await using _ = client;
    await test(client, folder);
  }
  assert.equal(await client.aliveAtEnd.promise, false);
  assert.ok(!client.written.includes(await client.key.promise));
}
