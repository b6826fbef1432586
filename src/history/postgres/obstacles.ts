/*
 * What stands in the way of one task of a PostgreSQL database, along the indices of what is unfinished and of failures.
 */
import type { Query } from "../../store/postgres/connection.ts";
import { held, waiting } from "../../store/postgres/indices.ts";
import { newSetbacks } from "../../store/postgres/setbacks.ts";
import { nowhere } from "../../store/setbacks.ts";
import type { Scope } from "../../store/store.ts";
import type { Submission } from "../../task/task.ts";
import { anyFinal, belowOf, type ClientRow, lowerGroupsOf, type ObstacleQuery, type Obstacles } from "../obstacles.ts";

/** What stands in the way of a task. */
export async function obstaclesOf(query: Query, asked: ObstacleQuery): Promise<Obstacles> {
  const { id, submitId, group, reserved } = asked;
  const isReserved = reserved.includes(submitId);
  const scope: Scope = isReserved ? { kind: "submission", id: submitId } : { kind: "all" };
  const retries = anyFinal;
  const setbacks = newSetbacks(query, () => 0);
  const [submission] = await query("select cwd from submission where id = $1::uuid", [submitId]);
  const cwd = typeof submission?.[0] === "string" ? submission[0] : null;
  const isOurs = isReserved ? "submit_id = $1::uuid" : "submit_id <> all ($1::uuid[])";
  const whose = isReserved ? submitId : reserved;
  const waits = isReserved ? waiting.ofSubmission : waiting.ofAll;
  const parts = [
    [waits, 0],
    [held, 1],
  ].map(
    ([part, isHeld]) =>
      `select "group", submit_id, ${isHeld} as held, count(*) as tasks, min(id::text) as example
       from task where ${part} and "group" < $2::int and ${isOurs} group by 1, 2`,
  );
  const rows = await query(
    `select part."group", submission.cwd, sum(tasks), sum(tasks * held), min(example)
     from (${parts.join(" union all ")}) as part left join submission on submission.id = part.submit_id
     group by part."group", part.submit_id, submission.cwd order by part."group"`,
    [whose, group],
  );
  const pairs = rows.map(([lower, directory, unfinished, taken, example]) => ({
    group: Number(lower),
    directory: typeof directory === "string" ? directory : nowhere,
    unfinished: Number(unfinished),
    held: Number(taken),
    example: String(example),
  }));
  const [before] = await query(
    `select count(*) from task where ${waits} and "group" = $2::int and ${isOurs}
       and (submit_time, id) < (select submit_time, id from task where id = $3::uuid)`,
    [whose, group, id],
  );
  return {
    cwd,
    ...lowerGroupsOf(pairs, await setbacks.lowest({ scope, retries }, reserved, true)),
    ...(await setbacks.list({ scope, retries }, reserved, belowOf(cwd ?? nowhere, group))),
    before: Number(before?.[0] ?? 0),
  };
}

/** What is on record of a submission; null: nothing is. */
export async function submissionOf(query: Query, id: string): Promise<Pick<Submission, "cwd" | "template"> | null> {
  const [row] = await query("select cwd, template from submission where id = $1::uuid", [id]);
  return row === undefined ? null : { cwd: String(row[0]), template: typeof row[1] === "string" ? row[1] : null };
}

/** A client by its id; null: none of that id is on record. */
export async function clientOf(query: Query, id: string): Promise<ClientRow | null> {
  const ms = (column: string): string => `(extract(epoch from ${column}) * 1000)::float8`;
  const [row] = await query(
    `select host, server_id, ${ms("connected_at")}, ${ms("disconnected_at")}, evicted from client
     where id = $1::uuid`,
    [id],
  );
  if (row === undefined) return null;
  const [host, serverId, connected, disconnected, evicted] = row;
  return {
    host: String(host),
    serverId: String(serverId),
    connectedAt: connected === null ? null : Number(connected),
    disconnectedAt: disconnected === null ? null : Number(disconnected),
    evicted: evicted === true,
  };
}
