/**
 * Frequencies of what a median filter takes away, of real images and by generator.
 *
 * deno task reproduce --only ufd_spectra
 *
 * Expects peaks in the spectra of GANs that real images and other generators lack: UFD's Figure 3.
 * Looks at pixels alone; some seconds in the mini profile, minutes in the paper profile.
 * @module
 */
import { UFD_SPECTRA, ufdFigure3 } from "../../lib/report/ufd/spectra.ts";
import { defineSection } from "../../lib/runs/section.ts";

/** UFD §3 */
export default defineSection({
  name: "ufd_spectra",
  paper: "ufd",
  section: "UFD §3",
  title: "Frequency spectra",
  dependsOn: [],
  makes: UFD_SPECTRA,
  runs: () => [],
  shows: [ufdFigure3],
});
