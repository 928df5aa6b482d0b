/**
 * Patch-Forensics: a network cut off after a few blocks judges patches, and these decide together.
 * Paper: Chai et al., ECCV 2020. Released: chail/patch-forensics.
 * @module
 */
import { sizeOf } from "../../io/tensor.ts";
import type { PixelTransform } from "../../image/pixels.ts";
import { openChecked } from "../../onnx/device_check.ts";
import { ONNX_RUNTIME_VERSION, ortTensor } from "../../onnx/session.ts";
import { modelNames, readCheckpointNames, readModelFile } from "../checkpoint_file.ts";
import { CheckpointTensors } from "../checkpoint_tensors.ts";
import { metadataRows, row } from "../description.ts";
import { assertLogits, definePixelDetector, type PixelTransforms } from "../pixel_detector.ts";
import { buildPatchNetwork, HALF, isPatchNetwork, type PatchBody, patchBodyOf } from "./graph.ts";
import { type Average, imageLogits } from "./score.ts";
import { trainPatches } from "./train.ts";

const TITLE = "Patch-Forensics";

/** Side of the picture that a device is tried on. */
const TRIAL_PX = 128;

/** The released models' own. Released: `opt.yml` beside each, `loadSize` */
const LOAD_SIZE_PX: Readonly<Record<PatchBody, number>> = { Xception: 299, ResNet: 224 };

/** By the name of the way to read an image; all read the same pixels. */
const AVERAGE_OF: Readonly<Record<string, Average>> = {
  original: "mean",
  vote: "vote",
  mean_logit: "logits",
};

/** Pixels of images that go through at once: more together are not faster. */
const PIXELS_AT_ONCE = 8 * 299 * 299;

function transformsFor(sizePx: number): PixelTransforms {
  const steps: PixelTransform = [
    { kind: "shortSide", sizePx, filter: "lanczos" },
    { kind: "crop", sizePx },
  ];
  return { original: steps, vote: steps, mean_logit: steps };
}

const NAME = "patch_forensics";

async function ownTensors(checkpoint: string) {
  const { tensors, metadata } = await readNetwork(checkpoint);
  return { tensors, metadata };
}

async function readNetwork(checkpoint: string) {
  const { tensors: all, metadata } = await readModelFile(checkpoint);
  const tensors = new CheckpointTensors(checkpoint, all, TITLE);
  return { network: buildPatchNetwork(tensors), tensors: tensors.taken(), metadata };
}

/** Patch-Forensics as the rest of the library knows it. */
export default definePixelDetector({
  name: NAME,
  title: TITLE,
  reads: {
    transforms: transformsFor(LOAD_SIZE_PX.Xception),
    normalisation: { mean: HALF, std: HALF },
  },
  released: [{
    files: ["gp1-gan-winversion_seed0_xception_block2_constant_p20/bestval_net_D.pth"],
    name: NAME,
    title: TITLE,
    from: "the link in the README of github.com/chail/patch-forensics",
    row: { method: TITLE, trainingClasses: "" },
  }],
  isCheckpoint: isPatchNetwork,
  async transformsOf(checkpoint) {
    const { names, metadata } = await readCheckpointNames(checkpoint);
    const { loadSize } = metadata;
    const body = patchBodyOf([...modelNames(names).keys()]);
    return transformsFor(
      loadSize === undefined ? LOAD_SIZE_PX[body ?? "Xception"] : Number(loadSize),
    );
  },
  trainedTransforms: ({ shortSidePx, cropPx }) => transformsFor(shortSidePx ?? cropPx),
  async open(checkpoint, { device = "cpu", threads }, transform = "original") {
    const { network: { graph } } = await readNetwork(checkpoint);
    const session = await openChecked(
      graph,
      { device, ...(threads === undefined ? {} : { threads }) },
      TRIAL_PX,
      `Cannot run ${checkpoint}`,
    );
    return {
      backend: `onnx (onnxruntime ${ONNX_RUNTIME_VERSION} ${device})`,
      pixelsAtOnce: PIXELS_AT_ONCE,
      async logits({ rgb, count, height, width }) {
        const images = ortTensor("uint8", rgb, [count, height, width, 3]);
        const { map } = await session.run({ images });
        const logits = imageLogits(map!.data as Float32Array, count, AVERAGE_OF[transform]!);
        map!.dispose();
        assertLogits(logits, checkpoint);
        return logits;
      },
      dispose: () => session.release(),
    };
  },
  ownTensors,
  async describeCheckpoint(checkpoint) {
    const { network: { body, lastBlock }, tensors, metadata } = await readNetwork(checkpoint);
    const values = [...tensors].filter(([name]) => !/running_(mean|var)$/.test(name))
      .reduce((sum, [, { shape }]) => sum + sizeOf(shape), 0);
    return [
      `${checkpoint}: ${TITLE}, ${body} up to ${lastBlock}`,
      row("parameters", values),
      ...metadataRows(metadata),
    ];
  },
  train: (training, context) => trainPatches(training, NAME, ownTensors, context),
});
