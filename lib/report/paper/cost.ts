/**
 * What methods cost: parameters, the time that an image takes, and that of training.
 * @module
 */
import type { LabelledImage } from "../../data/dataset.ts";
import type { RgbImage } from "../../image/image.ts";
import { classSetName } from "../../runs/choices.ts";
import type { RunRow } from "../../runs/config.ts";
import type { DetectorCost } from "../../runs/detector_cost.ts";
import { defineMaking } from "../../runs/made.ts";
import { drawSome, type Making } from "../../runs/making.ts";
import type { Profile } from "../../runs/profile.ts";
import { rowsOf, type RunRecord } from "../../runs/record.ts";
import type { ReadyDetector } from "../../runs/released_scores.ts";
import type { Shown } from "../../runs/section.ts";
import { spread, type Table } from "../table.ts";
import { chosenRemark, seedsRemark } from "./captions.ts";
import { noticeOf } from "./columns.ts";
import { besideOthers, methodOf } from "./methods.ts";

/** Counts what is measured, and how. */
const VERSION = 1;

/** Images of each label that are looked at, where a detector is fast enough. */
const IMAGES = 16;

/** A method that was measured. */
interface Costs extends DetectorCost {
  readonly method: string;
  /** Of detectors on pixels that are trained here, in seconds: the whole training. */
  readonly trainingSeconds?: number;
}

/** What was measured, and where. */
interface MeasuredCosts {
  readonly methods: readonly Costs[];
  /** How many images each method has looked at, at most. */
  readonly images: number;
  readonly testSet: string;
  /** Where graphs ran, and on how many threads. */
  readonly device: string;
  readonly threads: number;
}

/**
 * Measures the section's heads with their backbones, released detectors that lie in the data folder, and
 * those that the profile trains, on some images of the first test set.
 * @param transforms how each released kind reads images, by its name: `{ wang: "original" }`
 */
export function methodCosts(transforms: Readonly<Record<string, string>>): Making {
  return defineMaking<MeasuredCosts>({
    reads: ({ testSets }) => ({ sets: testSets.slice(0, 1), backbones: [] }),
    async plan(materials) {
      const { profile, records, machine } = materials;
      const heads = headsOf(profile, records);
      const detectors: ReadyDetector[] = [
        ...await materials.detectors(transforms),
        ...await materials.trainedDetectors(profile.detectors),
      ];
      const [spec] = profile.testSets;
      if (!spec || heads.length + detectors.length === 0) return undefined;
      const some: LabelledImage[] = [];
      for (const label of [0, 1] as const) {
        const all = (await materials.images(spec, label)).flat();
        some.push(...drawSome(all, IMAGES, "cost", spec.name, `${label}`));
      }
      return {
        parameters: [
          "cost",
          VERSION,
          heads.map(({ method, record: { trainingKey } }) => [method, trainingKey]),
          machine,
        ],
        async make() {
          const decoded: (RgbImage | undefined)[] = [];
          for (const image of some) decoded.push(await materials.decode(image));
          const images = decoded.filter((image) => image !== undefined);
          const methods: Costs[] = [];
          for (const { method, record } of heads) {
            methods.push({ method, ...await materials.cost(record, images) });
          }
          for (const { key, title, row, trainedOn } of detectors) {
            const training = trainedOn && await materials.train(key);
            // one whose training came to nothing has no checkpoint
            if (training && "problem" in training) continue;
            methods.push({
              method: `${row?.method ?? title}${trainedOn ? ", trained here" : ""}`,
              ...await materials.cost(key, images),
              ...(training ? { trainingSeconds: training.trainingSeconds } : {}),
            });
          }
          return { methods, images: images.length, testSet: spec.title, ...machine };
        },
      };
    },
  });
}

/** A record for each method: of several seeds, the first one's. */
function headsOf(profile: Profile, records: readonly RunRecord[]) {
  const heads = new Map<string, RunRecord>();
  for (const record of records) {
    if (record.failed !== undefined) continue;
    const method = headName(profile, rowsOf(record)[0]!);
    if (!heads.has(method)) heads.set(method, record);
  }
  return [...heads].map(([method, record]) => ({ method, record }));
}

/** `RINE, 4-class`, `UFD, linear probe`. */
function headName(profile: Profile, row: RunRow): string {
  if (row.detector === "rine") return `RINE, ${classSetName(profile, row.classes)}`;
  return besideOthers(methodOf(row));
}

/** A row for each method. */
export function costTable({ profile, rows, made }: Shown): Table | undefined {
  if (made === undefined) return undefined;
  const { methods, images, testSet, device, threads } = made as MeasuredCosts;
  const own = rows.filter(({ experiment }) => experiment === "cost");
  const heads = Map.groupBy(own, (row) => headName(profile, row));
  return {
    id: "cost",
    title: "Cost. Parameters and time of each method",
    caption:
      `Parameters that an image passes, and those among them that training changes. Time from the pixels of one image to its score: median over up to ${images} images of ${testSet}, ` +
      `one after the other, on this machine (${device}, ${threads} threads); what else ran there is in it. ` +
      "Training seconds of RINE's and UFD's heads are steps on features that lie on disk; those take the backbone's time once for each training image and draw of augmentation. " +
      "Those of detectors on pixels are the whole training. Nearest neighbours are not trained: they keep the training images' features, and search them." +
      chosenRemark(profile) + seedsRemark(own, "spread"),
    ...noticeOf(profile),
    rowKeys: ["method"],
    columns: [
      { key: "method", name: "method" },
      { key: "reads", name: "reads" },
      { key: "parameters", name: "parameters", unit: "million", scale: 1e-6, digits: 3 },
      { key: "trained", name: "trained", unit: "thousand", scale: 1e-3, digits: 1 },
      { key: "imageMs", name: "an image", unit: "ms", digits: 1 },
      { key: "trainingSeconds", name: "training", unit: "s", digits: 1 },
    ],
    rows: methods.map((one) => ({
      method: one.method,
      reads: one.reads,
      parameters: one.parameters,
      trained: one.trainedParameters,
      imageMs: one.imageMs,
      // nearest neighbours are searched, not trained
      trainingSeconds: one.trainedParameters === 0 ? null : one.trainingSeconds ??
        spread(
          heads.get(one.method)?.flatMap(({ trainingSeconds }) => trainingSeconds ?? []) ?? [],
        ),
    })),
  };
}
