/*
 * Adopts the tasks that a client brings along to this server, in SQL. Store.adopt says what is promised.
 */
import type { ClaimedTask } from "../../task/task.ts";
import type { AdoptRequest } from "../store.ts";
import type { Connection } from "./connection.ts";
import { claimColumns, type HeldRows, heldTask } from "./row.ts";

/** The number of ids in one statement. */
const adoptChunk = 1000;

/**
 * Adopts tasks within a transaction, see Store.adopt. `reserved` must not contain what the dead servers `from`
 * reserved.
 */
export type Adopt = (request: AdoptRequest, reserved: readonly string[]) => readonly ClaimedTask[];

/** Prepares adoptions. `held` is told the row of each task that is adopted. */
export function prepareAdoption(db: Connection, held: HeldRows): Adopt {
  // A cross join fixes the order of the tables: each id is looked up once, however large the table of tasks.
  const wanted = `json_each($ids) as wanted cross join task on task.id = wanted.value
    where completion_time is null and ($submission is null or submit_id = $submission)
    and submit_id not in (select value from json_each($reserved))
    and (client_id is null or client_id = $clientId)`;
  const isAtClient = "(client_id = $clientId or task.id in (select value from json_each($finished)))";
  // A client that is on record as the runner has the task, whichever server handed it out. If that server is alive, it
  // is told by a recall.
  const tellFormer = db.prepare(
    `insert into recall (server_id, task_id, kind) select task.server_id, task.id, 'adopted' from ${wanted}
     and schedule_time is not null and ${isAtClient} and server_id <> $serverId
     and server_id in (select id from server)`,
  );
  const adoptRows = db.prepare(
    `update task set server_id = $serverId, server_host = $serverHost, schedule_time = coalesce(schedule_time, $at),
       client_id = $clientId, client_host = $clientHost
     where rowid in (
       select task.rowid from ${wanted}
       and (schedule_time is null or server_id is null or server_id in (select value from json_each($from))
         or server_id not in (select id from server) or (server_id <> $serverId and ${isAtClient}))
     ) returning ${claimColumns}, schedule_time`,
  );
  // Recalls for this server from an earlier move of the same tasks no longer count.
  const forgetMoves = db.prepare(
    "delete from recall where server_id = ? and kind = 'adopted' and task_id in (select value from json_each(?))",
  );
  return (request, reserved) => {
    const { scope, serverId, serverHost, clientId, clientHost, at } = request;
    const told = {
      $submission: scope.kind === "submission" ? scope.id : null,
      $reserved: JSON.stringify(reserved),
      $finished: JSON.stringify(request.finished),
      $serverId: serverId,
      $clientId: clientId,
    };
    const adopted = {
      ...told,
      $serverHost: serverHost,
      $clientHost: clientHost,
      $at: db.times.format(at),
      $from: JSON.stringify(request.from),
    };
    const tasks: ClaimedTask[] = [];
    for (let i = 0; i < request.ids.length; i += adoptChunk) {
      const $ids = JSON.stringify(request.ids.slice(i, i + adoptChunk));
      tellFormer.run({ ...told, $ids });
      const some = adoptRows
        .values({ ...adopted, $ids })
        .map((row) => heldTask(held, row, db.times.parse(row.at(-1)) ?? at, db.times));
      forgetMoves.run(serverId, JSON.stringify(some.map(({ id }) => id)));
      tasks.push(...some);
    }
    return tasks;
  };
}
