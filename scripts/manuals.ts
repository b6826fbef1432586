/*
 * Writes the manual pages and the completions of shells into a folder; see scripts/manuals. What is written depends on
 * the sources alone, so that packages can be built again byte for byte.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { version } from "../package.json";
import { type Edition, page } from "./manual-roff.ts";
import { completionScripts } from "../src/cli/completion-scripts.ts";
import { manuals } from "./manual-topics.ts";

/** The date of pages of a version that has none yet. */
const beforeRelease = "2026-11-30";

/** The version, and the date that the changelog gives it. */
export function edition(changelog: string): Edition {
  const [, date] =
    new RegExp(`^## ${version.replaceAll(".", "\\.")} \\((\\d{4}-\\d\\d-\\d\\d)\\)$`, "m").exec(changelog) ?? [];
  return { version, date: date ?? beforeRelease };
}

/** Every file of a folder of manuals: its path and its text. */
export async function manualFiles(): Promise<ReadonlyMap<string, string>> {
  const of = edition(readFileSync(join(import.meta.dir, "../CHANGELOG.md"), "utf8"));
  const pages = await manuals();
  return new Map([
    ...pages.map(({ head, body }) => [`man/${head.name}.${head.section}`, page(head, of, body)] as const),
    ...Object.values(completionScripts).map(({ file, text }) => [`completions/${file}`, text] as const),
  ]);
}

if (import.meta.main) {
  const folder = process.argv[2] ?? "dist";
  for (const name of ["man", "completions"]) mkdirSync(join(folder, name), { recursive: true });
  for (const [path, text] of await manualFiles()) writeFileSync(join(folder, path), text);
}
