/**
 * Exact nearest neighbours in UFD's whole bank, 720,000 × 768, of 1,000 images, beside faiss and
 * scikit-learn (`pip install faiss-cpu scikit-learn`, or a folder of them in PYTHONPATH). The floor is
 * what the products alone take at ONNX Runtime's own rate. `NEIGHBOURS_ROWS` is another size.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BANK, Bank } from "../../lib/detectors/ufd/bank.ts";
import { writeLargeSafetensors } from "../../lib/io/safetensors_writer.ts";
import { GraphBuilder } from "../../lib/onnx/graph.ts";
import { openSession, ortTensor } from "../../lib/onnx/session.ts";

const ROWS = Number(Deno.env.get("NEIGHBOURS_ROWS") ?? 720_000);
const WIDTH = 768, QUERIES = 1000, K = 1, TURNS = 2;

/** Numbers that are random enough for a bank, and quick. */
function* uniform(): Generator<number> {
  for (let state = 1;;) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    yield (state >>> 8) / 2 ** 24 - .5;
  }
}

/** Writes a bank: in a process of its own, whose memory is not ours. */
async function makeBank(path: string): Promise<void> {
  const source = uniform();
  await writeLargeSafetensors(
    path,
    BANK.map((name) => ({
      name,
      dtype: "F16",
      shape: [ROWS / 2, WIDTH],
      bytes() {
        const values = new Float16Array(ROWS / 2 * WIDTH);
        for (let i = 0; i < values.length; i++) values[i] = source.next().value!;
        return Promise.resolve(new Uint8Array(values.buffer));
      },
    })),
  );
}

/** Operations a second of ONNX Runtime's matrix product at the size of a slab. */
async function productRate(): Promise<number> {
  const [count, rows] = [512, 8192];
  const g = new GraphBuilder();
  const a = g.input("a", "float32", [count, WIDTH]), b = g.input("b", "float32", [rows, WIDTH]);
  g.output("c", g.op("Gemm", [a, b], { transB: 1 }), "float32", [count, rows]);
  const session = await openSession(g.build());
  const source = uniform();
  const values = (length: number) => Float32Array.from({ length }, () => source.next().value!);
  const feeds = {
    a: ortTensor("float32", values(count * WIDTH), [count, WIDTH]),
    b: ortTensor("float32", values(rows * WIDTH), [rows, WIDTH]),
  };
  let fastest = Infinity;
  for (let turn = 0; turn < 12; turn++) {
    const start = performance.now();
    await session.run(feeds);
    fastest = Math.min(fastest, performance.now() - start);
  }
  await session.release();
  return 2 * count * rows * WIDTH / fastest * 1000;
}

/** What a process has held at most; 0 where the system does not say. */
async function peakBytes(): Promise<number> {
  const status = await Deno.readTextFile("/proc/self/status").catch(() => "");
  return 1024 * Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0);
}

/** Queries a second and peak memory of a Python peer; nothing where it is not installed. */
async function peer(which: string): Promise<readonly [number, number] | undefined> {
  const script = fileURLToPath(new URL("neighbours_peer.py", import.meta.url));
  try {
    const { success, stdout } = await new Deno.Command("python3", {
      args: [script, which, ...[ROWS, WIDTH, QUERIES, K].map(String)],
      stderr: "null",
    }).output();
    const [rate, bytes] = new TextDecoder().decode(stdout).trim().split(" ").map(Number);
    return success ? [rate!, bytes!] : undefined;
  } catch {
    return undefined;
  }
}

async function ours(path: string): Promise<readonly [number, number]> {
  const start = performance.now();
  const bank = await Bank.open(path, { engine: "onnx" });
  print(`opened in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  const source = uniform();
  let fastest = Infinity;
  for (let turn = 0; turn < TURNS; turn++) {
    // others each time: a bank remembers what it was last asked
    const queries = Float32Array.from({ length: QUERIES * WIDTH }, () => source.next().value!);
    const start = performance.now();
    await bank.nearest(queries, K);
    fastest = Math.min(fastest, performance.now() - start);
  }
  await bank.dispose();
  return [QUERIES / fastest * 1000, await peakBytes()];
}

// deno-lint-ignore no-console
const print = console.log;

if (Deno.args[0] === "make") await makeBank(Deno.args[1]!);
else {
  const folder = await Deno.makeTempDir();
  const path = join(folder, "bank.safetensors");
  try {
    await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-check", "-A", fileURLToPath(import.meta.url), "make", path],
    }).output();
    const floor = await productRate() / (2 * ROWS * WIDTH);
    print(
      `${ROWS} × ${WIDTH}, ${QUERIES} queries, k ${K}; the products' floor is ${floor.toFixed(0)}`,
    );
    print("              queries a second   peak GB   of faiss   of the floor");
    const rates = {
      ours: await ours(path),
      faiss: await peer("faiss"),
      sklearn: await peer("sklearn"),
    };
    for (const [name, measured] of Object.entries(rates)) {
      if (!measured) {
        print(`${name.padEnd(14)}skipped: python3 does not import it`);
        continue;
      }
      const [rate, bytes] = measured;
      const cells: [string, number][] = [
        [rate.toFixed(1), 16],
        [(bytes / 1e9).toFixed(2), 10],
        [rates.faiss ? (rate / rates.faiss[0]).toFixed(2) : "–", 11],
        [(rate / floor).toFixed(2), 15],
      ];
      print(name.padEnd(14) + cells.map(([cell, length]) => cell.padStart(length)).join(""));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
