/*
 * Proofs of the key from sources that have sent wrong ones: few are checked at a time, with pauses that grow, so
 * that keys cannot be tried one after the other. Who has the key waits his turn, too, or the wait would tell right from
 * wrong. Whose turn it is, chance decides: nobody can keep others of the same source (a login node, a network behind
 * one address) out by being first. Knows neither sockets nor proofs.
 */
import type { Clock, Timer } from "../base/clock.ts";

/** Checks a proof. `gone`: the connection has ended meanwhile, so there was nothing to check. */
export type Check = () => "right" | "wrong" | "gone";

interface Source {
  /** The number of wrong proofs; half of them are forgotten now and then. */
  wrong: number;
  /** Those that wait for their turn, in no order. */
  readonly waiting: Check[];
  /** Whether it is the pause after a wrong proof, in which nothing is checked. */
  isPause: boolean;
  /** Ends the pause, or forgets wrong proofs; null: none is known. */
  timer: Timer | null;
}

export interface Guesses {
  readonly clock: Pick<Clock, "after">;
  /** A random number from 0 (included) to 1 (excluded). */
  readonly random: () => number;
  /** The sources of wrong proofs, those that are known for longest first. */
  readonly sources: Map<string, Source>;
  /** Whether nothing is remembered any more, because the port is closed. */
  isOver: boolean;
}

/** The number of wrong proofs without a pause: of people who mistype, and of a job whose clients have an old key. */
const free = 20;
/** The pause after the first of the others, milliseconds; after each further one it is twice as long. */
const firstPauseMs = 10;
/** The longest pause, milliseconds. */
const longestPauseMs = 500;
/**
 * Of those that wait one in ten is checked after a pause, at most five: who guesses on fifty connections at once has
 * ten tries a second, and who has the key is let in within ten seconds nine times out of ten.
 */
const oneIn = 10;
const mostAtOnce = 5;
/** How long it takes until half of the wrong proofs of a source are forgotten, milliseconds. */
const forgetMs = 60_000;
/** The largest number of sources that are remembered. */
const mostSources = 10_000;

/** Nobody has guessed yet. */
export function noGuesses({ clock, random }: Pick<Guesses, "clock" | "random">): Guesses {
  return { clock, random, sources: new Map(), isOver: false };
}

/** Forgets all, now and from now on: the port is closed. Those that wait have their turn at once. */
export function endGuesses(guesses: Guesses): void {
  guesses.isOver = true;
  for (const from of guesses.sources.keys()) forgetSource(guesses.sources, from);
}

/** Has a proof from there checked: now, or when it is its turn. */
export function takeTurn(guesses: Guesses, from: string, check: Check): void {
  const source = guesses.sources.get(from);
  if (source?.isPause === true) source.waiting.push(check);
  else if (check() === "wrong") noteWrong(guesses, from, source ?? newSource(guesses, from));
}

function newSource({ sources }: Guesses, from: string): Source {
  const source: Source = { wrong: 0, waiting: [], isPause: false, timer: null };
  sources.set(from, source);
  const [oldest] = sources.size > mostSources ? sources.keys() : [];
  if (oldest !== undefined) forgetSource(sources, oldest);
  return source;
}

/** Forgets the wrong proofs of a source. Those of it that wait have their turn at once. */
function forgetSource(sources: Map<string, Source>, from: string): void {
  const source = sources.get(from);
  source?.timer?.cancel();
  sources.delete(from);
  source?.waiting.forEach((check) => check());
}

function noteWrong(guesses: Guesses, from: string, source: Source): void {
  if (guesses.isOver) return forgetSource(guesses.sources, from);
  source.wrong += 1;
  pause(guesses, from, source);
}

function pause(guesses: Guesses, from: string, source: Source): void {
  const pauseMs = source.wrong <= free ? 0 : Math.min(longestPauseMs, firstPauseMs * 2 ** (source.wrong - free - 1));
  source.timer?.cancel();
  source.isPause = pauseMs > 0;
  source.timer = source.isPause
    ? guesses.clock.after(pauseMs, () => endPause(guesses, from, source))
    : guesses.clock.after(forgetMs, () => forgetSome(guesses, from, source));
}

/** Checks proofs until as many as may be are wrong. */
function endPause(guesses: Guesses, from: string, source: Source): void {
  const { waiting } = source;
  const before = source.wrong;
  const until = before + Math.min(mostAtOnce, Math.ceil(waiting.length / oneIn));
  source.isPause = false;
  while (waiting.length > 0 && source.wrong < until) {
    const at = Math.floor(guesses.random() * waiting.length);
    const check = waiting[at]!;
    waiting[at] = waiting.at(-1)!;
    waiting.pop();
    if (check() === "wrong") source.wrong += 1;
  }
  if (source.wrong > before) pause(guesses, from, source);
  else source.timer = guesses.clock.after(forgetMs, () => forgetSome(guesses, from, source));
}

function forgetSome(guesses: Guesses, from: string, source: Source): void {
  source.wrong = Math.floor(Math.min(source.wrong, 2 * free) / 2);
  if (source.wrong === 0) guesses.sources.delete(from);
  else source.timer = guesses.clock.after(forgetMs, () => forgetSome(guesses, from, source));
}
