/*
 * From one screen to the next: only the lines that have changed are written, all of them in one piece. Source: ECMA-48,
 * and the private modes of xterm for the alternate screen (1049), the cursor (25) and wrapping (7).
 */
import { type Line, painted } from "./cells.ts";

/** Takes the alternate screen, hides the cursor, and lets no line wrap. */
export const enterText = "\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[H\u001b[2J";
/** Puts back what `enterText` has changed. */
export const leaveText = "\u001b[0m\u001b[?7h\u001b[?25h\u001b[?1049l";

/** A screen as it was written: one text for each line. */
export type Frame = readonly string[];

/** The lines as a terminal gets them. */
export function frameOf(lines: readonly Line[], coloured: boolean): Frame {
  return lines.map((line) => painted(line, coloured));
}

/** What makes `next` of `before`; null: of a screen that is not known. Empty: nothing has changed. */
export function difference(before: Frame | null, next: Frame): string {
  const isNew = before === null || before.length !== next.length;
  const changed = next.flatMap((text, row) =>
    !isNew && before[row] === text ? [] : [`\u001b[${row + 1};1H\u001b[0m\u001b[2K${text}`],
  );
  return (isNew ? "\u001b[0m\u001b[2J" : "") + changed.join("");
}
