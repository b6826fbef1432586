/*
 * The page that a help text is laid out for: what the program is called, how wide its output is, and whether it has
 * colours.
 */
import type { Page } from "../args/layout.ts";
import type { Surroundings } from "./context.ts";

/** The page for standard output. What goes to a file or through a filter gets one line for each row, however long. */
export function pageOf(surroundings: Surroundings): Page {
  const { isTerminal, coloured, columns } = surroundings.stdout();
  // Less than 40 columns cannot be laid out.
  const width = isTerminal || surroundings.env["COLUMNS"] ? Math.max(40, columns) : Infinity;
  return { program: surroundings.program, width, coloured };
}
