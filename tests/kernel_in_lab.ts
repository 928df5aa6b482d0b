/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The kernel in JupyterLab in a real Chromium; `kernel_lab_test.ts` starts it. With `RINE_SHOTS` set to
 * a folder, pictures lie there afterwards. Where the mini profile has been reproduced, its first
 * notebook is run; otherwise a small world stands for it.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import puppeteer, { type Page } from "puppeteer-core";
import { kernelSpec } from "../lib/cli/kernel.ts";
import { exists } from "../lib/io/files.ts";
import { PROJECT } from "../lib/io/project.ts";
import { temporaryFolder } from "./temporary.ts";

const { env } = Deno;
const shots = env.get("RINE_SHOTS");
const folder = temporaryFolder("lab ");
const isReproduced = await exists(join(PROJECT, "results/mini/records/grid"));

/** What `jupyter lab --expose-app-in-browser` lets pages call. */
interface Lab {
  readonly commands: { execute(name: string, options?: object): Promise<unknown> };
  readonly shell: {
    readonly currentWidget?: {
      readonly sessionContext?: {
        readonly isReady: boolean;
        readonly session?: {
          readonly kernel?: { readonly status: string; readonly connectionStatus: string };
        };
      };
    };
  };
}

async function writeNotebook(name: string, sources: readonly string[]): Promise<void> {
  const cells = sources.map((source, i) => ({
    ...{ cell_type: "code", execution_count: null, id: `cell-${i}`, metadata: {}, outputs: [] },
    source,
  }));
  const kernelspec = { display_name: "RINE (Deno)", language: "typescript", name: "rine" };
  const notebook = { cells, metadata: { kernelspec }, nbformat: 4, nbformat_minor: 5 };
  await Deno.writeTextFile(join(folder, "notebooks", name), JSON.stringify(notebook));
}

/** Starts JupyterLab with this project's kernel, in a folder of its own. */
async function startLab(): Promise<{ url: string; [Symbol.asyncDispose](): Promise<void> }> {
  await Deno.mkdir(join(folder, "notebooks"), { recursive: true });
  const write = async (path: string, value: unknown) => {
    await Deno.mkdir(join(folder, path, ".."), { recursive: true });
    await Deno.writeTextFile(join(folder, path), JSON.stringify(value));
  };
  await write("data/kernels/rine/kernel.json", kernelSpec());
  await write("config/labconfig/page_config.json", {
    disabledExtensions: { "@jupyterlab/apputils-extension:announcements": true },
  });
  // a notebook of the project is run where it may be written
  for await (const { name } of Deno.readDir(join(PROJECT, "notebooks"))) {
    if (!name.endsWith(".ipynb")) continue;
    await Deno.copyFile(join(PROJECT, "notebooks", name), join(folder, "notebooks", name));
  }
  const token = crypto.randomUUID();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const lab = new Deno.Command(env.get("RINE_JUPYTERLAB") ?? "jupyter-lab", {
    args: [
      ...["--no-browser", "--allow-root", "--expose-app-in-browser", "--ip=127.0.0.1"],
      ...[`--port=${port}`, `--IdentityProvider.token=${token}`],
      `--ServerApp.root_dir=${join(folder, "notebooks")}`,
    ],
    env: {
      JUPYTER_PATH: join(folder, "data"),
      JUPYTER_CONFIG_DIR: join(folder, "config"),
      JUPYTER_DATA_DIR: join(folder, "data"),
      JUPYTER_RUNTIME_DIR: join(folder, "runtime"),
      JUPYTERLAB_SETTINGS_DIR: join(folder, "settings"),
      JUPYTERLAB_WORKSPACES_DIR: join(folder, "workspaces"),
      IPYTHONDIR: join(folder, "ipython"),
    },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0;; tries++) {
    const isUp = await fetch(`${url}/api/status?token=${token}`).then(async (response) => {
      await response.body?.cancel();
      return response.ok;
    }, () => false);
    if (isUp) break;
    assert.ok(tries < 300, "JupyterLab answers");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return {
    url: `${url}/lab/tree/NAME?token=${token}&reset`,
    async [Symbol.asyncDispose]() {
      lab.kill("SIGTERM");
      await lab.status;
    },
  };
}

/** A notebook that is open in the browser. */
class Notebook implements AsyncDisposable {
  readonly tab: Page;

  private constructor(tab: Page) {
    this.tab = tab;
  }

  static async open(browser: Awaited<ReturnType<typeof puppeteer.launch>>, url: string) {
    const tab = await browser.newPage();
    await tab.setViewport({ width: 1300, height: 950 });
    await tab.goto(url);
    const notebook = new Notebook(tab);
    await notebook.idle(90_000);
    return notebook;
  }

  /** Waits until the kernel says that it is idle and no cell waits. */
  async idle(timeout = 30_000): Promise<void> {
    await this.tab.waitForFunction(() => {
      const { jupyterapp } = globalThis as unknown as { jupyterapp?: Lab };
      const context = jupyterapp?.shell.currentWidget?.sessionContext;
      const kernel = context?.session?.kernel;
      const prompts = [...document.querySelectorAll(".jp-InputPrompt")];
      return context?.isReady && kernel?.connectionStatus === "connected" &&
        kernel.status === "idle" && prompts.every(({ textContent }) => textContent !== "[*]:");
    }, { timeout });
  }

  async command(name: string): Promise<void> {
    await this.tab.evaluate(
      (name) => {
        const { jupyterapp } = globalThis as unknown as { jupyterapp: Lab };
        void jupyterapp.commands.execute(name);
      },
      name,
    );
  }

  /** Adds a cell at the end and types into it. */
  async type(code: string): Promise<void> {
    await this.command("notebook:enter-command-mode");
    await this.tab.evaluate(() => document.querySelector(".jp-Notebook")?.scrollTo(0, 1e6));
    await this.command("notebook:move-cursor-down");
    const count = await this.cellCount();
    await this.command("notebook:insert-cell-below");
    await this.tab.waitForFunction(
      (count) => document.querySelectorAll(".jp-CodeCell").length > count,
      {},
      count,
    );
    await this.command("notebook:enter-edit-mode");
    await this.tab.waitForSelector(".jp-mod-active .cm-content[contenteditable=true]");
    await this.tab.focus(".jp-mod-active .cm-content");
    await this.tab.keyboard.type(code);
  }

  cellCount(): Promise<number> {
    return this.tab.evaluate(() => document.querySelectorAll(".jp-CodeCell").length);
  }

  /** Adds a cell and runs it. */
  async run(code: string): Promise<void> {
    await this.type(code);
    await this.command("notebook:run-cell");
  }

  /** What stands below the cell that was run last. */
  output(): Promise<string> {
    return this.tab.$eval(
      ".jp-Cell.jp-mod-active .jp-OutputArea",
      (area) => (area as HTMLElement).innerText.trim(),
    );
  }

  /** What is offered where a cell's code ends. */
  async offered(code: string): Promise<string[]> {
    await this.type(code);
    await this.tab.keyboard.press("Tab");
    await this.tab.waitForSelector(".jp-Completer-item", { visible: true });
    return await this.tab.$$eval(
      ".jp-Completer-item .jp-Completer-match",
      (items) => items.map(({ textContent }) => textContent ?? ""),
    );
  }

  async shoot(name: string): Promise<void> {
    if (shots) await this.tab.screenshot({ path: join(shots, `${name}.png`) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.command("notebook:shutdown-kernel");
    await this.tab.close();
  }
}

Deno.test({
  name: "in JupyterLab a notebook runs, is stopped and goes on, and says what is wrong",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    await using lab = await startLab();
    await writeNotebook("small.ipynb", [
      'import { makeSmallWorld, smallProfile } from "./tests/small_world.ts";\n' +
      'import { EXPERIMENTS } from "./experiments/index.ts";\n' +
      'import { openSession } from "./lib/session/session.ts";\n' +
      `const data = ${JSON.stringify(join(folder, "small"))};\n` +
      "await makeSmallWorld(data);\n" +
      "const experiments = { ...EXPERIMENTS, profiles: { mini: smallProfile } };\n" +
      'const session = await openSession(experiments, { data, results: data + "/results" });',
      "const rows = await session.sweep({ learningRates: [.01, .02], classSets: ['1-class'] });\nrows;",
    ]);
    await using browser = await puppeteer.launch({
      executablePath: env.get("RINE_BROWSER") ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu"],
    }).then((browser) => ({ browser, [Symbol.asyncDispose]: () => browser.close() }));
    const name = isReproduced ? "00_start_here.ipynb" : "small.ipynb";
    await using notebook = await Notebook.open(browser.browser, lab.url.replace("NAME", name));
    const { tab } = notebook;
    const since = performance.now();
    await notebook.command("notebook:run-all-cells");
    await tab.waitForFunction(() =>
      [...document.querySelectorAll(".jp-InputPrompt")].some(({ textContent }) =>
        textContent === "[*]:"
      )
    );
    await notebook.idle(120_000);
    console.log(`${name} in ${Math.round(performance.now() - since)} ms`);
    await notebook.shoot("all");
    assert.equal(await tab.$$eval('[data-mime-type*="error"]', (all) => all.length), 0);

    const rates = "Array.from({ length: 400 }, Math.random)";
    await notebook.run(`await session.sweep({ epochs: [9], learningRates: ${rates} })`);
    await tab.waitForSelector(".jp-Cell.jp-mod-active progress");
    await notebook.shoot("sweeping");
    const stopped = performance.now();
    await tab.click('[data-command="notebook:interrupt-kernel"]');
    await notebook.idle(5000);
    console.log(`a sweep is stopped in ${Math.round(performance.now() - stopped)} ms`);
    assert.match(
      await notebook.output(),
      /KeyboardInterrupt: the cell was stopped; the session goes on$/,
    );
    await notebook.shoot("stopped");
    await notebook.run("rows.length + 40;");
    await notebook.idle(5000);
    assert.match(await notebook.output(), /\n4\d$/);
    assert.ok(performance.now() - stopped < 10_000);

    await notebook.run("const x =");
    await notebook.idle();
    assert.match(await notebook.output(), /^SyntaxError: Expression expected \(line 1, column 7\)/);
    await notebook.run('session.report("grid")');
    await notebook.idle();
    assert.match(await notebook.output(), /A promise: write await before it/);
    await notebook.shoot("said");

    const methods = await notebook.offered("session.");
    await notebook.shoot("session");
    for (const name of ["sweep", "report", "detector"]) assert.ok(methods.includes(name), name);
    assert.ok(!methods.includes("__defineGetter__"));
    await tab.keyboard.press("Escape");
    const fields = await notebook.offered("rows[0].");
    await notebook.shoot("row");
    for (const name of ["experiment", "epochs", "head"]) assert.ok(fields.includes(name), name);
    await tab.keyboard.press("Escape");
    await notebook.type("session.sweep(");
    await tab.keyboard.down("Shift");
    await tab.keyboard.press("Tab");
    await tab.keyboard.up("Shift");
    await tab.waitForSelector(".jp-Tooltip-content", { visible: true });
    await notebook.shoot("looked up");
  },
});
