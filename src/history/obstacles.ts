/*
 * What in a database stands in the way of one task: lower groups that have not ended, and failures that hold it back.
 * The rules are those of a claim (store/store.ts, store/setbacks.ts), asked for one task. How rows are found is in
 * obstacles.ts of each database.
 */
import { highestFree, type Lowest, nowhere } from "../store/setbacks.ts";
import { mostTold, type Setback } from "../store/store.ts";
import { everyFailure } from "../task/retries.ts";

/** The task that is asked about. */
export interface ObstacleQuery {
  readonly id: string;
  readonly submitId: string;
  readonly group: number;
  /** The submissions that live runs keep for themselves. */
  readonly reserved: readonly string[];
}

/** A lower group whose tasks run first. */
export interface LowerGroup {
  readonly group: number;
  readonly unfinished: number;
  /** How many of these a server has taken. */
  readonly held: number;
  readonly example: string;
}

/** What stands in the way of a task. */
export interface Obstacles {
  /** The directory that it was submitted from; null: it is not recorded. */
  readonly cwd: string | null;
  /** Groups that run first, the lowest first, at most `mostTold`; `lowerGroups` counts all. */
  readonly lower: readonly LowerGroup[];
  readonly lowerGroups: number;
  /** Failures that hold it back, at most `mostTold`, the lowest group first; `reasons` counts all. */
  readonly setbacks: readonly Setback[];
  readonly reasons: number;
  /** How many tasks of its group wait and were submitted before it. */
  readonly before: number;
}

/** A client as the database knows it. Times are milliseconds since 1970. */
export interface ClientRow {
  readonly host: string;
  readonly serverId: string;
  /** Null: it is not known. */
  readonly connectedAt: number | null;
  /** Null: it has not left. */
  readonly disconnectedAt: number | null;
  /** Whether its server gave it up. */
  readonly evicted: boolean;
}

/** Unfinished tasks of one group of a submission. */
export interface UnfinishedPair {
  readonly group: number;
  /** Of their submission. */
  readonly directory: string;
  readonly unfinished: number;
  readonly held: number;
  readonly example: string;
}

/** Every failure without a next attempt counts as final: a server that would try it again has not said so. */
export const anyFinal = everyFailure(1);

/** Below which group failures of a directory hold back a task of `group` that was submitted from `own`. */
export function belowOf(own: string, group: number): (directory: string) => number {
  return (directory) =>
    directory === own || directory === nowhere || own === nowhere ? group : Number.NEGATIVE_INFINITY;
}

/**
 * The groups that run before a task: those whose tasks run, or wait and are not held back themselves. `pairs`: what has
 * not ended of lower groups, the lowest first.
 */
export function lowerGroupsOf(
  pairs: readonly UnfinishedPair[],
  failures: Lowest,
): Pick<Obstacles, "lower" | "lowerGroups"> {
  const groups = new Map<number, LowerGroup>();
  for (const { group, directory, unfinished, held, example } of pairs) {
    const counting = group > highestFree(failures, directory) ? held : unfinished;
    if (counting === 0) continue;
    const known = groups.get(group) ?? { group, unfinished: 0, held: 0, example };
    groups.set(group, { ...known, unfinished: known.unfinished + counting, held: known.held + held });
  }
  return { lower: [...groups.values()].slice(0, mostTold), lowerGroups: groups.size };
}
