/**
 * A discriminator that is open: pixels in, the picture that its gradient makes out.
 * @module
 */
import { UserError } from "../../io/errors.ts";
import { openChecked } from "../../onnx/device_check.ts";
import { ortTensor } from "../../onnx/session.ts";
import type { Compute } from "../detector.ts";
import { discriminatorSizePx, readDiscriminator } from "./checkpoint.ts";
import { buildGradientGraph } from "./discriminator.ts";

/** Makes pictures of gradients, one image at a time. */
export interface GradientPictures {
  /** Side of the images that it takes and of the pictures that it makes, in pixels. */
  readonly sizePx: number;
  /**
   * The gradient's picture.
   * @param rgb uint8 [size, size, 3]
   * @returns the same
   * @throws {UserError} of kind `damaged`, where the gradient is no number
   */
  picture(rgb: Uint8Array): Promise<Uint8Array>;
  /** Frees what it holds. */
  dispose(): Promise<void>;
}

/**
 * Opens a discriminator.
 * @param options whether red and blue are exchanged in pictures, default no; and what errors about the
 * device say first
 * @throws {UserError} where the file is damaged
 */
export async function openPictures(
  path: string,
  { device = "cpu", threads }: Compute,
  { swapped = false, doing = `Cannot run ${path}` }: {
    readonly swapped?: boolean;
    readonly doing?: string;
  } = {},
): Promise<GradientPictures> {
  const { tensors } = await readDiscriminator(path);
  const sizePx = await discriminatorSizePx(path);
  const session = await openChecked(
    buildGradientGraph(tensors, { swapped }),
    { device, ...(threads === undefined ? {} : { threads }) },
    sizePx,
    doing,
  );
  return {
    sizePx,
    async picture(rgb) {
      const images = ortTensor("uint8", rgb, [1, sizePx, sizePx, 3]);
      const { picture, least, most } = await session.run({ images });
      const range = [least!, most!].map(({ data }) => data[0] as number);
      if (!range.every(Number.isFinite)) {
        throw new UserError(
          "damaged",
          `Cannot score images with ${path}: expected a gradient, found values from ` +
            `${range[0]} to ${range[1]}; get the file again`,
        );
      }
      const made = (picture!.data as Uint8Array).slice();
      for (const output of [picture!, least!, most!]) output.dispose();
      return made;
    },
    dispose: () => session.release(),
  };
}
