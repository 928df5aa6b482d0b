/**
 * A network that gives logits and the vectors that its last layer decides on, open as what scores
 * images.
 * @module
 */
import { openChecked } from "../../onnx/device_check.ts";
import {
  type Device,
  ONNX_RUNTIME_VERSION,
  type OrtTensor,
  ortTensor,
  type Session,
} from "../../onnx/session.ts";
import type { Compute } from "../detector.ts";
import { assertLogits, type PixelBatch, type PixelScorer } from "../pixel_detector.ts";

/** Pixels of several images that go through at once: more together are not faster. */
const PIXELS_AT_ONCE = 8 * 224 * 224;

/** Side of the picture that a device is tried on. */
const TRIAL_PX = 64;

/**
 * Opens a graph that takes `images`, uint8 [N, H, W, 3], and gives `logits` [N, 1] and `features`
 * [N, F].
 * @param checkpoint its file, for errors
 */
export async function openPyramidScorer(
  graph: Uint8Array,
  checkpoint: string,
  { device = "cpu", threads }: Compute,
): Promise<PixelScorer> {
  const session = await openChecked(
    graph,
    { ...{ device, sizesVary: true }, ...(threads === undefined ? {} : { threads }) },
    TRIAL_PX,
    `Cannot run ${checkpoint}`,
  );
  return pyramidScorer(session, {
    ...{ checkpoint, device },
    inputs: ({ rgb, count, height, width }) =>
      Promise.resolve({ images: ortTensor("uint8", rgb, [count, height, width, 3]) }),
  });
}

/** What an open graph of logits and features is run with. */
export interface PyramidSetup {
  /** Its file, for errors. */
  readonly checkpoint: string;
  readonly device: Device;
  /** What a batch of images is to the graph. */
  inputs(batch: PixelBatch): Promise<Readonly<Record<string, OrtTensor>>>;
  /** Frees what makes the inputs; nothing where it is left out. */
  dispose?(): Promise<void>;
}

/** A graph that gives `logits` [N, 1] and `features` [N, F] as what scores images. */
export function pyramidScorer(
  session: Session,
  { checkpoint, device, inputs, dispose }: PyramidSetup,
): PixelScorer {
  const run = async (name: "logits" | "features", batch: PixelBatch): Promise<Float32Array> => {
    const found = await session.run(await inputs(batch));
    const values = Float32Array.from(found[name]!.data as Float32Array);
    for (const one of Object.values(found)) one!.dispose();
    assertLogits(values, checkpoint);
    return values;
  };
  return {
    backend: `onnx (onnxruntime ${ONNX_RUNTIME_VERSION} ${device})`,
    pixelsAtOnce: PIXELS_AT_ONCE,
    logits: (batch) => run("logits", batch),
    represent: (batch) => run("features", batch),
    async dispose() {
      await session.release();
      await dispose?.();
    },
  };
}
