/**
 * ZMTP 3.0 without encryption, which every ZeroMQ library speaks: what Jupyter and its kernels send
 * each other over TCP. https://rfc.zeromq.org/spec/23/
 * @module
 */

/** What a socket says it is; the other side refuses kinds that do not go together. */
export type SocketType = "ROUTER" | "DEALER" | "PUB" | "SUB" | "REP";

/** A message is one or more frames. */
export type Frames = readonly Uint8Array[];

const GREETING_BYTES = 64, MECHANISM_AT = 12, MECHANISM = "NULL";
const MORE = 1, LONG = 2, COMMAND = 4;
/** More than any cell shows, and less than memory holds: who announces more speaks another language. */
const LONGEST_FRAME = 2 ** 31;

const encoder = new TextEncoder(), decoder = new TextDecoder();

/** One connection, after both sides have said who they are. */
export class Peer implements AsyncIterable<Frames> {
  /** What the other side calls itself; Jupyter's clients use one name on all their sockets. */
  readonly identity: string;
  readonly #conn: Deno.Conn;
  readonly #reader: FrameReader;
  #writing: Promise<void> = Promise.resolve();
  #isClosed = false;

  private constructor(conn: Deno.Conn, reader: FrameReader, identity: string) {
    this.#conn = conn;
    this.#reader = reader;
    this.identity = identity;
  }

  /**
   * Greets the other side of a connection that has just been made.
   * @param identity what this side is called
   * @throws {Error} where the other side speaks something else, or refuses
   */
  static async greet(conn: Deno.Conn, type: SocketType, identity: string = ""): Promise<Peer> {
    try {
      (conn as Partial<Deno.TcpConn>).setNoDelay?.();
      const greeting = new Uint8Array(GREETING_BYTES);
      greeting.set([0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0, ...encoder.encode(MECHANISM)]);
      await writeAll(conn, greeting);
      const reader = new FrameReader(conn);
      const theirs = await reader.bytes(GREETING_BYTES);
      const mechanism = decoder.decode(theirs.subarray(MECHANISM_AT, MECHANISM_AT + 20));
      if (theirs[0] !== 0xff || theirs[10]! < 3 || mechanism.replaceAll("\0", "") !== MECHANISM) {
        throw new Error("Cannot greet: expected ZMTP 3 without encryption, found something else");
      }
      await writeAll(conn, readyCommand({ "Socket-Type": type, Identity: identity }));
      const { body, flags } = await reader.frame();
      const [name, properties] = commandOf(body);
      if (!(flags & COMMAND) || name !== "READY") {
        throw new Error(`Cannot greet: expected READY, found ${name}`);
      }
      return new Peer(conn, reader, propertiesOf(properties).get("identity") ?? "");
    } catch (error) {
      conn.close();
      throw error;
    }
  }

  /** Sends a message after those before it. It waits until it has been written, and never fails. */
  send(frames: Frames): Promise<void> {
    const written = this.#writing.then(() => this.#write(frames));
    return this.#writing = written;
  }

  async #write(frames: Frames): Promise<void> {
    if (this.#isClosed) return;
    try {
      for (const [i, frame] of frames.entries()) {
        await writeAll(this.#conn, headOf(i < frames.length - 1 ? MORE : 0, frame.length));
        await writeAll(this.#conn, frame);
      }
    } catch {
      this.close(); // who has gone is told nothing
    }
  }

  /** Messages as they come, until either side closes. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Frames> {
    let frames: Uint8Array[] = [];
    while (!this.#isClosed) {
      let frame;
      try {
        frame = await this.#reader.frame();
      } catch {
        break; // the other side is gone, and a message that is not whole with it
      }
      if (frame.flags & COMMAND) {
        await this.#answer(frame.body);
        continue;
      }
      frames.push(frame.body);
      if (frame.flags & MORE) continue;
      yield frames;
      frames = [];
    }
    this.close();
  }

  /** A ping is answered; everything else that a peer may say is of no concern here. */
  async #answer(command: Uint8Array): Promise<void> {
    const [name, body] = commandOf(command);
    if (name !== "PING") return;
    const pong = Uint8Array.of(4, ...encoder.encode("PONG"), ...body.subarray(2));
    await (this.#writing = this.#writing.then(() =>
      writeAll(this.#conn, Uint8Array.of(COMMAND, pong.length, ...pong)).catch(() => this.close())
    ));
  }

  /** Ends the connection; what has not been written yet is lost. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      this.#conn.close();
    } catch {
      // the other side was first
    }
  }
}

/** Frames of a connection, one after the other. */
class FrameReader {
  readonly #conn: Deno.Conn;
  #buffer = new Uint8Array(64 * 1024);
  #from = 0;
  #to = 0;

  constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  async frame(): Promise<{ flags: number; body: Uint8Array }> {
    const [flags] = await this.bytes(1);
    const size = await this.bytes(flags! & LONG ? 8 : 1);
    const length = size.length === 1 ? size[0]! : Number(new DataView(size.buffer).getBigUint64(0));
    if (length > LONGEST_FRAME) throw new Error(`Cannot read a frame of ${length} bytes`);
    return { flags: flags!, body: await this.bytes(length) };
  }

  /** So many bytes, in memory of their own. */
  async bytes(count: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(count);
    let done = 0;
    while (done < count) {
      if (this.#from === this.#to) {
        // large frames are read to where they stay
        const target = count - done > this.#buffer.length ? bytes.subarray(done) : this.#buffer;
        const read = await this.#conn.read(target);
        if (read === null) throw new Error("Cannot read: the connection was closed");
        if (target !== this.#buffer) {
          done += read;
          continue;
        }
        this.#from = 0;
        this.#to = read;
      }
      const some = this.#buffer.subarray(this.#from, Math.min(this.#to, this.#from + count - done));
      bytes.set(some, done);
      this.#from += some.length;
      done += some.length;
    }
    return bytes;
  }
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let from = 0; from < bytes.length;) from += await conn.write(bytes.subarray(from));
}

function headOf(flags: number, length: number): Uint8Array {
  if (length < 256) return Uint8Array.of(flags, length);
  const head = new Uint8Array(9);
  head[0] = flags | LONG;
  new DataView(head.buffer).setBigUint64(1, BigInt(length));
  return head;
}

function readyCommand(properties: Readonly<Record<string, string>>): Uint8Array {
  const fields = Object.entries(properties).flatMap(([name, value]) => {
    const bytes = encoder.encode(value);
    return [name.length, ...encoder.encode(name), 0, 0, 0, bytes.length, ...bytes];
  });
  const body = Uint8Array.of(5, ...encoder.encode("READY"), ...fields);
  return Uint8Array.of(COMMAND, body.length, ...body);
}

/** A command's name and what follows it. */
function commandOf(body: Uint8Array): [name: string, rest: Uint8Array] {
  const end = 1 + (body[0] ?? 0);
  return [decoder.decode(body.subarray(1, end)), body.subarray(end)];
}

/** By their names in small letters: names are the same in both. */
function propertiesOf(bytes: Uint8Array): Map<string, string> {
  const properties = new Map<string, string>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length;) {
    const name = decoder.decode(bytes.subarray(at + 1, at += 1 + bytes[at]!));
    const length = view.getUint32(at);
    properties.set(name.toLowerCase(), decoder.decode(bytes.subarray(at + 4, at += 4 + length)));
  }
  return properties;
}
