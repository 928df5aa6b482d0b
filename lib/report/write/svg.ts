/**
 * The SVG that vega writes, as a tree: read, freed of what shows nothing, and written again with its
 * text as text.
 * @module
 */

/** An SVG element. */
export interface SvgElement {
  /** `g`, `path`, `text`, … */
  readonly name: string;
  /** By name, as text for people: `&`, not `&amp;`. */
  readonly attributes: ReadonlyMap<string, string>;
  /** Elements in it, in their order. */
  readonly children: readonly SvgElement[];
  /** What stands in it beside elements. */
  readonly text: string;
}

/** An element while it is read. */
interface OpenElement extends SvgElement {
  readonly children: SvgElement[];
  text: string;
}

/**
 * Reads an SVG.
 * @throws {Error} where it is none
 */
export function parseSvg(svg: string): SvgElement {
  const top: OpenElement = { name: "", attributes: new Map(), children: [], text: "" };
  const open = [top];
  for (
    const [, text, closing, name, attributes, empty] of svg.matchAll(
      /([^<]*)<(\/?)([\w:]+)((?:\s+[\w:-]+="[^"]*")*)\s*(\/?)>/g,
    )
  ) {
    open.at(-1)!.text += unescapeXml(text!);
    if (closing !== "") {
      open.pop();
      continue;
    }
    const element: OpenElement = {
      name: name!,
      attributes: new Map(
        [...attributes!.matchAll(/([\w:-]+)="([^"]*)"/g)]
          .map(([, key, value]) => [key!, unescapeXml(value!)]),
      ),
      children: [],
      text: "",
    };
    open.at(-1)!.children.push(element);
    if (empty === "") open.push(element);
  }
  const root = top.children[0];
  if (root?.name !== "svg") throw new Error("Cannot read SVG: expected an element svg, found none");
  return root;
}

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"' };

function unescapeXml(text: string): string {
  return text.replace(/&(\w+);/g, (entity, name) => ENTITIES[name] ?? entity);
}

/** Text that XML shows as it is. */
export function escapeXml(text: string): string {
  const names = Object.entries(ENTITIES);
  return text.replace(/[&<>"]/g, (it) => `&${names.find(([, one]) => one === it)![0]};`);
}

/** The numbers in an attribute. */
export function numbers(text: string): number[] {
  return (text.match(/[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?/gi) ?? []).map(Number);
}

/** Of text that is read aloud a title is enough; points have no use, and there are thousands. */
const UNSEEN = /^(?:class|role|pointer-events|aria-.*)$/;

/** What is drawn without being said. */
const USUAL: Readonly<Record<string, string>> = {
  opacity: "1",
  "font-weight": "normal",
  transform: "translate(0,0)",
};

/** Elements whose children are looked up by their name, and stay as they are. */
const KEPT = /^(?:defs|clipPath|linearGradient|radialGradient)$/;

/**
 * What of an element can be seen, with as many digits as an eye or a printer resolves; nothing of what
 * has neither ink nor children.
 * @param inks whether fill and stroke are inherited from what is around it
 */
export function tidied(element: SvgElement, inks = false): SvgElement | undefined {
  const { name, text } = element;
  if (element.attributes.get("display") === "none") return undefined;
  const attributes = new Map<string, string>();
  for (const [key, value] of element.attributes) {
    if (UNSEEN.test(key) || USUAL[key] === value || value === "") continue;
    attributes.set(key, isLong(key) ? rounded(value) : value);
  }
  const painted = ["fill", "stroke"].map((key) => attributes.get(key))
    .filter((value) => value !== undefined);
  const isInked = painted.length > 0
    ? painted.some((value) => value !== "none" && value !== "transparent")
    : inks;
  const isShape = name === "path" || name === "line" || name === "rect";
  if (isShape && (!isInked || (name === "path" && !attributes.has("d")))) return undefined;
  if (KEPT.test(name)) return { ...element, attributes };
  const children = element.children.flatMap((child) => tidied(child, isInked) ?? [])
    // a group that says nothing is its children
    .flatMap((child) =>
      child.name === "g" && child.attributes.size === 0 ? child.children : [child]
    );
  if (name === "g" && children.length === 0) return undefined;
  return name === "g"
    ? { name, text: "", ...hoisted(attributes, children) }
    : { name, text, attributes, children };
}

function isLong(key: string): boolean {
  return key === "d" || key === "transform" || /^[xy][12]?$|^(?:width|height|dy)$/.test(key);
}

function rounded(value: string): string {
  return value.replace(/-?\d+\.\d{3,}(?:e-?\d+)?/g, (x) => String(Number(Number(x).toFixed(2))));
}

/** What all children of a group say of their ink and their letters, the group says once. */
const INHERITED = /^(?:fill|stroke|stroke-width|font-family|font-size|font-weight|text-anchor)$/;

function hoisted(own: ReadonlyMap<string, string>, children: readonly SvgElement[]) {
  const [first, ...others] = children;
  const same = [...first!.attributes].filter(([key, value]) =>
    INHERITED.test(key) && !own.has(key) &&
    others.every(({ attributes }) => attributes.get(key) === value)
  );
  if (others.length === 0 || same.length === 0) return { attributes: own, children };
  const keys = new Set(same.map(([key]) => key));
  return {
    attributes: new Map([...own, ...same]),
    children: children.map((child) => ({
      ...child,
      attributes: new Map([...child.attributes].filter(([key]) => !keys.has(key))),
    })),
  };
}

/** An element as SVG. */
export function writeSvg({ name, attributes, children, text }: SvgElement): string {
  const says = [...attributes].map(([key, value]) => ` ${key}="${escapeXml(value)}"`).join("");
  const inner = escapeXml(text) + children.map(writeSvg).join("");
  return inner === "" ? `<${name}${says}/>` : `<${name}${says}>${inner}</${name}>`;
}

/** An SVG whose names begin with a word of its own, so that several stand in one page. */
export function withPrefix(svg: string, prefix: string): string {
  return svg.replace(/(\bid="|url\(#|href="#)/g, `$1${prefix}`)
    .replace(
      /\baria-labelledby="([^"]*)"/g,
      (_, names: string) =>
        `aria-labelledby="${names.split(" ").map((name) => prefix + name).join(" ")}"`,
    );
}
