/*
 * The store of the simulation: the contract of src/store/store.ts in its plainest form, a list of rows. It doubles as the judge: it throws
 * when a row is claimed twice or recorded twice.
 */
import { assert } from "../../src/base/assert.ts";
import type { Claim, ClaimRequest, Commit, CommitReport } from "../../src/store/store.ts";
import { isFailure, type NewTask } from "../../src/task/task.ts";

export interface Row {
  readonly task: NewTask;
  scheduled: boolean;
  exitStatus: number | null;
  retried: boolean;
  recordings: number;
  /** Who is on record as its runner. */
  clientId: string | null;
}

export interface Model {
  readonly rows: Row[];
  insert(tasks: readonly NewTask[]): void;
  claim(request: Pick<ClaimRequest, "group" | "limit" | "attempts" | "eager">): Claim;
  commit(order: Pick<Commit, "assigned" | "completed" | "reverted">): CommitReport;
}

export function model(): Model {
  const rows: Row[] = [];
  const byId = new Map<string, Row>();

  function insert(tasks: readonly NewTask[], scheduled = false): void {
    for (const task of tasks) {
      assert(!byId.has(task.id), "ids are unique");
      const row: Row = { task, scheduled, exitStatus: null, retried: false, recordings: 0, clientId: null };
      rows.push(row);
      byId.set(task.id, row);
    }
  }

  return {
    rows,
    insert: (tasks) => insert(tasks),
    claim({ group, limit, attempts, eager }) {
      const open = rows.filter((row) => row.exitStatus === null);
      const fresh = open.filter((row) => !row.scheduled);
      if (fresh.length === 0) return { kind: "none", unfinished: open.length };
      const next = Math.min(...fresh.map((row) => row.task.group));
      if (group !== null && next > group) {
        const busy = Math.min(...open.map((row) => row.task.group));
        if (busy < next) return { kind: "waiting", busyGroup: busy, unfinished: open.length };
        const failed = rows.filter(
          (row) =>
            row.task.group === group &&
            row.exitStatus !== null &&
            isFailure(row.exitStatus) &&
            !row.retried &&
            row.task.attempt >= attempts,
        );
        return { kind: "advance", to: next, failed: failed.length, example: failed[0]?.task.id ?? null };
      }
      let mine = fresh.filter((row) => row.task.group === next);
      if (eager)
        mine = [...mine.filter((row) => row.task.attempt > 1), ...mine.filter((row) => row.task.attempt === 1)];
      mine = mine.slice(0, limit);
      for (const row of mine) row.scheduled = true;
      return { kind: "claimed", group: next, tasks: mine.map((row) => ({ ...row.task, scheduleTime: 0 })) };
    },
    commit({ assigned, completed, reverted }) {
      const refused: string[] = [];
      for (const { id, clientId } of assigned) {
        const row = byId.get(id);
        assert(row !== undefined, "only known tasks are assigned");
        if (row.exitStatus === null) row.clientId = clientId;
      }
      for (const completion of completed) {
        const row = byId.get(completion.id);
        assert(row !== undefined, "only known tasks are completed");
        if (row.exitStatus !== null) {
          refused.push(completion.id);
          continue;
        }
        row.exitStatus = completion.exitStatus;
        row.scheduled = true;
        row.recordings++;
        if (completion.retry === null) continue;
        row.retried = true;
        insert([completion.retry.task], completion.retry.claimed);
      }
      for (const id of reverted) {
        const row = byId.get(id);
        assert(row !== undefined, "only known tasks are reverted");
        if (row.exitStatus === null) row.scheduled = false;
      }
      return { refused };
    },
  };
}
