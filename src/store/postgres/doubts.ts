/*
 * What a server must remember while it cannot know whether a call was done: its answer was lost with the connection. So
 * that a call which is tried again does nothing twice, and what an unanswered one did is not forgotten. Asks nothing
 * itself.
 */
import type { ClaimedTask } from "../../task/task.ts";
import type { Commit } from "../store.ts";

/** A commit, from its first try to its answer. */
export interface Attempt {
  /** It was tried before, and may have been done. */
  doubtful: boolean;
  /**
   * Tasks that a person, or another server, had taken away when it was tried: their outcomes stay refused when the
   * recalls are gone.
   */
  readonly away: Set<string>;
  /** Tasks that came to the server since the first try: if they are among those given back, that was before. */
  readonly come: Set<string>;
}

export interface Doubts {
  /** The answer of a claim was lost. */
  claimLost(serverId: string, at: number): void;
  /** Whether that was since `looked`. */
  readonly fresh: boolean;
  looked(): void;
  /** Times of all claims without an answer. What they took may show at any time: the database may still be at it. */
  unanswered(serverId: string): readonly number[];
  /** Of what was found, what was not found before. */
  found(tasks: readonly ClaimedTask[], most: number): readonly ClaimedTask[];
  /** These tasks are the server's from now on. */
  came(tasks: readonly ClaimedTask[]): void;
  /** A try of this commit begins. */
  attempt(commit: Commit): Attempt;
  committed(commit: Commit): void;
}

export function newDoubts(): Doubts {
  const claims: { readonly serverId: string; readonly at: number }[] = [];
  const handed = new Set<string>();
  const attempts = new Map<Commit, Attempt>();
  let fresh = false;

  return {
    claimLost(serverId, at) {
      claims.push({ serverId, at });
      fresh = true;
    },
    get fresh() {
      return fresh;
    },
    looked() {
      fresh = false;
    },
    unanswered: (serverId) => claims.filter((claim) => claim.serverId === serverId).map(({ at }) => at),
    found(tasks, most) {
      const rest = tasks.filter(({ id }) => !handed.has(id));
      // A claim answers with tasks of one group.
      const some = rest.filter(({ group }) => group === rest[0]!.group).slice(0, Math.max(0, most));
      for (const { id } of some) handed.add(id);
      return some;
    },
    came(tasks) {
      for (const [{ reverted }, { come }] of attempts)
        if (reverted.length > 0) for (const { id } of tasks) come.add(id);
    },
    attempt(commit) {
      const known = attempts.get(commit);
      if (known !== undefined) {
        known.doubtful = true;
        return known;
      }
      const first = { doubtful: false, away: new Set<string>(), come: new Set<string>() };
      attempts.set(commit, first);
      return first;
    },
    committed: (commit) => void attempts.delete(commit),
  };
}
