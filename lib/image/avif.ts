/**
 * AVIF as Pillow reads it. Decoders of AV1 agree in every level of its planes, and differ in what
 * they make of them: so the planes come from sharp, and R, G and B are made here.
 * @module
 */
import { Buffer } from "node:buffer";
import { type AvifPicture, coloursOf, readAvif, type Tile } from "./avif_file.ts";
import { packedBox } from "./iso_boxes.ts";
import { type Planes, planesToRgb } from "./yuv.ts";

/** What is known of a picture before it is decoded. */
export type AvifHeader = Pick<AvifPicture, "width" | "height" | "bits" | "refusal">;

/**
 * Reads the header.
 * @throws {UserError} as {@linkcode readAvif}
 */
export function readAvifHeader(bytes: Uint8Array): AvifHeader {
  return readAvif(bytes);
}

/**
 * Decodes the picture that is shown first: without turns, mirrors and crops that it asks for, as
 * Pillow does.
 * @param decode decodes a file of some bits a channel to R, G, B, [height, width, 3], in as many bits
 * @returns R, G, B, [height, width, 3]
 * @throws {Error} where it is damaged, or its colours are coded in a way that is not known here
 */
export async function decodeAvif(
  bytes: Uint8Array,
  decode: (
    file: Uint8Array,
    width: number,
    height: number,
    bits: number,
  ) => Promise<Uint8Array | Uint16Array>,
): Promise<Uint8Array> {
  const picture = readAvif(bytes);
  const { width, height, bits, isGrey, halves, tiles, tileSize: [tileWidth, tileHeight] } = picture;
  if (tiles.some(({ frame }) => frame === undefined)) throw new Error("pixels that end too early");
  const rows = tiles.length / picture.columns;
  const isFilled = (count: number, each: number, whole: number) =>
    count * each >= whole && (count - 1) * each < whole;
  if (!isFilled(picture.columns, tileWidth, width) || !isFilled(rows, tileHeight, height)) {
    throw new Error("tiles that do not fit it");
  }
  const [columnStep, rowStep] = isGrey ? [1, 1] : halves.map((isHalf) => isHalf ? 2 : 1) as [1, 1];
  const Levels = bits === 8 ? Uint8Array : Uint16Array;
  const y = new Levels(width * height);
  const stride = Math.ceil(width / columnStep);
  const count = isGrey ? 0 : stride * Math.ceil(height / rowStep);
  const u = new Levels(count), v = new Levels(count);
  for (const [i, tile] of tiles.entries()) {
    const left = i % picture.columns * tileWidth;
    const top = Math.floor(i / picture.columns) * tileHeight;
    const data = await decode(planesFile(picture, tile), tileWidth, tileHeight, bits);
    for (let row = 0; row < tileHeight && top + row < height; row++) {
      for (let column = 0; column < tileWidth && left + column < width; column++) {
        const from = 3 * (row * tileWidth + column), x = left + column;
        y[(top + row) * width + x] = data[from + 1]!;
        if (isGrey || x % columnStep > 0 || (top + row) % rowStep > 0) continue;
        const at = (top + row) / rowStep * stride + x / columnStep;
        u[at] = data[from + 2]!;
        v[at] = data[from]!;
      }
    }
  }
  const planes: Planes = { width, height, bits, y, halves, ...(isGrey ? {} : { u, v }) };
  return planesToRgb(planes, coloursOf(picture), picture.hasAlpha);
}

/**
 * A tile as a file of its own, which says that its planes are G, B and R themselves: a decoder that
 * turns such a file into R, G, B hands out V, Y and U, as they were coded.
 */
function planesFile({ tileSize, bits, isGrey }: AvifPicture, tile: Tile): Buffer {
  const u16 = (value: number) => Buffer.from(Uint8Array.of(value >> 8, value & 255));
  const u32 = (...values: number[]) =>
    Buffer.concat(values.map((v) => Buffer.concat([u16(v >>> 16), u16(v & 65_535)])));
  const text = (value: string) => Buffer.from(value, "latin1");
  const frame = tile.frame!;
  const channels = isGrey ? 1 : 3;
  const meta = (offset: number) =>
    packedBox(
      "meta",
      u32(0),
      packedBox("hdlr", u32(0, 0), text("pict"), u32(0, 0, 0), text("\0")),
      packedBox("pitm", u32(0), u16(1)),
      packedBox(
        "iloc",
        u32(0),
        u16(0x4400),
        u16(1),
        u16(1),
        u16(0),
        u16(1),
        u32(offset, frame.length),
      ),
      packedBox(
        "iinf",
        u32(0),
        u16(1),
        packedBox("infe", u32(0x02000000), u16(1), u16(0), text("av01\0")),
      ),
      packedBox(
        "iprp",
        packedBox(
          "ipco",
          packedBox("ispe", u32(0, ...tileSize)),
          packedBox("pixi", u32(0), Buffer.from([channels, ...Array(channels).fill(bits)])),
          packedBox("av1C", tile.config),
          packedBox("colr", text("nclx"), u16(1), u16(13), u16(0), Buffer.from([0x80])),
        ),
        packedBox("ipma", u32(0, 1), u16(1), Buffer.from([4, 1, 2, 0x83, 4])),
      ),
    );
  const start = packedBox("ftyp", text("avif"), u32(0), text("avifmif1miaf"));
  const size = start.length + meta(0).length;
  return Buffer.concat([start, meta(size + 8), packedBox("mdat", frame)]);
}
