import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import { describeCheckpoint } from "../lib/cli/checkpoint.ts";
import { readUserSets } from "../lib/data/user_sets.ts";
import { initialParameters } from "../lib/detectors/rine/architecture.ts";
import { saveCheckpoint } from "../lib/detectors/rine/checkpoint.ts";
import { openDetector } from "../lib/detectors/verdict.ts";
import { quoted, UserError } from "../lib/io/errors.ts";
import { parseJson } from "../lib/io/json.ts";
import { readSafetensors, readSafetensorsHeader } from "../lib/io/safetensors.ts";
import { randomStream } from "../lib/random.ts";
import type { Figure } from "../lib/report/figure.ts";
import { writeReport } from "../lib/report/page.ts";
import { tableToMarkdown } from "../lib/report/write/markdown.ts";
import { tableToLatex } from "../lib/report/write/latex.ts";
import { escapeHtml } from "../lib/report/write/html.ts";
import { renderFigure } from "../lib/report/write/render.ts";
import { RecordStore } from "../lib/runs/record.ts";
import { RECORD } from "./fuzz/record.ts";
import { commandLine } from "./command_line.ts";
import { GOLDENS } from "./goldens.ts";
import { inFolder, temporaryFolder } from "./temporary.ts";

const SIZES = {
  blocks: 3,
  width: 5,
  projectionLayers: 1,
  projectionDim: 4,
  ablation: "none",
} as const;

const RED = "\u001b[31m", TITLE = "\u001b]0;title\u0007";
// deno-lint-ignore no-control-regex -- they are what is looked for
const OBEYED = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/;

/** A head with something in its metadata. */
async function head(folder: string, metadata: Readonly<Record<string, string>>): Promise<string> {
  const path = join(folder, "head.safetensors");
  await saveCheckpoint(path, SIZES, initialParameters(SIZES, randomStream(1)), metadata);
  return path;
}

/** What a file of some megabytes costs to refuse. */
async function cost(refuse: () => Promise<unknown>, message: RegExp): Promise<void> {
  const before = Deno.memoryUsage().rss, started = process.cpuUsage();
  await assert.rejects(refuse, (error: Error) => {
    assert(error instanceof UserError, `${error.stack}`);
    assert.match(error.message, message);
    return true;
  });
  // of the processor's time: others may have it meanwhile
  const { user, system } = process.cpuUsage(started);
  const ms = (user + system) / 1000, bytes = Deno.memoryUsage().rss - before;
  assert(ms < 1000, `took ${ms} ms`);
  assert(bytes < 200e6, `took ${bytes / 1e6} MB`);
}

async function withHeader(path: string, header: string): Promise<string> {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  await Deno.writeFile(path, bytes);
  return path;
}

Deno.test("a header of 99 MB is refused in less than a second and 200 MB, and so are deep and long ones", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.safetensors");
    await withHeader(path, "[".repeat(1000));
    const start = await Deno.open(path, { write: true });
    await start.write(new Uint8Array(BigUint64Array.of(99_000_000n).buffer));
    await start.truncate(8 + 99_000_000);
    start.close();
    await cost(
      () => readSafetensorsHeader(path),
      /header of 99000000 bytes .*; at most 8000000 are/,
    );
    await withHeader(path, "[".repeat(7_900_000));
    await cost(() => readSafetensorsHeader(path), /lists or objects more than 3 deep$/);
    const empty = { dtype: "U8", shape: [0], data_offsets: [0, 0] };
    const many = Object.fromEntries(Array.from({ length: 60_000 }, (_, i) => [`t${i}`, empty]));
    await withHeader(path, JSON.stringify(many));
    await cost(() => readSafetensorsHeader(path), /more than 150000 lists and objects$/);
  }));

Deno.test("JSON that is too deep, too long or of too many parts is refused before it is read", async () => {
  const read = (text: string) => () => Promise.resolve().then(() => parseJson(text, "a.json"));
  await cost(
    read("[".repeat(10_000_000)),
    /^Cannot read a.json: expected JSON, found lists or objects more than 64 deep$/,
  );
  await cost(read(`[${"[],".repeat(1_000_001)}0]`), /found more than 1000000 lists and objects$/);
  assert.throws(
    () => parseJson('"abc"', "a", { bytes: 4 }),
    /found 5 characters; at most 4 are read$/,
  );
  // brackets in a text are a text's
  assert.deepEqual(parseJson(JSON.stringify(["[".repeat(100) + '"\\']), "a"), [
    "[".repeat(100) + '"\\',
  ]);
});

Deno.test("what is no JSON is said with its place, and not as V8 says it", () => {
  const found = (text: string) => {
    try {
      return parseJson(text, "a.json");
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.equal(found(""), "Cannot read a.json: expected JSON, found an empty text");
  assert.equal(
    found('{"a": 1,\n  b}'),
    'Cannot read a.json: expected JSON, found "b}" in line 2, column 3',
  );
  assert.match(`${found("[1, 2")}`, /found its end in line 1, column 6$/);
});

Deno.test("names in a head's metadata are names and no paths", () =>
  inFolder(async (folder) => {
    for (
      const backbone of ["/data/model.safetensors", "../x", "..", "a\\b", "\\\\host\\share", ""]
    ) {
      const config = JSON.stringify({ backbone });
      const path = await head(folder, { config });
      await assert.rejects(openDetector(path), {
        name: "UserError",
        message: `Cannot read how the head was trained in ${path}: expected a backbone's name at ` +
          `backbone, found ${quoted(JSON.stringify(backbone))}`,
      });
    }
  }));

Deno.test("control characters of a head reach neither terminal nor error", () =>
  inFolder(async (folder) => {
    const path = await head(folder, { note: `${RED}red${TITLE}`, [`${RED}name`]: "x\u202e" });
    const shown = await commandLine("checkpoint", "show", path);
    assert.equal(shown.code, 0, shown.error);
    assert.match(shown.out, /note +\ufffd\[31mred/);
    assert.doesNotMatch(shown.out, OBEYED);
    // the library gives lines as they are: who prints them cleans them
    assert.match(await describeCheckpoint(path), /note/);

    const named = join(folder, `${RED}a.png`);
    await Deno.writeTextFile(named, "no image");
    await assert.rejects(
      readSafetensors(named),
      (error: Error) => error instanceof UserError && !OBEYED.test(error.message),
    );
    const gone = await commandLine("checkpoint", "show", `${named}.gone`);
    assert.doesNotMatch(gone.error, OBEYED);
    const other = await commandLine("checkpoint", "show", named);
    assert.doesNotMatch(other.error, OBEYED);
    assert.deepEqual([gone.code, other.code], [1, 1]);

    await withHeader(path, JSON.stringify({ [`${RED}a\nb`]: { dtype: { toString: 1 } } }));
    await assert.rejects(readSafetensors(path), (error: Error) => {
      assert.doesNotMatch(error.message, OBEYED);
      assert.match(
        error.message,
        /found dtype \{"toString":1\} for \ufffd\[31ma\ufffdb; known are/,
      );
      return !error.message.includes("\n");
    });
  }));

Deno.test("titles of own sets are text in tables, pages and pictures, and hold no control characters", () =>
  inFolder(async (folder) => {
    const path = join(folder, "sets.json");
    const set = { name: "faces", real: "a", generated: "b" };
    for (const title of [`${RED}x`, "a\nb", "\u202ex"]) {
      await Deno.writeTextFile(path, JSON.stringify([{ ...set, title }]));
      await assert.rejects(readUserSets(path, []), (error: Error) => {
        assert.match(
          error.message,
          /title of entry 1 .*: expected a text without control characters/,
        );
        return !OBEYED.test(error.message) && !error.message.includes("\n");
      });
    }
    const title = `<img src=x>![p](http://x/y.png) [l](http://x) \`c *b* | ${RED}`;
    const table = {
      id: "t",
      title,
      caption: title,
      notice: title,
      columns: [{ key: "a", name: title, group: title }],
      rows: [{ a: title }],
    };
    const markdown = tableToMarkdown(table);
    assert.doesNotMatch(markdown, OBEYED);
    assert.doesNotMatch(markdown, /(?<!\\)[<[`]|(?<!\\)!\[/);
    for (const text of [tableToLatex(table), escapeHtml(title)]) assert.doesNotMatch(text, OBEYED);
    const figure: Figure = {
      id: "f",
      title: "A bar",
      caption: "",
      columns: 1,
      rows: [{ x: `a${RED}`, y: 1 }],
      spec: {
        mark: "bar",
        encoding: { x: { field: "x", type: "nominal" }, y: { field: "y", type: "quantitative" } },
      },
    };
    const { svg } = await renderFigure(figure);
    assert.doesNotMatch(svg, OBEYED);

    const shown = {
      ...{ heading: title, tables: [table, { ...table, id: "u" }] },
      figures: [{ ...figure, title, caption: title }],
    };
    await writeReport(folder, {
      ...{ title, notice: title, provenance: title, remark: title, sections: [shown] },
      published: [{ heading: "", tables: [table], figures: [] }],
    });
    const report = await Deno.readTextFile(join(folder, "report.md"));
    // the figure's own picture is the one that is meant
    const text = report.replace(
      /^!\[Ours: .*\]\(figures\/f\.svg\)$/m,
      (line) => line.slice(2, -16),
    );
    assert.notEqual(text, report);
    assert.doesNotMatch(text, OBEYED);
    assert.doesNotMatch(text, /(?<!\\)[<[`]|(?<!\\)!\[/);
    const page = await Deno.readTextFile(join(folder, "report.html"));
    assert.doesNotMatch(page, /<img src=x>/);
  }));

Deno.test("a record of another form is named, with what was wanted where, and what to do", () =>
  inFolder(async (folder) => {
    const store = new RecordStore(folder);
    const path = store.path("grid", "key");
    await store.write(RECORD);
    assert.deepEqual(await store.find("grid", "key"), RECORD);
    const { config, ...rest } = RECORD;
    const evaluation = RECORD.evaluations[0]!;
    // images of one kind have no AP
    const a = { acc: .5, accGenerated: .5 };
    const alone = {
      ...RECORD,
      evaluations: [{ ...evaluation, test: { ...evaluation.test, a } }],
    };
    await store.write(alone);
    assert.deepEqual(await store.find("grid", "key"), alone);
    for (
      const [record, says] of [
        [{}, "a value at key, found none"],
        [[], "a value at key, found none"],
        [null, "an object, found null"],
        [rest, "a value at config, found none"],
        // sealed or not: of two views of one head nothing else tells them apart
        [{ ...RECORD, key: "other" }, "the record of run key of grid, found that of other of grid"],
        [
          { ...RECORD, evaluations: [{ ...evaluation, test: { a } }] },
          "the record of run key of grid, found none of b",
        ],
        [
          { ...RECORD, evaluations: [] },
          "the record of run key of grid, found evaluations after epochs none",
        ],
        [
          { ...RECORD, evaluations: [{ ...evaluation, test: { a: { acc: "x", ap: 1 } } }] },
          'a number at evaluations.0.test.a.acc, found "x"',
        ],
        [
          {
            ...RECORD,
            evaluations: [{ ...evaluation, test: { ...evaluation.test, a: { acc: .5 } } }],
          },
          "the record of run key of grid, found undefined for a",
        ],
        [
          { ...RECORD, epochs: [{ ...RECORD.epochs[0], epoch: 2 }] },
          "an epoch for each evaluation, found an object",
        ],
        [
          { ...RECORD, config: { ...config, training: 7 } },
          "an object at config.training, found 7",
        ],
      ] as const
    ) {
      await Deno.writeTextFile(path, JSON.stringify(record));
      await assert.rejects(store.find("grid", "key"), {
        name: "UserError",
        message: `Cannot read ${path}: expected ${says}; delete it to have it made again`,
      });
    }
  }));

const folder = temporaryFolder();
const PIPE = join(folder, "pipe");
const BACKBONE = join(GOLDENS, "clip_hf.safetensors");

/** What stands where a file is wanted: of each, how commands name it. */
const OTHERS = [[PIPE, "a pipe"], ["/dev/zero", "a device"], [folder, "a folder"]] as const;

Deno.test({
  name: "pipes, devices and folders where files are wanted are said in a line, and nothing waits",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await new Deno.Command("mkfifo", { args: [PIPE, join(folder, "pipe.png")] }).output();
    for (const [path, what] of OTHERS) {
      for (
        const words of [
          ["checkpoint", "show", path],
          ["detect", "x.png", "--head", path],
          ["reproduce", "--dry-run", "--datasets", path],
          ["backbone", "import", path, "--name", "x", "--backbones", join(folder, "made")],
        ]
      ) {
        const { code, out, error } = await commandLine(...words);
        assert.deepEqual([code, out], [1, ""], words.join(" "));
        // weights may be a folder's
        const isFolder = path === folder && words[0] === "backbone";
        const found = isFolder ? "none among pipe, pipe.png" : what;
        assert.match(error, new RegExp(`^Cannot read .*expected .*, found ${found}$`));
      }
    }
    // beside an image that cannot be decoded it was opened
    await Deno.writeTextFile(join(folder, "a.png"), "no image");
    const out = join(folder, "out.npy");
    const images = ["features", "--backbone", BACKBONE, "--images", folder, "--out", out];
    const { code, error } = await commandLine(...images);
    assert.equal(code, 1);
    assert.match(error, /^Cannot decode .*a\.png: .*, and 1 more like it; /);
  },
});
