/**
 * Reads the text of a PDF, with where it stands and how large it is.
 * @module
 */
import { getDocumentProxy } from "unpdf";

/** A line of text on a page. */
export interface PdfText {
  readonly text: string;
  /** In points of 1/72 inch. */
  readonly sizePt: number;
  /** Left, bottom, right and top edge of its letters, in points from the page's lower left corner. */
  readonly box: readonly [number, number, number, number];
}

/** What stands on the first page of a PDF. */
export interface PdfPage {
  readonly widthPt: number;
  readonly heightPt: number;
  readonly texts: readonly PdfText[];
  readonly title: string;
}

/** How far letters reach above and below the line that they stand on, in sizes of the text. */
const ASCENT = 0.72, DESCENT = 0.21;

/** Reads the first page of a PDF. */
export async function readPdf(pdf: Uint8Array): Promise<PdfPage> {
  const document = await getDocumentProxy(pdf.slice());
  const page = await document.getPage(1);
  const { items } = await page.getTextContent();
  const [, , widthPt, heightPt] = page.view as [number, number, number, number];
  const { info } = await document.getMetadata();
  const texts = items.flatMap((item) => {
    if (!("str" in item) || item.str.trim() === "") return [];
    const [a, b, , , x, y] = item.transform as [number, number, number, number, number, number];
    const sizePt = Math.hypot(a, b);
    const along = [a / sizePt, b / sizePt] as const;
    // corners: along the line, and from below it to above it
    const corners = [0, item.width].flatMap((far) =>
      [-DESCENT * sizePt, ASCENT * sizePt].map((up) =>
        [x + far * along[0] - up * along[1], y + far * along[1] + up * along[0]] as const
      )
    );
    const xs = corners.map(([x]) => x), ys = corners.map(([, y]) => y);
    const box = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)] as const;
    return [{ text: item.str, sizePt, box, isTilted: Math.abs(a * b) > 1e-3 }];
  });
  return { widthPt, heightPt, texts, title: (info as { Title: string }).Title };
}

/** Pairs of texts that lie on one another, by more than a hair. Those that stand aslant have no box. */
export function overlaps(texts: readonly PdfText[]): string[] {
  const straight = texts.filter((one) => !("isTilted" in one && one.isTilted));
  return straight.flatMap((one, i) =>
    straight.slice(i + 1).flatMap((other) => {
      const [left, bottom, right, top] = one.box;
      const width = Math.min(right, other.box[2]) - Math.max(left, other.box[0]);
      const height = Math.min(top, other.box[3]) - Math.max(bottom, other.box[1]);
      return width > 0.2 && height > 0.2 ? [`${one.text} | ${other.text}`] : [];
    })
  );
}
