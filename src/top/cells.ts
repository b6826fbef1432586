/*
 * Text in styles, measured in columns of a terminal: cut, filled up, put side by side. What comes from tasks and hosts
 * is made harmless here. Knows no view and no terminal.
 */
import { escapeControls } from "../base/escape.ts";
import { displayWidth, prefix } from "../print/table.ts";

export type Style = "plain" | "bold" | "faint" | "good" | "bad" | "warning" | "title" | "selected";

/** A text in one style. It has no control characters. */
export interface Span {
  readonly text: string;
  readonly style: Style;
}

export type Line = readonly Span[];

/** What a style is to a terminal (ECMA-48, SGR). `plain`: without colours. */
const codes: Readonly<Record<Style, { readonly coloured: string; readonly plain: string }>> = {
  plain: { coloured: "", plain: "" },
  bold: { coloured: "1", plain: "1" },
  faint: { coloured: "2", plain: "2" },
  good: { coloured: "32", plain: "" },
  bad: { coloured: "31", plain: "1" },
  warning: { coloured: "33", plain: "1" },
  title: { coloured: "1;36", plain: "1" },
  selected: { coloured: "7", plain: "7" },
};

/** One span. The text must be harmless already: a text of a task goes through `harmless` first. */
export function span(text: string, style: Style = "plain"): Span {
  return { text, style };
}

/** The text on one line, with escapes for all that a terminal would obey. */
export function harmless(text: string): string {
  return escapeControls(text.replaceAll("\n", " ")).trimEnd();
}

/** The text in exactly `width` columns, cut with `…` or filled up with blanks. */
export function fitted(text: string, width: number, align: "left" | "right" = "left"): string {
  const used = displayWidth(text);
  if (used > width) {
    if (width <= 0) return "";
    const kept = prefix(text, width - 1);
    return `${kept}…${" ".repeat(Math.max(0, width - 1 - displayWidth(kept)))}`;
  }
  const blanks = " ".repeat(width - used);
  return align === "left" ? text + blanks : blanks + text;
}

/** How many columns a line takes. */
function widthOf(line: Line): number {
  return line.reduce((sum, { text }) => sum + displayWidth(text), 0);
}

/** The line without what goes beyond `width` columns. */
export function cut(line: Line, width: number): Line {
  const kept: Span[] = [];
  let room = width;
  for (const { text, style } of line) {
    if (room <= 0) break;
    const used = displayWidth(text);
    kept.push({ text: used <= room ? text : fitted(text, room), style });
    room -= used;
  }
  return kept;
}

/** Two parts at the ends of a line of `width` columns; the left one is cut where there is no room for both. */
export function apart(left: Line, right: Line, width: number): Line {
  const room = width - widthOf(right) - 1;
  if (room < 10) return cut(left, width);
  const kept = cut(left, room);
  return [...kept, span(" ".repeat(width - widthOf(kept) - widthOf(right))), ...right];
}

/** The whole line in one style, filled up to `width` columns. */
export function across(line: Line, style: Style, width: number): Line {
  return [span(fitted(textOf(line), width), style)];
}

/** The text of a line without styles. */
export function textOf(line: Line): string {
  return line.map(({ text }) => text).join("");
}

/** A line as a terminal gets it. Each span that has a style ends it. */
export function painted(line: Line, coloured: boolean): string {
  return line
    .map(({ text, style }) => {
      const code = codes[style][coloured ? "coloured" : "plain"];
      return code === "" || text === "" ? text : `\u001b[${code}m${text}\u001b[0m`;
    })
    .join("");
}
