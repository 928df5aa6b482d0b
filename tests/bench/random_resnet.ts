/** A full-size ResNet-50 with one logit and random weights, as a file. */
import { tensorShapes } from "../../lib/backbones/resnet/architecture.ts";
import { torchvisionResnet } from "../../lib/backbones/families/torchvision_resnet.ts";
import { writeSafetensors } from "../../lib/io/safetensors_writer.ts";
import { type Tensor, tensor } from "../../lib/io/tensor.ts";
import { randomStream } from "../../lib/random.ts";

/** Bottlenecks and channels of ResNet-50. */
export const RESNET_50 = { stages: [3, 4, 6, 3], width: 64, embeddingWidth: 2048 } as const;

/** Writes the weights; maps keep their size from layer to layer. */
export async function writeRandomResnet(path: string): Promise<void> {
  const random = randomStream("resnet");
  const shapes = tensorShapes(RESNET_50, torchvisionResnet, 0);
  shapes.set("fc.weight", [1, RESNET_50.embeddingWidth]).set("fc.bias", [1]);
  const tensors = [...shapes].map(([name, shape]): readonly [string, Tensor] => {
    const length = shape.reduce((product, size) => product * size, 1);
    const fanIn = shape.slice(1).reduce((product, size) => product * size, 1);
    const data = Float32Array.from(
      { length },
      () =>
        /running_var$|(bn|downsample\.1).*weight$/.test(name)
          ? 1
          : (random.uniform() - .5) * Math.sqrt(12 * 2 / fanIn) * (shape.length === 4 ? 1 : .01),
    );
    return [name, tensor(data, shape)];
  });
  await writeSafetensors(path, tensors);
}
