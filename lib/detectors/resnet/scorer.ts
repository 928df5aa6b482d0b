/**
 * A ResNet with one logit that is open: pixels in, logits out.
 * @module
 */
import { basename, dirname } from "node:path";
import { openChecked } from "../../onnx/device_check.ts";
import { ONNX_RUNTIME_VERSION, ortTensor, type Session } from "../../onnx/session.ts";
import { Lazy } from "../../io/lazy.ts";
import type { Compute } from "../detector.ts";
import {
  assertLogits,
  type PixelBatch,
  type PixelNormalisation,
  type PixelScorer,
} from "../pixel_detector.ts";
import { readClassifier } from "./checkpoint.ts";
import { buildClassifierGraph } from "./graph.ts";
import { sightOf, type Tile, tilesOf, type Tiling } from "./tiles.ts";

/** How a network is opened. */
export interface ClassifierSetup {
  readonly normalisation: PixelNormalisation;
  /** Step of the first convolution and of the maximum after it: 2, or 1 without down-sampling. */
  readonly stemStride: 1 | 2;
  /** Pixels of an image that are read at once, at most; a larger one is read in tiles. */
  readonly limitPx: number;
}

/** Side of the picture that a device is tried on. */
const TRIAL_PX = 64;

/** Pixels of several images that go through at once: more together are not faster. */
const PIXELS_AT_ONCE = 8 * 224 * 224;

/**
 * Opens a checkpoint.
 * @throws {UserError} as {@linkcode readClassifier}
 */
export async function openClassifier(
  checkpoint: string,
  { normalisation, stemStride, limitPx }: ClassifierSetup,
  { device = "cpu", threads }: Compute,
): Promise<PixelScorer> {
  // external data may not leave the folder it is named relative to, not even through a link
  const path = await Deno.realPath(checkpoint);
  const weights = await readClassifier(path);
  const weightsFile = basename(path);
  const open = (means: boolean) =>
    openChecked(
      buildClassifierGraph(weights, { normalisation, stemStride, weightsFile, means }),
      {
        ...{ device, weightsFolder: dirname(path), sizesVary: true },
        ...(threads === undefined ? {} : { threads }),
      },
      TRIAL_PX,
      `Cannot run ${checkpoint}`,
    );
  const session = await open(false);
  const tiling = { limitPx, ...sightOf(weights.architecture, stemStride) };
  return scorer(
    session,
    new Lazy(() => open(true)),
    checkpoint,
    tiling,
    `onnx (onnxruntime ${ONNX_RUNTIME_VERSION} ${device})`,
  );
}

function scorer(
  session: Session,
  withMeans: Lazy<Session>,
  checkpoint: string,
  tiling: Tiling,
  backend: string,
): PixelScorer {
  return {
    backend,
    pixelsAtOnce: PIXELS_AT_ONCE,
    tiles: (height, width) => tilesOf(height, width, tiling).length,
    async logits(batch) {
      const { count, height, width } = batch;
      const tiles = tilesOf(height, width, tiling);
      const sums = new Float64Array(count);
      let places = 0;
      for (const tile of tiles) {
        const images = tiles.length === 1 ? batch : cut(batch, tile);
        const shape = [count, images.height, images.width, 3];
        const { map } = await session.run({ images: ortTensor("uint8", images.rgb, shape) });
        places += addPlaces(map!.data as Float32Array, map!.dims, tile, sums);
        map!.dispose();
      }
      const logits = Float32Array.from(sums, (sum) => sum / places);
      assertLogits(logits, checkpoint);
      return logits;
    },
    async represent({ rgb, count, height, width }) {
      const images = ortTensor("uint8", rgb, [count, height, width, 3]);
      const found = await (await withMeans.get()).run({ images });
      const features = Float32Array.from(found["features"]!.data as Float32Array); // [count, C]
      for (const one of Object.values(found)) one!.dispose();
      assertLogits(features, checkpoint);
      return features;
    },
    async dispose() {
      await session.release();
      await (await withMeans.take())?.release();
    },
  };
}

/** The same pixels of every image. */
function cut({ rgb, count, height, width }: PixelBatch, tile: Tile): PixelBatch {
  const rowBytes = tile.width * 3;
  const cutOut = new Uint8Array(count * tile.height * rowBytes);
  for (let image = 0, to = 0; image < count; image++) {
    for (let row = tile.top; row < tile.top + tile.height; row++, to += rowBytes) {
      const from = ((image * height + row) * width + tile.left) * 3;
      cutOut.set(rgb.subarray(from, from + rowBytes), to);
    }
  }
  return { rgb: cutOut, count, height: tile.height, width: tile.width };
}

/**
 * Adds the logits of the places that count to each image's sum.
 * @param map [images, 1, h, w]
 * @returns how many places count
 */
function addPlaces(
  map: Float32Array,
  [, , height, width]: readonly number[],
  { rows, columns }: Tile,
  sums: Float64Array,
): number {
  for (let image = 0; image < sums.length; image++) {
    for (let row = rows[0]; row < rows[1]; row++) {
      const start = (image * height! + row) * width!;
      for (let column = columns[0]; column < columns[1]; column++) {
        sums[image]! += map[start + column]!;
      }
    }
  }
  return (rows[1] - rows[0]) * (columns[1] - columns[0]);
}
