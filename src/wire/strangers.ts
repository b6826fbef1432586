/*
 * Connections whose peer has not proved the key: how many may wait at once, how many one source may open in a second,
 * and who makes room. Whoever opens many connections loses most of its own, and honest peers, who need milliseconds,
 * find room. Knows neither sockets nor sessions.
 */
import type { Network } from "../base/attempts.ts";
import type { Clock, Timer } from "../base/clock.ts";

/** A connection in its place. */
export interface Stranger {
  /** Where it comes from, see sourceOf. */
  readonly source: string;
  /** When it came, milliseconds since 1970. */
  readonly since: number;
  /** Its place in the list. */
  index: number;
}

export interface Strangers<S extends Stranger> {
  readonly clock: Pick<Clock, "after" | "now">;
  /** The largest number that may wait. */
  readonly places: number;
  /** A random number from 0 (included) to 1 (excluded). */
  readonly random: () => number;
  /** Called once for each source that was refused in a second, with the number of its connections that were. */
  readonly onRefused: (source: string, refused: number) => void;
  /** In no order. */
  readonly waiting: S[];
  /** Those of each source, oldest first. */
  readonly bySource: Map<string, Set<S>>;
  /** How many connections each source has opened in this second. */
  readonly arrivals: Map<string, number>;
  /** Ends this second; null: nobody has come yet. */
  second: Timer | null;
}

/** The largest number of connections of one source in a second: a host with as many cores starts a client on each. */
const mostArrivals = 4096;
/** An honest peer proves the key within this time, milliseconds, even if this process is busy: it needs some ten. */
const honestMs = 300;
/** The number of strangers that are looked at when one has to make room. */
const samples = 8;

/** Nobody waits yet. */
export function noStrangers<S extends Stranger>(
  options: Pick<Strangers<S>, "clock" | "places" | "random" | "onRefused">,
): Strangers<S> {
  return { ...options, waiting: [], bySource: new Map(), arrivals: new Map(), second: null };
}

/** Whether a connection from there may come, or its source has opened too many in this second. */
export function mayCome<S extends Stranger>(strangers: Strangers<S>, source: string): boolean {
  const { arrivals, clock, onRefused } = strangers;
  if (arrivals.size === 0)
    strangers.second = clock.after(1000, () => {
      for (const [each, count] of arrivals) if (count > mostArrivals) onRefused(each, count - mostArrivals);
      arrivals.clear();
    });
  const count = (arrivals.get(source) ?? 0) + 1;
  arrivals.set(source, count);
  return count <= mostArrivals;
}

/** Nobody comes any more. */
export function endArrivals({ second, arrivals }: Strangers<Stranger>): void {
  second?.cancel();
  arrivals.clear();
}

/** Gives a connection a place. */
export function seat<S extends Stranger>({ waiting, bySource }: Strangers<S>, stranger: S): void {
  stranger.index = waiting.length;
  waiting.push(stranger);
  const ofSource = bySource.get(stranger.source);
  if (ofSource === undefined) bySource.set(stranger.source, new Set([stranger]));
  else ofSource.add(stranger);
}

/** Takes the place of a connection back. Answers false if it has none. */
export function unseat<S extends Stranger>({ waiting, bySource }: Strangers<S>, stranger: S): boolean {
  const { index, source } = stranger;
  if (waiting[index] !== stranger) return false;
  const last = waiting.pop()!;
  if (last !== stranger) {
    waiting[index] = last;
    last.index = index;
  }
  const ofSource = bySource.get(source)!;
  ofSource.delete(stranger);
  if (ofSource.size === 0) bySource.delete(source);
  return true;
}

/**
 * Who has to make room: of the source that has most, among those of a few connections that are taken at random. A
 * source with many is met almost always, and one with a single connection almost never has to make room. Its oldest
 * goes if an honest peer would be known by now; in a flood none is so old, and chance decides. Null: nobody waits.
 */
export function whoGoes<S extends Stranger>({ waiting, bySource, random, clock }: Strangers<S>): S | null {
  let chosen: S | null = null;
  let most = 0;
  for (let n = 0; n < samples && waiting.length > 0; n++) {
    const each = waiting[Math.floor(random() * waiting.length)]!;
    const { size } = bySource.get(each.source)!;
    if (size <= most) continue;
    chosen = each;
    most = size;
  }
  if (chosen === null) return null;
  const [oldest = chosen] = bySource.get(chosen.source)!;
  return clock.now() - oldest.since >= honestMs ? oldest : chosen;
}

/**
 * The source of a connection: its IPv4 address, or the first 64 bits of its IPv6 address, which are one network and
 * mostly one owner.
 */
export function sourceOf(address: string): string {
  if (!address.includes(":")) return address;
  const mapped = address.lastIndexOf(":");
  if (address.includes(".", mapped)) return address.slice(mapped + 1);
  const [before = "", after] = address.split("::", 2);
  const groups = before === "" ? [] : before.split(":");
  // Zeros that were left out begin within the first four groups, or the four are there.
  if (groups.length < 4 && after !== undefined) {
    const rest = after === "" ? [] : after.split(":");
    const zeros = 8 - groups.length - rest.length;
    groups.push(...Array.from({ length: Math.max(0, zeros) }, () => "0"), ...rest);
  }
  return groups.slice(0, 4).join(":");
}

/** The numbers of a source: one for an IPv4 address, two for a network of IPv6. */
export function networkOf(source: string): Network {
  if (!source.includes(":")) return [source.split(".").reduce((sum, part) => sum * 256 + Number(part), 0)];
  const [a = 0, b = 0, c = 0, d = 0] = source.split(":").map((group) => Number.parseInt(group, 16));
  return [a * 65_536 + b, c * 65_536 + d];
}
