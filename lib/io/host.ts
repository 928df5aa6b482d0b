/**
 * Which machine and process this is, for files in folders that several share.
 * @module
 */
import { createHash } from "node:crypto";

/** A machine, as a process that runs on it knows it. */
export interface Host {
  /** Its name in the network; empty where the process may not ask. */
  readonly name: string;
  /** What its system calls itself, `/etc/machine-id`; empty where there is none. */
  readonly machine: string;
  /** When it was started, in seconds since 1970 by its own clock; 0 where the process may not ask. */
  readonly bootedAt: number;
}

/** Clocks that are set while a machine runs move the time of its start by less than this. */
const SAME_START_SECONDS = 60;

/** This machine. */
export const HOST: Host = {
  name: mayAsk("hostname") ? Deno.hostname() : "",
  machine: machineId(),
  bootedAt: mayAsk("osUptime") ? Math.round(Date.now() / 1000 - Deno.osUptime()) : 0,
};

/** Eight hexadecimal digits that name this machine. */
export const HOST_TAG: string = tagOf(HOST.name, HOST.machine);

/** Eight hexadecimal digits that name this process, the same in all its threads. */
export const PROCESS_TAG: string = tagOf(HOST.name, HOST.machine, Deno.pid);

/**
 * Whether two are one machine that has not been started anew between: then what one process has locked,
 * another finds locked, whatever the file system promises.
 */
export function isSameHost(a: Host, b: Host): boolean {
  return a.name !== "" && a.name === b.name && a.machine === b.machine && a.bootedAt > 0 &&
    Math.abs(a.bootedAt - b.bootedAt) < SAME_START_SECONDS;
}

/** Tags of processes on other machines from which nothing has been heard for long. */
export const silentProcesses: Set<string> = new Set();

/** What a writer calls a file before it is whole: who is writing it stands in the name. */
export function temporaryName(path: string): string {
  const random = crypto.randomUUID().slice(-17);
  const [, a, b] = /(.{4})(.{4})/.exec(PROCESS_TAG)!;
  return `${path}.${HOST_TAG}-${a}-${b}-${random}.tmp`;
}

/** Whose a temporary file is, by its name. */
export interface Writer {
  /** Of its machine. */
  readonly hostTag: string;
  /** Of its process. */
  readonly processTag: string;
}

/** Who writes a temporary file; `undefined` where its name is none of one. */
export function writerOf(name: string): Writer | undefined {
  const [, hostTag, a, b] =
    /\.([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-[0-9a-f]{4}-[0-9a-f]{12}\.tmp$/.exec(name) ?? [];
  return hostTag === undefined ? undefined : { hostTag, processTag: `${a}${b}` };
}

function mayAsk(kind: "hostname" | "osUptime"): boolean {
  return Deno.permissions.querySync({ name: "sys", kind }).state === "granted";
}

function machineId(): string {
  const path = "/etc/machine-id";
  try {
    const { state } = Deno.permissions.querySync({ name: "read", path });
    return state === "granted" ? Deno.readTextFileSync(path).trim() : "";
  } catch {
    return "";
  }
}

function tagOf(...parts: readonly (string | number)[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 8);
}
