/**
 * Full-size CLIP image encoders with random weights, for timing: the arithmetic does not care.
 * @module
 */
import { type LazyTensor, writeLargeSafetensors } from "../../lib/io/safetensors_writer.ts";
import { sizeOf } from "../../lib/io/tensor.ts";
import { randomStream } from "../../lib/random.ts";

/** Sizes of the paper's two backbones. */
export const SIZES = {
  "ViT-B/32": { resolutionPx: 224, patchPx: 32, width: 768, blocks: 12, embeddingWidth: 512 },
  "ViT-L/14": { resolutionPx: 224, patchPx: 14, width: 1024, blocks: 24, embeddingWidth: 768 },
} as const;

/** Writes a backbone under Hugging Face's names; float32. */
export async function writeRandomVit(
  path: string,
  { resolutionPx, patchPx, width, blocks, embeddingWidth }: typeof SIZES[keyof typeof SIZES],
): Promise<void> {
  const tensors: LazyTensor[] = [];
  const add = (name: string, shape: readonly number[], scale: number, shift = 0) =>
    tensors.push({
      name,
      dtype: "F32",
      shape,
      bytes: () => {
        const random = randomStream("random vit", name);
        // uniform with the variance of PyTorch's initialisation
        const values = Float32Array.from(
          { length: sizeOf(shape) },
          () => shift + scale * random.uniform(-1.7, 1.7),
        );
        return Promise.resolve(new Uint8Array(values.buffer));
      },
    });
  const norm = (name: string) => {
    add(`${name}.weight`, [width], .1, 1);
    add(`${name}.bias`, [width], .1);
  };
  const linear = (name: string, outputs: number, inputs: number) => {
    add(`${name}.weight`, [outputs, inputs], inputs ** -.5);
    add(`${name}.bias`, [outputs], .02);
  };
  add("vision_model.embeddings.class_embedding", [width], .5);
  add("vision_model.embeddings.patch_embedding.weight", [width, 3, patchPx, patchPx], .02);
  const positions = (resolutionPx / patchPx) ** 2 + 1;
  add("vision_model.embeddings.position_embedding.weight", [positions, width], .5);
  norm("vision_model.pre_layrnorm");
  norm("vision_model.post_layernorm");
  add("visual_projection.weight", [embeddingWidth, width], width ** -.5);
  for (let index = 0; index < blocks; index++) {
    const block = `vision_model.encoder.layers.${index}`;
    for (const part of ["q", "k", "v", "out"]) {
      linear(`${block}.self_attn.${part}_proj`, width, width);
    }
    norm(`${block}.layer_norm1`);
    norm(`${block}.layer_norm2`);
    linear(`${block}.mlp.fc1`, 4 * width, width);
    linear(`${block}.mlp.fc2`, width, 4 * width);
  }
  await writeLargeSafetensors(path, tensors);
}
