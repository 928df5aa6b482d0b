/**
 * JPEG compression in memory, as Pillow and OpenCV do it.
 * @module
 */
import { UserError } from "../io/errors.ts";
import sharp from "sharp";
import type { RgbImage } from "./image.ts";

/**
 * Compresses an image as baseline JPEG and decodes it again. Colour is kept at half the resolution
 * at every quality (4:2:0), the default of Pillow's `Image.save` and of OpenCV's `imencode`; with
 * libjpeg behind all three, pixels are equal to theirs.
 * @param quality 1 … 100, integer; libjpeg's scale
 * @throws {UserError} where the quality is not such an integer
 *
 * Released: src/utils.py, pil_jpg and cv2_jpg
 */
export async function jpegRoundTrip(image: RgbImage, quality: number): Promise<RgbImage> {
  if (!Number.isInteger(quality) || quality < 1 || quality > 100) {
    throw new UserError(
      "usage",
      `Cannot compress: expected a quality of 1 to 100, found ${quality}`,
    );
  }
  const { width, height } = image;
  const jpeg = await sharp(image.data, { raw: { width, height, channels: 3 } })
    // Huffman tables do not change pixels: the standard ones save a pass
    .jpeg({ quality, chromaSubsampling: "4:2:0", optimiseCoding: false })
    .toBuffer();
  const { buffer, byteOffset, byteLength } = await sharp(jpeg, { sequentialRead: true }).raw()
    .toBuffer();
  return { width, height, data: new Uint8Array(buffer, byteOffset, byteLength) };
}
