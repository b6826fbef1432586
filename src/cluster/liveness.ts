/*
 * Whether a server that left a heartbeat row still runs. Its heartbeat says so, wherever it is. The process table says
 * it at once, but only where it is certainly the one in which the server is: two containers, or two hosts that share a
 * file, may have the same host name and each a process of that number.
 */
import type { Clock } from "../base/clock.ts";
import { isThere as finds } from "../base/process-source.ts";
import { processes } from "../base/processes.ts";
import { serverBeatMs } from "../server/door.ts";
import type { ServerRow } from "../store/store.ts";

/**
 * A server counts as dead after this long without a heartbeat, milliseconds: six of them. With a database in a file the
 * clocks of hosts may differ by half of that time.
 */
export const silentMs = 6 * serverBeatMs;

/** A heartbeat that is newer than the last by less than this, milliseconds, is the same one, read a second time. */
const sameBeatMs = 1000;

/** Whether the process of a server is there, by the process table `here`; null when that does not tell. */
function isThere({ pid, pidStart, processTable: table }: ServerRow, here: string | null): boolean | null {
  if (here === null || table !== here || pidStart === null) return null;
  if (!finds(pid)) return false;
  const state = processes().stateOf(pid);
  // It may be hidden (mount option hidepid): the number may be somebody else's by now.
  return state === null ? null : state.startedAt === pidStart && !state.isOver;
}

/** Whether a server still runs, seen at `now`, milliseconds since 1970, by somebody who looks only once. */
export function isAlive(server: ServerRow, now: number, here: string | null = processes().table()): boolean {
  return isThere(server, here) ?? now - server.beatAt < silentMs;
}

/** A heartbeat as it was last seen. */
interface Sighting {
  beatAt: number;
  /** How long the server had been silent at that time, milliseconds. */
  readonly silence: number;
  /** For how long it was looked at since, milliseconds. */
  watchedMs: number;
  /** Whether it was seen to move. */
  readonly hasMoved: boolean;
}

export interface Liveness {
  isAlive(server: ServerRow): boolean;
  /**
   * Whether that is more than a guess: its process is there, or its heartbeat was seen to move. Until then it may have
   * died less than a minute ago.
   */
  isProven(server: ServerRow): boolean;
}

/**
 * Tells whether servers still run, for somebody who asks again and again. A server counts as dead when its heartbeat
 * has not moved while it was looked at, whatever clocks show: clocks are set, and a machine that sleeps stops its
 * servers and those who watch them alike. Only a server that is seen for the first time is judged by the clock.
 */
export function newLiveness(clock: Clock, here: string | null = processes().table()): Liveness {
  const sightings = new Map<string, Sighting>();
  let lookedAt = clock.now();
  function isAliveNow(server: ServerRow): boolean {
    const there = isThere(server, here);
    if (there !== null) return there;
    const now = clock.now();
    // Whoever did not look for longer was stopped, or had no reason to.
    const passedMs = Math.min(now - lookedAt, 2 * serverBeatMs);
    lookedAt = now;
    if (passedMs > 0) for (const each of sightings.values()) each.watchedMs += passedMs;
    const last = sightings.get(server.id);
    if (last !== undefined && Math.abs(server.beatAt - last.beatAt) < sameBeatMs)
      return last.silence + last.watchedMs < silentMs;
    const silence = last === undefined ? Math.max(0, now - server.beatAt) : 0;
    sightings.set(server.id, { beatAt: server.beatAt, silence, watchedMs: 0, hasMoved: last !== undefined });
    return silence < silentMs;
  }
  return {
    isAlive: isAliveNow,
    isProven: (server) =>
      isAliveNow(server) && (isThere(server, here) === true || sightings.get(server.id)?.hasMoved === true),
  };
}
