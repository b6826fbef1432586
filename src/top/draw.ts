/*
 * The whole screen as lines: from what is known to what is seen, without a terminal. A frame has as many lines as the
 * screen, none of them wider.
 */
import { escapeControls } from "../base/escape.ts";
import { counted } from "../base/units.ts";
import { displayWidth, wrap } from "../print/table.ts";
import type { View } from "../view/view.ts";
import { across, cut, fitted, harmless, type Line, span } from "./cells.ts";
import { drawers } from "./columns.ts";
import { countsLine, progressLine, rateLines, serverLines, titleLine } from "./head.ts";
import { bodyRows, listHeights, plotRows, serverRows } from "./layout.ts";
import { linesIn, topOf } from "./reading.ts";
import { orders, type Panel, panels, type Reading, type Rows, rowsOf, selectedIn, type TopState } from "./state.ts";
import { clockText, numberText } from "./words.ts";

/** The screen. `now`: milliseconds since 1970, by the clock of this host. */
export function draw(state: TopState, now: number): readonly Line[] {
  const { columns, rows } = state.size;
  const lines =
    state.page === "help" ? helpPage() : state.page === "output" ? outputPage(state) : listsPage(state, now);
  const body = lines.slice(0, Math.max(0, rows - 1));
  while (body.length < rows - 1) body.push([]);
  return [...body, footLine(state)].slice(0, rows).map((line) => cut(line, columns));
}

function listsPage(state: TopState, now: number): Line[] {
  const { view, trouble, size } = state;
  const width = size.columns;
  const lines: Line[] = [titleLine(view, notesOf(state), width)];
  if (trouble !== null) {
    const since = clockText((now - trouble.since) / 1000);
    lines.push(across([span(`Not answering for ${since}: ${harmless(trouble.text)}`)], "bad", width));
  }
  if (view === null) {
    if (trouble === null) lines.push([], [span("Looking ...", "faint")]);
    return lines;
  }
  lines.push(progressLine(view, width), countsLine(view, width));
  lines.push(...rateLines(view, width, plotRows(state)), ...serverLines(view, width, serverRows(state)));
  const heights = listHeights(state);
  const rows = rowsOf(state);
  for (const panel of panels) lines.push(...listLines(state, view, panel, rows, heights[panel]));
  return lines;
}

function notesOf({ filter, paused, marked }: TopState): readonly string[] {
  return [
    ...(paused ? ["paused"] : []),
    ...(filter === "" ? [] : [`filter: ${filter}`]),
    ...(marked.size === 0 ? [] : [`${marked.size} marked`]),
  ];
}

function listLines(state: TopState, view: View, panel: Panel, rows: Rows, height: number): readonly Line[] {
  const { focus, cursors, size, marked, sorts } = state;
  const width = size.columns;
  const own = rows[panel];
  const selected = selectedIn(own, cursors[panel]);
  const from = Math.max(0, Math.min(selected - Math.floor(height / 2), own.length - height));
  const isFocused = focus === panel;
  const order = orders[panel][sorts[panel]]!.name;
  const name = ` ${panels.indexOf(panel) + 1} ${titleOf(view, panel)}`;
  const note = isFocused || sorts[panel] > 0 ? `${order} ` : "";
  const gap = " ".repeat(Math.max(1, width - name.length - note.length));
  const title = across([span(name + gap + note)], isFocused ? "selected" : "faint", width);
  const look = { width, at: view.at, selected: isFocused ? selected - from : -1, marked };
  const shown = own.slice(from, from + height);
  const { head, lines } = drawers[panel](shown as never, look);
  const body: Line[] = own.length === 0 ? [[span(`  ${noneOf(view, panel, state.filter)}`, "faint")]] : [...lines];
  while (body.length < height) body.push([]);
  return [title, head, ...body.slice(0, height)];
}

/** What a list is called, with the number of all that it could show. */
export function titleOf({ clientsTotal, clients, runningTotal, failures }: View, panel: Panel): string {
  if (panel === "running") return `Running ${numberText(runningTotal)}`;
  if (panel === "failures") return failures.length === 0 ? "Failures" : "Last failures";
  const executors = clients.reduce((sum, client) => sum + (client.executors ?? 0), 0);
  const places = executors === 0 ? "" : `, executors ${numberText(executors)}`;
  return `Clients ${numberText(clientsTotal)}${places}`;
}

/** What stands in a list without rows. */
export function noneOf({ servers }: View, panel: Panel, filter: string): string {
  if (panel === "clients") return servers.length === 0 ? "none: nothing runs" : "none is connected";
  const passing = filter === "" ? "" : ` with '${harmless(filter)}'`;
  return panel === "running" ? `no task runs${passing}` : `no task has failed${passing}`;
}

const keysOfLists: readonly (readonly [string, string])[] = [
  ["?", "help"],
  ["Tab", "list"],
  ["/", "filter"],
  ["s", "sort"],
  ["⏎", "output"],
  ["␣", "mark"],
  ["c", "cancel"],
  ["r", "revert"],
  ["q", "quit"],
];

const keysOfOutput: readonly (readonly [string, string])[] = [
  ["q", "back"],
  ["f", "follow"],
  ["o", "stdout"],
  ["e", "stderr"],
  ["g", "start"],
  ["G", "end"],
  ["←→", "sideways"],
  ["?", "help"],
];

function footLine(state: TopState): Line {
  const { question, typed, message, page } = state;
  if (question !== null) {
    const what = question.action === "cancel" ? "Cancel" : "Revert";
    const which =
      question.ids.length === 1 ? `task ${harmless(question.ids[0]!)}` : counted(question.ids.length, "task");
    return [span(`${what} ${which}? y/n `, "warning")];
  }
  if (typed !== null) return [span("filter (text, host or id): ", "bold"), span(`${escapeControls(typed)}█`)];
  if (message !== null) return [span(harmless(message.text), message.isBad ? "bad" : "good")];
  if (page === "help") return [span("any key: back", "faint")];
  return (page === "output" ? keysOfOutput : keysOfLists).flatMap(([key, what], index) => [
    span(index === 0 ? "" : "  "),
    span(key, "bold"),
    span(` ${what}`, "faint"),
  ]);
}

function outputPage(state: TopState): Line[] {
  const reading = state.reading!;
  const rows = bodyRows(state);
  const width = state.size.columns;
  const { task, stream, failure } = reading;
  const title = ` ${stream} of ${harmless(task.id)}  ${harmless(task.text)}`;
  const standing = ` ${standingOf(reading, rows)} `;
  const room = Math.max(0, width - displayWidth(standing));
  const head = across([span(fitted(title, room) + standing)], "selected", width);
  if (failure !== null) return [head, [], ...wrap(harmless(failure), width, "fold").map((line) => [span(line, "bad")])];
  if (reading.from === null) return [head, [], [span("Reading ...", "faint")]];
  const top = topOf(reading, rows);
  const shown = reading.lines.slice(top, Math.min(top + rows, linesIn(reading)));
  if (shown.length === 0) return [head, [], [span("It has printed nothing", "faint")]];
  return [head, ...shown.map((line) => [span(sideways(line, reading.left, width))])];
}

function standingOf(reading: Reading, rows: number): string {
  const last = Math.min(linesIn(reading), topOf(reading, rows) + rows);
  const start = (reading.from ?? 0) > 0 ? "…" : "";
  const place = `line ${start}${numberText(last)}/${numberText(linesIn(reading))}`;
  return `${place}  ${reading.over ? "ended" : reading.follows ? "following" : "runs on"}`;
}

/** A line of output without what is left of the screen, tabs as blanks. */
function sideways(line: string, left: number, width: number): string {
  // What is right of the screen need not be looked at: a line can be a megabyte long.
  const near = line.slice(0, (left + width) * 16).replaceAll(/\r+$/g, "");
  const shown = escapeControls(near.replaceAll("\t", "        "));
  return left === 0 ? shown : Array.from(shown).slice(left).join("");
}

/** At most 45 columns of text each, and 21 lines: the whole page fits on 80x24. */
const help: readonly (readonly [string, string])[] = [
  ["Tab, 1 2 3", "choose a list: clients, running, failures"],
  ["↑ ↓ PgUp PgDn Home End, j k g G", "select a row"],
  ["Space, u", "mark the task; unmark all"],
  ["/ or f, Esc", "filter by command, host or id; show all"],
  ["s", "sort the list in another way"],
  ["Enter or o, e", "read its stdout, stderr; a client: its tasks"],
  ["c, r", "cancel, revert the marked or selected (asks)"],
  ["p", "hold the screen, and let it go on"],
  ["Ctrl-L, Ctrl-Z", "draw anew; suspend (fg comes back)"],
  ["q, Ctrl-C", "leave"],
  ["", ""],
  ["In an output", ""],
  ["↑ ↓ PgUp PgDn g G ← →", "move; at the end new output is shown"],
  ["f", "follow, or stay"],
  ["o, e", "stdout, stderr"],
  ["q or Esc", "back to the lists"],
];

function helpPage(): Line[] {
  return [
    [span("hs top", "title"), span("  keys", "faint")],
    [],
    ...help.map(([keys, what]) => [span(`  ${fitted(keys, 33)}`, "bold"), span(what)]),
  ];
}
