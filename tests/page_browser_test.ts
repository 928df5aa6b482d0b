import { testInChromium } from "./chromium.ts";

testInChromium("the page does in Chromium what page_in_browser.ts says", "page_in_browser.ts");
