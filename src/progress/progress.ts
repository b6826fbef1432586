/*
 * Shows how far a piece of work is while it goes on: as a live line in the last row of the terminal, or as plain lines
 * now and then where there is none. Knows when to look and when to draw; what there is to see comes as a function.
 */
import type { Clock, Timer } from "../base/clock.ts";
import { startGuard } from "./guard.ts";
import { newPace, notePace, type Pace, rateAt } from "./pace.ts";
import { drawn, erased, freshRow, leastColumns, leastRows, swept } from "./row.ts";
import type { Sight } from "./sight.ts";
import { openTerminal, type Size, type Terminal } from "./terminal.ts";
import { lineText, type Speed } from "./text.ts";

export interface ShowOptions {
  readonly look: () => Sight;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly coloured: boolean;
  readonly clock: Clock;
  /** When the work began, milliseconds since 1970. */
  readonly since: number;
  /** Whether plain lines are printed where no live line can be. */
  readonly isAsked: boolean;
  /** Prints plain lines. */
  readonly print: (text: string) => void;
}

export interface Shown {
  /** Takes the line away. Answers the text that a last line is to begin with; null: nothing was shown. */
  end(): string | null;
}

/** The pause between two looks, milliseconds; as often is drawn at most. */
const lookMs = 200;
/** The pause between two plain lines, milliseconds: at first, and from `lateMs` after the start on. */
const plainMs = 10_000;
const rareMs = 60_000;
const lateMs = 600_000;
/** The width of a plain line, columns. */
const plainWidth = 120;

/** Begins to show what `look` sees. */
export function show(options: ShowOptions): Shown {
  const terminal = openTerminal(options.env);
  if (terminal !== null) return showLive(options, terminal);
  return options.isAsked ? showPlain(options) : { end: () => null };
}

function speedOf({ look, clock }: ShowOptions, pace: Pace): { readonly seen: Sight; readonly speed: Speed } {
  const seen = look();
  if (seen.done === null) return { seen, speed: { rate: null, secondsLeft: null } };
  const now = clock.now();
  notePace(pace, now, seen.done);
  const rate = rateAt(pace, now, seen.done, seen.running ?? 0);
  const left = seen.total === null || seen.isOpen || rate === null ? null : (seen.total - seen.done) / rate;
  return { seen, speed: { rate, secondsLeft: left !== null && left > 0 ? left : null } };
}

function showPlain(options: ShowOptions): Shown {
  const { clock, since, print } = options;
  const pace = newPace();
  let last = "";
  let timer: Timer;
  let printedAt = since;
  const next = (): void => {
    const { seen, speed } = speedOf(options, pace);
    const now = clock.now();
    if (now - printedAt >= (now - since >= lateMs ? rareMs : plainMs)) {
      const text = lineText(seen, speed, plainWidth);
      if (text !== last) print(`${text}\n`);
      last = text;
      printedAt = now;
    }
    timer = clock.after(1000, next);
  };
  timer = clock.after(1000, next);
  return {
    end() {
      timer.cancel();
      return "";
    },
  };
}

interface Live {
  readonly options: ShowOptions;
  readonly terminal: Terminal;
  readonly pace: Pace;
  /** What is in the last row; null: nothing of ours. */
  text: string | null;
  /** The size that it was drawn for. */
  size: Size | null;
  wasDrawn: boolean;
  endGuard: (() => void) | null;
  timer: Timer | null;
}

function showLive(options: ShowOptions, terminal: Terminal): Shown {
  const live: Live = {
    options,
    terminal,
    pace: newPace(),
    text: null,
    size: null,
    wasDrawn: false,
    endGuard: null,
    timer: null,
  };
  const leave = (): void => erase(live);
  const stop = (): void => suspend(live, stop);
  process.on("exit", leave);
  process.on("SIGTSTP", stop);
  tick(live);
  return {
    end() {
      live.timer?.cancel();
      erase(live);
      process.off("exit", leave);
      process.off("SIGTSTP", stop);
      return live.wasDrawn ? freshRow(live.size?.columns ?? 0) : null;
    },
  };
}

function tick(live: Live): void {
  draw(live);
  live.timer = live.options.clock.after(lookMs, () => tick(live));
}

function draw(live: Live): void {
  const { options, terminal, pace } = live;
  const { seen, speed } = speedOf(options, pace);
  const size = terminal.size();
  if (size === null || !terminal.isFree()) return;
  const isOther = size.columns !== live.size?.columns || size.rows !== live.size.rows;
  if (size.rows < leastRows || size.columns < leastColumns) return isOther ? erase(live) : undefined;
  // The last column stays free, so that no terminal wraps the line.
  const text = lineText(seen, speed, size.columns - 1);
  if (text === live.text && !isOther) return;
  live.endGuard ??= startGuard();
  const begin = isOther && live.text !== null ? swept : "";
  if (!terminal.write(begin + drawn(painted(text, seen, options.coloured), size.rows))) return;
  live.text = text;
  live.size = size;
  live.wasDrawn = true;
}

/** The text with the number of failures in red. */
function painted(text: string, { failed }: Sight, coloured: boolean): string {
  if (!coloured || failed === 0) return text;
  return text.replace(/[\d,]*\d failed/, (words) => `\u001b[31m${words}\u001b[0m`);
}

/** Gives the last row back to everybody. */
function erase(live: Live): void {
  const { terminal } = live;
  if (live.text !== null) {
    terminal.finish();
    terminal.write(erased);
    terminal.finish();
    live.text = null;
  }
  live.endGuard?.();
  live.endGuard = null;
}

/** Leaves the terminal in order to the shell, and stops as everybody else does at Ctrl-Z. */
function suspend(live: Live, stop: () => void): void {
  erase(live);
  process.off("SIGTSTP", stop);
  process.once("SIGCONT", () => process.on("SIGTSTP", stop));
  process.kill(process.pid, "SIGTSTP");
}
