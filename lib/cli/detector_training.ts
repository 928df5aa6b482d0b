/**
 * `deno task detector train`: trains a detector on pixels on a profile's images.
 * @module
 */
import { type Command, InvalidArgumentError } from "commander";
import { tellingOnce } from "../io/errors.ts";
import { ProgressDisplay } from "../io/progress_bar.ts";
import type { DetectorTraining, Profile } from "../runs/profile.ts";
import type { Experiments } from "../runs/section.ts";
import { makeSetup, type Setup } from "../runs/setup.ts";
import { planDetector, trainDetector } from "../runs/trained_detectors.ts";
import { openWorld } from "../runs/world.ts";
import { EXIT_FAILURE } from "./errors.ts";
import { GOES_ON, stopOnInterrupt } from "./interrupt.ts";
import {
  choice,
  DEVICE,
  type DeviceChoice,
  deviceOf,
  positiveCount,
  positiveNumber,
  TRUST_DEVICE,
  wholeNumber,
} from "./options.ts";
import { pathOption } from "./paths.ts";

interface TrainFlags {
  readonly profile: string;
  readonly data: string;
  readonly results: string;
  readonly device: DeviceChoice;
  readonly trustDevice: boolean;
  readonly force: boolean;
  readonly classes?: readonly string[];
  readonly seed?: number;
  readonly epochs?: number;
  readonly batchSize?: number;
  readonly learningRate?: number;
}

/** What of a recipe a person may change. */
type Changes = Pick<TrainFlags, "classes" | "epochs" | "batchSize" | "learningRate">;

/** Adds the command. */
export function registerTraining(detector: Command, experiments: Experiments): void {
  const profiles = Object.keys(experiments.profiles);
  detector.command("train <name>")
    .description(`train one on a profile's images: ${namesOf(experiments)}`)
    .addOption(choice("--profile <name>", "whose images and recipe", profiles, profiles[0]))
    .addOption(pathOption("--data <folder>", "holds images and backbones", "data"))
    .addOption(pathOption("--results <folder>", "where it goes", "results"))
    .option("--classes <names>", "to train on, with commas between (default: the recipe's)", names)
    .option("--seed <number>", "of parameters, order and augmentation", wholeNumber)
    .option("--epochs <number>", "at most (default: the recipe's)", positiveCount)
    .option("--batch-size <number>", "images in a step (default: the recipe's)", positiveCount)
    .option("--learning-rate <number>", "at first (default: the recipe's)", positiveNumber)
    .addOption(DEVICE)
    .addOption(TRUST_DEVICE)
    .option("--force", "train it again", false)
    .action(async (name: string, { device, trustDevice, seed, ...flags }: TrainFlags) => {
      stopOnInterrupt(GOES_ON);
      const { profile, data, results, force } = flags;
      const setup = await makeSetup(experiments, {
        ...{ profile, data, results, force, device: await deviceOf(device, trustDevice) },
        ...(seed === undefined ? {} : { seeds: [seed] }),
      });
      const { lines, problem } = await train(name, flags, setup);
      console.log(lines.join("\n"));
      if (problem === undefined) return;
      console.error(problem);
      Deno.exitCode = EXIT_FAILURE;
    });
}

/**
 * Trains a detector of a profile, or finds it trained.
 * @returns lines for people, and why it came to nothing where it did
 */
async function train(
  name: string,
  changes: Changes,
  setup: Setup,
): Promise<{ readonly lines: readonly string[]; readonly problem?: string }> {
  const choice = changed(trainingNamed(name, setup), changes);
  using display = new ProgressDisplay();
  const { onProgress } = display;
  const onDamage = tellingOnce((line) => display.say(line));
  const onWait = () => display.say(`Another process works in ${setup.folder}; waiting for it`);
  await using world = await openWorld(setup, { onProgress, onDamage, onWait });
  const planned = await planDetector(choice, setup.seeds[0]!, world, setup);
  const { training: { train, val, recipe }, ready: { title, path, reads } } = planned;
  const { start, batchSize, epochs, learningRate } = recipe;
  display.say(
    `${title}: ${train.length} images of ${counted(choice.classes.length, "class", "classes")}, ` +
      `validated on ${val.length}; ${
        start.kind === "backbone" ? start.name : "random weights"
      } at first, ` +
      `learning rate ${learningRate}, ${batchSize} images a step, ${
        counted(epochs, "epoch", "epochs")
      } at most`,
  );
  const found = await trainDetector(planned, setup, { onProgress, onDamage, onWait });
  if ("problem" in found) return { lines: [], problem: found.problem };
  const last = found.epochs.at(-1)!;
  const kept = found.epochs.find(({ epoch }) => epoch === last.keptEpoch) ?? last;
  return {
    lines: [
      `${path}: ${title}, ${counted(found.epochs.length, "epoch", "epochs")} in ${
        found.trainingSeconds.toFixed(0)
      } s of steps; epoch ${kept.epoch} is kept, validation accuracy ${
        (100 * kept.valAcc).toFixed(1)
      } %`,
      `It reads: ${reads}. \`deno task detect IMAGES --head ${path}\` asks it`,
      ...(setup.profile.notice === undefined ? [] : [setup.profile.notice]),
    ],
  };
}

function trainingNamed(name: string, { profile }: Setup): DetectorTraining {
  const trainings = trainingsOf(profile);
  const found = trainings.find((training) => nameOf(training) === name);
  if (found) return found;
  throw new InvalidArgumentError(
    `Cannot train ${name || "a detector without a name"}: expected one of ${
      trainings.map(nameOf).join(", ") || "none"
    }, which the ${profile.name} profile has recipes for`,
  );
}

function changed(training: DetectorTraining, changes: Changes): DetectorTraining {
  const { classes = training.classes, epochs, batchSize, learningRate } = changes;
  return {
    ...training,
    classes,
    recipe: {
      ...training.recipe,
      ...(epochs === undefined ? {} : { epochs }),
      ...(batchSize === undefined ? {} : { batchSize }),
      ...(learningRate === undefined ? {} : { learningRate }),
    },
  };
}

function nameOf({ like, detector }: DetectorTraining): string {
  return like ?? detector;
}

function counted(count: number, one: string, several: string): string {
  return `${count} ${count === 1 ? one : several}`;
}

/** `wang (mini), wang_0.5 (paper)` */
function namesOf({ profiles }: Experiments): string {
  return Object.values(profiles).flatMap((profile) =>
    trainingsOf(profile).map((training) => `${nameOf(training)} (${profile.name})`)
  ).join(", ");
}

/** All that a profile has recipes for. */
function trainingsOf({ detectors, appendix }: Profile): readonly DetectorTraining[] {
  return [...detectors?.trainings ?? [], ...appendix?.detectors.trainings ?? []];
}

function names(text: string): string[] {
  const list = text.split(",").map((part) => part.trim()).filter((part) => part !== "");
  if (list.length === 0 || new Set(list).size < list.length) {
    throw new InvalidArgumentError("Expected different names, with commas between.");
  }
  return list;
}
