/*
 * Which group of tasks was scheduled last. A table with a single row remembers it, so that nobody has to search all
 * ended tasks.
 */
import type { Claims } from "./claims.ts";
import type { Connection } from "./connection.ts";

export interface Groups {
  /** Notes the group of a task that was just claimed. It must be called within a transaction. */
  note(group: number, taskId: string): void;
  /** See Store.activeGroup. */
  active(): { group: number; reason: string };
}

const latestOfAll = 'select "group", id from task where schedule_time is not null order by schedule_time desc limit 1';

/** Prepares the statements about groups. */
export function prepareGroups(connection: Connection, claims: Claims): Groups {
  const anyTask = connection.prepare("select 1 from task limit 1");
  const latestHeld = connection.prepare(
    `select schedule_time, id from task indexed by task_unfinished_group
     where completion_time is null and "group" = ? and schedule_time > '' order by schedule_time desc limit 1`,
  );
  const noted = connection.prepare('select "group", task_id from schedule where one = 1');
  const note = connection.prepare(
    `insert into schedule (one, "group", task_id) values (1, ?1, ?2)
     on conflict (one) do update set "group" = ?1, task_id = ?2`,
  );

  /** The task that was scheduled last among those that some server holds. */
  function latest(): { readonly group: number; readonly id: string } | null {
    let found: { readonly time: string; readonly group: number; readonly id: string } | null = null;
    for (const group of claims.unfinishedGroups()) {
      const row = latestHeld.values(group)[0] as [time: string, id: string] | undefined;
      if (row !== undefined && (found === null || row[0] > found.time)) found = { time: row[0], group, id: row[1] };
    }
    return found;
  }

  return {
    note: (group, taskId) => {
      note.run(group, taskId);
    },
    active() {
      if (anyTask.get() === null) return { group: 0, reason: "no tasks submitted" };
      const held = latest();
      if (held !== null) return { group: held.group, reason: `most recently scheduled task: ${held.id}` };
      const known = noted.values()[0];
      // Only a database that another program began has to be searched, and only once.
      const [group, id] = known ?? connection.db.query(latestOfAll).values()[0] ?? [null, null];
      if (known === undefined) connection.write(() => note.run(group as number | null, id as string | null));
      if (typeof group === "number") return { group, reason: `most recently scheduled task: ${String(id)}` };
      const [first = 0] = claims.unfinishedGroups();
      return { group: first, reason: "no tasks scheduled - defaulting to earliest group" };
    },
  };
}
