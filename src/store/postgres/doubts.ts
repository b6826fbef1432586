/*
 * What a server must remember while it cannot know whether a call was done, because its answer was lost with the
 * connection. With that, a call that is tried again does nothing twice, and what an unanswered call did is not
 * forgotten. Asks the database nothing itself.
 */
import type { ClaimedTask } from "../../task/task.ts";
import type { Commit } from "../store.ts";

/** A commit, from its first try to its answer. */
export interface Attempt {
  /** Whether it was tried before, and may have been done. */
  doubtful: boolean;
  /**
   * Tasks that a person or another server had taken away when the commit was tried. Their outcomes stay refused even
   * after the recalls are gone.
   */
  readonly away: Set<string>;
  /**
   * Tasks that came to the server since the first try. If the commit gives one of them back, that was before it came.
   */
  readonly come: Set<string>;
}

export interface Doubts {
  /** Notes that the answer of a claim was lost; `at` is the time of the claim. */
  claimLost(serverId: string, at: number): void;
  /** Whether an answer was lost since `looked` was called. */
  readonly fresh: boolean;
  looked(): void;
  /**
   * The times of all claims without an answer. What they took may show up at any time, because the database may still
   * be at work on them.
   */
  unanswered(serverId: string): readonly number[];
  /** The tasks among these that have not been handed out yet: at most `most`, and all of one group. */
  found(tasks: readonly ClaimedTask[], most: number): readonly ClaimedTask[];
  /** Notes that these tasks are the server's from now on. */
  came(tasks: readonly ClaimedTask[]): void;
  /** Notes that a try of this commit begins. */
  attempt(commit: Commit): Attempt;
  committed(commit: Commit): void;
}

/** Doubts of a server that has not called anything yet. */
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
