/*
 * A headless browser for tests of pages: what is in a page when its program has run, and a picture of it. Each
 * call starts a browser of its own, with a profile below the place, and ends with it. Needs Chromium. Knows nothing of
 * hs.
 */
import { pathToFileURL } from "node:url";
import type { Site } from "../e2e/harness.ts";

interface Browsed {
  /** The page as HTML, as it is when it has come to rest. */
  readonly html: string;
  /** What the page, or the browser about it, has written to the console. */
  readonly console: readonly string[];
}

export interface Look {
  /** Pixels. */
  readonly width?: number;
  readonly height?: number;
  /** Where a picture of the page is written to, as PNG. */
  readonly screenshot?: string;
  readonly dark?: boolean;
}

/** Opens a file, or an address, in the browser. */
export async function browse(site: Site, page: string, look: Look = {}): Promise<Browsed> {
  const { width = 1280, height = 900, screenshot, dark = false } = look;
  const fixed =
    "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars --no-first-run " +
    "--disable-extensions --enable-logging=stderr --virtual-time-budget=2000";
  const words = [
    "chromium",
    ...fixed.split(" "),
    `--user-data-dir=${site.path}/chromium`,
    `--window-size=${width},${height}`,
    ...(dark ? ["--force-dark-mode"] : []),
    screenshot === undefined ? "--dump-dom" : `--screenshot=${screenshot}`,
    page.includes("://") ? page : pathToFileURL(page).href,
  ];
  const line = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  const { status, stdout, stderr } = await site.shell(line, { timeoutMs: 60_000 });
  if (status !== 0) throw new Error(`chromium ended with ${status}: ${stderr}`);
  return { html: stdout, console: [...stderr.matchAll(/CONSOLE[^"]*"(.*)", source/g)].map(([, said]) => said!) };
}
