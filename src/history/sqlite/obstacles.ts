/*
 * What stands in the way of one task of an SQLite file, along the indices of what is unfinished and of failures.
 */
import type { Connection } from "../../store/sqlite/connection.ts";
import { prepareSetbacks } from "../../store/sqlite/setbacks.ts";
import { nowhere } from "../../store/setbacks.ts";
import type { Scope } from "../../store/store.ts";
import type { Submission } from "../../task/task.ts";
import {
  anyFinal,
  belowOf,
  type ClientRow,
  lowerGroupsOf,
  type ObstacleQuery,
  type Obstacles,
  type UnfinishedPair,
} from "../obstacles.ts";

/** What a file must have for the rules of groups; an older program made none of it. */
const needed = ["submission", "task_failed"];

/** What stands in the way of a task; null: the file is of an older program, which had no such rules. */
export function obstaclesOf(connection: Connection, query: ObstacleQuery): Obstacles | null {
  return connection.read(() => (hasAll(connection) ? look(connection, query) : null));
}

function hasAll({ db }: Connection): boolean {
  const marks = needed.map(() => "?").join(", ");
  return db.query(`select name from sqlite_master where name in (${marks})`).values(...needed).length === needed.length;
}

/** What is on record of a submission; null: nothing is. */
export function submissionOf(connection: Connection, id: string): Pick<Submission, "cwd" | "template"> | null {
  return connection.read(() => {
    if (!hasAll(connection)) return null;
    const row = connection.db.query("select cwd, template from submission where id = ?").values(id)[0];
    return row === undefined ? null : { cwd: String(row[0]), template: typeof row[1] === "string" ? row[1] : null };
  });
}

function look(connection: Connection, { id, submitId, group, reserved }: ObstacleQuery): Obstacles {
  const { db } = connection;
  const setbacks = prepareSetbacks(connection, () => 0);
  const scope: Scope = reserved.includes(submitId) ? { kind: "submission", id: submitId } : { kind: "all" };
  const asked = { scope, retries: anyFinal };
  const own = setbacks.directoryOf(submitId);
  const isOurs = scope.kind === "submission" ? "submit_id = ?1" : "submit_id not in (select value from json_each(?1))";
  const whose = scope.kind === "submission" ? submitId : JSON.stringify(reserved);
  const pairs = db
    .query(
      `select "group", submit_id, count(*), count(schedule_time), min(id) from task
       where completion_time is null and "group" < ?2 and ${isOurs} group by "group", submit_id order by "group"`,
    )
    .values(whose, group)
    .map(([lower, submission, unfinished, held, example]): UnfinishedPair => ({
      group: Number(lower),
      directory: setbacks.directoryOf(String(submission)),
      unfinished: Number(unfinished),
      held: Number(held),
      example: String(example),
    }));
  const [before] = db
    .query(
      `select count(*) from task where completion_time is null and schedule_time is null and "group" = ?2 and ${isOurs}
         and rowid < (select rowid from task where id = ?3)`,
    )
    .values(whose, group, id);
  return {
    cwd: own === nowhere ? null : own,
    ...lowerGroupsOf(pairs, setbacks.lowest(asked, reserved, true)),
    ...setbacks.list(asked, reserved, belowOf(own, group)),
    before: Number(before?.[0] ?? 0),
  };
}

/** A client by its id; null: none of that id is on record. */
export function clientOf({ db, times }: Connection, id: string): ClientRow | null {
  const row = db
    .query("select host, server_id, connected_at, disconnected_at, evicted from client where id = ?")
    .values(id)[0];
  if (row === undefined) return null;
  const [host, serverId, connected, disconnected, evicted] = row;
  return {
    host: String(host),
    serverId: String(serverId),
    connectedAt: times.parse(connected),
    disconnectedAt: times.parse(disconnected),
    evicted: Boolean(evicted),
  };
}
