/*
 * How a program stops a run: by a call or an AbortSignal, in place of signals to the process. It means what Ctrl-C
 * means: tasks are stopped and given back, and everything is closed.
 */
import { systemClock, type Timer } from "../base/clock.ts";
import type { HearStop, SignalActions } from "../cluster/signals.ts";

/** Stops a run, from before it begins until it is over. */
export interface Stopper {
  /** To be given to the run. */
  readonly hear: HearStop;
  /** Stops tasks. Does nothing when the run is over. */
  stop(): void;
  /** Starts nothing more; running tasks may end. */
  drain(): void;
}

/** A run that is stopped while its database is away waits this long for it, milliseconds. */
const patienceMs = 10_000;

/** Makes what stops one run. */
export function newStopper(): Stopper {
  let actions: SignalActions | null = null;
  let wanted: "stop" | "drain" | null = null;
  let timer: Timer | null = null;
  function go(): void {
    if (actions === null || wanted === null) return;
    if (wanted === "drain") return actions.stop("finish", "SIGUSR1");
    actions.stop("abort", "SIGINT");
    timer ??= systemClock.after(patienceMs, () => {
      if (actions?.inTrouble?.() === true) actions.kill();
    });
  }
  return {
    hear(given) {
      actions = given;
      // Whoever hears is not ready within the call.
      queueMicrotask(go);
      return () => {
        actions = null;
        timer?.cancel();
      };
    },
    stop() {
      if (wanted === "stop") return;
      wanted = "stop";
      go();
    },
    drain() {
      if (wanted !== null) return;
      wanted = "drain";
      go();
    },
  };
}

/** Calls `onAbort` when the signal is aborted, at once if it is. Answers a function that ends that. */
export function whenAborted(signal: AbortSignal | undefined, onAbort: () => void): () => void {
  if (signal === undefined) return () => undefined;
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  return () => signal.removeEventListener("abort", onAbort);
}
