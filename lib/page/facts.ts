/**
 * What a picture's file says of itself: what it is, and what it claims to have been made with.
 * @module
 */
import type { ImageHeader } from "../image/header.ts";
import { type MetadataEntry, readMetadata } from "./metadata.ts";

/** What kind of maker a text names. */
export type Maker = "generator" | "camera";

/** A text of the file, and the kind of maker that it names, where it names one. */
export interface Claim extends MetadataEntry {
  readonly names?: Maker;
}

/** A picture's own facts. */
export interface PictureFacts {
  /** `png`, `jpeg`. */
  readonly format: string;
  /** Size of the file. */
  readonly bytes: number;
  readonly widthPx: number;
  readonly heightPx: number;
  /** Bits a channel. */
  readonly bits: number;
  /** Texts beside the pixels. They prove nothing: anybody can write and remove them. */
  readonly claims: readonly Claim[];
  /** Whether there is a C2PA manifest; whether its signature holds is not checked. */
  readonly hasC2pa: boolean;
  /** How Exif says that it is to be turned or mirrored; it is judged as it is stored. */
  readonly orientation?: number;
}

/** Fields in which programs that generate pictures put what they were asked for. */
const GENERATORS_FIELDS =
  /^PNG text "(?:parameters|prompt|workflow|dream|sd-metadata|invokeai_metadata|generation_data|sui_image_params)"$/i;

/** Names of generators, and IPTC's word for pictures that were made by a trained model. */
const GENERATORS =
  /\b(?:stable[ -]?diffusion|sdxl|midjourney|dall[·\-]?e|firefly|novelai|comfyui|invokeai|automatic1111|fooocus|flux\.?1|imagen|made with google ai|openai|gpt-?4o|ideogram|leonardo\.ai|trainedalgorithmicmedia|compositewithtrainedalgorithmicmedia)\b/i;

/** Steps, sampler and seed in one text: what web interfaces write of a picture. */
const RECIPE = /\bSteps: \d+.*\bSampler: .*\bSeed: \d+/i;

/** Tags that cameras write of themselves. */
const CAMERAS_FIELDS = /^Exif (?:Make|Model|LensModel)$/;

/**
 * A picture's own facts.
 * @param bytes the whole file
 * @param header what it says in its first bytes
 */
export function pictureFacts(bytes: Uint8Array, header: ImageHeader): PictureFacts {
  const { entries, hasC2pa, orientation } = readMetadata(bytes);
  const { format, width: widthPx, height: heightPx, bits } = header;
  const claims = entries.map((entry): Claim => {
    const names = makerOf(entry);
    return names === undefined ? entry : { ...entry, names };
  });
  return {
    ...{ format, bytes: bytes.length, widthPx, heightPx, bits, claims, hasC2pa },
    ...(orientation === undefined ? {} : { orientation }),
  };
}

function makerOf({ field, text }: MetadataEntry): Maker | undefined {
  if (GENERATORS_FIELDS.test(field) || GENERATORS.test(text) || RECIPE.test(text)) {
    return "generator";
  }
  return CAMERAS_FIELDS.test(field) ? "camera" : undefined;
}
