import { testInChromium } from "./chromium.ts";

const NAME = "the kernel does in JupyterLab what kernel_in_lab.ts says";

async function hasLab(): Promise<boolean> {
  try {
    const lab = Deno.env.get("RINE_JUPYTERLAB") ?? "jupyter-lab";
    const { success } = await new Deno.Command(lab, { args: ["--version"] }).output();
    return success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

if (await hasLab()) {
  testInChromium(NAME, "kernel_in_lab.ts");
} else {
  console.log(
    "the kernel is not tried in JupyterLab: `pip install jupyterlab`, or RINE_JUPYTERLAB",
  );
  Deno.test({ name: NAME, ignore: true, fn() {} });
}
