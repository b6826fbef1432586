/*
 * What a key does: from a state to the next, and what is to be done for it. Decides only; watch.ts looks, reads and
 * acts.
 */
import { counted } from "../base/units.ts";
import type { TaskView, ViewAction } from "../view/view.ts";
import { bodyRows, listHeights } from "./layout.ts";
import type { Key } from "./keys.ts";
import { begin, readingKey } from "./reading.ts";
import { type Cursor, orders, type Panel, panels, rowsOf, selectedIn, type TopState } from "./state.ts";

/** What is to be done. `look`: at once, not when it is due. `read`: the next piece of the output. */
export type Effect =
  | { readonly kind: "quit" | "suspend" | "redraw" | "look" | "read" | "earlier" }
  | { readonly kind: "act"; readonly action: ViewAction; readonly ids: readonly string[] };

export interface Pressed {
  readonly state: TopState;
  readonly effects: readonly Effect[];
}

const only = (state: TopState, ...effects: readonly Effect[]): Pressed => ({ state, effects });

/** What a key does. */
export function press(before: TopState, key: Key): Pressed {
  if (key === "ctrl-c") return only(before, { kind: "quit" });
  if (key === "ctrl-z") return only(before, { kind: "suspend" });
  if (key === "ctrl-l") return only(before, { kind: "redraw" });
  const state: TopState = { ...before, message: null };
  if (state.question !== null) return answer(state, key);
  if (state.typed !== null) return type(state, state.typed, key);
  if (state.page === "help") return only({ ...state, page: state.reading === null ? "lists" : "output" });
  if (key === "?" || key === "h") return only({ ...state, page: "help" });
  if (state.page === "output" && state.reading !== null) {
    if (key === "q" || key === "escape" || key === "enter") return only({ ...state, page: "lists", reading: null });
    const { reading, effect } = readingKey(state.reading, key, bodyRows(state));
    return only({ ...state, reading }, ...(effect === null ? [] : [{ kind: effect } as const]));
  }
  return onLists(state, key);
}

function answer(state: TopState, key: Key): Pressed {
  const { action, ids } = state.question!;
  const asked: TopState = { ...state, question: null };
  if (key === "y" || key === "Y") return only({ ...asked, marked: new Set() }, { kind: "act", action, ids });
  return only({ ...asked, message: { text: "Nothing was changed", isBad: false } });
}

/** A filter as it is typed. */
function type(state: TopState, typed: string, key: Key): Pressed {
  switch (key) {
    case "enter":
      return only({ ...state, typed: null, filter: typed, marked: new Set() }, { kind: "look" });
    case "escape":
      return only({ ...state, typed: null });
    case "backspace":
      return only({ ...state, typed: Array.from(typed).slice(0, -1).join("") });
    case "ctrl-u":
      return only({ ...state, typed: "" });
    default:
      return only(Array.from(key).length === 1 ? { ...state, typed: typed + key } : state);
  }
}

function onLists(state: TopState, key: Key): Pressed {
  const { focus } = state;
  const step = steps(state)[key];
  if (step !== undefined) return only(move(state, step));
  switch (key) {
    case "q":
      return only(state, { kind: "quit" });
    case "tab":
    case "backtab": {
      const next = panels.indexOf(focus) + (key === "tab" ? 1 : panels.length - 1);
      return only({ ...state, focus: panels[next % panels.length]! });
    }
    case "1":
    case "2":
    case "3":
      return only({ ...state, focus: panels[Number(key) - 1]! });
    case "f":
    case "/":
      return only({ ...state, typed: state.filter });
    case "escape":
      if (state.filter === "") return only({ ...state, marked: new Set() });
      return only({ ...state, filter: "", marked: new Set() }, { kind: "look" });
    case "s":
      return only({ ...state, sorts: { ...state.sorts, [focus]: (state.sorts[focus] + 1) % orders[focus].length } });
    case "p":
      return only({ ...state, paused: !state.paused }, ...(state.paused ? [{ kind: "look" } as const] : []));
    case " ":
      return only(mark(state));
    case "u":
      return only({ ...state, marked: new Set() });
    case "c":
      return only(ask(state, "cancel"));
    case "r":
      return only(ask(state, "revert"));
    case "o":
    case "enter":
    case "e":
      return open(state, key);
    default:
      return only(state);
  }
}

/** How far each key moves the selection, rows. */
function steps(state: TopState): Readonly<Record<Key, number>> {
  const page = Math.max(1, listHeights(state)[state.focus] - 1);
  return {
    up: -1,
    k: -1,
    down: 1,
    j: 1,
    pageup: -page,
    pagedown: page,
    home: Number.NEGATIVE_INFINITY,
    g: Number.NEGATIVE_INFINITY,
    end: Number.POSITIVE_INFINITY,
    G: Number.POSITIVE_INFINITY,
  };
}

function move(state: TopState, step: number): TopState {
  const rows = rowsOf(state)[state.focus];
  const from = selectedIn(rows, state.cursors[state.focus]);
  const index = Math.max(0, Math.min(rows.length - 1, from + step));
  const cursor: Cursor = { id: rows[index]?.id ?? null, index };
  return { ...state, cursors: { ...state.cursors, [state.focus]: cursor } };
}

function taskAt(state: TopState): TaskView | null {
  const { focus, cursors } = state;
  if (focus === "clients") return null;
  const rows = rowsOf(state)[focus];
  return rows[selectedIn(rows, cursors[focus])] ?? null;
}

const noTask = (focus: Panel): string =>
  focus === "clients" ? "These are clients: Tab goes to the tasks" : "No task is selected";

function complain(state: TopState): TopState {
  return { ...state, message: { text: noTask(state.focus), isBad: true } };
}

function mark(state: TopState): TopState {
  const task = taskAt(state);
  if (task === null) return complain(state);
  const marked = new Set(state.marked);
  if (!marked.delete(task.id)) marked.add(task.id);
  return move({ ...state, marked }, 1);
}

function ask(state: TopState, action: ViewAction): TopState {
  const task = taskAt(state);
  const ids = state.marked.size > 0 ? [...state.marked] : task === null ? [] : [task.id];
  return ids.length === 0 ? complain(state) : { ...state, question: { action, ids } };
}

/** Of a client, what it runs; of a task, what it printed. */
function open(state: TopState, key: Key): Pressed {
  if (state.focus === "clients") {
    const rows = rowsOf(state).clients;
    const client = rows[selectedIn(rows, state.cursors.clients)];
    if (client === undefined || key !== "enter") return only(complain(state));
    return only({ ...state, filter: client.host, focus: "running" }, { kind: "look" });
  }
  const task = taskAt(state);
  if (task === null) return only(complain(state));
  const reading = begin(task, key === "e" ? "stderr" : "stdout");
  return only({ ...state, page: "output", reading }, { kind: "read" });
}

/** What is told of an action that was carried out on `changed` of `asked` tasks. */
export function toldOf(action: ViewAction, changed: number, asked: number): string {
  const done = action === "cancel" ? "Cancelled" : "Reverted";
  const rest = changed === asked ? "" : ` of ${asked}: the others have ended, or are not there any more`;
  return `${done} ${counted(changed, "task")}${rest}`;
}
