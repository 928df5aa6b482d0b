/**
 * PyTorch's zip archives, of any size: where the pickle and the storages lie in the file.
 * @module
 */
import { configure, type Entry, Reader, ZipReader } from "@zip.js/zip.js";
import { type OpenedBytes, readRange } from "./byte_ranges.ts";
import { listed, quoted, type UserError } from "./errors.ts";

// its threads are for compressed files
configure({ useWebWorkers: false });

/** A range of a file's bytes. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** Where an archive's files lie. */
export interface PytorchArchive {
  readonly pickle: ByteRange;
  /** Whether it holds code beside its pickle, which is never read. */
  readonly isScript: boolean;
  /** Where a storage lies; `undefined` where there is none of the name. */
  storage(name: string): Promise<ByteRange | undefined>;
}

/** Before the name of an entry comes a head of so many bytes. */
const LOCAL_HEADER_BYTES = 30;

/** Reads the file as zip.js asks for it. */
class RangeReader extends Reader<OpenedBytes> {
  readonly #opened: OpenedBytes;
  readonly #path: string;

  constructor(opened: OpenedBytes, path: string) {
    super(opened);
    this.#opened = opened;
    this.#path = path;
    this.size = opened.size;
  }

  override async readUint8Array(index: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const there = Math.max(0, Math.min(length, this.size - index));
    return await readRange(this.#opened.file, this.#path, index, there);
  }
}

/**
 * Reads an archive's list of files.
 * @param bad the error, from what was found
 * @throws {UserError} where it does not unpack, is compressed, or holds no pickle
 */
export async function readArchive(
  opened: OpenedBytes,
  path: string,
  bad: (found: string) => UserError,
): Promise<PytorchArchive> {
  const all = await entriesOf(opened, path, bad);
  const isWanted = ({ filename }: Entry) => /(^|\/)data(\.pkl|\/[^/]+)$/.test(filename);
  const entries = new Map(all.filter(isWanted).map((entry) => [entry.filename, entry]));
  for (
    const { filename, compressionMethod, compressedSize, uncompressedSize } of entries.values()
  ) {
    // PyTorch stores; an archive that says otherwise may unpack to any size
    if (compressionMethod !== 0 || compressedSize !== uncompressedSize) {
      throw bad(`a file that does not unpack: ${quoted(filename)} is compressed`);
    }
  }
  const pickleName = [...entries.keys()].find((name) => /(^|\/)data\.pkl$/.test(name));
  if (pickleName === undefined) {
    const names = listed(all.map(({ filename }) => filename)) || "no file";
    throw bad(`no data.pkl in it; it holds ${names}`);
  }
  const folder = pickleName.slice(0, -"data.pkl".length);
  const locate = async (
    { filename, offset, compressedSize: length }: Entry,
  ): Promise<ByteRange> => {
    const head = await readRange(opened.file, path, offset, LOCAL_HEADER_BYTES);
    const view = new DataView(head.buffer);
    const start = offset + LOCAL_HEADER_BYTES + view.getUint16(26, true) + view.getUint16(28, true);
    if (start + length > opened.size) throw bad(`a file cut off in ${quoted(filename)}`);
    return { offset: start, length };
  };
  return {
    pickle: await locate(entries.get(pickleName)!),
    isScript: all.some(({ filename }) => filename.startsWith(`${folder}code/`)),
    async storage(name) {
      const entry = entries.get(`${folder}data/${name}`);
      return entry && await locate(entry);
    },
  };
}

async function entriesOf(
  opened: OpenedBytes,
  path: string,
  bad: (found: string) => UserError,
): Promise<Entry[]> {
  let entries: Entry[];
  try {
    entries = await new ZipReader(new RangeReader(opened, path)).getEntries();
  } catch (error) {
    const { message } = error as Error;
    const reason = error instanceof TypeError || error instanceof RangeError
      ? "its list of files does not fit together"
      : /end of central directory/i.test(message)
      ? "its end is not there, as where a download broke off"
      : quoted(message);
    throw bad(`a file that does not unpack: ${reason}`);
  }
  const ordered = entries.toSorted((a, b) => a.offset - b.offset);
  const overlaps = ordered.some(({ offset, compressedSize }, i) =>
    offset < 0 ||
    offset + LOCAL_HEADER_BYTES + compressedSize > (ordered[i + 1]?.offset ?? opened.size)
  );
  if (overlaps) throw bad("a file that does not unpack: its files overlap");
  return entries;
}
