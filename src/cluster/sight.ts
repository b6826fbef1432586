/*
 * What somebody who waits for a run sees of it: its numbers, and what it waits for. Pure.
 */
import type { Sight } from "../progress/sight.ts";
import type { Glance } from "../server/glance.ts";

/** How far a run is, besides what its server knows. */
export interface RunFacts {
  readonly options: { readonly forever: boolean; readonly remote: boolean };
  /** Null: the run continues what is in the database. */
  readonly input: object | null;
  readonly recovery: { readonly unfinished: number };
  /** Tasks of the input that are stored, and lines of it that are no tasks. */
  readonly stored: number;
  readonly bad: number;
  /** Whether all of the input is read. */
  readonly isLoaded: boolean;
  readonly patience: { readonly inTrouble: boolean };
}

/** The sight of a run. */
export function sightOf(run: RunFacts, glance: Glance): Sight {
  const { options, input, recovery, stored, bad, isLoaded } = run;
  const done = glance.ended + bad;
  const tasks = options.forever ? null : input === null ? recovery.unfinished : stored;
  return {
    verb: "done",
    done,
    // Tasks of others may be among those that have ended.
    total: tasks === null ? null : Math.max(tasks + bad, done),
    isOpen: !isLoaded,
    failed: glance.failed + bad,
    cancelled: glance.cancelled,
    running: glance.running,
    clients: options.remote ? glance.clients : null,
    note: noteOf(run, tasks, glance),
  };
}

function noteOf(
  { options, isLoaded, patience }: RunFacts,
  tasks: number | null,
  { ended, running, clients, isClosing }: Glance,
): string | null {
  if (patience.inTrouble) return "waiting for the database";
  if (isClosing) return "stopping";
  const isIdle = tasks !== null && ended >= tasks;
  if (options.remote && clients === 0 && !isIdle) return "waiting for clients";
  if (running > 0) return null;
  if (options.forever) return "waiting for tasks";
  return isIdle && !isLoaded ? "waiting for input" : null;
}
