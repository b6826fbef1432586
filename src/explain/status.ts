/*
 * What an exit status says, in words: of this program's own statuses, of a shell, and of signals. Source: POSIX, Shell
 * Command Language, 2.8.2; timeout(1) of GNU coreutils; signal(7).
 */
import { constants } from "node:os";
import { statusMeanings } from "../task/failure.ts";

/** What signals mostly mean that nobody sent on purpose. */
const signalHints: Readonly<Record<string, string>> = {
  SIGABRT: "the program ended itself, mostly because of an error that it found",
  SIGBUS: "the program read or wrote where it must not",
  SIGFPE: "the program computed what cannot be, such as a division by zero",
  SIGHUP: "its terminal or session went away",
  SIGILL: "the program is not for this processor, or is broken",
  SIGINT: "somebody interrupted it",
  SIGKILL: "something killed it: the system for lack of memory, a batch system, or somebody",
  SIGPIPE: "nobody read what it wrote",
  SIGSEGV: "the program read or wrote where it must not",
  SIGTERM: "something asked it to end: a batch system, or somebody",
  SIGXCPU: "it used more processor time than its limit (ulimit -t)",
  SIGXFSZ: "it wrote a larger file than its limit (ulimit -f)",
};

/** What shells and timeout(1) mean by a status. */
const shellMeanings: Readonly<Record<number, string>> = {
  124: "what timeout(1) ends with when it stopped a program at its limit",
  125: "what timeout(1), env and containers end with when they fail themselves",
  126: "the command was found and could not be run: no permission, or no program",
  127: "there is no such command: its name is wrong, or PATH has no folder with it",
};

/** The status in words; null: a program chose it, and only that knows what it means. */
export function describeStatus(status: number): string | null {
  const own = statusMeanings[status] ?? shellMeanings[status];
  if (own !== undefined || status <= 128 || status > 128 + 64) return own ?? null;
  const name = signalOf(status - 128);
  if (name === null) return `signal ${status - 128} ended it`;
  const hint = signalHints[name];
  return `signal ${name} (${status - 128}) ended it${hint === undefined ? "" : `: ${hint}`}`;
}

/** The name of a signal; null: this system has none of that number. */
function signalOf(number: number): string | null {
  return Object.entries(constants.signals).find(([, each]) => each === number)?.[0] ?? null;
}
