/**
 * Texts that image files carry beside their pixels: PNG's text chunks, Exif, XMP, comments, and
 * whether there is a C2PA manifest. Anybody can write anything there.
 * @module
 */
import { inflateSync } from "node:zlib";
import { printable } from "../io/errors.ts";

/** A text of a file. */
export interface MetadataEntry {
  /** Where it stands: `Exif Software`, `PNG text "parameters"`. */
  readonly field: string;
  /** The text, made printable and cut off where it is long. */
  readonly text: string;
}

/** What a file carries beside its pixels. */
export interface Metadata {
  /** In the file's order, at most {@linkcode MOST_ENTRIES}. */
  readonly entries: readonly MetadataEntry[];
  /** Whether there is a C2PA manifest; its signature is not checked. */
  readonly hasC2pa: boolean;
  /** How Exif says that it is to be turned or mirrored before it is shown; absent where not at all. */
  readonly orientation?: number;
}

/** Entries that are read of a file, at most. */
export const MOST_ENTRIES = 40;

/** Characters of a text that are kept. */
const LONGEST_TEXT = 600;

/** Bytes of a compressed text after it is unpacked, at most. */
const LONGEST_UNPACKED = 2 ** 20;

/** Bytes of XMP that are looked through. */
const LONGEST_XMP = 2 ** 18;

/** Tags of Exif that say who or what made a picture. */
const TAGS: ReadonlyMap<number, string> = new Map([
  [0x010e, "ImageDescription"],
  [0x010f, "Make"],
  [0x0110, "Model"],
  [0x0131, "Software"],
  [0x0132, "DateTime"],
  [0x013b, "Artist"],
  [0x8298, "Copyright"],
  [0x9003, "DateTimeOriginal"],
  [0x9286, "UserComment"],
  [0xa434, "LensModel"],
]);

/** The tag that says how a picture is to be turned. */
const ORIENTATION = 0x0112;

/** The tag that points to a further list. */
const EXIF_LIST = 0x8769;

/** Tags of a list that are looked at. */
const MOST_TAGS = 1000;

/** Properties of XMP that say who or what made a picture. */
const XMP_PROPERTIES = ["CreatorTool", "DigitalSourceType", "Credit", "AIPromptInformation"];

/**
 * Reads the texts of a PNG, JPEG, WebP or TIFF file. What is damaged is left out: texts are no part of
 * the picture.
 * @param bytes the whole file
 */
export function readMetadata(bytes: Uint8Array): Metadata {
  const found = new Found();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    if (startsWith(bytes, "\x89PNG")) readPng(view, found);
    else if (startsWith(bytes, "\xff\xd8")) readJpeg(view, found);
    else if (startsWith(bytes, "RIFF")) readWebp(view, found);
    else if (startsWith(bytes, "II") || startsWith(bytes, "MM")) readExif(bytes, found);
  } catch (error) {
    // cut off in the middle of a list
    if (!(error instanceof RangeError)) throw error;
  }
  return found;
}

class Found implements Metadata {
  readonly entries: MetadataEntry[] = [];
  hasC2pa = false;
  orientation?: number;

  add(field: string, text: string): void {
    const clean = printable(
      text.replaceAll("\0", "").replace(/\s+/g, " ").trim().slice(0, LONGEST_TEXT).toWellFormed(),
    );
    if (clean !== "" && this.entries.length < MOST_ENTRIES) {
      this.entries.push({ field, text: clean });
    }
  }
}

function readPng(view: DataView, found: Found): void {
  let texts = 0;
  for (let at = 8; at + 12 <= view.byteLength;) {
    const length = view.getUint32(at), name = latin1(bytesOf(view, at + 4, 4));
    if (at + 12 + length > view.byteLength) return;
    const content = bytesOf(view, at + 8, length);
    if (name === "tEXt" || name === "zTXt" || name === "iTXt") {
      // each may be unpacked to much that is no text
      if (texts++ < 2 * MOST_ENTRIES) readPngText(name, content, found);
    } else if (name === "eXIf") readExif(content, found);
    else if (name === "caBX") found.hasC2pa = true;
    at += 12 + length;
  }
}

function readPngText(name: string, content: Uint8Array, found: Found): void {
  const end = content.indexOf(0);
  if (end < 0) return;
  const key = latin1(content.subarray(0, end)), field = `PNG text "${printable(key.slice(0, 79))}"`;
  const add = (text: Uint8Array) =>
    key === "XML:com.adobe.xmp" ? readXmp(text, found) : found.add(field, decoded(text));
  const rest = content.subarray(end + 1);
  if (name === "tEXt") return add(rest);
  if (name === "zTXt") return add(unpacked(rest.subarray(1)));
  // compression flag and method, language, translated key
  const language = rest.indexOf(0, 2), translated = rest.indexOf(0, language + 1);
  if (language < 0 || translated < 0) return;
  const text = rest.subarray(translated + 1);
  add(rest[0] === 1 ? unpacked(text) : text);
}

/** Nothing where it is damaged, or longer than a text is. */
function unpacked(bytes: Uint8Array): Uint8Array {
  try {
    return inflateSync(bytes, { maxOutputLength: LONGEST_UNPACKED });
  } catch {
    return new Uint8Array();
  }
}

function readJpeg(view: DataView, found: Found): void {
  for (let at = 2; at + 4 <= view.byteLength;) {
    if (view.getUint8(at) !== 0xff) return;
    const marker = view.getUint8(at + 1);
    if (marker === 0xda || marker === 0xd9) return;
    const length = view.getUint16(at + 2);
    const content = bytesOf(view, at + 4, Math.max(length - 2, 0));
    if (marker === 0xe1 && startsWith(content, "Exif\0\0")) readExif(content.subarray(6), found);
    else if (marker === 0xe1 && startsWith(content, "http://ns.adobe.com/xap/")) {
      readXmp(content, found);
    } else if (marker === 0xeb && latin1(content.subarray(0, 64)).includes("c2pa")) {
      found.hasC2pa = true;
    } else if (marker === 0xfe) found.add("JPEG comment", decoded(content));
    at += 2 + length;
  }
}

function readWebp(view: DataView, found: Found): void {
  for (let at = 12; at + 8 <= view.byteLength;) {
    const name = latin1(bytesOf(view, at, 4)), length = view.getUint32(at + 4, true);
    if (at + 8 + length > view.byteLength) return;
    const content = bytesOf(view, at + 8, length);
    if (name === "EXIF") {
      readExif(startsWith(content, "Exif\0\0") ? content.subarray(6) : content, found);
    } else if (name === "XMP ") readXmp(content, found);
    else if (name === "C2PA") found.hasC2pa = true;
    at += 8 + length + length % 2;
  }
}

/** @param tiff from the byte order on */
function readExif(tiff: Uint8Array, found: Found): void {
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  if (view.byteLength < 8) return;
  const isLittle = view.getUint16(0) === 0x4949;
  if (view.getUint16(2, isLittle) !== 42) return;
  readTags(view, view.getUint32(4, isLittle), isLittle, true, found);
}

function readTags(
  view: DataView,
  at: number,
  isLittle: boolean,
  isFirst: boolean,
  found: Found,
): void {
  const count = Math.min(view.getUint16(at, isLittle), MOST_TAGS);
  let further: number | undefined;
  for (let i = 0; i < count; i++) {
    const entry = at + 2 + 12 * i;
    const tag = view.getUint16(entry, isLittle), length = view.getUint32(entry + 4, isLittle);
    const value = view.getUint32(entry + 8, isLittle);
    if (tag === EXIF_LIST) further = value;
    if (tag === ORIENTATION) {
      const turn = view.getUint16(entry + 8, isLittle);
      if (turn > 1 && turn <= 8) found.orientation = turn;
    }
    const name = TAGS.get(tag);
    // 2 ASCII, 7 bytes with the name of their encoding before them
    const type = view.getUint16(entry + 2, isLittle);
    if (name === undefined || type !== 2 && type !== 7) continue;
    const start = length <= 4 ? entry + 8 : value;
    if (start + length > view.byteLength) continue;
    const content = bytesOf(view, start, length);
    found.add(`Exif ${name}`, tag === 0x9286 ? userComment(content, isLittle) : decoded(content));
  }
  // a list may point at itself
  if (isFirst && further !== undefined) readTags(view, further, isLittle, false, found);
}

function userComment(content: Uint8Array, isLittle: boolean): string {
  const text = content.subarray(8);
  if (!startsWith(content, "UNICODE\0")) return decoded(text);
  // the standard does not say in which order; zeros do
  const isBig = text[0] === 0 || text[1] !== 0 && !isLittle;
  return new TextDecoder(isBig ? "utf-16be" : "utf-16le").decode(text);
}

function readXmp(bytes: Uint8Array, found: Found): void {
  const text = decoded(bytes.subarray(0, LONGEST_XMP));
  for (const name of XMP_PROPERTIES) {
    const value = new RegExp(`:${name}(?:="([^"]{1,600})"|>([^<]{1,600})<)`).exec(text);
    if (value) found.add(`XMP ${name}`, value[1] ?? value[2]!);
  }
}

function bytesOf(view: DataView, at: number, length: number): Uint8Array {
  if (at + length > view.byteLength) throw new RangeError("cut off");
  return new Uint8Array(view.buffer, view.byteOffset + at, length);
}

function decoded(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return latin1(bytes);
  }
}

function latin1(bytes: Uint8Array): string {
  return Array.from(bytes.subarray(0, 4 * LONGEST_TEXT), (byte) => String.fromCharCode(byte))
    .join("");
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  return bytes.length >= text.length && latin1(bytes.subarray(0, text.length)) === text;
}
