import assert from "node:assert/strict";
import { toCsv } from "../lib/page/static/saving.ts";

Deno.test("verdicts are saved as CSV that a spreadsheet reads and does not obey", () => {
  const facts = { format: "png", bytes: 12, widthPx: 3, heightPx: 4, bits: 8, hasC2pa: false };
  const claims = [{ field: "Exif Make", text: 'Ca"non' }];
  const score = { score: .75, logit: 1.1, isGenerated: true, verdict: "generated" as const };
  const csv = toCsv([
    { name: "a, b.png", answer: { name: "a, b.png", ...score, facts: { ...facts, claims } } },
    { name: "=1+2.png", problem: "Cannot decode\nit" },
    { name: "-1.png", answer: { name: "-1.png", ...score, logit: -1, score: .25 } },
  ]);
  assert.deepEqual(csv.split("\r\n"), [
    "name,verdict,score,logit,widthPx,heightPx,format,bytes,claims,problem",
    '"a, b.png",generated,0.75,1.1,3,4,png,12,"Exif Make: Ca""non",',
    '\'=1+2.png,,,,,,,,,"Cannot decode\nit"',
    "'-1.png,generated,0.25,-1,,,,,,",
    "",
  ]);
});
