/**
 * Vector PDF of a figure's SVG, its text as text in an embedded typeface: found by a search, read
 * aloud, copied, changed in a drawing program.
 *
 * pdfkit writes the file; what is here walks through the few elements that vega draws with.
 * @module
 */
import { color as colour } from "d3-color";
import { Buffer } from "node:buffer";
import PDFDocument from "pdfkit";
import { UserError } from "../../io/errors.ts";
import { fontFile, fontWeight } from "./font.ts";
import { numbers, type SvgElement } from "./svg.ts";

/** What is used of a pdfkit document. https://pdfkit.org/docs/ */
interface Pdf {
  on(event: string, listener: (part: Uint8Array) => void): Pdf;
  end(): void;
  save(): void;
  restore(): void;
  addContent(operators: string): void;
  registerFont(name: string, path: string): void;
  font(name: string, sizePx: number): void;
  widthOfString(text: string, options: object): number;
  text(text: string, x: number, y: number, options: object): void;
  image(address: string, x: number, y: number, size: object): void;
  transform(...matrix: number[]): void;
  translate(x: number, y: number): void;
  rotate(degrees: number): void;
  scale(x: number, y: number): void;
  rect(x: number, y: number, width: number, height: number): void;
  moveTo(x: number, y: number): Pdf;
  lineTo(x: number, y: number): Pdf;
  path(d: string): void;
  clip(): void;
  fillColor(ink: Ink, alpha: number): void;
  strokeColor(ink: Ink, alpha: number): void;
  fill(rule: string): void;
  stroke(): void;
  fillAndStroke(fill: undefined, stroke: undefined, rule: string): void;
  linearGradient(x1: number, y1: number, x2: number, y2: number): Gradient;
  struct(type: string, options: object, draw: () => void): object;
  addStructure(element: object): void;
}

interface Gradient {
  stop(at: number, ink: string, alpha: number): void;
}

type Ink = string | Gradient;

/** What a PDF says of itself. */
export interface PdfFacts {
  /** As viewers show it. */
  readonly title: string;
  /** What is read to those who do not see it. */
  readonly description: string;
}

/** What is inherited from an element to those in it. */
type Style = Readonly<Record<string, string | undefined>>;

const INHERITED = /^(?:fill|stroke|font|text-anchor)/;

/** Elements that are looked up by name, and those that draw nothing. */
const ASIDE = ["defs", "clipPath", "linearGradient", "title", "desc", "style"];

/** Letters stand as far apart as those that were measured: not drawn together, never joined. */
const LETTERS = { lineBreak: false, baseline: "alphabetic", features: [] };

/**
 * Draws an SVG as a one-page PDF. Equal SVGs give equal bytes.
 * @param root as vega writes it
 * @param widthPt width of the page in points of 1/72 inch; the height follows from the view box
 * @throws {Error} where the SVG holds an element that vega does not draw with
 * @throws {UserError} where an image is no PNG and no JPEG, or a colour is none
 */
export async function svgToPdf(
  root: SvgElement,
  widthPt: number,
  { title, description }: PdfFacts,
): Promise<Uint8Array> {
  const [left = 0, top = 0, width = 1, height = 1] = numbers(root.attributes.get("viewBox") ?? "");
  const scale = widthPt / width;
  const pdf: Pdf = new PDFDocument({
    size: [widthPt, height * scale],
    margin: 0,
    font: null,
    pdfVersion: "1.5",
    lang: "en",
    displayTitle: true,
    tagged: true,
    // no moment of its making: equal figures are equal files
    info: { Title: title, Creator: "RINE", CreationDate: new Date(0) },
  });
  const parts: Uint8Array[] = [];
  const ended = new Promise<unknown>((resolve) =>
    pdf.on("data", (part) => parts.push(part)).on("end", resolve)
  );
  for (const weight of ["normal", "bold"] as const) pdf.registerFont(weight, fontFile(weight));
  pdf.transform(scale, 0, 0, scale, -left * scale, -top * scale);
  const drawing = new Drawing(pdf, root);
  pdf.addStructure(pdf.struct("Figure", { alt: `${title}. ${description}` }, () => {
    for (const child of root.children) drawing.draw(child, {}, 1);
  }));
  pdf.end();
  await ended;
  return new Uint8Array(Buffer.concat(parts));
}

class Drawing {
  readonly #pdf: Pdf;
  readonly #named = new Map<string, SvgElement>();

  constructor(pdf: Pdf, root: SvgElement) {
    this.#pdf = pdf;
    this.#name(root);
  }

  #name(element: SvgElement): void {
    const id = element.attributes.get("id");
    if (id !== undefined) this.#named.set(id, element);
    for (const child of element.children) this.#name(child);
  }

  /** @param opacity of what is around it: it fades what it holds one by one */
  draw(element: SvgElement, around: Style, opacity: number): void {
    const { name, attributes } = element;
    if (ASIDE.includes(name) || attributes.get("display") === "none") return;
    const own = [...attributes].filter(([key]) => INHERITED.test(key));
    const style = { ...around, ...Object.fromEntries(own) };
    const faint = opacity * Number(attributes.get("opacity") ?? 1);
    this.#pdf.save();
    for (const step of (attributes.get("transform") ?? "").matchAll(/(\w+)\(([^)]*)\)/g)) {
      this.#transform(step[1]!, numbers(step[2]!));
    }
    const clip = this.#byAddress(attributes.get("clip-path"));
    if (clip) {
      for (const shape of clip.children) this.#outline(shape);
      this.#pdf.clip();
    }
    if (name === "g" || name === "a") {
      for (const child of element.children) this.draw(child, style, faint);
    } else if (name === "text") this.#text(element, style, faint);
    else if (name === "image") this.#image(attributes, style, faint);
    else if (this.#outline(element)) this.#paint(element, style, faint);
    this.#pdf.restore();
  }

  #byAddress(value = ""): SvgElement | undefined {
    return this.#named.get(/^url\([^#]*#([^)]*)\)$/.exec(value)?.[1] ?? "");
  }

  #transform(kind: string, [a = 0, b = 0, ...rest]: number[]): void {
    if (kind === "translate") this.#pdf.translate(a, b);
    else if (kind === "rotate") this.#pdf.rotate(a);
    else if (kind === "scale") this.#pdf.scale(a, b === 0 ? a : b);
    else if (kind === "matrix") this.#pdf.transform(a, b, ...rest);
    else throw new Error(`Cannot write PDF: expected moves and turns, found ${kind}`);
  }

  /** Lays out a shape; nothing of an empty one. */
  #outline({ name, attributes }: SvgElement): boolean {
    const at = (key: string) => Number(attributes.get(key) ?? 0);
    if (name === "rect") this.#pdf.rect(at("x"), at("y"), at("width"), at("height"));
    else if (name === "line") this.#pdf.moveTo(at("x1"), at("y1")).lineTo(at("x2"), at("y2"));
    else if (name === "path") {
      const d = attributes.get("d") ?? "";
      if (d === "") return false;
      this.#pdf.path(d.includes("Q") ? cubic(d) : d);
    } else {
      throw new Error(`Cannot write PDF: expected what vega draws with, found <${name}>`);
    }
    return true;
  }

  #paint(element: SvgElement, style: Style, opacity: number): void {
    const share = (key: string) => opacity * Number(style[key] ?? 1);
    const fill = this.#ink(style["fill"] ?? "black", share("fill-opacity"), element);
    const stroke = this.#ink(style["stroke"] ?? "none", share("stroke-opacity"), element);
    if (fill) this.#pdf.fillColor(...fill);
    if (stroke) {
      this.#pdf.strokeColor(...stroke);
      const place = (names: readonly string[], key: string) =>
        Math.max(0, names.indexOf(style[key] ?? ""));
      this.#pdf.addContent([
        `${Number(style["stroke-width"] ?? 1)} w`,
        `${place(["butt", "round", "square"], "stroke-linecap")} J`,
        `${place(["miter", "round", "bevel"], "stroke-linejoin")} j`,
        `${Number(style["stroke-miterlimit"] ?? 4)} M`,
        `[${numbers(style["stroke-dasharray"] ?? "").join(" ")}] ${
          Number(style["stroke-dashoffset"] ?? 0)
        } d`,
      ].join(" "));
    }
    const rule = style["fill-rule"] === "evenodd" ? "even-odd" : "non-zero";
    if (fill && stroke) this.#pdf.fillAndStroke(undefined, undefined, rule);
    else if (fill) this.#pdf.fill(rule);
    else if (stroke) this.#pdf.stroke();
    else this.#pdf.addContent("n");
  }

  #ink(value: string, opacity: number, element: SvgElement): [Ink, number] | undefined {
    if (value === "none") return undefined;
    const gradient = this.#byAddress(value);
    if (gradient) return [this.#gradient(gradient, element), opacity];
    const [ink, alpha] = inkOf(value);
    return alpha === 0 ? undefined : [ink, alpha * opacity];
  }

  /** Colours along a rectangle, as in a legend. */
  #gradient({ attributes, children }: SvgElement, element: SvgElement): Gradient {
    const [left = 0, top = 0, width = 0, height = 0] = numbers(
      /^M[^hv]*h[^hv]*v[^hv]*/.exec(element.attributes.get("d") ?? "")?.[0] ?? "",
    );
    const at = (key: string, from: number, length: number) =>
      from + length * Number(attributes.get(key) ?? 0);
    const gradient = this.#pdf.linearGradient(
      at("x1", left, width),
      at("y1", top, height),
      at("x2", left, width),
      at("y2", top, height),
    );
    for (const { attributes: stop } of children) {
      gradient.stop(Number(stop.get("offset")), ...inkOf(stop.get("stop-color") ?? ""));
    }
    return gradient;
  }

  #text({ text, children }: SvgElement, style: Style, opacity: number): void {
    const ink = this.#ink(style["fill"] ?? "black", opacity, { ...NOTHING, text });
    if (!ink) return;
    const { "font-size": size = "10", "font-weight": weight, "text-anchor": anchor } = style;
    this.#pdf.font(fontWeight(weight), parseFloat(size));
    this.#pdf.fillColor(...ink);
    let y = 0;
    for (const line of children.length === 0 ? [{ ...NOTHING, text }] : children) {
      y += Number(line.attributes.get("dy") ?? 0);
      const width = this.#pdf.widthOfString(line.text, LETTERS);
      const x = anchor === "middle" ? -width / 2 : anchor === "end" ? -width : 0;
      if (line.text !== "") this.#pdf.text(line.text, x, y, LETTERS);
    }
  }

  #image(attributes: ReadonlyMap<string, string>, style: Style, opacity: number): void {
    const address = attributes.get("xlink:href") ?? attributes.get("href") ?? "";
    const at = (key: string) => Number(attributes.get(key) ?? 0);
    const size = { width: at("width"), height: at("height") };
    this.#pdf.fillColor("black", opacity * Number(style["fill-opacity"] ?? 1));
    try {
      if (!address.startsWith("data:image/")) throw new Error("an address");
      this.#pdf.image(address, at("x"), at("y"), size);
    } catch {
      throw new UserError(
        "damaged",
        `Cannot write PDF: expected images as PNG or JPEG, found ${address.slice(0, 40)}`,
      );
    }
  }
}

const NOTHING: SvgElement = { name: "tspan", attributes: new Map(), children: [], text: "" };

/** Quadratic curves as the same cubic ones: pdfkit 0.20 writes them with a control point too few. */
function cubic(d: string): string {
  return d.replace(/Q([^A-Za-z]*)/g, (_, rest: string, at: number) => {
    const [x = 0, y = 0] = numbers(d.slice(0, at)).slice(-2);
    const [cx = 0, cy = 0, toX = 0, toY = 0] = numbers(rest);
    const third = (from: number, to: number) => from + 2 / 3 * (to - from);
    return `C${third(x, cx)},${third(y, cy)},${third(toX, cx)},${third(toY, cy)},${toX},${toY}`;
  });
}

/** A colour of CSS as PDF has it, and how opaque it is. */
function inkOf(css: string): [string, number] {
  const found = colour(css);
  if (found === null) {
    throw new UserError("usage", `Cannot write PDF: expected a colour, found ${css}`);
  }
  return [found.formatHex(), found.opacity];
}
