/*
 * Notices what other processes have committed to the file, while somebody listens. It finds out that there is
 * something, not what: everybody who listens looks for themselves.
 */
import type { Clock, Timer } from "../../base/clock.ts";
import type { Connection } from "./connection.ts";

/** The pause between two looks, milliseconds. A look costs 2 µs. */
const watchMs = 100;

export interface Watch {
  /** Calls `wake` when tasks may be available that were not before. */
  onTasks(wake: () => void): void;
  /** Calls `wake` when there may be recalls. */
  onRecalls(wake: () => void): void;
  /** Tells that tasks are available that were not before. Other processes notice that by themselves. */
  announce(): void;
  /** Whether there is any recall; null when that cannot be told just now. */
  anyRecall(): boolean | null;
  close(): void;
}

/** Watches the file of a connection from the first listener on. */
export function newWatch(connection: Connection, clock: Clock): Watch {
  const dataVersion = connection.prepare("pragma data_version");
  const someRecall = connection.prepare("select 1 from recall limit 1");
  const tasks: (() => void)[] = [];
  const recalls: (() => void)[] = [];
  let timer: Timer | null = null;
  let last: number | null = null;
  let closed = false;

  /** A number that changes when another process has committed; null when that cannot be told just now. */
  function version(): number | null {
    try {
      return (dataVersion.get() as { data_version: number }).data_version;
    } catch {
      return null;
    }
  }

  function anyRecall(): boolean | null {
    try {
      return someRecall.get() !== null;
    } catch {
      return null;
    }
  }

  function look(): void {
    if (closed) return;
    timer = clock.after(watchMs, look);
    const now = version();
    // A look that failed says nothing; the next one will.
    if (now === null || now === last) return;
    last = now;
    if (anyRecall() !== false) for (const wake of recalls) wake();
    for (const wake of tasks) wake();
  }

  function listen(): void {
    if (timer !== null) return;
    last = version();
    timer = clock.after(watchMs, look);
  }

  return {
    onTasks(wake) {
      tasks.push(wake);
      listen();
    },
    onRecalls(wake) {
      recalls.push(wake);
      listen();
    },
    announce() {
      for (const wake of tasks) wake();
    },
    anyRecall,
    close() {
      closed = true;
      timer?.cancel();
    },
  };
}
