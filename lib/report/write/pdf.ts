/**
 * Vector PDF of an SVG whose text is outlined.
 *
 * Takes what resvg's simplifier writes: groups, clip paths, paths with absolute coordinates and
 * images, nothing else. That is all a figure consists of, so a page is a list of path operators;
 * the pixels of an image go into the file as they lie in its PNG.
 * @module
 */
import { deflateSync } from "node:zlib";
import { readPngParts } from "../../image/png.ts";
import { numbers, parseSvg, type SvgElement } from "./svg.ts";

/**
 * Draws an SVG as a one-page PDF.
 * @param svg as resvg simplifies it
 * @param widthPt width of the page in points of 1/72 inch; the height follows from the view box
 * @param title the document's title, as viewers show it
 * @throws {Error} where the SVG holds something else than groups, clip paths, paths and images
 * @throws {UserError} where an image is no PNG of 8-bit colour
 */
export function svgToPdf(svg: string, widthPt: number, title: string): Uint8Array {
  const root = parseSvg(svg);
  const [left, top, width, height] = numbers(root.attributes.get("viewBox") ?? "") as [
    number,
    number,
    number,
    number,
  ];
  const scale = widthPt / width;
  const page = new Page(root);
  // SVG's y axis points down, PDF's up.
  page.matrix([scale, 0, 0, -scale, -left * scale, (top + height) * scale]);
  for (const child of root.children) page.draw(child);
  return page.toPdf(widthPt, height * scale, title);
}

class Page {
  #content: string[] = [];
  readonly #opacities = new Map<string, string>();
  readonly #forms: string[] = [];
  /** Names of images by their addresses: one that is drawn twice is written once. */
  readonly #images = new Map<string, string>();
  readonly #clips = new Map<string, SvgElement>();

  constructor(root: SvgElement) {
    for (const defs of root.children.filter(({ name }) => name === "defs")) {
      for (const clip of defs.children) this.#clips.set(clip.attributes.get("id") ?? "", clip);
    }
  }

  matrix(matrix: readonly number[]): void {
    this.#content.push(`${matrix.map(short).join(" ")} cm`);
  }

  draw(element: SvgElement): void {
    const { name, attributes } = element;
    if (name === "defs") return;
    if (name !== "g" && name !== "path" && name !== "image") {
      throw new Error(`Cannot write PDF: expected groups, paths and images, found <${name}>`);
    }
    if (attributes.get("visibility") === "hidden") return;
    this.#content.push("q");
    const transform = attributes.get("transform");
    if (transform !== undefined) this.matrix(numbers(transform));
    if (name === "path") this.#path(attributes);
    else if (name === "image") this.#image(attributes);
    else this.#group(element);
    this.#content.push("Q");
  }

  #group({ attributes, children }: SvgElement): void {
    const clip = attributes.get("clip-path")?.match(/#([^)]*)/)?.[1];
    if (clip !== undefined) this.#clip(clip);
    const opacity = Number(attributes.get("opacity") ?? 1);
    if (opacity === 1) {
      for (const child of children) this.draw(child);
      return;
    }
    // A group fades as a whole: it is drawn apart, then laid on the page.
    const outer = this.#content;
    this.#content = [];
    for (const child of children) this.draw(child);
    this.#forms.push(this.#content.join("\n"));
    this.#content = outer;
    this.#opacity(opacity, opacity);
    this.#content.push(`/X${this.#forms.length - 1} Do`);
  }

  #clip(id: string): void {
    const clip = this.#clips.get(id);
    if (clip === undefined) {
      throw new Error(`Cannot write PDF: expected a clip path ${id}, found none`);
    }
    const paths = clip.children.map(({ attributes }) => {
      if (attributes.has("transform")) {
        throw new Error(
          `Cannot write PDF: expected plain clip paths, found a moved one`,
        );
      }
      return pathOperators(attributes.get("d") ?? "");
    });
    this.#content.push(...paths, "W n");
  }

  #path(attributes: ReadonlyMap<string, string>): void {
    const fill = attributes.get("fill") ?? "#000000", stroke = attributes.get("stroke") ?? "none";
    this.#opacity(
      Number(attributes.get("fill-opacity") ?? 1),
      Number(attributes.get("stroke-opacity") ?? 1),
    );
    if (fill !== "none") this.#content.push(`${colour(fill)} rg`);
    if (stroke !== "none") {
      const dashes = attributes.get("stroke-dasharray");
      this.#content.push(
        `${colour(stroke)} RG`,
        `${short(Number(attributes.get("stroke-width") ?? 1))} w`,
        `${["butt", "round", "square"].indexOf(attributes.get("stroke-linecap") ?? "butt")} J`,
        `${["miter", "round", "bevel"].indexOf(attributes.get("stroke-linejoin") ?? "miter")} j`,
        `${short(Number(attributes.get("stroke-miterlimit") ?? 4))} M`,
        ...(dashes === undefined ? [] : [
          `[${numbers(dashes).map(short).join(" ")}] ${
            short(Number(attributes.get("stroke-dashoffset") ?? 0))
          } d`,
        ]),
      );
    }
    const evenOdd = attributes.get("fill-rule") === "evenodd" ? "*" : "";
    const paint = fill === "none"
      ? (stroke === "none" ? "n" : "S")
      : stroke === "none"
      ? `f${evenOdd}`
      : `B${evenOdd}`;
    this.#content.push(pathOperators(attributes.get("d") ?? ""), paint);
  }

  #image(attributes: ReadonlyMap<string, string>): void {
    const address = attributes.get("xlink:href") ?? attributes.get("href") ?? "";
    if (!this.#images.has(address)) this.#images.set(address, `I${this.#images.size}`);
    const [x, y, width, height] = ["x", "y", "width", "height"]
      .map((name) => Number(attributes.get(name) ?? 0)) as [number, number, number, number];
    // PDF draws an image into the square from 0 to 1, its first row at the top
    this.matrix([width, 0, 0, -height, x, y + height]);
    this.#content.push(`/${this.#images.get(address)} Do`);
  }

  #opacity(fill: number, stroke: number): void {
    if (fill === 1 && stroke === 1) return;
    const state = `<< /ca ${short(fill)} /CA ${short(stroke)} >>`;
    if (!this.#opacities.has(state)) this.#opacities.set(state, `G${this.#opacities.size}`);
    this.#content.push(`/${this.#opacities.get(state)} gs`);
  }

  toPdf(width: number, height: number, title: string): Uint8Array {
    const states = [...this.#opacities].map(([state, name]) => `/${name} ${state}`).join(" ");
    const formAt = 6, imageAt = formAt + this.#forms.length;
    const names = [
      ...this.#forms.map((_, i) => `/X${i} ${formAt + i} 0 R`),
      ...[...this.#images.values()].map((name, i) => `/${name} ${imageAt + i} 0 R`),
    ].join(" ");
    const infoAt = imageAt + this.#images.size;
    const objects: PdfObject[] = [
      "<< /Type /Catalog /Pages 2 0 R >>",
      "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 ${short(width)} ${short(height)}] ` +
      "/Contents 4 0 R /Resources 5 0 R >>",
      { dictionary: "", stream: this.#content.join("\n") },
      `<< /ExtGState << ${states} >> /XObject << ${names} >> >>`,
      ...this.#forms.map((content) => ({
        // Drawn under the page's matrix, so its box is in the SVG's pixels: take one that holds all.
        dictionary: "/Type /XObject /Subtype /Form /BBox [-30000 -30000 30000 30000] " +
          "/Group << /S /Transparency >> /Resources 5 0 R ",
        stream: content,
      })),
      ...[...this.#images.keys()].map(imageObject),
      `<< /Title <${utf16Hex(title)}> >>`,
    ];
    return assemble(objects, infoAt);
  }
}

/**
 * A dictionary, or a stream with what its dictionary says besides length and filter; bytes are
 * deflated already.
 */
type PdfObject = string | { readonly dictionary: string; readonly stream: string | Uint8Array };

/** A PNG's lines are filtered and deflated as PDF has them too: they are not touched. */
function imageObject(address: string): PdfObject {
  const png = Uint8Array.fromBase64(
    address.replaceAll(" ", "").replace(/^data:image\/png;base64,/, ""),
  );
  const { width, height, data } = readPngParts(png);
  return {
    dictionary: `/Type /XObject /Subtype /Image /Width ${width} /Height ${height} ` +
      "/ColorSpace /DeviceRGB /BitsPerComponent 8 /DecodeParms " +
      `<< /Predictor 15 /Colors 3 /BitsPerComponent 8 /Columns ${width} >> `,
    stream: data,
  };
}

/** Lays out numbered objects, the table of their places, and the trailer. */
function assemble(
  objects: readonly PdfObject[],
  infoAt: number,
): Uint8Array {
  const encoder = new TextEncoder();
  const parts: Uint8Array[] = [encoder.encode("%PDF-1.4\n")];
  let length = parts[0]!.length;
  const add = (part: string | Uint8Array) => {
    const bytes = typeof part === "string" ? encoder.encode(part) : part;
    parts.push(bytes);
    length += bytes.length;
  };
  const places = objects.map((object, i) => {
    const place = length;
    add(`${i + 1} 0 obj\n`);
    if (typeof object === "string") add(object);
    else {
      const { stream: held } = object;
      const stream = typeof held === "string" ? deflateSync(held) : held;
      add(`<< ${object.dictionary}/Length ${stream.length} /Filter /FlateDecode >>\nstream\n`);
      add(stream);
      add("\nendstream");
    }
    add("\nendobj\n");
    return place;
  });
  const table = length;
  const entries = places.map((place) => `${String(place).padStart(10, "0")} 00000 n \n`).join("");
  add(`xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${entries}`);
  add(`trailer\n<< /Size ${objects.length + 1} /Root 1 0 R /Info ${infoAt} 0 R >>\n`);
  add(`startxref\n${table}\n%%EOF\n`);
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** SVG's path commands as PDF's; a quadratic curve becomes the same cubic one. */
function pathOperators(d: string): string {
  const operators: string[] = [];
  let x = 0, y = 0;
  for (const [, command, rest] of d.matchAll(/([A-Za-z])([^A-Za-z]*)/g)) {
    const at = numbers(rest!);
    if (command === "Z") {
      operators.push("h");
      continue;
    }
    if (command === "M") operators.push(`${at.map(short).join(" ")} m`);
    else if (command === "L") operators.push(`${at.map(short).join(" ")} l`);
    else if (command === "C") operators.push(`${at.map(short).join(" ")} c`);
    else if (command === "Q") {
      const [cx, cy, toX, toY] = at as [number, number, number, number];
      const third = (from: number, to: number) => from + 2 / 3 * (to - from);
      operators.push(
        `${
          [third(x, cx), third(y, cy), third(toX, cx), third(toY, cy), toX, toY].map(short).join(
            " ",
          )
        } c`,
      );
    } else {throw new Error(
        `Cannot write PDF: expected path commands MLCQZ, found ${command}`,
      );}
    [x, y] = at.slice(-2) as [number, number];
  }
  return operators.join("\n");
}

/** A number with at most three decimals, never in exponents, which PDF does not know. */
function short(value: number): string {
  return String(Number(value.toFixed(3)));
}

function colour(hex: string): string {
  if (!/^#[0-9a-f]{6}$/i.test(hex)) {
    throw new Error(`Cannot write PDF: expected plain colours, found ${hex}`);
  }
  return [1, 3, 5].map((i) => short(parseInt(hex.slice(i, i + 2), 16) / 255)).join(" ");
}

function utf16Hex(text: string): string {
  return "FEFF" +
    Array.from({ length: text.length }, (_, i) => text.charCodeAt(i).toString(16).padStart(4, "0"))
      .join("");
}
