/*
 * Floods of attempts to connect. Bun accepts connections in one go for as long as there are any, so whoever connects
 * faster than this process accepts keeps it from all its other duties, those who are connected included. When too many
 * come in one turn of the event loop, the system drops further attempts of the sources that most of them come from, for
 * a while: the turn ends, and nobody else is held up. Knows neither sockets nor how attempts are dropped.
 */
import type { Clock, Timer } from "../base/clock.ts";

export interface Floods {
  readonly clock: Pick<Clock, "after" | "defer">;
  /**
   * Drops attempts from these sources (see sourceOf in strangers.ts), or from everywhere (null). Answers false where
   * the system cannot.
   */
  readonly shut: (sources: readonly string[] | null) => boolean;
  /** Drops none any more. */
  readonly open: () => void;
  /** How many connections each source has made in this turn of the event loop, and all together. */
  readonly arrivals: Map<string, number>;
  count: number;
  /** The sources whose attempts are dropped; null: all. */
  shutOut: Set<string> | null;
  /** For how long attempts are dropped next time, milliseconds. */
  pauseMs: number;
  /** The timer of the end of the pause, or after it of the end of the watch; null: there is no flood. */
  timer: Timer | null;
  /** Whether attempts are dropped now. */
  isShut: boolean;
}

/** So many connections in one turn are a flood, or so many clients that start at once: these come a second later. */
const mostInTurn = 256;
/** A source with at least so many of them is shut out. */
const mostOfSource = 16;
/** The largest number of sources that are shut out one by one. If there are more, everybody is held up. */
const mostSources = 100;
/** The first pause, milliseconds; it doubles while the flood goes on, up to the longest. */
const firstPauseMs = 250;
const longestPauseMs = 2000;

/** There is no flood. */
export function noFloods(options: Pick<Floods, "clock" | "shut" | "open">): Floods {
  const none = { arrivals: new Map(), count: 0, shutOut: new Set<string>(), timer: null, isShut: false };
  return { ...options, ...none, pauseMs: firstPauseMs };
}

/**
 * Notes a connection from there. Answers the number of connections of this turn if it is the one that makes them a
 * flood, else 0.
 */
export function noteArrival(floods: Floods, source: string): number {
  const { arrivals, clock } = floods;
  if (floods.count === 0)
    (clock.defer ?? setImmediate)(() => {
      floods.count = 0;
      arrivals.clear();
    });
  floods.count++;
  arrivals.set(source, (arrivals.get(source) ?? 0) + 1);
  return floods.count % mostInTurn === 0 && shutBusiest(floods) ? floods.count : 0;
}

/** Ends the pause at once: the port is closed. */
export function endFloods(floods: Floods): void {
  floods.timer?.cancel();
}

function shutBusiest(floods: Floods): boolean {
  const { shutOut, isShut, arrivals, count } = floods;
  const busiest = Array.from(arrivals).filter(([, arrived]) => arrived >= mostOfSource);
  const covered = busiest.reduce((sum, [, arrived]) => sum + arrived, 0);
  const before = isShut ? shutOut : new Set<string>();
  const sources = new Set([...(before ?? []), ...busiest.map(([source]) => source)]);
  const next = before === null || covered < count / 2 || sources.size > mostSources ? null : sources;
  // Those who came before the attempts of their source were dropped are still let in.
  if (isShut && (before === null || next?.size === before.size)) return false;
  if (!floods.shut(next === null ? null : [...next])) return false;
  floods.shutOut = next;
  if (isShut) return true;
  floods.isShut = true;
  floods.timer?.cancel();
  floods.timer = floods.clock.after(floods.pauseMs, () => letIn(floods));
  return true;
}

function letIn(floods: Floods): void {
  const { clock, pauseMs } = floods;
  floods.open();
  floods.isShut = false;
  floods.pauseMs = Math.min(2 * pauseMs, longestPauseMs);
  floods.timer = clock.after(2 * pauseMs, () => {
    floods.pauseMs = firstPauseMs;
    floods.timer = null;
  });
}
