/*
 * Whether a server that left a heartbeat row still runs. For this host the process table tells at once; for another
 * host only the age of the last heartbeat does.
 */
import { processFacts } from "../base/process.ts";
import { serverBeatMs } from "../server/door.ts";
import type { ServerRow } from "../store/store.ts";

/**
 * After this many missed heartbeats a server on another host counts as dead. With a database in a file the clocks of
 * hosts may differ by half of that time.
 */
const missedBeats = 6;

/**
 * The start time of a process in clock ticks since boot; null where /proc does not exist. Source: proc(5), field 22.
 */
export function processStart(pid: number): string | null {
  try {
    return processFacts(pid)[19] ?? null;
  } catch {
    return null;
  }
}

/** Whether a server still runs, seen from `host` at `now`, milliseconds since 1970. */
export function isAlive(server: ServerRow, host: string, now: number): boolean {
  if (server.host !== host) return now - server.beatAt < missedBeats * serverBeatMs;
  try {
    process.kill(server.pid, 0);
  } catch (error) {
    // EPERM: the process exists and belongs to somebody else.
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  return server.pidStart === null || processStart(server.pid) === server.pidStart;
}
