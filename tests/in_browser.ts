/// <reference lib="dom" />
/** What pages are held to in a real Chromium, and how they look there. */
import { join } from "node:path";
import axe from "axe-core";
import type { Page } from "puppeteer-core";

/** What axe-core finds of some weight. */
export async function violations(tab: Page): Promise<string[]> {
  // a page's policy may let no script in but its own; this one comes by the debugger
  await tab.evaluate(axe.source);
  const { violations } = await tab.evaluate(
    () => (globalThis as unknown as { axe: typeof axe }).axe.run(),
  );
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical" || impact === "moderate")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`);
}

/** Takes a picture of a tab, where `RINE_SHOTS` names a folder for it. */
export async function shoot(tab: Page, name: string, fullPage = true): Promise<void> {
  const folder = Deno.env.get("RINE_SHOTS");
  if (folder === undefined) return;
  await Deno.mkdir(folder, { recursive: true });
  await tab.screenshot({ path: `${join(folder, name)}.png`, fullPage });
}
