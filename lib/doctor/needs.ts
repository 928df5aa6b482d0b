/**
 * What each section needs on disk: worked out from the runs that it would plan.
 * @module
 */
import type { DatasetSpec } from "../data/dataset.ts";
import type { RunConfig, RunRow } from "../runs/config.ts";
import type { Profile } from "../runs/profile.ts";
import type { Section } from "../runs/section.ts";
import { untriedRow } from "../runs/status.ts";
import type { Role } from "./duplicates.ts";
import type { SetToExamine } from "./examine.ts";

/** What a section needs, the sections that it depends on included. */
export interface Needs {
  readonly backbones: ReadonlySet<string>;
  /** Names of sets. */
  readonly sets: ReadonlySet<string>;
  /** Those among them that ten crops are cut from. */
  readonly tenCropSets: ReadonlySet<string>;
}

/** The needs of every section, by its name. */
export function sectionNeeds(sections: readonly Section[], profile: Profile): Map<string, Needs> {
  const rows: RunRow[] = [];
  const needs = new Map<string, Needs>();
  for (const section of sections) {
    const { name, dependsOn, makes } = section;
    const planned = section.runs(profile, [0], rows);
    rows.push(...planned.map((config) => untriedRow(name, config)));
    const own = planned.map((config) => needsOf(config, profile));
    const materials = makes?.reads(profile);
    if (materials) {
      own.push({
        backbones: new Set(materials.backbones),
        sets: new Set(materials.sets.map((set) => set.name)),
        tenCropSets: new Set(),
      });
    }
    const inherited = dependsOn.map((other) => needs.get(other)!);
    const union = (of: (part: Needs) => ReadonlySet<string>) =>
      new Set([...own, ...inherited].flatMap((part) => [...of(part)]));
    needs.set(name, {
      backbones: union(({ backbones }) => backbones),
      sets: union(({ sets }) => sets),
      tenCropSets: union(({ tenCropSets }) => tenCropSets),
    });
  }
  return needs;
}

function needsOf({ training, evaluation }: RunConfig, { trainingSets }: Profile): Needs {
  const classes = trainingSets[training.trainingSet] ?? {};
  const learned = training.classes.flatMap((name) => {
    const { train, val } = classes[name]!;
    return [train.name, val.name];
  });
  return {
    backbones: new Set([training.backbone]),
    sets: new Set([...learned, ...evaluation.testSets]),
    tenCropSets: new Set(evaluation.view === "ten" ? evaluation.testSets : []),
  };
}

/** Every set of a profile, and what it is for. */
export function profileSets(
  { trainingSets, testSets, synthbusterSets }: Profile,
): SetToExamine[] {
  const trained = Object.entries(trainingSets).flatMap(([group, classes]) =>
    (["train", "val"] as const).flatMap((role) =>
      Object.values(classes).map((images) => ({ spec: images[role], role, group }))
    )
  );
  // a training set may hold the classes of another
  const once = trained.filter(({ spec, role }, i) =>
    trained.findIndex((other) => other.spec.name === spec.name && other.role === role) === i
  );
  const tried = [...testSets, ...synthbusterSets]
    .map((spec: DatasetSpec) => ({ spec, role: "test" as Role }));
  return [...once, ...tried];
}
