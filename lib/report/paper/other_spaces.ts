/**
 * Figure 1's panels of other detectors: the images of RINE's panel in UFD's feature space, and in that of
 * Wang et al.'s detector.
 * @module
 */
import type { LabelledImage } from "../../data/dataset.ts";
import { joined } from "../../io/tensor.ts";
import type { FeaturePoint } from "../../published/points.ts";
import { defineMaking } from "../../runs/made.ts";
import type { EmbeddedImages, Embeddings, Making } from "../../runs/making.ts";
import { pointsOf } from "./feature_points.ts";
import { drawnSets, drawOrder, imagesOfEach } from "./figure_1.ts";

/** Digits of places: no eye sees more. */
const DIGITS = 5;

/**
 * Points of UFD, which decides in the embedding of its backbone, and of the first detector of Wang et al.
 * that is trained here or has been imported; only UFD's where there is none.
 * @param transforms how released detectors read images, by name: `{ wang: "original" }`
 */
export function otherSpaces({ wang }: Readonly<Record<string, string>>): Making {
  return defineMaking<readonly FeaturePoint[]>({
    isOptional: true,
    reads: ({ ufd, ...profile }) =>
      ufd && {
        sets: drawnSets({ ufd, ...profile }),
        backbones: [ufd.backbone],
      },
    async plan(materials) {
      const { profile } = materials;
      const sets: { name: string; embeddings: Embeddings; lists: number }[] = [];
      for (const spec of drawnSets(profile)) {
        const found = [await materials.images(spec, 0), await materials.images(spec, 1)]
          .map((lists) => [...lists]);
        // in the order in which runs read them: it decides which are drawn
        const lists = spec.sources.map(({ label }) => found[label]!.shift()!);
        const embeddings = await materials.embeddings(lists, profile.ufd!.backbone);
        sets.push({ name: spec.name, embeddings, lists: lists.length });
      }
      if (sets.length === 0) return undefined;
      const detectors = wang === undefined ? [] : [
        ...await materials.trainedDetectors(profile.detectors),
        ...await materials.detectors({ wang }),
      ];
      const resnet = detectors.find(({ name }) => name.startsWith("wang"));
      return {
        parameters: [
          "other spaces",
          sets.map(({ name }) => name),
          profile.pointImages,
          resnet?.key,
        ],
        async make() {
          const images: LabelledImage[] = [];
          const drawn: { label: 0 | 1; generator: string }[] = [];
          const rows: Float32Array[] = [];
          for (const { name, embeddings, lists } of sets) {
            const parts: EmbeddedImages[] = [];
            for (let list = 0; list < lists; list++) parts.push(await embeddings.read(list));
            const all = parts.flatMap((part) => part.images);
            const values = joined(parts.map((part) => part.rows)), { width } = parts[0]!;
            for (const i of drawOrder(name, all.length).subarray(0, imagesOfEach(profile))) {
              images.push(all[i]!);
              drawn.push({ label: all[i]!.label, generator: name });
              rows.push(values.slice(i * width, (i + 1) * width));
            }
          }
          const points = pointsOf("UFD", joined(rows), drawn);
          const training = resnet?.trainedOn && await materials.train(resnet.key);
          if (resnet && !(training && "problem" in training)) {
            const features = await materials.represent(resnet.key, images);
            points.push(...pointsOf("Wang", features, drawn));
          }
          return points.map(({ x, y, ...point }) => ({
            ...point,
            x: Number(x.toPrecision(DIGITS)),
            y: Number(y.toPrecision(DIGITS)),
          }));
        },
      };
    },
  });
}
