/*
 * The statements behind a claim, prepared once. All of them read the partial indices on unfinished tasks, so their cost
 * follows what they find, not the size of the table.
 */
import type { Connection } from "./connection.ts";
import { claimColumns } from "./row.ts";

const bySubmission = "task indexed by task_unfinished_submission";
const byGroup = "task indexed by task_unfinished_group";
const unfinished = "completion_time is null";
const waiting = "completion_time is null and schedule_time is null";
const running = "completion_time is null and schedule_time > ''";
/** Its value: submissions that are left out. */
const notExcept = "submit_id not in (select value from json_each(?))";
/** Its value: directories whose tasks are left out; see setbacks.ts for those that are not recorded. */
const notHeld = `coalesce((select cwd from submission where submission.id = task.submit_id), '')
  not in (select value from json_each(?))`;

/** Its value: what is too much, as a list of the contract's TooMuch. */
const notTooMuch = `not exists (
    select 1 from json_each(?) as need
    where coalesce(task.cores, 0) >= need.value ->> 'cores' and coalesce(task.memory, 0) >= need.value ->> 'memory'
      and coalesce(task.timeout, 0) >= need.value ->> 'timeout'
      and not exists (
        select 1 from json_each(need.value, '$.tags') as wanted
        where json_type(task.tag, '$."' || wanted.value || '"') is null
      )
  )`;

/** The value of the first row; null: there is no row. */
type One = (...cells: (string | number)[]) => unknown;
/** The first cell of each row. */
type Column = (...cells: (string | number)[]) => number[];

export type ClaimStatements = ReturnType<typeof prepareClaimStatements>;

/** Prepares the statements that `look` and `take` of claims.ts run. */
export function prepareClaimStatements(db: Connection) {
  const one = (sql: string): One => {
    const statement = db.prepare(sql);
    return (...cells) => statement.values(...cells)[0]?.[0] ?? null;
  };
  const column = (sql: string): Column => {
    const statement = db.prepare(sql);
    return (...cells) => statement.values(...cells).map(([cell]) => cell as number);
  };
  let fitting: Column | null = null;
  return {
    /** Those of these rows whose tasks do not need too much. Most runs never ask, so it is prepared when needed. */
    fitting: () =>
      (fitting ??= column(`select rowid from task where rowid in (select value from json_each(?)) and ${notTooMuch}`)),
    ...prepareGroupStatements(one),
    ...prepareCountStatements(one),
    ...preparePickStatements(column),
    ...prepareHoldStatements(db),
    anyRecall: db.prepare("select 1 from recall where server_id = ? limit 1"),
    reservedIds: db.prepare("select id from server where reserves = 1 and id is not ? order by id"),
  };
}

/** Statements for the groups with unfinished or waiting tasks. */
function prepareGroupStatements(one: (sql: string) => One) {
  return {
    groupOf: one(
      `select "group" from ${bySubmission} where ${unfinished} and submit_id = ? and "group" > ?
       order by "group" limit 1`,
    ),
    highestOfAll: one(`select "group" from ${byGroup} where ${unfinished} order by "group" desc limit 1`),
    groupOfAll: one(`select "group" from ${byGroup} where ${unfinished} and "group" > ? order by "group" limit 1`),
    waits: one(`select 1 from ${bySubmission} where ${waiting} and submit_id = ? and "group" = ? limit 1`),
    waitsInAll: one(`select 1 from ${byGroup} where ${waiting} and "group" = ? limit 1`),
    // A search through the table, used only while the waiting submissions are too many to look at one by one.
    groupOfFree: one(
      `select "group" from ${byGroup} where ${unfinished} and "group" > ? and ${notExcept} order by "group" limit 1`,
    ),
    waitsFree: one(`select 1 from ${byGroup} where ${waiting} and "group" = ? and ${notExcept} and ${notHeld} limit 1`),
    runs: one(`select 1 from ${bySubmission} where ${running} and submit_id = ? and "group" = ? limit 1`),
    runsFree: one(`select 1 from ${byGroup} where ${running} and "group" = ? and ${notExcept} limit 1`),
    nextSubmission: one(
      `select submit_id from ${bySubmission} where ${unfinished} and submit_id > ? order by submit_id limit 1`,
    ),
  };
}

/** Statements that count unfinished tasks. */
function prepareCountStatements(one: (sql: string) => One) {
  return {
    countOf: one(`select count(*) from ${bySubmission} where ${unfinished} and submit_id = ?`),
    countAll: one(`select count(*) from ${byGroup} where ${unfinished}`),
    countInGroup: one(`select count(*) from ${bySubmission} where ${unfinished} and submit_id = ? and "group" = ?`),
    countAllInGroup: one(`select count(*) from ${byGroup} where ${unfinished} and "group" = ?`),
    countFreeInGroup: one(`select count(*) from ${byGroup} where ${unfinished} and "group" = ? and ${notExcept}`),
    countWaiting: one(`select count(*) from ${bySubmission} where ${waiting} and submit_id = ? and "group" = ?`),
  };
}

/** Statements for the rows of waiting tasks, in order of submission. */
function preparePickStatements(column: (sql: string) => Column) {
  const retries = `from task indexed by task_waiting_retry where ${waiting} and attempt > 1 and "group" = ?`;
  return {
    pickOf: column(
      `select rowid from ${bySubmission} where ${waiting} and submit_id = ? and "group" = ? order by rowid limit ?`,
    ),
    pickAll: column(`select rowid from ${byGroup} where ${waiting} and "group" = ? order by rowid limit ?`),
    pickFree: column(
      `select rowid from ${byGroup} where ${waiting} and "group" = ? and ${notExcept} and ${notHeld}
       order by rowid limit ?`,
    ),
    pickRetriesOf: column(`select rowid ${retries} and submit_id = ? order by rowid limit ?`),
    pickRetriesFree: column(`select rowid ${retries} and ${notExcept} and ${notHeld} order by rowid limit ?`),
  };
}

/**
 * Statements that read the rows that were picked, and note who holds them. A single statement with `returning` would
 * take 1 µs a row more, because it keeps the rows in a temporary table. Rows mostly follow each other without a gap: a
 * range takes 0.6 µs a row less than a list.
 */
function prepareHoldStatements(db: Connection) {
  const holding = "update task set server_id = ?, server_host = ?, schedule_time = ?";
  return {
    readRange: db.prepare(`select ${claimColumns} from task where rowid between ? and ? order by rowid`),
    readList: db.prepare(`select ${claimColumns} from task where rowid in (select value from json_each(?))`),
    holdRange: db.prepare(`${holding} where rowid between ? and ?`),
    holdList: db.prepare(`${holding} where rowid in (select value from json_each(?))`),
  };
}
