/**
 * LGrad: a ResNet-50 that judges no image, but the gradient by it of what a discriminator that was
 * trained on other images says.
 * Paper: Tan et al., CVPR 2023. Released: chuangchuangtan/LGrad.
 * @module
 */
import { UserError } from "../../io/errors.ts";
import { row } from "../description.ts";
import { definePixelDetector, type PixelTransforms } from "../pixel_detector.ts";
import {
  classifierTensors,
  describeClassifier,
  IMAGENET_NORMALISATION,
  isResnetClassifier,
} from "../resnet/checkpoint.ts";
import { openClassifier } from "../resnet/scorer.ts";
import { discriminatorFor, discriminatorSizePx } from "./checkpoint.ts";
import { openPictures } from "./pictures.ts";
import { trainOnGradients } from "./train.ts";

const TITLE = "LGrad";
const FROM = "the link in the README of github.com/chuangchuangtan/LGrad";

/** What the released discriminator takes. */
const SIZE_PX = 256;

function transformsFor(sizePx: number): PixelTransforms {
  return {
    original: [{ kind: "square", sizePx, filter: "bilinear" }],
    // the authors' script for TensorFlow, under Pillow 7 and later
    tensorflow: [{ kind: "square", sizePx, filter: "bicubic" }],
    // red and blue of the gradient are exchanged too
    sidbench: [{ kind: "crop", sizePx }],
  };
}

/** Name of the way to read an image after which red and blue of the gradient are exchanged. */
const SWAPPED = "sidbench";

const classes = { "1class": "horse", "2class": "chair_horse", "4class": "car_cat_chair_horse" };

const TRAINED = { name: "lgrad", normalisation: IMAGENET_NORMALISATION, stemStride: 2 } as const;

/** LGrad as the rest of the library knows it. */
export default definePixelDetector({
  name: TRAINED.name,
  title: TITLE,
  reads: { transforms: transformsFor(SIZE_PX), normalisation: IMAGENET_NORMALISATION },
  released: Object.entries(classes).map(([name, trainedOn]) => ({
    files: [`LGrad-${name}-Trainon-Progan_${trainedOn}.pth`],
    name: `lgrad_${name}`,
    title: `${TITLE} (${name.replace("class", "-class")})`,
    from: FROM,
    row: { method: TITLE, trainingClasses: name.slice(0, 1) },
  })),
  isCheckpoint: isResnetClassifier,
  async transformsOf(checkpoint) {
    return transformsFor(await discriminatorSizePx(await discriminatorFor(checkpoint)));
  },
  trainedTransforms: ({ discriminator }) => transformsFor(discriminator?.sizePx ?? SIZE_PX),
  besides: async (checkpoint) => [await discriminatorFor(checkpoint)],
  async open(checkpoint, compute, transform = "original") {
    const pictures = await openPictures(
      await discriminatorFor(checkpoint),
      compute,
      { swapped: transform === SWAPPED, doing: `Cannot run ${checkpoint}` },
    );
    const { sizePx } = pictures;
    const classifier = await openClassifier(checkpoint, {
      normalisation: IMAGENET_NORMALISATION,
      stemStride: 2,
      limitPx: sizePx ** 2,
    }, compute);
    return {
      backend: classifier.backend,
      pixelsAtOnce: classifier.pixelsAtOnce,
      async logits({ rgb, count, height, width }) {
        if (height !== sizePx || width !== sizePx) {
          throw new UserError(
            "usage",
            `Cannot score images with ${checkpoint}: expected ${sizePx} × ${sizePx} pixels, found ` +
              `${width} × ${height}`,
          );
        }
        const bytes = sizePx * sizePx * 3;
        const made = new Uint8Array(count * bytes); // [count, R, R, 3]
        for (let i = 0; i < count; i++) {
          made.set(await pictures.picture(rgb.subarray(i * bytes, (i + 1) * bytes)), i * bytes);
        }
        return await classifier.logits({ rgb: made, count, height, width });
      },
      async dispose() {
        await pictures.dispose();
        await classifier.dispose();
      },
    };
  },
  ownTensors: classifierTensors,
  async describeCheckpoint(checkpoint) {
    return [
      ...await describeClassifier(checkpoint, TITLE),
      row("discriminator", await discriminatorFor(checkpoint).catch(() => "not there")),
    ];
  },
  train: (training, context) => trainOnGradients(training, TRAINED, context),
});
