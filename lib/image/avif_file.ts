/**
 * AVIF files: where the picture that Pillow shows first lies in them, how its colours are coded, and
 * the same picture as a file of its own.
 * https://aomediacodec.github.io/av1-avif/ and ISO/IEC 14496-12, 23008-12
 * @module
 */
import { Buffer } from "node:buffer";
import { UserError } from "../io/errors.ts";
import { readSequenceColours } from "./av1_sequence.ts";
import { type Box, boxesIn, findBox, item16or32 } from "./iso_boxes.ts";
import { type CodedColours, isKnownMatrix } from "./yuv.ts";

/** A coded picture, or a part of one. */
export interface Tile {
  /** Payload of its `av1C`, which decoders are set up by. */
  readonly config: Buffer;
  /** Its bytes; `undefined` where the file's start does not hold them. */
  readonly frame: Buffer | undefined;
}

/** The picture of an AVIF that Pillow shows first. */
export interface AvifPicture {
  /** Pixels a row, as coded: Pillow leaves turns and mirrors to whoever shows it. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** Bits a channel. */
  readonly bits: number;
  /** No colours at all. */
  readonly isGrey: boolean;
  /** Whether colours are stored for every second column, and for every second row. */
  readonly halves: readonly [columns: boolean, rows: boolean];
  /** Whether there is a plane of alpha. */
  readonly hasAlpha: boolean;
  /** `undefined` where the coded frames alone say it. */
  readonly colours: CodedColours | undefined;
  /** In rows from the top; one where it is no grid. */
  readonly tiles: readonly Tile[];
  /** Tiles a row. */
  readonly columns: number;
  /** Pixels of a tile. */
  readonly tileSize: readonly [width: number, height: number];
  /** Why it has no 8-bit RGB equal to Pillow's here, where it has none. */
  readonly refusal?: string;
}

const ADVICE = "; save it as PNG first";
const ALPHA = ["urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", "urn:mpeg:hevc:2015:auxid:1"];

/** Properties that have to be understood, and change nothing of what Pillow shows. */
const KNOWN = ["av1C", "irot", "imir", "clap", "colr", "ispe", "pixi"];

/** Properties of pictures of which there are several, coarse ones before fine ones. */
const LAYERS = ["a1op", "a1lx", "lsel"];

/** A property as an item has it. */
interface Property extends Box {
  /** Whether who does not understand it may not show the item. */
  readonly isEssential: boolean;
}

/**
 * Reads what an AVIF says of its picture.
 * @param bytes the file, or its start
 * @throws {UserError} whose message says what was found instead, or that the bytes end too early
 */
export function readAvif(bytes: Uint8Array): AvifPicture {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const boxes = boxesIn(file);
    const isSequence = boxes[0]!.body.toString("latin1", 0, 4) === "avis";
    return isSequence ? readTrack(file, boxes) : readItems(file, boxes);
  } catch (error) {
    if (error instanceof RangeError) {
      throw new UserError("damaged", "an AVIF image cut off in its header");
    }
    throw error;
  }
}

/**
 * How the colours of a picture are coded, whoever says it.
 * @throws {Error} where nobody does
 */
export function coloursOf({ colours, tiles }: AvifPicture): CodedColours {
  return colours ?? readSequenceColours(tiles[0]!.frame!);
}

function refuse(what: string): UserError {
  return new UserError("damaged", `an AVIF image ${what}${ADVICE}`);
}

/** A picture out of its parts. */
function picture(
  tiles: readonly Tile[],
  colr: readonly Buffer[],
  parts: Pick<AvifPicture, "width" | "height" | "hasAlpha" | "columns" | "tileSize"> & {
    readonly refusal?: string | undefined;
  },
): AvifPicture {
  const { config } = tiles[0]!;
  if (config.length < 4 || config[0] !== 0x81) throw refuse("with a damaged header");
  const flags = config[2]!;
  const bits = flags & 0x40 ? flags & 0x20 ? 12 : 10 : 8;
  const nclx = colr.find((body) => body.toString("latin1", 0, 4) === "nclx");
  const colours = nclx && {
    primaries: nclx.readUInt16BE(4),
    matrix: nclx.readUInt16BE(8),
    isFull: (nclx[10] ?? 0) >= 0x80,
  };
  const { refusal: found, ...rest } = parts;
  const isGrey = (flags & 0x10) !== 0;
  const refusal = found ??
    (colours && !isKnownMatrix(colours) ? `with colours by matrix ${colours.matrix}` : undefined);
  return {
    ...rest,
    bits,
    isGrey,
    halves: [(flags & 8) !== 0, (flags & 4) !== 0],
    colours,
    tiles,
    ...(refusal === undefined ? {} : { refusal: `an AVIF image ${refusal}${ADVICE}` }),
  };
}

/** The first frame of a sequence's track of colours. */
function readTrack(file: Buffer, boxes: readonly Box[]): AvifPicture {
  const moov = boxes.find(({ type }) => type === "moov");
  if (!moov?.isWhole) throw new RangeError();
  const tracks = boxesIn(moov.body).filter(({ type }) => type === "trak").map(({ body }) => ({
    isAuxiliary: findBox(body, "tref", "auxl") !== undefined,
    table: findBox(body, "mdia", "minf", "stbl")?.body,
  }));
  const table = tracks.find(({ isAuxiliary }) => !isAuxiliary)?.table;
  const entries = table && findBox(table, "stsd")?.body;
  const entry = entries && boxesIn(entries.subarray(8)).find(({ type }) => type === "av01")?.body;
  if (table === undefined || entry === undefined) throw refuse("without a track of frames");
  const inside = boxesIn(entry.subarray(78));
  const sizes = findBox(table, "stsz")?.body;
  const short = findBox(table, "stco")?.body, long = findBox(table, "co64")?.body;
  const offset = short ? short.readUInt32BE(8) : Number(long?.readBigUInt64BE(8));
  const width = entry.readUInt16BE(24), height = entry.readUInt16BE(26);
  const config = inside.find(({ type }) => type === "av1C")?.body;
  if (config === undefined || sizes === undefined || Number.isNaN(offset)) {
    throw refuse("with a damaged header");
  }
  const size = sizes.readUInt32BE(4) || sizes.readUInt32BE(12);
  const colr = inside.filter(({ type }) => type === "colr").map(({ body }) => body);
  return picture([{ config, frame: part(file, offset, size) }], colr, {
    width,
    height,
    hasAlpha: tracks.some(({ isAuxiliary }) => isAuxiliary),
    columns: 1,
    tileSize: [width, height],
  });
}

function part(file: Buffer, offset: number, size: number): Buffer | undefined {
  return offset + size <= file.length ? file.subarray(offset, offset + size) : undefined;
}

/** The primary item, which is one picture or a grid of them. */
function readItems(file: Buffer, boxes: readonly Box[]): AvifPicture {
  const box = boxes.find(({ type }) => type === "meta");
  if (!box?.isWhole) throw new RangeError();
  const meta = box.body.subarray(4);
  const inside = (type: string) => {
    const box = findBox(meta, type);
    if (box === undefined) throw refuse(`without a list of its parts (${type})`);
    return box.body;
  };
  const pitm = inside("pitm");
  const primary = item16or32(pitm, 4, pitm[0]! > 0)[0];
  const types = readTypes(inside("iinf"));
  const properties = readProperties(inside("iprp"));
  const places = readPlaces(inside("iloc"), findBox(meta, "idat")?.body, file);
  const references = readReferences(findBox(meta, "iref")?.body);
  const of = (item: number, type: string) =>
    (properties.get(item) ?? []).filter((box) => box.type === type).map(({ body }) => body);
  const [ispe] = of(primary, "ispe");
  if (ispe === undefined) throw refuse("without a size");
  const [width, height] = [ispe.readUInt32BE(4), ispe.readUInt32BE(8)];
  const alphas = references.filter(({ type, to }) => type === "auxl" && to.includes(primary))
    .filter(({ from }) => {
      const [said] = of(from, "auxC");
      const isThere = ["av01", "grid"].includes(types.get(from) ?? "") &&
        places(from) !== undefined;
      return isThere && said !== undefined &&
        ALPHA.includes(said.toString("latin1", 4).split("\0")[0]!);
    });
  const type = types.get(primary);
  const unknown = (properties.get(primary) ?? []).find(({ type, isEssential }) =>
    LAYERS.includes(type) || (isEssential && !KNOWN.includes(type))
  );
  const isMultiplied = references.some(({ type, from }) => type === "prem" && from === primary);
  const refusal = isMultiplied
    ? "whose colours are multiplied by alpha"
    : unknown === undefined
    ? undefined
    : "with layers or with properties that are not known here";
  const shared = { width, height, hasAlpha: alphas.length > 0, refusal };
  const tile = (item: number): Tile => {
    const [config] = of(item, "av1C");
    if (config === undefined || types.get(item) !== "av01") throw refuse("of an unknown kind");
    return { config, frame: places(item) };
  };
  if (type === "av01") {
    const tileSize = [width, height] as const;
    return picture([tile(primary)], of(primary, "colr"), { ...shared, columns: 1, tileSize });
  }
  if (type !== "grid") throw refuse("whose picture is put together out of others");
  const grid = places(primary);
  if (grid === undefined) throw new RangeError();
  const items = references.find(({ type, from }) => type === "dimg" && from === primary)?.to ?? [];
  const [rows, columns] = [grid[2]! + 1, grid[3]! + 1];
  const [first = NaN] = items;
  const [each] = of(first, "ispe");
  if (items.length !== rows * columns || each === undefined) throw refuse("with a damaged grid");
  const colr = of(primary, "colr");
  return picture(items.map(tile), colr.length > 0 ? colr : of(first, "colr"), {
    ...shared,
    columns,
    tileSize: [each.readUInt32BE(4), each.readUInt32BE(8)],
  });
}

function readTypes(iinf: Buffer): Map<number, string> {
  const list = boxesIn(iinf.subarray(iinf[0] === 0 ? 6 : 8));
  return new Map(
    list.filter(({ body }) => body[0]! >= 2).map(({ body }) => {
      const [item, at] = item16or32(body, 4, body[0]! > 2);
      return [item, body.toString("latin1", at + 2, at + 6)];
    }),
  );
}

function readProperties(iprp: Buffer): Map<number, readonly Property[]> {
  const [container, ...associations] = boxesIn(iprp);
  const known = boxesIn(container!.body);
  const properties = new Map<number, readonly Property[]>();
  for (const { body } of associations) {
    const isWide = (body[3]! & 1) !== 0;
    let at = 8;
    for (let entries = body.readUInt32BE(4); entries > 0; entries--) {
      const [item, after] = item16or32(body, at, body[0]! > 0);
      const count = body.readUInt8(after);
      at = after + 1;
      const found: Property[] = [];
      for (let i = 0; i < count; i++, at += isWide ? 2 : 1) {
        const said = isWide ? body.readUInt16BE(at) : body.readUInt8(at);
        const mark = isWide ? 0x8000 : 0x80;
        const property = known[said % mark - 1];
        if (property) found.push({ ...property, isEssential: said >= mark });
      }
      properties.set(item, [...properties.get(item) ?? [], ...found]);
    }
  }
  return properties;
}

/** Bytes of an item, put together from where they lie; `undefined` where not all are there. */
type Places = (item: number) => Buffer | undefined;

function readPlaces(iloc: Buffer, idat: Buffer | undefined, file: Buffer): Places {
  const version = iloc[0]!;
  const [sizes, more] = [iloc.readUInt8(4), iloc.readUInt8(5)];
  const bytes = [sizes >> 4, sizes & 15, more >> 4, version === 0 ? 0 : more & 15] as const;
  if (bytes[1] === 0) throw refuse("with a damaged header");
  let at = 6;
  const number = (length: number): number => {
    const value = length === 0
      ? 0
      : length === 8
      ? Number(iloc.readBigUInt64BE(at))
      : iloc.readUIntBE(at, length);
    at += length;
    return value;
  };
  const extents = new Map<number, { from: Buffer | undefined; offset: number; size: number }[]>();
  for (let items = number(version < 2 ? 2 : 4); items > 0; items--) {
    const item = number(version < 2 ? 2 : 4);
    const method = version === 0 ? 0 : number(2) & 15;
    number(2); // which file: this one
    const base = number(bytes[2]);
    const from = method === 0 ? file : method === 1 ? idat : undefined;
    const parts = [];
    for (let count = number(2); count > 0; count--) {
      number(bytes[3]);
      parts.push({ from, offset: base + number(bytes[0]), size: number(bytes[1]) });
    }
    extents.set(item, parts);
  }
  return (item) => {
    const parts = extents.get(item) ?? [];
    const size = parts.reduce((sum, part) => sum + part.size, 0);
    if (parts.length === 0 || size > file.length) return undefined;
    const found = parts.map(({ from, offset, size }) => from && part(from, offset, size));
    return found.includes(undefined) ? undefined : Buffer.concat(found as Buffer[]);
  };
}

interface Reference {
  readonly type: string;
  readonly from: number;
  readonly to: readonly number[];
}

function readReferences(iref: Buffer | undefined): Reference[] {
  if (iref === undefined) return [];
  return boxesIn(iref.subarray(4)).map(({ type, body }) => {
    const isWide = iref[0]! > 0;
    const [from, after] = item16or32(body, 0, isWide);
    const count = body.readUInt16BE(after), to: number[] = [];
    for (let i = 0, at = after + 2; i < count; i++) {
      const [item, next] = item16or32(body, at, isWide);
      to.push(item);
      at = next;
    }
    return { type, from, to };
  });
}
