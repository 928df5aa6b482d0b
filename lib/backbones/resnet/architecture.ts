/**
 * Sizes of a ResNet of bottlenecks, and the shapes that its tensors have under them.
 * @module
 */
import type { Architecture } from "../backbone.ts";
import type { ResnetFamily, ResnetSettings } from "../families/family.ts";

/** Sizes of a ResNet; N images, maps of H × W places. */
export interface ResnetArchitecture extends Architecture, Omit<ResnetSettings, "heads"> {
  /** Number of bottlenecks in each of the four stages: [3, 4, 6, 3] in ResNet-50. */
  readonly stages: readonly number[];
  /** Channels before the first stage, and inside its bottlenecks: 64 in ResNet-50. */
  readonly width: number;
  /** Width of the image embedding: of the attention pool's output, else channels of the last map. */
  readonly embeddingWidth: number;
  /** Heads of the attention pool; absent where a mean is taken. */
  readonly heads?: number;
}

/** A bottleneck's output has so many times the channels that it has inside. */
export const EXPANSION = 4;

/** Halvings of a map from the pixels to the last stage, as a factor: 224 px are 7 places. */
export const TOTAL_STRIDE = 32;

/** Names of a stage's bottlenecks, in their order: `layer1.0`, `layer1.1`, … */
export function bottlenecks(stage: number, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `layer${stage + 1}.${index}`);
}

/** Channels of the last stage's map. */
export function lastChannels(
  { width, stages }: Pick<ResnetArchitecture, "width" | "stages">,
): number {
  return EXPANSION * width * 2 ** (stages.length - 1);
}

/**
 * Every tensor that a network of these sizes has, by its name without the family's prefix.
 * @param positions of the attention pool: the mean and every place of the last map
 */
export function tensorShapes(
  architecture: Pick<ResnetArchitecture, "width" | "stages" | "embeddingWidth">,
  { stem, pooling }: ResnetFamily,
  positions: number,
): Map<string, number[]> {
  const { width, stages, embeddingWidth } = architecture;
  const shapes = new Map<string, number[]>();
  const convolution = (
    conv: string,
    norm: string,
    [outputs, inputs]: readonly [number, number],
    kernelPx: number,
  ) => {
    shapes.set(`${conv}.weight`, [outputs, inputs, kernelPx, kernelPx]);
    for (const part of ["weight", "bias", "running_mean", "running_var"]) {
      shapes.set(`${norm}.${part}`, [outputs]);
    }
  };
  let inputs = 3;
  stem.forEach(({ conv, norm, kernelPx }, index) => {
    const outputs = index === stem.length - 1 ? width : width / 2;
    convolution(conv, norm, [outputs, inputs], kernelPx);
    inputs = outputs;
  });
  stages.forEach((count, stage) => {
    const inner = width * 2 ** stage, outputs = EXPANSION * inner;
    bottlenecks(stage, count).forEach((block, index) => {
      convolution(`${block}.conv1`, `${block}.bn1`, [inner, inputs], 1);
      convolution(`${block}.conv2`, `${block}.bn2`, [inner, inner], 3);
      convolution(`${block}.conv3`, `${block}.bn3`, [outputs, inner], 1);
      if (index === 0) {
        convolution(`${block}.downsample.0`, `${block}.downsample.1`, [outputs, inputs], 1);
      }
      inputs = outputs;
    });
  });
  if (pooling === "attention") {
    shapes.set("attnpool.positional_embedding", [positions, inputs]);
    for (
      const [name, outputs] of [["q", inputs], ["k", inputs], ["v", inputs], ["c", embeddingWidth]]
    ) {
      shapes.set(`attnpool.${name}_proj.weight`, [outputs as number, inputs]);
      shapes.set(`attnpool.${name}_proj.bias`, [outputs as number]);
    }
  }
  return shapes;
}
