/** A head on a mini backbone, a page that asks it, and pictures. */

import { join } from "node:path";
import sharp from "sharp";
import { openBackbone } from "../lib/backbones/open.ts";
import { initialParameters } from "../lib/detectors/rine/architecture.ts";
import { saveCheckpoint } from "../lib/detectors/rine/checkpoint.ts";
import { makeMiniBackbones } from "../lib/mini/backbones.ts";
import { type Candidate, findCandidates } from "../lib/page/candidates.ts";
import { Court } from "../lib/page/court.ts";
import { type Limits, Page } from "../lib/page/server.ts";
import { randomStream } from "../lib/random.ts";
import { noiseImage } from "./image_samples.ts";
import { temporaryFolder } from "./temporary.ts";

export const PORT = 8018;
export const NOTICE = "It knows nothing";

const folder = temporaryFolder("page ");
export const backbones = join(folder, "backbones");
/** Two heads of one kind, side by side. */
export const head = join(folder, "best_1-class.safetensors");
const other = join(folder, "best_2-class.safetensors");
/** One that does not say which backbone it is of, as released ones do not. */
export const silent = join(folder, "silent.safetensors");

await makeMiniBackbones({ root: folder, seed: 0 });
{
  const backbone = "Mini-B/16";
  await using opened = await openBackbone(backbone, { folder: backbones });
  const { blocks, width } = opened.featureSizes;
  const architecture = {
    blocks,
    width,
    projectionLayers: 1,
    projectionDim: 8,
    ablation: "none",
  } as const;
  const config = JSON.stringify({ backbone, trainingSet: "drawn", classes: ["discs"] });
  for (const [path, seed] of [[head, 0], [other, 1]] as const) {
    const parameters = initialParameters(architecture, randomStream(seed));
    await saveCheckpoint(path, architecture, parameters, { config });
  }
  await saveCheckpoint(silent, architecture, initialParameters(architecture, randomStream(2)));
}

export const candidates: readonly Candidate[] = await findCandidates({
  main: head,
  detectors: join(folder, "none"),
});

/** The threads that decode and judge; the caller's to dispose. */
export function openCourt(): Promise<Court> {
  return Court.open({ candidates, backbones });
}

/** A page that knows no network. */
export function pageOf(court: Court, limits: Partial<Limits> = {}): Page {
  const page = new Page({ court, candidates, notice: NOTICE, limits, onFault: console.error });
  page.port = PORT;
  return page;
}

/** A picture of noise as a file. */
export async function noiseFile(
  width: number,
  height: number,
  format: "png" | "jpeg" | "webp" = "png",
): Promise<Uint8Array<ArrayBuffer>> {
  const { data } = noiseImage(width, height);
  return new Uint8Array(
    await sharp(data, { raw: { width, height, channels: 3 } }).toFormat(format).toBuffer(),
  );
}

/** A request as a program sends it. */
export function request(path: string, init: RequestInit = {}): Request {
  const headers = new Headers(init.headers);
  if (!headers.has("host")) headers.set("host", `127.0.0.1:${PORT}`);
  return new Request(`http://127.0.0.1:${PORT}${path}`, { ...init, headers });
}

/** Files in a form. */
export function form(files: Readonly<Record<string, Uint8Array<ArrayBuffer>>>): RequestInit {
  const body = new FormData();
  for (const [name, bytes] of Object.entries(files)) {
    body.append("picture", new File([bytes], name));
  }
  return { method: "POST", body };
}
