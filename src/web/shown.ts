/*
 * What of a view goes to the page, and how its texts are made harmless: tasks are written by anybody. The page puts
 * them in as text, never as HTML.
 */
import { escapeControls, visible } from "../base/escape.ts";
import type { OutputPiece, TaskView, View } from "../view/view.ts";

/** The largest part of a command that the page shows, characters. */
const mostText = 400;

/** What does not depend on a filter. */
export function wholeOf(view: View): object {
  const { running: _running, failures: _failures, runningTotal: _total, clients, servers, source, ...rest } = view;
  return {
    ...rest,
    source: { ...source, title: visible(source.title) },
    clients: clients.map((each) => ({ ...each, host: visible(each.host), job: shownOrNull(each.job) })),
    servers: servers.map((each) => ({ ...each, host: visible(each.host) })),
  };
}

/** The tasks that a filter lets through. */
export function rowsOf({ running, failures, runningTotal }: View, filter: string): object {
  return { filter, runningTotal, running: running.map(taskOf), failures: failures.map(taskOf) };
}

function taskOf<T extends TaskView>(task: T): T {
  const { text } = task;
  const part = text.length > mostText ? `${text.slice(0, mostText)}…` : text;
  return { ...task, text: visible(part), host: shownOrNull(task.host) };
}

function shownOrNull(text: string | null): string | null {
  return text === null ? null : visible(text);
}

/** Sequences that colour a terminal or move its cursor: ECMA-48, 5.4. */
// oxlint-disable-next-line no-control-regex
const sequences = /\x1b\[[0-?]*[ -/]*[@-~]/g;

/** Output for the page: colours are left out, other control characters are written by their number. */
export function shownOutput(piece: OutputPiece): OutputPiece {
  const plain = piece.text.replace(sequences, "").replaceAll("\r\n", "\n");
  return { ...piece, text: escapeControls(plain, "\n\t") };
}
