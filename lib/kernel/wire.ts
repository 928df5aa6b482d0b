/**
 * Jupyter's messages as frames, signed.
 * https://jupyter-client.readthedocs.io/en/stable/messaging.html#the-wire-protocol
 * @module
 */
import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";
import * as v from "valibot";
import type { Frames } from "./zmtp.ts";

const PORT = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65535));

/** What a connection file must say. */
export const CONNECTION = v.object({
  transport: v.optional(v.picklist(["tcp", "ipc"]), "tcp"),
  ip: v.string(),
  key: v.string(),
  signature_scheme: v.optional(v.literal("hmac-sha256"), "hmac-sha256"),
  shell_port: PORT,
  control_port: PORT,
  iopub_port: PORT,
  stdin_port: PORT,
  hb_port: PORT,
});

/** Where a kernel listens, and the key that its messages are signed with: never show it. */
export type Connection = v.InferOutput<typeof CONNECTION>;

/** Of a message: who sent it, and of what kind it is. */
export interface Header {
  readonly msg_id: string;
  readonly msg_type: string;
  readonly session: string;
  readonly username: string;
  readonly date: string;
  readonly version: string;
}

/** What a message says, by its kind. */
export type Content = Readonly<Record<string, unknown>>;

/** One message. */
export interface Message {
  readonly header: Header;
  /** Of the request that it belongs to; empty where it is one. */
  readonly parent: Partial<Header>;
  readonly metadata: Content;
  readonly content: Content;
  /** Raw bytes of widgets. */
  readonly buffers: Frames;
}

const DELIMITER = "<IDS|MSG>";
const encoder = new TextEncoder(), decoder = new TextDecoder();

/** A session's own part of headers. */
const session = crypto.randomUUID();

/** A new message of ours. */
export function messageOf(
  type: string,
  content: Content,
  parent: Partial<Header> = {},
): Message {
  const header = {
    msg_id: crypto.randomUUID(),
    msg_type: type,
    session,
    username: "kernel",
    date: new Date().toISOString(),
    version: "5.3",
  };
  return { header, parent, metadata: {}, content, buffers: [] };
}

/**
 * Frames of a message.
 * @param topic what goes before it: subscribers choose by it
 */
export function framesOf(message: Message, key: string, topic?: string): Frames {
  const { header, parent, metadata, content, buffers } = message;
  const parts = [header, parent, metadata, content].map((part) =>
    encoder.encode(JSON.stringify(part))
  );
  return [
    ...(topic === undefined ? [] : [encoder.encode(topic)]),
    encoder.encode(DELIMITER),
    encoder.encode(signatureOf(parts, key)),
    ...parts,
    ...buffers,
  ];
}

/**
 * The message that frames hold.
 * @returns `undefined` where they hold none, or one that somebody else signed
 */
export function messageIn(frames: Frames, key: string): Message | undefined {
  const start = frames.findIndex((frame) =>
    frame.length === DELIMITER.length && decoder.decode(frame) === DELIMITER
  );
  if (start < 0 || frames.length < start + 6) return undefined;
  const [signature, ...parts] = frames.slice(start + 1, start + 6);
  const wanted = encoder.encode(signatureOf(parts, key));
  if (signature!.length !== wanted.length || !timingSafeEqual(signature!, wanted)) return undefined;
  try {
    const [header, parent, metadata, content] = parts.map((part) =>
      JSON.parse(decoder.decode(part))
    );
    if (typeof header?.msg_type !== "string") return undefined;
    return {
      header,
      parent: parent ?? {},
      metadata: metadata ?? {},
      content: content ?? {},
      buffers: frames.slice(start + 6),
    };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** An empty key asks for no signatures. */
function signatureOf(parts: Frames, key: string): string {
  if (key === "") return "";
  const hmac = createHmac("sha256", Buffer.from(key));
  for (const part of parts) hmac.update(part);
  return hmac.digest("hex");
}
