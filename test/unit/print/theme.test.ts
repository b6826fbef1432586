import { expect, test } from "bun:test";
import { themeFor, themeNames, themeOf, tint } from "../../../src/print/theme.ts";

test("every theme has colours that a terminal can show, and takes none of the text", () => {
  for (const name of themeNames) {
    const theme = themeOf(name);
    const shown = (["key", "text", "number", "word", "title"] as const)
      .map((part) => tint(part, part, theme))
      .join(" ");
    expect(shown).toContain("\u001b[");
    expect(Bun.stripANSI(shown)).toBe("key text number word title");
  }
});

test("a name that is not known, or is one by birth, means the terminal's own colours", () => {
  for (const name of ["perldoc", "", "constructor"]) expect(themeOf(name)).toEqual(themeOf("terminal"));
  expect(themeOf("monokai")).not.toEqual(themeOf("terminal"));
});

test("where there are no colours nobody asks for a theme, and text is as it was", () => {
  const asked = (): never => {
    throw new Error("asked for a theme");
  };
  expect(tint("x", "key", themeFor({ coloured: false }, asked))).toBe("x");
  expect(tint("", "key", themeOf("nord"))).toBe("");
});
