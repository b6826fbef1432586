/*
 * Failures that hold tasks back, in SQL for PostgreSQL: of which submissions and directories they are. They are found
 * by going from one failed submission to the next in the index on failures (schema.ts), so the cost follows the number
 * of submissions that failed, not the number of tasks. It is paid only by claims of a higher group than that of some
 * failure.
 */
import { type Lowest, LowestKept, lowestOf, nowhere } from "../setbacks.ts";
import type { Retries } from "../../task/retries.ts";
import { type ClaimRequest, mostTold, type Setback } from "../store.ts";
import type { Query } from "./connection.ts";
import { finalFailure } from "./indices.ts";

/** What a claim wants to know of failures: its own scope, and which of them are final. */
type Asked = Pick<ClaimRequest, "scope" | "retries">;

/** Below which group the failures of a directory count. */
type Below = (directory: string) => number;

export interface Setbacks {
  /**
   * The lowest groups with final failures in scope. `isFresh` false: those of a moment ago will do if it takes long to
   * find them.
   */
  lowest(asked: Asked, reserved: readonly string[], isFresh: boolean): Promise<Lowest>;
  /** The first few final failures in scope that count, and how many do. */
  list(
    asked: Asked,
    reserved: readonly string[],
    below: Below,
  ): Promise<{ readonly setbacks: readonly Setback[]; readonly reasons: number }>;
}

/** Ten times what it takes to find one submission (30 to 50 µs), milliseconds. */
const msEach = 0.5;

/** A submission with failures in a group; see `failures`. */
interface Failure {
  readonly group: number;
  readonly submitId: string;
  /** Null: the submission is not recorded. */
  readonly cwd: string | null;
  readonly time: number;
}

/** Prepares the questions. `now` is a clock in milliseconds that never goes back. */
export function newSetbacks(query: Query, now: () => number): Setbacks {
  const kept = new LowestKept(now, msEach);
  return {
    async lowest(asked, reserved, isFresh) {
      const key = JSON.stringify([asked.scope, asked.retries, reserved]);
      const recent = isFresh ? null : kept.find(key);
      if (recent !== null) return recent;
      const found = await failures(query, asked, reserved);
      return kept.keep(key, lowestOf(found.map(({ cwd, group }) => [cwd ?? nowhere, group])), found.length);
    },
    async list(asked, reserved, below) {
      const found = await failures(query, asked, reserved);
      const counting = found.filter(({ group, cwd }) => group < below(cwd ?? nowhere));
      const setbacks: Setback[] = [];
      for (const failure of counting.slice(0, mostTold)) setbacks.push(await setback(query, failure, asked.retries));
      return { setbacks, reasons: counting.length };
    },
  };
}

const next = `select "group", submit_id from task where ${finalFailure}`;

/** All submissions with failures, group by group, each found from the one before. */
const pairsOfAll = `with recursive pair ("group", submit_id) as (
    (${next} order by "group", submit_id limit 1)
    union all
    select next.* from pair cross join lateral (
      ${next} and (task."group", task.submit_id) > (pair."group", pair.submit_id) order by "group", submit_id limit 1
    ) as next
  )`;

/** One submission in every group that has failures of whichever. */
const pairsOfOne = `with recursive step ("group") as (
    (select "group" from task where ${finalFailure} order by "group" limit 1)
    union all
    select next."group" from step cross join lateral (
      select "group" from task where ${finalFailure} and task."group" > step."group" order by "group" limit 1
    ) as next
  ), pair as (select "group", $1::uuid as submit_id from step)`;

/** The submissions with final failures in scope, by group. */
async function failures(query: Query, { scope, retries }: Asked, reserved: readonly string[]): Promise<Failure[]> {
  const { attempts, statuses } = retries;
  const isOne = scope.kind === "submission";
  const ofPair = `${finalFailure} and task."group" = pair."group" and task.submit_id = pair.submit_id`;
  // Where every status is tried again, the last attempt decides, and the index has it.
  const isFinal = `case when $3::bigint[] is null
    then (select attempt from task where ${ofPair} order by attempt desc limit 1) >= $2::int
    else exists (select 1 from task where ${ofPair} and ${isLast("$2", "$3")}) end`;
  // A walk over all submissions finds only those that failed.
  const condition = isOne
    ? `pair.submit_id = $1::uuid and ${isFinal}`
    : `pair.submit_id <> all ($1::uuid[]) and ($2::int <= 1 or ${isFinal})`;
  const rows = await query(
    `${isOne ? pairsOfOne : pairsOfAll}
     select pair."group", pair.submit_id, submission.cwd, submission.time
     from pair left join submission on submission.id = pair.submit_id
     where ${condition} order by pair."group", pair.submit_id`,
    [isOne ? scope.id : reserved, attempts, statuses],
  );
  return rows.map(([group, submitId, cwd, time]) => ({
    group: Number(group),
    submitId: String(submitId),
    cwd: typeof cwd === "string" ? cwd : null,
    time: Number(time),
  }));
}

/** Whether a failure is not tried again. The marks stand for the attempts of a task, and for the statuses or null. */
function isLast(attempts: string, statuses: string): string {
  return `(attempt >= ${attempts}::int or (${statuses}::bigint[] is not null
    and exit_status::bigint <> all (${statuses}::bigint[])))`;
}

async function setback(
  query: Query,
  { group, submitId, cwd, time }: Failure,
  { attempts, statuses }: Retries,
): Promise<Setback> {
  const [row] = await query(
    `select count(*), min(id::text) from task
     where ${finalFailure} and "group" = $1::int and submit_id = $2::uuid and ${isLast("$3", "$4")}`,
    [group, submitId, attempts, statuses],
  );
  const origin = cwd === null ? null : { cwd, time };
  return { submitId, origin, group, failed: Number(row?.[0]), example: String(row?.[1]) };
}
