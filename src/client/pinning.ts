/*
 * Pins tasks to processors (client.pin): a process inherits the affinity of the thread that starts it, so this thread
 * takes the affinity of the task for the moment of its start. The task has it from its first instruction on, and no
 * wrapper stands before its command. Which processors a task gets: cores.ts.
 */
import type { SetAffinity } from "../base/affinity.ts";
import { newCores } from "./cores.ts";

export interface Pins {
  /** Takes processors for a task that starts now: `cores` of them, one for 0. `unpin` must follow. */
  pin(id: string, cores: number): void;
  /** Gives this thread all processors of the client again. */
  unpin(): void;
  /** Frees the processors of a task that has ended, or has not started. */
  release(id: string): void;
}

/** Pins to these processors, the numbers of those that the client itself may use. */
export function newPins(all: readonly number[], setAffinity: SetAffinity): Pins {
  const cores = newCores(all);
  let isPinned = false;
  return {
    pin(id, wanted) {
      isPinned = true;
      setAffinity(cores.take(id, wanted));
    },
    unpin() {
      if (isPinned) setAffinity(all);
      isPinned = false;
    },
    release: cores.release,
  };
}
