/*
 * Tasks that run: which of those that are on record as running can still do so, and for how long each has. A run that
 * was killed leaves its tasks on record until the next one, and takes its processes with it.
 */
import type { Clock } from "../base/clock.ts";
import { isAlive } from "../cluster/liveness.ts";
import type { RecordQuery, Records, RecordStore, TaskRecord } from "../history/history.ts";
import { shownTime } from "../store/times.ts";
import type { Condition } from "../task/filter.ts";
import type { ShownRow, ShownValue } from "../task/task.ts";

/**
 * Ids of clients that run nothing more. The client in the process of a server has the id of that server, and is gone
 * with it; other clients go on without their server. `now`: milliseconds since 1970.
 */
export async function goneClients(records: Pick<RecordStore, "servers">, now: number): Promise<readonly string[]> {
  return (await records.servers()).filter((server) => !isAlive(server, now)).map(({ id }) => id);
}

/** Conditions that leave out what runs no more, see `goneClients`. `now`: milliseconds since 1970. */
export async function withoutTheGone(records: Pick<RecordStore, "servers">, now: number): Promise<Condition[]> {
  const gone = await goneClients(records, now);
  return gone.map((value) => ({ kind: "field", field: "client_id", operator: "!=", value }));
}

/** The tasks that `query` finds, all of which run: the duration of each is the time since its start. */
export async function* searchRunning(records: Records, query: RecordQuery, clock: Clock): AsyncGenerator<ShownRow> {
  const { fields } = query;
  for await (const row of records.search({ ...query, fields: [...fields, "start_time"] })) {
    const elapsed = elapsedSince(row[fields.length] ?? null, clock.now());
    yield fields.map((field, index) => (field === "duration" ? elapsed : (row[index] ?? null)));
  }
}

/** The task as it is, or, while it runs, with the time since its start as its duration. */
export async function withElapsed(
  task: TaskRecord,
  records: Pick<RecordStore, "servers">,
  now: number,
): Promise<TaskRecord> {
  if (task.exit_status !== null || task.start_time === null) return task;
  const gone = await withoutTheGone(records, now);
  if (gone.some((each) => each.kind === "field" && each.value === task.client_id)) return task;
  return { ...task, duration: elapsedSince(task.start_time, now) };
}

/** Seconds, to the millisecond, since a time as people see it; null for what is none. */
function elapsedSince(time: ShownValue, now: number): number | null {
  if (typeof time !== "string") return null;
  const startedAt = shownTime(time);
  return startedAt === null ? null : Math.max(0, Math.round(now - startedAt)) / 1000;
}
