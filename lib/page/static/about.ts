/**
 * What a verdict means: of which detector it is, what its number is, and how often it was wrong.
 * @module
 */
import type { Detectors } from "./asking.ts";
import { el, percent, table } from "./dom.ts";

/** Paragraphs on the detector that decides, and a table of all of them. */
export function aboutDetectors(
  { main, threshold, detectors, notice, reliability }: Detectors,
): HTMLElement[] {
  const known = detectors.find(({ id }) => id === main.id)!;
  const { trainedOn, errors } = known;
  const lines = [
    `The verdict is that of ${known.title} (${main.id}), which reads ${main.reads}. ` +
    (trainedOn
      ? `It was trained on ${trainedOn.set} (${
        trainedOn.classes.join(", ")
      }), and knows of other ` +
        "generators only what they have in common with that."
      : "Its file does not say what it was trained on."),
    `The score is the sigmoid of the detector's logit: not a calibrated probability. Above ` +
    `${threshold} a picture is taken for generated.`,
    errors
      ? `On ${errors.testSets} test sets it was wrong on ${
        percent(errors.wrong)
      } of the pictures: ` +
        rates(errors) + `most on ${errors.worst.set}, with ${percent(errors.worst.wrong)}.` +
        (errors.calibrationError === undefined
          ? ""
          : ` Its scores were off by ${percent(errors.calibrationError)} on average ` +
            "(expected calibration error).")
      : "How often it is wrong is not known here: no record of a reproduction is beside it.",
    ...(reliability
      ? [
        `Beside each verdict stands what became of test pictures with such a score: ` +
        `${percent(reliability.generated / reliability.pictures)} of all ${reliability.pictures} ` +
        "were generated. Among other pictures, of other generators or with fewer generated ones, " +
        "it is another share.",
      ]
      : []),
    ...(notice === undefined
      ? []
      : ["So its verdicts on photographs and on pictures of real generators mean nothing."]),
  ];
  const rows = detectors.map(({ id, title, trainedOn, errors }) => [
    `${title} (${id})`,
    trainedOn ? `${trainedOn.set}: ${trainedOn.classes.join(", ")}` : "not said",
    errors ? percent(errors.wrong) : "not known",
  ]);
  return [
    ...lines.map((line) => el("p", "", line)),
    table(
      "",
      "Detectors that are asked; wrong: share of test pictures, mean over test sets",
      ["Detector", "Trained on", "Wrong"],
      rows,
    ),
  ];
}

function rates(
  { realCalledGenerated, generatedCalledReal }: NonNullable<
    Detectors["detectors"][number]["errors"]
  >,
): string {
  const said = [
    realCalledGenerated === undefined ? [] : `${percent(realCalledGenerated)} of real ones`,
    generatedCalledReal === undefined ? [] : `${percent(generatedCalledReal)} of generated ones`,
  ].flat();
  return said.length === 0 ? "" : `${said.join(", ")}; `;
}
