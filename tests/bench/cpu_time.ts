/** Says at the end how much time of processors a program has taken. */
import { cpuUsage } from "node:process";

globalThis.addEventListener("unload", () => {
  const { user, system } = cpuUsage();
  console.error(`cpu ${((user + system) / 1000).toFixed(1)} ms`);
});
