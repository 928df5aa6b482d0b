/**
 * ResNets of bottlenecks as torchvision names them: ImageNet's ResNet-50, which is one of UFD's
 * feature spaces, and Wang et al.'s detector, which is that network trained further.
 * Source: torchvision, `models/resnet.py`; CNNDetection, `networks/resnet.py`.
 * @module
 */
import { IMAGENET_PIXELS, type ResnetFamily } from "./family.ts";

/** `resnet50-0676ba61.pth` and deeper ones, whatever their classification head tells apart. */
export const torchvisionResnet: ResnetFamily = {
  name: "torchvision ResNet",
  mark: "layer1.0.conv3.weight",
  prefix: "",
  stem: [{ conv: "conv1", norm: "bn1", kernelPx: 7, stride: 2 }],
  halving: "stride",
  pooling: "average",
  epsilon: 1e-5,
  headWidth: 64,
  resolutionPx: 224,
  ...IMAGENET_PIXELS,
  ignored: /^fc\.|\.num_batches_tracked$/,
};
