/*
 * What the partial indices of table `task` hold. PostgreSQL takes a partial index only for a query that names its
 * condition in the same words, so the statements of store/ and history/ take these words from here. Does not make the
 * tables: that is schema.ts.
 */

/**
 * What the indices for searching hold, a third of the table each, and tags other than those of a task without any. See
 * where.ts.
 */
export const statusClasses = {
  open: "exit_status is null",
  succeeded: "exit_status = 0",
  unsuccessful: "exit_status <> 0",
} as const;
export const plainTag = `'{"part": 0}'::jsonb`;
export const unusualTag = `tag <> ${plainTag}`;
/** 16 bytes for a tag map of any size: an index on maps themselves refuses those over 2,700 bytes. */
export const tagHash = "(md5(tag::text)::uuid)";

/** Rows that only hands can make. Their index is empty, and says so at once. */
export const irregular = "completion_time is null and exit_status is not null";

/**
 * The indices for searching, of `task` or a table like it. Together they cost a row what one index on all rows would,
 * as each row is in one of the first three.
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

export const finalFailure = "not retried and exit_status is not null and exit_status <> 0 and exit_status <> -1";

/**
 * Tasks that wait, by the index that a question is to use. Each says the same, in words of its own: PostgreSQL takes an
 * index only for who uses its words. Left to itself it takes any of them before it has statistics, or while these tell
 * of an empty table, and then reads a million rows for one.
 */
export const waiting = {
  ofSubmission: "coalesce(schedule_time, completion_time) is null",
  ofAll: "coalesce(completion_time, schedule_time) is null",
  again: "attempt > 1 and schedule_time is null and completion_time is null",
  /** For who knows the rows by their ids. */
  asIs: "num_nonnulls(schedule_time, completion_time) = 0",
} as const;
export const held = "schedule_time is not null and completion_time is null";
