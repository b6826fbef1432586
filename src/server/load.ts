/*
 * How much a server has to do, for whoever decides how many clients it needs: what waits and runs here, how fast the
 * clients that are connected work, and which of them take nothing more. As pure as reactor.ts.
 */
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
  /** How many tasks wait here although clients that take tasks are asked first. */
  readonly ready: number;
  /** How many tasks more the clients would take now. */
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
    ready: state.ready.length,
    credit: state.present.credit,
    heldBack: state.heldBack?.tasks ?? null,
    rate,
    duration,
  };
}

function loadOfClient({ id, host, job, executors, held, isDraining, standing, hasWorked }: ClientEntry): ClientLoad {
  const running = Math.min(held.size, executors);
  return { id, host, job, executors, running, isDraining: isDraining || standing.at === "leaving", hasWorked };
}
