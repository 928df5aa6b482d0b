import assert from "node:assert/strict";
import { join } from "node:path";
import { commandLine } from "./command_line.ts";
import { GOLDENS } from "./goldens.ts";
import { temporaryFolder } from "./temporary.ts";
import { exists } from "../lib/io/files.ts";

const folder = temporaryFolder();
const FILE = join(GOLDENS, "clip_hf.safetensors");
const IMPORT = ["backbone", "import", FILE, "--backbones", folder];
const DETECTOR = ["detector", "import", FILE, "--as", "wang", "--detectors", folder];
const FEATURES = ["--images", folder, "--out", join(folder, "a.npy")];

const EMPTY = /Expected a path, found an empty word\.$/;
const NO_NAME = /Expected a letter or digit, then letters, digits, spaces and/;
const TOO_LARGE = /Expected a whole number up to 9007199254740991\.$/;
const TWICE = /given twice\.?$/;

/** Words that are off, and what is said of them. */
const WORDS: readonly (readonly [words: readonly string[], says: RegExp])[] = [
  [["reproduce", "--datasets", ""], EMPTY],
  [["reproduce", "--data", " "], EMPTY],
  [["reproduce", "--results", ""], EMPTY],
  [["reproduce", "--tokens", ""], EMPTY],
  [["doctor", "--data", ""], EMPTY],
  [["published", "--from", ""], EMPTY],
  [["published", "--out", ""], EMPTY],
  [["detect", "x.png", "--head", ""], EMPTY],
  [["checkpoint", "show", ""], EMPTY],
  [["checkpoint", "convert", FILE, ""], EMPTY],
  [["backbone", "import", "", "--name", "x"], EMPTY],
  [["backbone", "show", "--backbones", ""], EMPTY],
  [["notebooks", "--out", ""], EMPTY],
  [["tensorflow", "install", "--library", ""], EMPTY],
  [["tensorflow", "install", "--sha256", "abc"], /Expected 64 hexadecimal digits\.$/],
  [[...IMPORT, "--name", ""], NO_NAME],
  [[...IMPORT, "--name", ".."], NO_NAME],
  [[...IMPORT, "--name", "../x"], NO_NAME],
  [[...IMPORT, "--name", "a\nb"], NO_NAME],
  [[...IMPORT, "--name", "a\\b"], NO_NAME],
  [[...IMPORT, "--name", "x".repeat(200)], NO_NAME],
  [["backbone", "quantize", "--name", ""], NO_NAME],
  [["backbone", "quantize", "--name", "nope"], /^Cannot quantize nope: expected weights at /],
  [
    ["detect", "x.png", "--head", join(GOLDENS, "patch_forensics.pth"), "--transform", "median"],
    /expected a transform of original, vote, mean_logit; found median$/,
  ],
  [["features", "--backbone", "", ...FEATURES], NO_NAME],
  [["features", "--backbone", "../x", ...FEATURES], NO_NAME],
  [[...DETECTOR, "--name", ".."], NO_NAME],
  [[...DETECTOR, "--name", "a\nb"], NO_NAME],
  [["reproduce", "--seed", "99999999999999999999"], TOO_LARGE],
  [["reproduce", "--seeds", "9007199254740993,9007199254740992"], TOO_LARGE],
  [["reproduce", "--only", "grid,grid"], /grid is given twice\.$/],
  [["reproduce", "--seed", "1", "--seed", "2"], TWICE],
  [[...IMPORT, "--name", "a", "--name", "b"], TWICE],
  [["detect", "--head", FILE, "--head", FILE, "x.png"], TWICE],
  [["reproduce", "--", "--only", "grid"], /^too many arguments/],
  [["doctor", "--", "x"], /^too many arguments/],
  [["checkpoint", "--nonsense"], /unknown option '--nonsense'; choose from show, convert$/],
];

Deno.test("words that are off are said in one line, with exit code 2 and no stack", async () => {
  for (const [words, says] of WORDS) {
    const { code, out, error } = await commandLine(...words);
    const what = words.join(" ");
    assert.deepEqual([code, out], [2, ""], `${what}: ${error}`);
    assert.equal(error.split("\n").length, 1, `${what}: ${error}`);
    assert.match(error, says, what);
  }
  assert.deepEqual(Array.from(Deno.readDirSync(folder)), []);
});

/** A file that is no head, whose name is what words that were off are told with. */
const NAMESAKE = join(temporaryFolder(), "expected a transform of.safetensors");
await Deno.writeTextFile(NAMESAKE, "no head");

/** Folders and files in one another's places, and what is not there: work that cannot be done. */
const WORK: readonly (readonly [words: readonly string[], says: RegExp])[] = [
  [["published", "--from", FILE, "--out", folder], /expected a clone .* at .*, found a file$/],
  [["doctor", "--datasets", folder], /expected a file, found a folder$/],
  [
    ["features", "--backbone", FILE, "--images", FILE, "--out", join(folder, "a.npy")],
    /expected a folder at .*, found a file$/,
  ],
  [["backbone", "show", "--backbones", FILE], /^Expected a folder at .*, found a file$/],
  [["reproduce", "--results", FILE], /^Cannot write into /],
  [["detect", "x.png", "--head", NAMESAKE], /^Cannot read .*expected a transform of/],
];

Deno.test("what cannot be done is said in one line, with exit code 1 and no stack", async () => {
  for (const [words, says] of WORK) {
    const { code, error } = await commandLine(...words);
    assert.equal(code, 1, error);
    assert.equal(error.split("\n").length, 1, error);
    assert.match(error, says);
  }
  assert.equal(await exists(join(folder, "a.npy")), false);
});
