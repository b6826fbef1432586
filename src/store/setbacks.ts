/*
 * Which waiting tasks are held back by failures, for every store. A task is held back as long as a task of a lower
 * group, submitted from the same directory, has failed for good. Where no directory is recorded (tasks of older
 * programs) nobody knows whose they are: such a failure holds back all higher groups, and such a task is held back by
 * every failure below it. Does not know where failures are kept: each store reads them in its own way.
 */
import { type HeldBack, mostTold } from "./store.ts";

/** Stands for the directory of tasks whose submission is not recorded. */
export const nowhere = "";

/** For each directory, the lowest group with final failures. */
export interface Lowest {
  readonly groups: ReadonlyMap<string, number>;
  /** The lowest of all of them; Infinity: there is no failure. */
  readonly overall: number;
}

/** The lowest group of each directory, of failures in any order. */
export function lowestOf(failures: Iterable<readonly [directory: string, group: number]>): Lowest {
  const groups = new Map<string, number>();
  let overall = Number.POSITIVE_INFINITY;
  for (const [directory, group] of failures) {
    groups.set(directory, Math.min(group, groups.get(directory) ?? group));
    overall = Math.min(overall, group);
  }
  return { groups, overall };
}

/** The highest group of this directory whose tasks may run; Infinity: all may. */
export function highestFree({ groups, overall }: Lowest, directory: string): number {
  const least = (place: string): number => groups.get(place) ?? Number.POSITIVE_INFINITY;
  return directory === nowhere ? overall : Math.min(least(directory), least(nowhere));
}

/** The directories whose tasks of this group are held back; null: all tasks of this group are, whatever theirs is. */
export function heldPlaces(lowest: Lowest, group: number): readonly string[] | null {
  const { groups, overall } = lowest;
  if ((groups.get(nowhere) ?? group) < group) return null;
  const places = [...groups].flatMap(([directory, low]) => (low < group ? [directory] : []));
  return overall < group ? [nowhere, ...places] : places;
}

/** Tasks of one group of a submission that wait and are held back. */
export interface HeldPair {
  readonly submitId: string;
  readonly group: number;
  readonly directory: string;
  readonly tasks: number;
}

/** Whether tasks are held back that a run passes over when it goes on with group `to` (Infinity: whatever it does). */
export function isToTell(pairs: readonly HeldPair[], to: number): boolean {
  return pairs.some(({ group }) => group <= to);
}

/** What is told of tasks that are held back, but for the reasons. */
export function summaryOf(pairs: readonly HeldPair[]): Pick<HeldBack, "tasks" | "waiting" | "submissions"> {
  const groups = new Map<string, number>();
  for (const { submitId, group } of pairs) groups.set(submitId, Math.min(group, groups.get(submitId) ?? group));
  const waiting = [...groups].slice(0, mostTold).map(([submitId, group]) => ({ submitId, group }));
  return { tasks: pairs.reduce((sum, { tasks }) => sum + tasks, 0), waiting, submissions: groups.size };
}

/** Below which group the failures of a directory hold some of these tasks back. */
export function holdersOf(pairs: readonly HeldPair[]): (directory: string) => number {
  const highest = new Map<string, number>();
  for (const { directory, group } of pairs) highest.set(directory, Math.max(group, highest.get(directory) ?? group));
  const overall = Math.max(...highest.values());
  const most = (directory: string): number => highest.get(directory) ?? Number.NEGATIVE_INFINITY;
  return (directory) => (directory === nowhere ? overall : Math.max(most(nowhere), most(directory)));
}

/**
 * From this number of submissions with failures on, the lowest groups are kept for a while, which grows with the number
 * (milliseconds for each): claims spend a tenth of their time at most on finding them.
 */
const many = 50;

/** Keeps the lowest groups if it takes long to find them. `now` is in milliseconds and never goes back. */
export class LowestKept {
  readonly #now: () => number;
  readonly #msEach: number;
  #kept: { readonly key: string; readonly lowest: Lowest; readonly until: number } | null = null;

  /** `msEach`: ten times what it takes to find one submission, milliseconds. */
  constructor(now: () => number, msEach: number) {
    this.#now = now;
    this.#msEach = msEach;
  }

  /** The lowest groups that were found for this key, if they are to be used still. */
  find(key: string): Lowest | null {
    const kept = this.#kept;
    return kept !== null && kept.key === key && this.#now() < kept.until ? kept.lowest : null;
  }

  /** Notes what was found, of this many submissions. */
  keep(key: string, lowest: Lowest, submissions: number): Lowest {
    this.#kept = submissions < many ? null : { key, lowest, until: this.#now() + submissions * this.#msEach };
    return lowest;
  }
}
