/*
 * How much a server has to do, for whoever decides how many clients it needs: what waits and runs here, how fast the
 * clients that are connected work, and which of them take nothing more. As pure as reactor.ts.
 */
import { builtInResources, demandOf } from "../task/demand.ts";
import type { ClientEntry, ServerState } from "./state.ts";
import { type Pace, paceOf } from "./tally.ts";

/** A client, as far as it matters for their number. */
export interface ClientLoad {
  readonly id: string;
  readonly host: string;
  /** What brought it up, as it says itself; null: it does not know. */
  readonly job: string | null;
  readonly executors: number;
  /** How many tasks it runs, or is about to start. */
  readonly running: number;
  /** Whether it takes no more tasks: it leaves when what it runs has ended. */
  readonly isDraining: boolean;
  /** Whether it ever had a task of this server. */
  readonly hasWorked: boolean;
}

export interface ServerLoad extends Pace {
  /** All clients that the server knows, those included that have lost their connection and may come back. */
  readonly clients: readonly ClientLoad[];
  /** How many tasks run, or are about to start. */
  readonly running: number;
  /** How many tasks clients have, those included that wait there: nobody else gets them. */
  readonly held: number;
  /** How many tasks wait here although clients that take tasks are asked first. */
  readonly ready: number;
  /** How many tasks more the clients would start now. */
  readonly credit: number;
  /** How many waiting tasks failures hold back; null: there are others to run, or none at all. */
  readonly heldBack: number | null;
}

/** The load of a server now. It visits each client, so it is for one look in a second or in a minute. */
export function loadOf(state: ServerState): ServerLoad {
  const clients = [...state.clients.values()];
  const { rate, duration } = paceOf(clients.map(({ tally }) => tally));
  const loads = clients.map(loadOfClient);
  return {
    clients: loads,
    running: loads.reduce((sum, { running }) => sum + running, 0),
    held: state.holders.size,
    ready: state.ready.length,
    credit: clients.reduce((sum, client) => sum + roomAt(client), 0),
    heldBack: state.heldBack?.tasks ?? null,
    rate,
    duration,
  };
}

function loadOfClient(client: ClientEntry): ClientLoad {
  const { id, host, job, executors, held, isDraining, standing, hasWorked } = client;
  const most = Math.min(held.size, executors);
  const running = isBound(client) ? Math.min(most, measuredOf(client)) : most;
  return { id, host, job, executors, running, isDraining: isDraining || standing.at === "leaving", hasWorked };
}

/** How many tasks more a client would start now. One whose tasks wait for its cores or memory starts none. */
function roomAt(client: ClientEntry): number {
  const { credit, held, executors, standing } = client;
  return standing.at !== "present" || held.size > executors || isBound(client) ? 0 : credit;
}

/** Whether tasks of the client ask for cores, memory or devices: it runs as many as fit, and others wait there. */
function isBound({ held }: ClientEntry): boolean {
  for (const { task } of held.values()) if (demandOf(task, builtInResources) !== null) return true;
  return false;
}

/** How many tasks a client has run at once so far, on the average; one while nobody knows. */
function measuredOf({ tally }: ClientEntry): number {
  if (tally === null || tally.count === 0 || tally.until <= tally.from) return 1;
  return Math.max(1, Math.round(tally.tookMs / (tally.until - tally.from)));
}
