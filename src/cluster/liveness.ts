/*
 * Whether a server that left a heartbeat row is still there. On this host the process table says so at once; of another
 * host only the age of its last heartbeat tells.
 */
import { readFileSync } from "node:fs";
import { serverBeatMs } from "../server/door.ts";
import type { ServerRow } from "../store/store.ts";

/**
 * Heartbeats missed before a server on another host counts as dead. With a database in a file the clocks of hosts may
 * differ by half of it.
 */
const missedBeats = 6;

/** The start time of a process in clock ticks since boot (proc(5), field 22); null where /proc does not exist. */
export function processStart(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field is the program's name in parentheses and may hold anything: count from behind it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[19] ?? null;
  } catch {
    return null;
  }
}

/** Whether a server still runs, asked on `host` at `now`, milliseconds since 1970. */
export function isAlive(server: ServerRow, host: string, now: number): boolean {
  if (server.host !== host) return now - server.beatAt < missedBeats * serverBeatMs;
  try {
    process.kill(server.pid, 0);
  } catch (error) {
    // EPERM: it exists and belongs to somebody else.
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  return server.pidStart === null || processStart(server.pid) === server.pidStart;
}
