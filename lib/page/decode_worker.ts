/**
 * A thread that decodes pictures: what a hostile one takes, it takes here.
 * @module
 */
import { readImageHeader } from "../image/header.ts";
import { decodeImageBytes, type RgbImage } from "../image/image.ts";
import { serveJobs } from "../io/worker_pool.ts";
import { type PictureFacts, pictureFacts } from "./facts.ts";

/** A file to decode. */
export interface DecodeJob {
  readonly bytes: Uint8Array;
  /** What to call it in errors. */
  readonly name: string;
}

/** A picture, and what its file says. */
export interface DecodedPicture {
  readonly image: RgbImage;
  readonly facts: PictureFacts;
}

serveJobs<DecodeJob, DecodedPicture>(async ({ bytes, name }) => {
  const { width, height, data } = await decodeImageBytes(bytes, name);
  const facts = pictureFacts(bytes, readImageHeader(bytes));
  // what is handed over must not be part of a larger buffer
  const own = data.byteLength === data.buffer.byteLength ? data : data.slice();
  return {
    result: { image: { width, height, data: own }, facts },
    transfer: [own.buffer as ArrayBuffer],
  };
});
