/**
 * Whether a device computes what the CPU computes: drivers and providers differ, and a wrong feature
 * looks like any other.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { type Device, openSession, type OrtTensor, type SessionOptions } from "./session.ts";

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
