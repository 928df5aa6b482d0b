/**
 * Whether a device computes what the CPU computes: drivers and providers differ, and a wrong feature
 * looks like any other.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { randomStream } from "../random.ts";
import {
  type Device,
  openSession,
  type OrtTensor,
  ortTensor,
  type Session,
  type SessionOptions,
} from "./session.ts";

/** Largest difference from the CPU's values that is taken, as a share of the largest of these. */
const TOLERANCES = { float32: 2e-3, float16: 2e-2 } as const;

let areTrusted = false;

/** From now on devices are not checked by this process, whatever they compute. */
export function trustDevices(): void {
  areTrusted = true;
}

/** A graph as it would run on a device and on the CPU, and what it is tried on. */
export interface DeviceTrial {
  /** What runs on the device; its outputs are float32. */
  readonly onDevice: Uint8Array;
  /** What runs on the CPU: the same outputs. */
  readonly onCpu: Uint8Array;
  readonly feeds: Readonly<Record<string, OrtTensor>>;
  /** What the device computes in. */
  readonly compute: keyof typeof TOLERANCES;
  /** What the error says first: `Cannot run ViT-L/14`. */
  readonly doing: string;
}

/**
 * Runs a graph on a device and on the CPU. Nothing is done for the CPU itself, nor after
 * {@linkcode trustDevices}.
 * @param options how sessions are opened
 * @throws {UserError} where the device's values are too far from the CPU's, with both
 */
export async function checkDevice(
  { onDevice, onCpu, feeds, compute, doing }: DeviceTrial,
  options: SessionOptions & { readonly device: Device },
): Promise<void> {
  const { device } = options;
  if (device === "cpu" || areTrusted) return;
  const found = await run(onDevice, options, feeds);
  const expected = await run(onCpu, { ...options, device: "cpu" }, feeds);
  for (const [name, values] of Object.entries(expected)) {
    assertAgree(found[name]!, values, { device, compute, doing });
  }
}

/**
 * Opens a model that takes `images`, uint8 [N, H, W, 3], after {@linkcode checkDevice} has tried it.
 * @param sidePx side of the picture that it is tried on
 * @throws {UserError} as these do
 */
export async function openChecked(
  model: Uint8Array,
  { device = "cpu", ...options }: SessionOptions,
  sidePx: number,
  doing: string,
): Promise<Session> {
  const trial = { onDevice: model, onCpu: model, feeds: pictureOf(sidePx), doing };
  await checkDevice({ ...trial, compute: "float32" }, { ...options, device });
  return await openSession(model, { ...options, device });
}

/** A built-in picture as a graph's input. */
export function pictureOf(sidePx: number): { readonly images: OrtTensor } {
  const random = randomStream("device check");
  const picture = Uint8Array.from({ length: sidePx * sidePx * 3 }, () => random.integer(256));
  return { images: ortTensor("uint8", picture, [1, sidePx, sidePx, 3]) };
}

/**
 * Compares what a device has computed with what the CPU has.
 * @throws {UserError} where a value is too far from the CPU's, or no number, with both
 */
export function assertAgree(
  found: Float32Array,
  expected: Float32Array,
  { device, compute, doing }: Pick<DeviceTrial, "compute" | "doing"> & { readonly device: Device },
): void {
  let largest = 0, worst = 0, difference = 0;
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]!));
    const apart = Math.abs(found[i]! - expected[i]!);
    if (apart <= difference) continue;
    worst = i;
    difference = Number.isNaN(apart) ? Infinity : apart;
  }
  const tolerance = TOLERANCES[compute];
  if (difference <= tolerance * largest) return;
  const text = (value: number) => `${Number(value.toPrecision(4))}`;
  throw new UserError(
    "usage",
    `${doing} on ${device}: expected values of a built-in picture within ${
      text(tolerance * largest)
    } of the CPU's, found ${text(found[worst]!)} instead of ${
      text(expected[worst]!)
    }; take --device cpu, or another driver; --trust-device goes on all the same`,
  );
}

async function run(
  model: Uint8Array,
  options: SessionOptions,
  feeds: DeviceTrial["feeds"],
): Promise<Record<string, Float32Array>> {
  const session = await openSession(model, options);
  try {
    const outputs = await session.run(feeds);
    return Object.fromEntries(
      await Promise.all(
        Object.entries(outputs).map(async ([name, value]) => {
          const data = Float32Array.from(await value!.getData() as Float32Array);
          value!.dispose();
          return [name, data] as const;
        }),
      ),
    );
  } finally {
    await session.release();
  }
}
