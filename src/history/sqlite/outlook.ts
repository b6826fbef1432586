/*
 * What there is to do in an SQLite file, and who is connected: numbers for somebody who launches clients.
 */
import type { Connection } from "../../store/sqlite/connection.ts";
import type { Outlook } from "../history.ts";

/** What there is to do, counted along the index of unfinished tasks. An older file without that index is read whole. */
export function outlookOf(connection: Connection): Outlook {
  return connection.read(() => {
    const { db } = connection;
    const groups = db
      .query(`select "group", count(*) from task where completion_time is null group by "group" order by "group"`)
      .values();
    const clients = db
      .query("select server_id, count(*) from client where disconnected_at is null and not evicted group by 1")
      .values();
    const [group, inGroup] = groups[0] ?? [null, 0];
    return {
      backlog: {
        group: group === null ? null : Number(group),
        inGroup: Number(inGroup),
        unfinished: groups.reduce((sum, [, count]) => sum + Number(count), 0),
      },
      clients: new Map(clients.map(([server, count]) => [String(server), Number(count)])),
    };
  });
}
