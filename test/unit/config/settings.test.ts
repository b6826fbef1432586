import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { settingsPage, withTables } from "../../../scripts/settings.ts";
import { settings } from "../../../src/config/schema.ts";

test("docs/settings.md has every setting as the program has it (scripts/settings writes it anew)", () => {
  const page = readFileSync(settingsPage, "utf8");
  expect(withTables(page)).toBe(page);
  expect(settings.filter(({ key }) => !page.includes(`| \`${key}\` |`))).toEqual([]);
  expect(page).toContain("| `server.attempts` | `1` | integer, 1 or more | Times that a failing task is tried. |");
});

test("a page without marks is refused", () => {
  expect(() => withTables("# Settings\n")).toThrow("has no '<!-- written by scripts/settings -->'");
});
