/**
 * Full-size networks of UFD's feature spaces that are not CLIP's ViTs, with random weights.
 * @module
 */
import type { ResnetFamily } from "../../lib/backbones/families/family.ts";
import { openaiClipResnet } from "../../lib/backbones/families/openai_clip_resnet.ts";
import { torchvisionResnet } from "../../lib/backbones/families/torchvision_resnet.ts";
import { tensorShapes } from "../../lib/backbones/resnet/architecture.ts";
import { type LazyTensor, writeLargeSafetensors } from "../../lib/io/safetensors_writer.ts";
import { sizeOf } from "../../lib/io/tensor.ts";
import { randomStream } from "../../lib/random.ts";

const SIZE_PX = 224;

/** Names and shapes of each network's tensors. */
const NETWORKS: Readonly<Record<string, () => ReadonlyMap<string, readonly number[]>>> = {
  "RN50": () => resnetShapes(openaiClipResnet, 1024),
  "ResNet-50": () => resnetShapes(torchvisionResnet, 2048),
  "ViT-B/16": vitShapes,
};

function resnetShapes(family: ResnetFamily, embeddingWidth: number) {
  const shapes = tensorShapes(
    { width: 64, stages: [3, 4, 6, 3], embeddingWidth },
    family,
    (SIZE_PX / 32) ** 2 + 1,
  );
  return new Map([...shapes].map(([name, shape]) => [`${family.prefix}${name}`, shape]));
}

function vitShapes() {
  const width = 768, shapes = new Map<string, number[]>();
  const add = (name: string, ...shape: number[]) => shapes.set(name, shape);
  const affine = (name: string, weight: number[], outputs: number) => {
    add(`${name}.weight`, ...weight);
    add(`${name}.bias`, outputs);
  };
  add("class_token", 1, 1, width);
  add("encoder.pos_embedding", 1, (SIZE_PX / 16) ** 2 + 1, width);
  affine("conv_proj", [width, 3, 16, 16], width);
  affine("encoder.ln", [width], width);
  for (let index = 0; index < 12; index++) {
    const block = `encoder.layers.encoder_layer_${index}`;
    for (const name of ["ln_1", "ln_2"]) affine(`${block}.${name}`, [width], width);
    add(`${block}.self_attention.in_proj_weight`, 3 * width, width);
    add(`${block}.self_attention.in_proj_bias`, 3 * width);
    affine(`${block}.self_attention.out_proj`, [width, width], width);
    affine(`${block}.mlp.linear_1`, [4 * width, width], 4 * width);
    affine(`${block}.mlp.linear_2`, [width, 4 * width], width);
  }
  return shapes;
}

/** Matrices and kernels with the variance that keeps activations in range, the rest about 1 or 0. */
function randomTensors(shapes: ReadonlyMap<string, readonly number[]>): LazyTensor[] {
  return [...shapes].map(([name, shape]) => ({
    ...{ name, dtype: "F32", shape },
    bytes: () => {
      const random = randomStream("random weights", name);
      const inputs = sizeOf(shape.slice(1));
      const [shift, scale] = shape.length > 1
        ? [0, Math.sqrt(2 / inputs)]
        : /(weight|var)$/.test(name)
        ? [1, .2]
        : [0, .1];
      const values = Float32Array.from(
        { length: sizeOf(shape) },
        () => shift + scale * random.uniform(-1.7, 1.7),
      );
      return Promise.resolve(new Uint8Array(values.buffer));
    },
  }));
}

/** Names of the networks that there are. */
export const SPACES: readonly string[] = Object.keys(NETWORKS);

/** Writes a network's weights; float32. */
export async function writeRandomSpace(path: string, name: string): Promise<void> {
  await writeLargeSafetensors(path, randomTensors(NETWORKS[name]!()));
}
