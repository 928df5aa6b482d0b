/** Devices other than the CPU: their values are held to the CPU's, and refused where they are wrong. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { makeMiniBackbones } from "../lib/mini/backbones.ts";
import { assertAgree } from "../lib/onnx/device_check.ts";
import { exists } from "../lib/io/files.ts";
import { commandLineWith, runDeno } from "./command_line.ts";
import { temporaryFolder } from "./temporary.ts";

const EXPECTED = Float32Array.of(0, -2, 1, .5);
const TRIAL = { device: "webgpu", doing: "Cannot run Mini-L/8" } as const;

Deno.test("a device's values are taken up to a share of the largest, in half precision a larger one", () => {
  const off = (by: number) =>
    Float32Array.from(EXPECTED, (value, i) => i === 2 ? value + by : value);
  for (const [compute, least] of [["float32", .004], ["float16", .04]] as const) {
    assertAgree(EXPECTED, EXPECTED, { ...TRIAL, compute });
    assertAgree(off(.95 * least), EXPECTED, { ...TRIAL, compute });
    assert.throws(() => assertAgree(off(1.05 * least), EXPECTED, { ...TRIAL, compute }), {
      name: "UserError",
      message:
        `Cannot run Mini-L/8 on webgpu: expected values of a built-in picture within ${least} of the ` +
        `CPU's, found ${
          Number((1 + 1.05 * least).toPrecision(4))
        } instead of 1; take --device cpu, or another driver; --trust-device goes on all the same`,
    });
  }
  for (const wrong of [NaN, Infinity]) {
    assert.throws(() => assertAgree(off(wrong), EXPECTED, { ...TRIAL, compute: "float32" }), {
      message: new RegExp(`found ${wrong} instead of 1`),
    });
  }
});

Deno.test({
  name: "a GPU that is not there is said in one line, and native libraries add none to it",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    for (
      const [device, env] of [
        ["webgpu", { VK_ICD_FILENAMES: "/nowhere", XDG_RUNTIME_DIR: "" }],
        ["cuda", { CUDA_VISIBLE_DEVICES: "" }],
      ] as const
    ) {
      const words = ["detect", "x.png", "--head", "x", "--device", device];
      const { code, out, error } = await commandLineWith({ ...env, DEBUG: "" }, ...words);
      assert.deepEqual([code, out], [1, ""], error);
      assert.match(error, new RegExp(`^Cannot open a session on ${device}: .*--device cpu$`));
      assert.doesNotMatch(error, /\n|\.cc:/);
    }
  },
});

/** A Vulkan device in software, which Debian's Chromium brings; and what loads it. */
const ICD = "/usr/lib/chromium/vk_swiftshader_icd.json";
const LOADER = "/usr/lib/x86_64-linux-gnu/libvulkan.so.1";
const isThere = await exists(ICD) && await exists(LOADER);
if (!isThere) console.log("no Vulkan in software (chromium, libvulkan1): WebGPU is not tried");

Deno.test({
  name: "on WebGPU, in software, features are the CPU's, and another graph's are refused",
  ignore: !isThere,
  fn: async () => {
    const root = temporaryFolder("webgpu_");
    await makeMiniBackbones({ root, seed: 0 });
    const names = ["Mini-L/8", "Mini-B/16"];
    const { code, out, error } = await runDeno(
      ["run", "--allow-all", "tests/webgpu_child.ts", join(root, "backbones"), ...names],
      { env: { VK_ICD_FILENAMES: ICD } },
    );
    assert.equal(code, 0, error);
    const { differences, refusal } = JSON.parse(out);
    assert.deepEqual(Object.keys(differences), names);
    for (const name of names) assert.ok(differences[name] < 2e-3, `${name}: ${differences[name]}`);
    assert.equal(
      refusal,
      "Cannot run a sum on webgpu: expected values of a built-in picture within 0.008 of the CPU's, " +
        "found 2.5 instead of 2; take --device cpu, or another driver; --trust-device goes on all the same",
    );
  },
});
