/**
 * What each section needs on disk: worked out from the runs that it would plan.
 * @module
 */
import type { DatasetSpec } from "../data/dataset.ts";
import type { Role } from "../doctor/duplicates.ts";
import type { SetToExamine } from "../doctor/examine.ts";
import type { RunConfig, RunRow } from "./config.ts";
import type { Profile } from "./profile.ts";
import { SECTIONS } from "../../experiments/index.ts";

/** What a section needs, the sections that it depends on included. */
export interface Needs {
  readonly backbones: ReadonlySet<string>;
  /** Names of sets. */
  readonly sets: ReadonlySet<string>;
  /** Those among them that ten crops are cut from. */
  readonly tenCropSets: ReadonlySet<string>;
}

/** The needs of every section, by its name. */
export function sectionNeeds(profile: Profile): Map<string, Needs> {
  const rows: RunRow[] = [];
  const needs = new Map<string, Needs>();
  for (const { name, dependsOn, runs } of SECTIONS) {
    const planned = runs(profile, [0], rows);
    rows.push(...planned.map((config) => untriedRow(name, config)));
    const own = planned.map((config) => needsOf(config, profile));
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

/** A row as a section's successors read it, before anything has been run: no head is better. */
export function untriedRow(experiment: string, { training, evaluation }: RunConfig): RunRow {
  const { batchSize: _batch, learningRate: _rate, decayEpochs: _decay, ...head } = training;
  return {
    ...head,
    experiment,
    epochs: evaluation.atEpochs[0]!,
    view: evaluation.view,
    parameterCount: 0,
    valLoss: 0,
    valAcc: 0,
    test: Object.fromEntries(evaluation.testSets.map((name) => [name, { acc: 0, ap: 0 }])),
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
  const tried = [...testSets, ...synthbusterSets]
    .map((spec: DatasetSpec) => ({ spec, role: "test" as Role }));
  return [...trained, ...tried];
}
