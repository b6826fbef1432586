/*
 * What all peers of one process have sent that cannot be dealt with yet: frames that have begun and whose end has not
 * come, and tasks that are not stored. It is bounded, because whoever knows the key still must not fill memory. Knows
 * neither sessions nor what a frame means.
 */
import { counted } from "../base/units.ts";
import type { Clock, Timer } from "../base/clock.ts";

/** A peer whose frame has begun. */
export interface Begun {
  /** The number of bytes that are held of its frame. */
  readonly heldBytes: number;
  /** The number of looks since the frame began. */
  looks: number;
  /** Whether this side reads nothing from it for now: the time does not count then. */
  readonly isPaused: boolean;
  /** Gives up the peer, for this reason. It must be forgotten in the course of that (`finished`). */
  readonly late: (text: string) => void;
}

export interface Backlog {
  readonly clock: Pick<Clock, "after">;
  /** The peers of unfinished frames, in the order in which these began. */
  readonly peers: Set<Begun>;
  /** The number of bytes that are held of these frames, all together. */
  bytes: number;
  /** The number of bytes of tasks that submitters have sent and that are not stored. */
  unstored: number;
  /** The timer of the next look; null: there is nothing to look at. */
  timer: Timer | null;
}

/** The largest number of bytes that are held of all unfinished frames: the largest frame has room twice. */
const mostBytes = 32 * 1024 * 1024;
/** The pause between two looks at the frames, milliseconds. A look costs next to nothing. */
const lookMs = 10_000;
/** Any frame may take this long, milliseconds. */
const graceMs = 30_000;
/** A frame that takes longer must have brought this much in each further second, bytes: the slowest link that does. */
const slowest = 8 * 1024;

/** A backlog with nothing in it. */
export function newBacklog(clock: Pick<Clock, "after">): Backlog {
  return { clock, peers: new Set(), bytes: 0, unstored: 0, timer: null };
}

/**
 * Notes that this many bytes of a frame are held from now on. If all together are too many, the peer that holds most
 * is given up, which may be this one: honest frames are small.
 */
export function keepCount(backlog: Backlog, peer: Begun, bytes: number): void {
  const { peers } = backlog;
  if (!peers.has(peer)) {
    peer.looks = 0;
    peers.add(peer);
  }
  backlog.bytes += bytes;
  if (backlog.bytes > mostBytes) {
    let largest = peer;
    for (const each of peers) if (each.heldBytes > largest.heldBytes) largest = each;
    largest.late(`${counted(largest.heldBytes, "byte")} of a frame without its end, while others hold as many`);
  }
  if (peers.size > 0) backlog.timer ??= backlog.clock.after(lookMs, () => look(backlog));
}

/** Notes that the bytes of the peer's frame are held no longer: its end has come, or the peer is gone. */
export function finished(backlog: Backlog, peer: Begun, bytes: number): void {
  if (!backlog.peers.delete(peer)) return;
  backlog.bytes -= bytes;
}

/** Ends the looks if there is nothing to look at; called when a session ends, so that no timer outlives it. */
export function rest(backlog: Backlog): void {
  if (backlog.peers.size > 0) return;
  backlog.timer?.cancel();
  backlog.timer = null;
}

function look(backlog: Backlog): void {
  const { peers, clock } = backlog;
  backlog.timer = null;
  for (const peer of peers) {
    if (peer.isPaused) continue;
    peer.looks++;
    // The first look may come right after the frame has begun.
    const seconds = ((peer.looks - 1) * lookMs - graceMs) / 1000;
    if (seconds > 0 && peer.heldBytes < seconds * slowest)
      peer.late(`a frame that is too slow: ${counted(peer.heldBytes, "byte")}, and no end`);
  }
  if (peers.size > 0) backlog.timer ??= clock.after(lookMs, () => look(backlog));
}
