/*
 * Signals to a run, in its own terms. SIGINT and SIGTERM stop everything at once (after a second SIGINT nothing is
 * waited for). SIGUSR1 drains. SIGUSR2 drains and stops what runs. SIGHUP is ignored.
 */
import { constants } from "node:os";
import type { Logger, Loggers } from "../log/logger.ts";
import type { LeaveKind } from "../wire/message.ts";

export type StopName = "SIGINT" | "SIGTERM" | "SIGUSR1" | "SIGUSR2";

export interface SignalActions {
  /** Stops the run, for the first time or more urgently than before. */
  stop(how: LeaveKind, signal: StopName): void;
  /** Called when Ctrl-C was pressed again: nothing is waited for any more. */
  kill(): void;
}

const urgency: Record<StopName, number> = { SIGUSR1: 0, SIGUSR2: 1, SIGINT: 2, SIGTERM: 2 };

/** The signal that counts when `signal` comes after `earlier`: a milder one changes nothing. */
export function moreUrgent(earlier: StopName | null, signal: StopName): StopName {
  return earlier !== null && urgency[earlier] > urgency[signal] ? earlier : signal;
}

/** Starts listening to signals. Answers a function that stops it. `role` names the logger. */
export function onSignals(actions: SignalActions, loggers: Loggers, role: "server" | "client"): () => void {
  let interrupts = 0;
  const core = loggers("core.signal");
  const own: Logger = loggers(role);

  const heard: Record<StopName | "SIGHUP", () => void> = {
    SIGINT() {
      interrupts++;
      if (interrupts > 1) return actions.kill();
      loggers("").critical("keyboard-interrupt: going down now!");
      actions.stop("abort", "SIGINT");
    },
    SIGTERM() {
      loggers("").critical("terminated (SIGTERM): going down now!");
      actions.stop("abort", "SIGTERM");
    },
    SIGUSR1() {
      own.warning("Signal interrupt (SIGUSR1)");
      actions.stop("finish", "SIGUSR1");
    },
    SIGUSR2() {
      own.warning("Signal interrupt (SIGUSR2)");
      actions.stop("interrupt", "SIGUSR2");
    },
    SIGHUP() {
      // This listener only keeps the signal from ending the process.
    },
  };

  const listeners: [NodeJS.Signals, () => void][] = [];
  for (const [name, action] of Object.entries(heard) as [StopName | "SIGHUP", () => void][]) {
    // Windows knows only some signals.
    if (constants.signals[name] === undefined) continue;
    const listener = () => {
      core.debug(() => `Received signal ${constants.signals[name]}: ${name}`);
      action();
    };
    process.on(name, listener);
    listeners.push([name, listener]);
  }
  return () => {
    for (const [name, listener] of listeners) process.off(name, listener);
  };
}
