/**
 * The simple SVG that resvg's simplifier writes: elements and attributes, text turned to outlines.
 * @module
 */

/** An SVG element. */
export interface SvgElement {
  /** `g`, `path`, … */
  readonly name: string;
  /** By name. */
  readonly attributes: ReadonlyMap<string, string>;
  /** Elements in it, in their order. */
  readonly children: SvgElement[];
}

/**
 * Reads an SVG without text.
 * @throws {Error} where it is none
 */
export function parseSvg(svg: string): SvgElement {
  const top: SvgElement = { name: "", attributes: new Map(), children: [] };
  const open = [top];
  for (const [, closing, name, text, empty] of svg.matchAll(/<(\/?)([\w:]+)([^>]*?)(\/?)>/g)) {
    if (closing !== "") {
      open.pop();
      continue;
    }
    const attributes = new Map(
      [...text!.matchAll(/([\w:-]+)="([^"]*)"/g)].map(([, key, value]) => [key!, value!]),
    );
    const element: SvgElement = { name: name!, attributes, children: [] };
    open.at(-1)!.children.push(element);
    if (empty === "") open.push(element);
  }
  const root = top.children[0];
  if (root?.name !== "svg") {
    throw new Error("Cannot write PDF: expected an SVG, found none");
  }
  return root;
}

/** The numbers in an attribute. */
export function numbers(text: string): number[] {
  return (text.match(/-?[\d.]+(?:e[-+]?\d+)?/gi) ?? []).map(Number);
}

/** Without indentation, what is hidden, and digits that no eye or printer resolves. */
export function compactSvg(svg: string): string {
  return svg.replace(/<path [^>]*visibility="hidden"[^>]*>/g, "")
    .replace(/>\s+</g, "><")
    .replace(
      / d="[^"]*"/g,
      (path) => path.replace(/-?\d+\.\d{3,}/g, (x) => String(Number(Number(x).toFixed(2)))),
    );
}
