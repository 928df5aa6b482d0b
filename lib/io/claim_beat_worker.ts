/**
 * The thread that lets the numbers of claims rise. It writes into the files that it has opened, whatever
 * lies under their names by then: another's claim is never written into.
 * @module
 */
import { BEAT_DIGITS, BEAT_OFFSET, type BeatOrder } from "./claim_beats.ts";

interface Beating {
  readonly path: string;
  readonly token: string;
  file?: Deno.FsFile;
  count: number;
}

const beating = new Map<number, Beating>();

/** Whether a claim is still there; its number is one higher then. */
function beat(one: Beating): boolean {
  try {
    const isThere = Deno.readTextFileSync(one.path).includes(`"token":"${one.token}"`);
    if (!isThere) return false;
    one.file ??= Deno.openSync(one.path, { read: true, write: true });
    one.file.seekSync(BEAT_OFFSET, Deno.SeekMode.Start);
    const digits = `${++one.count}`.padStart(BEAT_DIGITS, "0");
    one.file.writeSync(new TextEncoder().encode(digits));
    // on a server, others see it only then
    one.file.syncDataSync();
    return true;
  } catch (error) {
    // a disk that is full, or a server that does not answer, may be better next time
    return !(error instanceof Deno.errors.NotFound);
  }
}

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<BeatOrder>) => void;
  postMessage(lost: number): void;
};

scope.onmessage = ({ data }) => {
  if ("everyMs" in data) {
    setInterval(() => {
      for (const [id, one] of beating) {
        if (beat(one)) continue;
        end(id);
        scope.postMessage(id);
      }
    }, data.everyMs);
  } else if ("end" in data) end(data.end);
  else beating.set(data.id, { path: data.path, token: data.token, count: 0 });
};

function end(id: number): void {
  beating.get(id)?.file?.close();
  beating.delete(id);
}
