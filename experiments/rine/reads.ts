/**
 * How released detectors on pixels read images where they are compared: as their own code does.
 * @module
 */

/** Name of the way to read images, by detector; those that are left out are not tried. */
export const READS: Readonly<Record<string, string>> = {
  wang: "original",
  patch_forensics: "original",
  lgrad: "original",
  dmid: "original",
};
