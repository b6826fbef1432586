/*
 * A view as text for pipes, files and scripts that show it: the same as on the screen, once, with every command whole.
 */
import type { View } from "../view/view.ts";
import { type Line, span, textOf } from "./cells.ts";
import { drawers } from "./columns.ts";
import { noneOf, titleOf } from "./draw.ts";
import { countsLine, progressLine, rateLines, serverLines, titleLine } from "./head.ts";
import { panels } from "./state.ts";

/** Columns of what is laid out for a width; commands may be longer. */
const width = 100;

/** The view as lines, each with its end. `filter`: what tasks were asked for; empty: all. */
export function plainText(view: View, filter: string): string {
  const lines: Line[] = [
    titleLine(view, filter === "" ? [] : [`filter: ${filter}`], width),
    progressLine(view, width),
    countsLine(view, width),
    ...rateLines(view, width, 1),
    ...serverLines(view, Number.POSITIVE_INFINITY, view.servers.length),
  ];
  for (const panel of panels) {
    const rows = view[panel];
    const look = { width: Number.POSITIVE_INFINITY, at: view.at, selected: -1, marked: new Set<string>() };
    const { head, lines: body } = drawers[panel](rows as never, look);
    lines.push([], [span(titleOf(view, panel))]);
    lines.push(...(rows.length === 0 ? [[span(`  ${noneOf(view, panel, filter)}`)]] : [head, ...body]));
  }
  return lines.map((line) => `${textOf(line).trimEnd()}\n`).join("");
}
