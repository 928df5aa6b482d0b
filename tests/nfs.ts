/**
 * A file server and its clients, as far as claims see them: answers that are late, or lost and asked for
 * again; clients that believe for a while what they knew of a file, whose machine stops for a while, is
 * cut off, or dies; and no locks between machines. Time is the test's own.
 */
import { setImmediate } from "node:timers";
import { BEAT_DIGITS, BEAT_MS, BEAT_OFFSET, type Beats } from "../lib/io/claim_beats.ts";
import type { ClaimFiles, HeldFile } from "../lib/io/claim_files.ts";
import type { Random } from "../lib/random.ts";

/** Milliseconds that pass when nobody has anything left to do at this moment. */
export class Clock {
  now = 0;
  readonly #events: { readonly at: number; readonly go: () => void }[] = [];

  sleep(ms: number): Promise<void> {
    return new Promise((go) => this.at(this.now + ms, go));
  }

  at(at: number, go: () => void): void {
    const place = this.#events.findLastIndex((event) => event.at <= at);
    this.#events.splice(place + 1, 0, { at, go });
  }

  /** Lets time pass until work has come to its end. */
  async run(work: Promise<unknown>): Promise<void> {
    let isDone = false;
    const ended = work.finally(() => isDone = true);
    ended.catch(() => {});
    while (!isDone) {
      const event = this.#events.shift();
      if (!event) throw new Error("everybody waits for ever");
      this.now = event.at;
      event.go();
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    await ended;
  }
}

interface Inode {
  content: string;
}

/** What lies on the server. */
export class Server {
  readonly files = new Map<string, Inode>();
}

/** What a client believes of a file. */
interface Believed {
  readonly content: string | undefined;
  readonly until: number;
}

/** A machine that has mounted the server's folder. */
export class Machine {
  /** Until when nothing of it moves: it is suspended, or the server does not answer. */
  stoppedUntil = 0;
  readonly believed = new Map<string, Believed>();
  /** Files that its processes have locked. */
  readonly locked = new Map<Inode, Process>();

  /** @param believesMs how long it believes what it knew of a file; at most 60 s on a real one */
  constructor(
    readonly name: string,
    readonly server: Server,
    readonly clock: Clock,
    readonly random: Random,
    readonly believesMs: number,
  ) {}
}

/** A process of a machine, and what it sees of the folder. */
export class Process implements ClaimFiles {
  /** Until when it is stopped. */
  stoppedUntil = 0;
  isDead = false;
  /** When it last did anything. */
  movedAt = 0;
  /** The longest that it was still. */
  longestStillMs = 0;

  constructor(readonly machine: Machine) {
    this.movedAt = machine.clock.now;
  }

  /** Killed: its locks are gone, and it does nothing any more. */
  kill(): void {
    this.isDead = true;
    const { locked } = this.machine;
    for (const [inode, process] of locked) if (process === this) locked.delete(inode);
  }

  /** Time that an answer takes; for ever where it was killed. */
  async wait(ms = this.machine.random.uniform(.2, 40)): Promise<void> {
    const { machine, machine: { clock } } = this;
    await clock.sleep(ms);
    for (;;) {
      const until = Math.max(this.stoppedUntil, machine.stoppedUntil);
      if (until <= clock.now) break;
      await clock.sleep(until - clock.now);
    }
    if (this.isDead) await new Promise(() => {});
    this.longestStillMs = Math.max(this.longestStillMs, clock.now - this.movedAt);
    this.movedAt = clock.now;
  }

  /** Changes the folder; now and then the answer is lost, and it is done twice. */
  async #change(operation: () => boolean): Promise<boolean> {
    await this.wait();
    let isDone = operation();
    if (this.machine.random.chance(.1)) isDone = operation();
    // the folder is not as it was known: names are looked up anew
    this.machine.believed.clear();
    await this.wait();
    return isDone;
  }

  async read(path: string): Promise<string | undefined> {
    await this.wait();
    const { machine: { believed, believesMs, clock, server } } = this;
    const known = believed.get(path);
    if (known && known.until > clock.now) return known.content;
    const content = server.files.get(path)?.content;
    believed.set(path, { content, until: clock.now + believesMs });
    await this.wait();
    return content;
  }

  async create(path: string, content: string): Promise<HeldFile | undefined> {
    const { machine: { server: { files }, locked } } = this;
    const inode = { content };
    locked.set(inode, this);
    const isMade = await this.#change(() => {
      if (files.has(path)) return false;
      files.set(path, inode);
      return true;
    });
    const close = () => void locked.delete(inode);
    // who was told no looks whether it is its own
    if (isMade || files.get(path) === inode) return { close };
    close();
    return undefined;
  }

  async probe(path: string): Promise<"locked" | "free" | "unknown"> {
    await this.wait();
    const inode = this.machine.server.files.get(path);
    if (!inode) return "unknown";
    return this.machine.locked.has(inode) ? "locked" : "free";
  }

  async rename(from: string, to: string): Promise<void> {
    const { files } = this.machine.server;
    const isDone = await this.#change(() => {
      const inode = files.get(from);
      if (!inode) return false;
      files.delete(from);
      files.set(to, inode);
      return true;
    });
    if (!isDone) throw new Deno.errors.NotFound("No such file or directory (os error 2)");
  }

  async remove(path: string): Promise<void> {
    await this.#change(() => this.machine.server.files.delete(path));
  }

  /** Lets numbers rise, as the thread for it does. */
  readonly beats: Beats = {
    start: (path, token, onLost) => {
      let isOn = true;
      let inode: Inode | undefined;
      void (async () => {
        for (let count = 1;; count++) {
          await this.wait(BEAT_MS);
          if (!isOn) return;
          const there = this.machine.server.files.get(path);
          if (!there?.content.includes(`"token":"${token}"`)) return onLost();
          inode ??= there;
          const digits = `${count}`.padStart(BEAT_DIGITS, "0"), { content } = inode;
          inode.content = content.slice(0, BEAT_OFFSET) + digits +
            content.slice(BEAT_OFFSET + BEAT_DIGITS);
        }
      })();
      return () => isOn = false;
    },
  };
}
