/*
 * docs/settings.md: every setting with its built-in value, from the table of the program. Only what stands between the
 * marks is written; the rest of the page is for people to edit. `scripts/settings` writes it, and
 * test/unit/config/settings.test.ts says when that is due.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Setting, settings } from "../src/config/schema.ts";
import { isTable, showValue } from "../src/config/value.ts";

export const settingsPage = join(import.meta.dir, "../docs/settings.md");
const marks = ["<!-- written by scripts/settings -->", "<!-- end -->"] as const;

/** The page with its tables as the program has them now. Throws an error for a page without the marks. */
export function withTables(page: string): string {
  const [from, to] = [page.indexOf(marks[0]), page.indexOf(marks[1])];
  if (from < 0 || to < from) throw new Error(`docs/settings.md has no '${marks[0]}' before a '${marks[1]}'`);
  return `${page.slice(0, from + marks[0].length)}\n\n${tables()}\n${page.slice(to)}`;
}

/** One table for each section, in the order of the program. */
function tables(): string {
  const sections = Map.groupBy(settings, ({ key }) => key.split(".")[0]!);
  const texts = [...sections].map(([section, rows]) => {
    const lines = rows.map((row) => `| \`${row.key}\` | ${defaultOf(row)} | ${valuesOf(row)} | ${cell(row.meaning)} |`);
    return [`## ${section}`, "", "| setting | default | values | |", "|---|---|---|---|", ...lines, ""].join("\n");
  });
  return texts.join("\n");
}

function defaultOf({ fallback }: Setting): string {
  if (fallback === null) return "unset";
  if (isTable(fallback)) return "empty";
  return fallback === "" ? "empty" : `\`${showValue(fallback)}\``;
}

function valuesOf({ kinds, choices, min, max, secret }: Setting): string {
  const words = kinds.map((kind) => (kind === "text" && choices !== undefined ? alternatives(choices) : kind));
  const range = min === undefined ? "" : max === undefined ? `, ${min} or more` : `, ${min} to ${max}`;
  return cell(`${words.join(" or ")}${range}${secret === true ? ", secret" : ""}`);
}

function alternatives(choices: readonly string[]): string {
  return choices.map((choice) => `\`${choice}\``).join(" ");
}

/** A text in a cell of a table of Markdown. */
function cell(text: string): string {
  return text
    .replaceAll("|", "\\|")
    .replace(/<(\w+)>/g, "`<$1>`")
    .replaceAll("``", "`");
}

if (import.meta.main) writeFileSync(settingsPage, withTables(readFileSync(settingsPage, "utf8")));
