/*
 * The terminal of this process: its keys, its size, and writes that do not wait for it. Whatever ends the program, the
 * terminal is put back as it was. Knows no views.
 */
import { writeSync } from "node:fs";
import type { Clock } from "../base/clock.ts";
import { reopened, writeSome } from "../base/write.ts";
import { enterText, leaveText } from "./frame.ts";
import type { Size } from "./state.ts";

/** What a terminal tells. */
export interface TerminalEvents {
  readonly input: (text: string) => void;
  /** The size has changed, or somebody else has written on the screen. */
  readonly changed: () => void;
  /** Everything that was written has been taken. */
  readonly drained: () => void;
  /** The program is to end. `hung`: the terminal is gone. */
  readonly ended: (why: "SIGINT" | "SIGTERM" | "hung") => void;
}

export interface Terminal {
  size(): Size;
  /** Takes the screen and the keys. */
  enter(events: TerminalEvents): void;
  /** Gives both back. To be called once more does nothing. */
  leave(): void;
  /** Stops the process, and all of its group, until the shell continues it. */
  suspend(): void;
  /** Writes what is taken at once, and the rest when there is room. */
  write(text: string): void;
  /** Whether everything that was written has been taken. */
  isFree(): boolean;
}

/** How long the rest of a write waits before the next try, milliseconds. */
const retryMs = 20;
/** How long the end waits for a terminal that takes nothing, milliseconds. */
const partingMs = 500;

interface State {
  readonly clock: Clock;
  readonly descriptor: number;
  events: TerminalEvents | null;
  left: Uint8Array;
}

/** The terminal on standard input and output. */
export function openTerminal(clock: Clock): Terminal {
  const state: State = { clock, descriptor: reopened(1) ?? 1, events: null, left: new Uint8Array() };
  const listeners = listenersOf(state);
  return {
    size: () => {
      // What is asked of the stream itself may be older than the last change.
      const [columns, rows] = process.stdout.getWindowSize();
      return { columns: columns > 0 ? columns : 80, rows: rows > 0 ? rows : 24 };
    },
    enter(events) {
      state.events = events;
      take(state);
      for (const [name, listener] of listeners.signals) process.on(name, listener);
      process.stdin.on("data", listeners.data);
      process.stdin.on("end", listeners.hung);
      process.prependListener("uncaughtException", listeners.fatal);
      process.prependListener("unhandledRejection", listeners.fatal);
      process.on("exit", listeners.fatal);
      process.stdin.resume();
    },
    leave() {
      if (state.events === null) return;
      state.events = null;
      for (const [name, listener] of listeners.signals) process.off(name, listener);
      process.stdin.off("data", listeners.data);
      process.stdin.off("end", listeners.hung);
      process.off("uncaughtException", listeners.fatal);
      process.off("unhandledRejection", listeners.fatal);
      process.off("exit", listeners.fatal);
      process.stdin.pause();
      giveBack(state);
    },
    suspend: () => void process.kill(0, "SIGTSTP"),
    write(text) {
      const bytes = Buffer.from(text);
      const wasFree = state.left.length === 0;
      state.left = wasFree ? bytes : Buffer.concat([state.left, bytes]);
      if (wasFree) push(state);
    },
    isFree: () => state.left.length === 0,
  };
}

interface Listeners {
  readonly signals: readonly (readonly [NodeJS.Signals, () => void])[];
  readonly data: (bytes: Uint8Array) => void;
  readonly hung: () => void;
  readonly fatal: () => void;
}

function listenersOf(state: State): Listeners {
  const decoder = new TextDecoder();
  const tell = (why: "SIGINT" | "SIGTERM" | "hung") => (): void => state.events?.ended(why);
  const stop = (): void => {
    giveBack(state);
    process.kill(process.pid, "SIGSTOP");
  };
  const goOn = (): void => {
    take(state);
    state.events?.changed();
  };
  const ends: Listeners["signals"] = [
    ["SIGINT", tell("SIGINT")],
    ["SIGTERM", tell("SIGTERM")],
    ["SIGHUP", tell("hung")],
  ];
  const posix: Listeners["signals"] = [
    ["SIGTSTP", stop],
    ["SIGCONT", goOn],
  ];
  return {
    signals: [...ends, ["SIGWINCH", () => state.events?.changed()], ...(process.platform === "win32" ? [] : posix)],
    data: (bytes) => state.events?.input(decoder.decode(bytes, { stream: true })),
    hung: tell("hung"),
    // What is said of it belongs on the screen of before.
    fatal: () => giveBack(state),
  };
}

function take(state: State): void {
  setRaw(true);
  state.left = new Uint8Array();
  put(state, Buffer.from(enterText));
}

/** As the terminal was. What has not been taken of the last frame is finished first, or it would swallow the end. */
function giveBack(state: State): void {
  setRaw(false);
  let left: Uint8Array = Buffer.concat([state.left, Buffer.from(leaveText)]);
  state.left = new Uint8Array();
  const until = state.clock.now() + partingMs;
  while (left.length > 0) {
    const done = put(state, left);
    if (done === null || state.clock.now() > until) return;
    left = left.subarray(done);
    if (left.length > 0) Bun.sleepSync(retryMs / 4);
  }
}

function setRaw(isRaw: boolean): void {
  try {
    process.stdin.setRawMode(isRaw);
  } catch {
    // The terminal is gone.
  }
}

/** How many bytes were taken; null: the terminal is gone. */
function put({ descriptor }: State, bytes: Uint8Array): number | null {
  try {
    return writeSome(descriptor, bytes, writeSync);
  } catch {
    return null;
  }
}

function push(state: State): void {
  if (state.left.length === 0) return;
  const done = put(state, state.left);
  if (done === null) {
    state.left = new Uint8Array();
    state.events?.ended("hung");
    return;
  }
  state.left = state.left.subarray(done);
  if (state.left.length > 0) state.clock.after(retryMs, () => push(state));
  else state.events?.drained();
}
