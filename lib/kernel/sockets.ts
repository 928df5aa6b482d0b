/**
 * The sockets that Jupyter's clients connect to.
 * @module
 */
import { type Connection, framesOf, type Message, messageIn } from "./wire.ts";
import { Peer, type SocketType } from "./zmtp.ts";

/** How long who reads slowly is waited for before the next output. */
const SLOW_MS = 1000;

/** A message and who sent it: replies go back there. */
export interface Received {
  readonly message: Message;
  readonly peer: Peer;
}

/** Which sockets a client's requests come on. */
export type Channel = "shell" | "control" | "stdin";

/** All five sockets of a kernel. */
export class Sockets implements Disposable {
  readonly #key: string;
  readonly #listeners: Deno.Listener[] = [];
  readonly #readers = new Set<Peer>();
  readonly #peers = new Set<Peer>();
  readonly #asked = new Set<Peer>();
  readonly #slow = new Set<Peer>();
  #publishing: Promise<unknown> = Promise.resolve();

  /**
   * Listens.
   * @param onRequest told of each message that is signed as it should be
   */
  constructor(connection: Connection, onRequest: (channel: Channel, received: Received) => void) {
    this.#key = connection.key;
    for (const channel of ["shell", "control", "stdin"] as const) {
      this.#listen(connection, connection[`${channel}_port`], "ROUTER", async (peer) => {
        if (channel === "stdin") this.#asked.add(peer);
        for await (const frames of peer) {
          const message = messageIn(frames, this.#key);
          if (message) onRequest(channel, { message, peer });
        }
        this.#asked.delete(peer);
      });
    }
    this.#listen(connection, connection.hb_port, "REP", async (peer) => {
      for await (const frames of peer) void peer.send(frames);
    });
    this.#listen(connection, connection.iopub_port, "PUB", async (peer) => {
      // whoever asks for anything is sent everything, and chooses by itself
      for await (const [frame] of peer) {
        if (frame![0] === 1) this.#readers.add(peer);
      }
      this.#readers.delete(peer);
    });
  }

  #listen(
    { transport, ip }: Connection,
    port: number,
    type: SocketType,
    serve: (peer: Peer) => Promise<void>,
  ): void {
    const listener: Deno.Listener = transport === "ipc"
      ? Deno.listen({ transport: "unix", path: `${ip}-${port}` })
      : Deno.listen({ hostname: ip === "*" ? "0.0.0.0" : ip, port });
    this.#listeners.push(listener);
    void (async () => {
      for await (const conn of listener) {
        void Peer.greet(conn, type).then(async (peer) => {
          this.#peers.add(peer);
          await serve(peer);
          this.#peers.delete(peer);
        }).catch(() => {}); // who does not speak the language is let go
      }
    })();
  }

  /** Answers who has asked. */
  reply({ peer }: Received, message: Message): void {
    void peer.send(framesOf(message, this.#key));
  }

  /** Asks a question of the client whose request is being worked at. */
  question({ peer: { identity } }: Received, message: Message): void {
    for (const peer of this.#asked) {
      if (peer.identity === identity) void peer.send(framesOf(message, this.#key));
    }
  }

  /**
   * Tells everybody, in the order of the calls. It waits until it has been sent; not for ever, and not
   * for who has not taken what was said before.
   */
  async publish(message: Message): Promise<void> {
    const frames = framesOf(message, this.#key, message.header.msg_type);
    await Promise.all(Array.from(this.#readers, async (peer) => {
      const sending = peer.send(frames).then(() => void this.#slow.delete(peer));
      this.#publishing = sending;
      if (this.#slow.has(peer) || await isWithin(SLOW_MS, sending)) return;
      this.#slow.add(peer);
    }));
  }

  /** Waits until all that was said has been sent, for a moment. */
  async drained(withinMs: number): Promise<void> {
    await isWithin(withinMs, this.#publishing);
  }

  /** Closes all. */
  [Symbol.dispose](): void {
    for (const listener of this.#listeners) listener.close();
    for (const peer of this.#peers) peer.close();
  }
}

/** Whether something is done in time. */
export async function isWithin(ms: number, done: Promise<unknown>): Promise<boolean> {
  let timer;
  const late = new Promise<boolean>((resolve) => timer = setTimeout(() => resolve(false), ms));
  const isDone = await Promise.race([done.then(() => true), late]);
  clearTimeout(timer);
  return isDone;
}
