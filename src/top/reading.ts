/*
 * Reading what a task has printed: pieces become lines, keys move over them. At most some thousand lines are kept; what
 * is before them is read again when somebody goes there. Decides only.
 */
import type { OutputPiece, OutputQuery, TaskView } from "../view/view.ts";
import type { Key } from "./keys.ts";
import type { Reading } from "./state.ts";

/** Bytes of one piece. */
const pieceBytes = 32_768;
/** The most characters that are kept. */
const mostKept = 1_000_000;

/** Nothing was read yet: it begins at the end. */
export function begin(task: TaskView, stream: OutputQuery["stream"]): Reading {
  return {
    task,
    stream,
    lines: [""],
    from: null,
    next: 0,
    over: false,
    top: 0,
    left: 0,
    follows: true,
    failure: null,
  };
}

/** The question for the piece that comes next. */
export function nextQuery({ task, stream, from, next }: Reading): OutputQuery {
  return { id: task.id, stream, from: from === null ? -pieceBytes : next, most: pieceBytes };
}

/** The question for the piece before all that is there; null: there is none. */
export function earlierQuery({ task, stream, from }: Reading): OutputQuery | null {
  if (from === null || from <= 0) return null;
  const start = Math.max(0, from - pieceBytes);
  // A source reads 4 bytes at least, which would be more than there is before it.
  return { id: task.id, stream, from: start, most: from - start };
}

/** A piece at the end of what is there. */
export function append(reading: Reading, piece: OutputPiece): Reading {
  const [first = "", ...more] = piece.text.split("\n");
  const lines = [...reading.lines.slice(0, -1), reading.lines.at(-1)! + first, ...more];
  const from = reading.from ?? Math.max(0, piece.next - Buffer.byteLength(piece.text));
  return bounded({ ...reading, lines, from, next: piece.next, over: piece.over, failure: null });
}

/** A piece before what is there: what is on the screen stays there. */
export function prepend(reading: Reading, query: OutputQuery, piece: OutputPiece): Reading {
  if (reading.from === null || query.from >= reading.from) return reading;
  const text = piece.next > reading.from ? piece.text.slice(0, reading.from - query.from) : piece.text;
  const before = text.split("\n");
  const [first = "", ...more] = reading.lines;
  const lines = [...before.slice(0, -1), before.at(-1)! + first, ...more];
  return { ...reading, lines, from: query.from, top: reading.top + before.length - 1 };
}

/** Without the oldest lines where there are too many characters. */
function bounded(reading: Reading): Reading {
  let size = reading.lines.reduce((sum, line) => sum + line.length + 1, 0);
  if (size <= mostKept || !reading.follows) return reading;
  let dropped = 0;
  let bytes = 0;
  while (size > mostKept / 2 && dropped < reading.lines.length - 1) {
    const line = reading.lines[dropped++]!;
    size -= line.length + 1;
    bytes += Buffer.byteLength(line) + 1;
  }
  return {
    ...reading,
    lines: reading.lines.slice(dropped),
    from: (reading.from ?? 0) + bytes,
    top: Math.max(0, reading.top - dropped),
  };
}

/** How many lines there are to show: the empty one behind the last end of a line is none. */
export function linesIn({ lines }: Pick<Reading, "lines">): number {
  return lines.at(-1) === "" ? lines.length - 1 : lines.length;
}

/** The first line on a screen of `rows` lines. */
export function topOf(reading: Reading, rows: number): number {
  const last = Math.max(0, linesIn(reading) - rows);
  return reading.follows ? last : Math.min(reading.top, last);
}

/** What a key does on a screen of `rows` lines. `effect`: what is to be read for it; null: nothing. */
export function readingKey(
  reading: Reading,
  key: Key,
  rows: number,
): { readonly reading: Reading; readonly effect: "read" | "earlier" | null } {
  const top = topOf(reading, rows);
  const go = (to: number): ReturnType<typeof readingKey> => {
    const last = Math.max(0, linesIn(reading) - rows);
    const isBefore = to < 0 && (reading.from ?? 0) > 0;
    const moved = { ...reading, top: Math.max(0, Math.min(to, last)), follows: to >= last && key !== "up" };
    return { reading: moved, effect: isBefore ? "earlier" : null };
  };
  const show = (changed: Partial<Reading>): ReturnType<typeof readingKey> => ({
    reading: { ...reading, ...changed },
    effect: null,
  });
  switch (key) {
    case "up":
    case "k":
      return go(top - 1);
    case "down":
    case "j":
      return go(top + 1);
    case "pageup":
    case "b":
      return go(top - rows);
    case "pagedown":
    case " ":
      return go(top + rows);
    case "home":
    case "g":
      return go(-1);
    case "end":
    case "G":
      return show({ follows: true });
    case "f":
      return show({ top, follows: !reading.follows });
    case "left":
      return show({ left: Math.max(0, reading.left - 20) });
    case "right":
      return show({ left: reading.left + 20 });
    case "o":
    case "e":
      return { reading: begin(reading.task, key === "o" ? "stdout" : "stderr"), effect: "read" };
    default:
      return show({});
  }
}
