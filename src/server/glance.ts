/*
 * A few numbers of a server, for whoever looks on several times in a second. As pure as reactor.ts.
 */
import { runningOf, type ServerState } from "./state.ts";

export interface Glance {
  /** Tasks whose last attempt has ended, in whatever way; `failed` and `cancelled` are among them. */
  readonly ended: number;
  readonly failed: number;
  readonly cancelled: number;
  /** Tasks that clients run, or are about to. */
  readonly running: number;
  /** Clients, those included that have lost their connection and may come back. */
  readonly clients: number;
  /** Whether nothing new is handed out any more. */
  readonly isClosing: boolean;
}

/** The numbers now. It visits each client, but none of their tasks. */
export function glanceOf(state: ServerState): Glance {
  const { succeeded, failed, cancelled } = state.counts;
  return {
    ended: succeeded + failed + cancelled,
    failed,
    cancelled,
    running: runningOf(state),
    clients: state.clients.size,
    isClosing: state.phase.at !== "running",
  };
}
