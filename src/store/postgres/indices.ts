/*
 * The conditions of the partial indices on table `task`. PostgreSQL uses a partial index only for a query that names
 * its condition in the same words, so all statements of store/ and history/ take these words from here. Does not make
 * the tables: that is schema.ts.
 */

/**
 * The conditions of the three indices for searching, each of which holds about a third of the table. Below, the
 * condition for tags that differ from those of a task without any. See where.ts.
 */
export const statusClasses = {
  open: "exit_status is null",
  succeeded: "exit_status = 0",
  unsuccessful: "exit_status <> 0",
} as const;
export const plainTag = `'{"part": 0}'::jsonb`;
export const unusualTag = `tag <> ${plainTag}`;
/**
 * A hash of 16 bytes stands for tags of any size, because an index on the tags themselves refuses those over 2,700
 * bytes.
 */
export const tagHash = "(md5(tag::text)::uuid)";

/**
 * Rows in a state that only manual changes can make. Their index is empty, so a query sees at once that there are none.
 */
export const irregular = "completion_time is null and exit_status is not null";

/**
 * The indices for searching, for `task` or a table like it. Each row is in one of the first three, so together they
 * cost a row what one index on all rows would.
 */
export function searchIndices(table: string): readonly (readonly [name: string, statement: string])[] {
  return [
    ...Object.entries(statusClasses).map(
      ([name, condition]) =>
        [`${table}_${name}`, `create index ${table}_${name} on ${table} (submit_time, id) where ${condition}`] as const,
    ),
    [`${table}_irregular`, `create index ${table}_irregular on ${table} (id) where ${irregular}`],
    [`${table}_tags`, `create index ${table}_tags on ${table} (${tagHash}, submit_time, id) where ${unusualTag}`],
  ];
}

/** Failures that were not tried again, in the words of their index. */
export const finalFailure = "not retried and exit_status is not null and exit_status <> 0 and exit_status <> -1";

/** The same failures, for queries that know the rows by their ids and need no index (see `waiting`). */
export const finalFailureAsIs = "not retried and coalesce(exit_status, 0) not in (0, -1)";

/**
 * The tasks that wait, in different words for each index. All conditions mean the same, but PostgreSQL uses an index
 * only for a query in its words. If it could choose, it would take any index while it has no statistics, or while these
 * describe an empty table, and then it would read a million rows to find one.
 */
export const waiting = {
  ofSubmission: "coalesce(schedule_time, completion_time) is null",
  ofAll: "coalesce(completion_time, schedule_time) is null",
  again: "attempt > 1 and schedule_time is null and completion_time is null",
  /** For queries that know the rows by their ids, and need no index on waiting tasks. */
  asIs: "num_nonnulls(schedule_time, completion_time) = 0",
} as const;
export const held = "schedule_time is not null and completion_time is null";
