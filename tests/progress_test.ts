import assert from "node:assert/strict";
import { ProgressDisplay } from "../lib/io/progress_bar.ts";

/** What is shown without a terminal while time passes by itself. */
function shown(work: (display: ProgressDisplay, passMs: (ms: number) => void) => void): string[] {
  const lines: string[] = [];
  const { error } = console, { now } = performance;
  let time = 0;
  console.error = (line: string) => lines.push(line);
  performance.now = () => time;
  try {
    using display = new ProgressDisplay(false);
    work(display, (ms) => time += ms);
  } finally {
    console.error = error;
    performance.now = now;
  }
  return lines;
}

const crops = (done: number, elsewhere?: number) => ({
  ...{ stage: "tokens", unit: "crops", done, total: 1000 },
  ...(elsewhere === undefined ? {} : { elsewhere }),
});

Deno.test("where several processes work, the rate of all and one's own are told, and the time of all", () => {
  const lines = shown(({ onProgress }, passMs) => {
    onProgress(crops(100));
    passMs(10_000);
    onProgress(crops(200));
    passMs(10_000);
    // 300 of these came from others
    onProgress(crops(700, 300));
    passMs(10_000);
    onProgress(crops(1000, 900));
  });
  assert.deepEqual(lines, [
    "tokens: 200 of 1000 crops, 10 crops/s, 1 min 20 s left",
    "tokens: 700 of 1000 crops, 30 crops/s with others, 15 crops/s here, 10 s left",
    "tokens: 1000 of 1000 crops",
  ]);
});

Deno.test("who has done nothing himself says so, and a slow rate is told as a time", () => {
  const lines = shown(({ onProgress }, passMs) => {
    onProgress(crops(0));
    passMs(20_000);
    onProgress(crops(5, 5));
    passMs(20_000);
    onProgress(crops(10, 6));
  });
  assert.deepEqual(lines, [
    "tokens: 5 of 1000 crops, 4 s each with others, none here, 1 h 6 min left",
    "tokens: 10 of 1000 crops, 4 s each with others, 10 s each here, 1 h 6 min left",
  ]);
});
