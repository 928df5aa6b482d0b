/**
 * The images and backbones that a session reads: opened at their first use, never made.
 * @module
 */
import { join } from "node:path";
import type { Backbone } from "../backbones/backbone.ts";
import { openBackbone } from "../backbones/open.ts";
import { UserError } from "../io/errors.ts";
import { reproduceCommand, type Setup } from "../runs/setup.ts";
import { Status } from "../runs/status.ts";
import { openMadeWorld, type World } from "../runs/world.ts";

/** The images, backbones and results that a session reads. */
export class OpenedWorld implements AsyncDisposable {
  readonly setup: Setup;
  readonly world: World;
  /** Which sections are done. */
  readonly status: Status;
  /** Backbones that are not the profile's. */
  readonly #further = new Map<string, Backbone>();

  private constructor(setup: Setup, world: World) {
    this.setup = setup;
    this.world = world;
    this.status = new Status(setup, world);
  }

  /**
   * Opens a setup's world where it is there.
   * @throws {UserError} of kind `missing`: its images are not made, are those of another seed, or a
   * backbone is not there; with what makes it
   */
  static async open(setup: Setup): Promise<OpenedWorld> {
    const { profile: { name, made }, root, seed } = setup;
    const found = await made?.seedOf(root);
    if (made && found !== seed) {
      throw new UserError(
        "missing",
        `Cannot open the ${name} profile: expected its images in ${root}, found ${
          found === undefined ? "none" : `those of seed ${found}`
        }; run \`${reproduceCommand(setup)}\` first`,
      );
    }
    return new OpenedWorld(setup, await openMadeWorld(setup));
  }

  /**
   * The world with imported backbones besides its own.
   * @throws {UserError} where one has not been imported, with what does it
   */
  async withBackbones(names: readonly string[]): Promise<World> {
    const { setup: { device, precision }, world } = this;
    const folder = join(world.root, "backbones");
    for (const name of names) {
      if (world.backbones.has(name) || this.#further.has(name)) continue;
      this.#further.set(name, await openBackbone(name, { folder, device, precision }));
    }
    const further = this.#further;
    return {
      ...world,
      backbones: new Map([...world.backbones, ...further]),
      backbone: async (name) => further.get(name) ?? await world.backbone(name),
    };
  }

  /** Closes the backbones. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const backbone of this.#further.values()) await backbone[Symbol.asyncDispose]();
    await this.status[Symbol.asyncDispose]();
  }
}
