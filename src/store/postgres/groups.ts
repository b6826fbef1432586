/*
 * Which group of tasks was scheduled last. A table with a single row remembers it, so that nobody has to search all
 * ended tasks.
 */
import { TransientError } from "../../base/errors.ts";
import type { Query, Row } from "./connection.ts";
import { held, waiting } from "./indices.ts";

/**
 * Notes the group of a task that was just claimed. Answers whether it was noted: trouble that may pass is ignored, so
 * that tasks which are claimed already need not wait. Throws any other error of the query.
 */
export async function noteGroup(query: Query, group: number, taskId: string): Promise<boolean> {
  try {
    await query(
      `insert into schedule (one, "group", task_id) values (1, $1, $2::uuid)
       on conflict (one) do update set "group" = excluded."group", task_id = excluded.task_id`,
      [group, taskId],
    );
    return true;
  } catch (error) {
    if (!(error instanceof TransientError)) throw error;
    return false;
  }
}

/** See Store.activeGroup. */
export async function activeGroup(query: Query): Promise<{ group: number; reason: string }> {
  const latest = (task: Row): { group: number; reason: string } => ({
    group: Number(task[0]),
    reason: `most recently scheduled task: ${String(task[1])}`,
  });
  const [running] = await query(`select "group", id from task where ${held} order by schedule_time desc limit 1`);
  if (running !== undefined) return latest(running);
  const [any] = await query("select 1 from task limit 1");
  if (any === undefined) return { group: 0, reason: "no tasks submitted" };
  let [known] = await query('select "group", task_id from schedule where one = 1');
  if (known === undefined) {
    // Only a database that another program began has to be searched, and only once.
    [known] = await query(
      'select "group", id from task where schedule_time is not null order by schedule_time desc limit 1',
    );
    await query(
      'insert into schedule (one, "group", task_id) values (1, $1::int, $2::uuid) on conflict (one) do nothing',
      [known?.[0] ?? null, known?.[1] ?? null],
    );
  }
  if (typeof known?.[0] === "number") return latest(known);
  const [first] = await query(`select "group" from task where ${waiting.ofAll} order by "group" limit 1`);
  return { group: Number(first?.[0] ?? 0), reason: "no tasks scheduled - defaulting to earliest group" };
}
