/*
 * What there is to do in a PostgreSQL database, and who is connected: numbers for somebody who launches clients.
 */
import type { Query } from "../../store/postgres/connection.ts";
import { backlog } from "../../store/postgres/claims.ts";
import type { Outlook } from "../history.ts";

/** What there is to do, counted along the indices of unfinished tasks. */
export async function outlookOf(query: Query): Promise<Outlook> {
  const clients = await query(
    "select server_id, count(*) from client where disconnected_at is null and not evicted group by 1",
  );
  return {
    backlog: await backlog(query, { kind: "all" }, []),
    clients: new Map(clients.map(([server, count]) => [String(server), Number(count)])),
  };
}
