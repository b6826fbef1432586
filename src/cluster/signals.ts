/*
 * Signals to a run, in its own terms. SIGINT and SIGTERM stop everything at once (after a second one of them nothing is
 * waited for). SIGUSR1 drains. SIGUSR2 drains and stops what runs. SIGHUP is for the log file (cli/file-log.ts).
 *
 * On Windows the console sends Ctrl-C, Ctrl-Break (SIGBREAK) and the end of its window (SIGHUP), each of which stops
 * everything at once; the system ends this program 5 seconds after its window. Source: libuv, "Signal handling".
 */
import { constants } from "node:os";
import { systemClock } from "../base/clock.ts";
import { releaseSignals } from "../base/early.ts";
import { exitStatus, UserError } from "../base/errors.ts";
import { counted } from "../base/units.ts";
import type { Logger, Loggers } from "../log/logger.ts";
import type { LeaveKind } from "../wire/message.ts";

type Heard = "SIGINT" | "SIGTERM" | "SIGUSR1" | "SIGUSR2";

/** What else the console of Windows sends. */
type OfConsole = "SIGHUP" | "SIGBREAK";

/** The signals that a run listens to. */
const ofUnix = ["SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGHUP"] as const;
const ofWindows = ["SIGINT", "SIGBREAK", "SIGTERM", "SIGHUP"] as const;

/** Why a run stops. SIGPIPE stands for an output that nobody reads any more: the signal itself goes to tasks. */
export type StopName = Heard | "SIGPIPE";

/** What is said when nobody reads any more what a run or client and its tasks write. */
export const unreadText = "Nobody reads the output any more: nothing more is started, what runs may end";

export interface SignalActions {
  /** Stops the run, for the first time or more urgently than before. */
  stop(how: LeaveKind, signal: StopName): void;
  /** How many tasks run now. */
  running(): number;
  /**
   * Called when a second SIGINT or SIGTERM came, or any second signal while a database is in trouble: nothing is waited
   * for any more.
   */
  kill(): void;
  /** Whether the end must wait for a database that is in trouble. */
  inTrouble?(): boolean;
}

/**
 * The way in which a run hears that it is to stop: `onSignals` below, or what a program has in its place that runs
 * tasks beside other things. Answers a function that ends the hearing.
 */
export type HearStop = (actions: SignalActions, loggers: Loggers, role: "server" | "client") => () => void;

const urgency: Record<StopName, number> = { SIGUSR1: 0, SIGPIPE: 0, SIGUSR2: 1, SIGINT: 2, SIGTERM: 2 };

/** The signal that counts when `signal` comes after `earlier`: a milder one changes nothing. */
export function moreUrgent(earlier: StopName | null, signal: StopName): StopName {
  return earlier !== null && urgency[earlier] > urgency[signal] ? earlier : signal;
}

/** What is said when a run drains: SIGUSR1 lets tasks end, SIGUSR2 stops them. `running`: how many there are. */
export function drainText(signal: "SIGUSR1" | "SIGUSR2", running: number): string {
  if (running === 0) return `${signal}: draining, no task runs`;
  const one = running === 1;
  const fate = signal === "SIGUSR1" ? `still ${one ? "runs" : "run"}` : `${one ? "is" : "are"} stopped`;
  return `${signal}: draining, ${counted(running, "task")} ${fate}`;
}

/**
 * A SIGTERM this soon after the first signal is the same wish told twice, milliseconds: `timeout` and schedulers send
 * it to a process and then to its group.
 */
const echoMs = 250;

/**
 * The pause between two looks at the time, and the gap between them from which on this process has stood still,
 * milliseconds. A locked SQLite file holds it up for seconds, and signals that came far apart are heard together then.
 */
const lookMs = 250;
const standstillMs = 1000;

/** Notices when this process stands still. */
function watchStandstill(): { wasStill(): boolean; close(): void } {
  let lookedAt = systemClock.now();
  let stillUntil = Number.NEGATIVE_INFINITY;
  function look(): void {
    const now = systemClock.now();
    if (now - lookedAt >= standstillMs) stillUntil = now;
    lookedAt = now;
  }
  function keepLooking(): void {
    look();
    timer = systemClock.after(lookMs, keepLooking);
  }
  let timer = systemClock.after(lookMs, keepLooking);
  return {
    /** Whether it stood still until just now. */
    wasStill() {
      look();
      return lookedAt - stillUntil < echoMs;
    },
    close: () => timer.cancel(),
  };
}

/**
 * Starts listening to signals, and heeds those that came before, in this turn of the event loop but not within the
 * call. Answers a function that stops it. `role` names the logger.
 */
export function onSignals(
  actions: SignalActions,
  loggers: Loggers,
  role: "server" | "client",
  platform: NodeJS.Platform = process.platform,
): () => void {
  /** When the first SIGINT or SIGTERM came, milliseconds since 1970; null: none has. */
  let urgentSince: number | null = null;
  const standstill = watchStandstill();
  const core = loggers("core.signal");
  const own: Logger = loggers(role);

  /** Whether a SIGINT or SIGTERM came before `signal`. Nothing is waited for then, unless `signal` is an echo. */
  function isAgain(signal: Heard): boolean {
    const now = systemClock.now();
    if (urgentSince === null) {
      urgentSince = now;
      return false;
    }
    const isEcho = signal === "SIGTERM" && now - urgentSince < echoMs && !standstill.wasStill();
    if (!isEcho) actions.kill();
    return true;
  }

  /** When the first signal came, milliseconds since 1970; null: none has. */
  let since: number | null = null;

  /** Whether another signal came before, and nobody can say when the run will end. To be asked once for each. */
  function isStuck(): boolean {
    const now = systemClock.now();
    since ??= now;
    return now - since >= echoMs && actions.inTrouble?.() === true;
  }

  function goDown(signal: "SIGINT" | "SIGTERM"): void {
    const isLate = isStuck();
    actions.stop("abort", signal);
    if (isLate) actions.kill();
  }

  function goDownSaying(what: string, signal: "SIGINT" | "SIGTERM"): void {
    if (isAgain(signal)) return;
    loggers("").critical(`${what}: going down now!`);
    goDown(signal);
  }

  const heard: Record<Heard | OfConsole, () => void> = {
    SIGINT: () => goDownSaying("keyboard-interrupt", "SIGINT"),
    SIGBREAK: () => goDownSaying("keyboard-interrupt", "SIGINT"),
    SIGTERM: () => goDownSaying("terminated (SIGTERM)", "SIGTERM"),
    SIGUSR1() {
      if (isStuck()) return actions.kill();
      own.warning(drainText("SIGUSR1", actions.running()));
      actions.stop("finish", "SIGUSR1");
    },
    SIGUSR2() {
      if (isStuck()) return actions.kill();
      own.warning(drainText("SIGUSR2", actions.running()));
      actions.stop("interrupt", "SIGUSR2");
    },
    SIGHUP() {
      if (platform === "win32") goDownSaying("the window was closed", "SIGTERM");
      // Elsewhere this only keeps the signal from ending the process; the log file has a listener of its own.
    },
  };

  const listeners = new Map<NodeJS.Signals, () => void>();
  for (const name of platform === "win32" ? ofWindows : ofUnix) {
    const listener = () => {
      core.debug(() => `Received signal ${constants.signals[name]}: ${name}`);
      heard[name]();
    };
    process.on(name, listener);
    listeners.set(name, listener);
  }
  const early = releaseSignals([...listeners.keys()]);
  if (early.length > 0) queueMicrotask(() => early.forEach((name) => listeners.get(name)!()));
  return () => {
    standstill.close();
    for (const [name, listener] of listeners) process.off(name, listener);
  };
}

/** The error of a run that left without its database, with the status of the signal that it obeyed. */
export function asSignalled(stoppedBy: StopName | null, error: unknown): unknown {
  if (stoppedBy !== "SIGTERM") return error;
  if (!(error instanceof UserError) || error.status !== exitStatus.interrupted) return error;
  return new UserError(exitStatus.terminated, error.logger, error.message);
}
