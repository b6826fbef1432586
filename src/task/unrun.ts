/* The outcome of a dispatch of which no process came, whoever decides that. */
import type { Outcome } from "./task.ts";

/** What came of a dispatch that did not run: a status that says why, and nothing else. `now`: ms since 1970. */
export function unrun({ id, lease }: Pick<Outcome, "id" | "lease">, exitStatus: number, now: number): Outcome {
  return {
    id,
    lease,
    command: null,
    startTime: null,
    completionTime: now,
    exitStatus,
    outpath: null,
    errpath: null,
    csvpath: null,
    coresMax: null,
    memoryMax: null,
  };
}
