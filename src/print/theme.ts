/*
 * Colours of JSON, YAML and TOML on a terminal, by the names that `console.theme` may hold. The palettes are those that
 * editors go by under these names, in the 256 colours that every terminal of today has. Knows nothing of the languages:
 * they say which part a text is.
 */
import { ansi } from "../log/colour.ts";
import { WrittenNumber } from "../task/written.ts";
import type { TagValue } from "../task/task.ts";
import type { Output } from "./output.ts";

/** `word`: null and booleans. `title`: the head of a table in TOML. */
export type Part = "key" | "text" | "number" | "word" | "title";

/** An escape sequence for each part; empty for no colour. */
export type Theme = Readonly<Record<Part, string>>;

type Palette = readonly [key: string, text: string, number: string, word: string];

const palettes: Readonly<Record<string, Palette>> = {
  monokai: ["#f92672", "#e6db74", "#ae81ff", "#66d9ef"],
  default: ["#008000", "#ba2121", "#666666", "#008000"],
  dracula: ["#ff79c6", "#f1fa8c", "#bd93f9", "#8be9fd"],
  "github-dark": ["#7ee787", "#a5d6ff", "#79c0ff", "#ff7b72"],
  "gruvbox-dark": ["#8ec07c", "#b8bb26", "#d3869b", "#fb4934"],
  "gruvbox-light": ["#427b58", "#79740e", "#8f3f71", "#9d0006"],
  native: ["#6ebf26", "#ed9d13", "#51b2fd", "#6ebf26"],
  nord: ["#81a1c1", "#a3be8c", "#b48ead", "#88c0d0"],
  "one-dark": ["#e06c75", "#98c379", "#d19a66", "#56b6c2"],
  "solarized-dark": ["#268bd2", "#2aa198", "#d33682", "#859900"],
  "solarized-light": ["#268bd2", "#2aa198", "#d33682", "#859900"],
};

/** The sixteen colours that the terminal was set up with. */
const terminal: Theme = {
  key: ansi("cyan", true),
  text: ansi("green", true),
  number: ansi("yellow", true),
  word: ansi("magenta", true),
  title: ansi("bold", true),
};

const bold: Theme = { key: ansi("bold", true), text: "", number: "", word: "", title: ansi("bold", true) };

export const themeNames: readonly string[] = [...Object.keys(palettes), "bw", "terminal"];

/** Older configurations may hold a name that is not known here: the terminal's own colours are for everybody. */
export function themeOf(name: string): Theme {
  if (name === "bw") return bold;
  const palette = Object.hasOwn(palettes, name) ? palettes[name]! : null;
  if (palette === null) return terminal;
  const [key = "", text = "", number = "", word = ""] = palette.map((colour) => Bun.color(colour, "ansi-256") ?? "");
  return { key, text, number, word, title: ansi("bold", true) };
}

export const themeSetting = "console.theme";

/** For what is written there; null: no colours. `name` is asked only where there are any. */
export function themeFor(output: Pick<Output, "coloured">, name?: () => string | null): Theme | null {
  return output.coloured ? themeOf(name?.() ?? "terminal") : null;
}

/** How a value is coloured. */
export function partOf(value: TagValue): Part {
  return typeof value === "string"
    ? "text"
    : typeof value === "number" || value instanceof WrittenNumber
      ? "number"
      : "word";
}

/** The text in the colour of its part; as it is without a theme. */
export function tint(text: string, part: Part, theme: Theme | null): string {
  const sequence = theme === null ? "" : theme[part];
  return sequence === "" || text === "" ? text : `${sequence}${text}\u001b[0m`;
}
