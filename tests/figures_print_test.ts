import assert from "node:assert/strict";
import { EXPERIMENTS } from "../experiments/index.ts";
import { publishedReport } from "../lib/report/paper/published.ts";
import { renderFigure } from "../lib/report/write/render.ts";
import { overlaps, readPdf } from "./pdf_text.ts";

const sections = await publishedReport(EXPERIMENTS);
const figures = sections.flatMap(({ report }) => report.figures);

/** Text of an LNCS page, in millimetres, and the smallest letters that it asks for, in points. */
const LNCS_MM = 122, SMALLEST_PT = 6;

/** Some of what each figure says. */
const SAYS: Readonly<Record<string, readonly string[]>> = {
  figure_1: ["RINE", "t-SNE 1", "diffusion"],
  figure_3: ["ViT-L/14", "mean over test sets (%)", "contrastive weight ξ", "0.8"],
  figure_4: ["q = 4", "10.52 M"],
  figure_5: ["epochs", "best", "15"],
  figure_6: ["Deepfake", "1-class, ACC"],
  figure_7: ["Transformer block", "24"],
};

for (const figure of figures) {
  Deno.test(`${figure.id} in an LNCS page: its text is found in the PDF, 6 points or larger, in the page, apart`, async () => {
    const every = Math.ceil(figure.rows.length / 1000);
    const shown = { ...figure, rows: figure.rows.filter((_, i) => i % every === 0) };
    const { svg, pdf } = await renderFigure(shown, "default", LNCS_MM);
    const { widthPt, heightPt, texts, title } = await readPdf(pdf);
    assert.equal(title, figure.title);
    assert(Math.abs(widthPt - LNCS_MM / 25.4 * 72) < .01);
    const found = texts.map(({ text }) => text);
    for (const said of SAYS[figure.id]!) assert(found.includes(said), `${said} in ${found}`);
    const drawn = [...svg.matchAll(/<(?:text|tspan)[^>]*>([^<]+)</g)].map(([, text]) => text!);
    assert.deepEqual(found.toSorted(), drawn.toSorted());
    for (const { text, sizePt, box: [left, bottom, right, top] } of texts) {
      assert(sizePt >= SMALLEST_PT, `${text} has ${sizePt} points`);
      const isIn = left >= 0 && bottom >= 0 && right <= widthPt && top <= heightPt;
      assert(isIn, `${text} reaches over the page: ${[left, bottom, right, top]}`);
    }
    assert.deepEqual(overlaps(texts), []);
  });
}
