/*
 * What log lines say of a task that failed: its status, which task it is, and where to look further. Knows no log and
 * no row of a database.
 */
import { escapeCharacter } from "../base/escape.ts";
import { lineText } from "../base/wordlist.ts";
import { sentinel } from "./task.ts";

interface Failure {
  readonly id: string;
  readonly exitStatus: number;
  /** The input line, or what is known of it; null: nothing is. */
  readonly line: string | null;
  /** The file that has the task's standard error; null: it was not kept. */
  readonly errpath: string | null;
  /** The host of that file; null: this one. */
  readonly host: string | null;
}

/** The most characters of a line that are shown: it identifies the task, and a line of the log stays a line. */
const shownChars = 80;

const limits: Readonly<Record<number, string>> = {
  [sentinel.overLimit]: ", stopped at its time limit",
  [sentinel.overMemory]: ", stopped for taking more memory than it asked for",
};

/**
 * `Non-zero exit status (3) for task (ID): LINE (stderr: PATH)`. The line is cut, and its control characters are
 * escaped.
 */
export function describeFailure({ id, exitStatus, line, errpath, host }: Failure): string {
  const limit = limits[exitStatus] ?? "";
  const shown = line === null || line === "" ? "" : `: ${shortened(line)}`;
  const place = host === null ? errpath : `${host}:${errpath}`;
  const stderr = errpath === null ? "" : ` (stderr: ${place})`;
  return `Non-zero exit status (${exitStatus}) for task (${id})${limit}${shown}${stderr}`;
}

/** What cannot be seen, or would move the cursor: control and format characters, ends of lines, lone surrogates. */
const unseen = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu;

/** At most `shownChars` characters of a line of input, on one line; `...` tells that something was left out. */
export function shortened(text: string): string {
  const seen = lineText(text).replace(unseen, escapeCharacter);
  // A character takes at most two UTF-16 units, so a long line is not taken apart to its end.
  const chars = Array.from(seen.slice(0, 2 * shownChars + 2));
  return chars.length <= shownChars
    ? seen
    : `${chars
        .slice(0, shownChars - 3)
        .join("")
        .trimEnd()}...`;
}

/** What a status means that no program has chosen; undefined: a program, or a signal, ended the task. */
export const statusMeanings: Readonly<Record<number, string>> = {
  [sentinel.cancelled]: "it was cancelled",
  [sentinel.templateFailed]: "its template could not be expanded",
  [sentinel.insufficientResources]: "it needs more cores, memory or other resources than any client has",
  [sentinel.overLimit]: "it was stopped at its time limit",
  [sentinel.overMemory]: "it was stopped, because it took more memory than it asked for (task.enforce)",
  [sentinel.clientLost]: "the clients that ran it were lost, as often as server.poison allows",
};
