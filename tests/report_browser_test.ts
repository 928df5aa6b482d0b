import { testInChromium } from "./chromium.ts";

testInChromium(
  "the report does in Chromium what report_in_browser.ts says",
  "report_in_browser.ts",
);
