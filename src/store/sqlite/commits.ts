/*
 * What becomes of tasks, in SQL: they are inserted, assigned, completed (perhaps with a next attempt) or given back.
 * Every statement guards itself: it touches no row that has ended. All of it must be called inside a transaction.
 */
import { clearedFields, kindOf, propertyOf, resultFields } from "../../task/field.ts";
import type { NewTask } from "../../task/task.ts";
import type { Connection } from "./connection.ts";
import { type Cell, type HeldRows, insertColumns, insertWidth, putNewTask } from "./row.ts";
import type { Commit, Completion } from "../store.ts";
import type { FileTimes } from "../times.ts";

export interface Commits {
  insert(tasks: readonly NewTask[]): void;
  /** Writes a commit. Answers the ids of the outcomes that were refused. */
  commit(commit: Commit): readonly string[];
  /** Gives back unended rows by rowid, whoever holds them. Answers how many. */
  release(rows: readonly number[]): number;
  /** Stores the next attempt of an ended row, and links both rows. */
  insertRetry(task: NewTask): void;
}

/**
 * The number of rows in one insert statement. With 16, 290,000 rows a second are inserted; with one, 240,000 (all
 * indices, transactions of 4,096).
 */
const insertBatch = 16;

/** Sets to null what a dispatch and an outcome write. Attempt, links and tags stay. */
const clear = clearedFields.map((field) => `${field} = null`).join(", ");

/** Writes an outcome; its values are the cells of `resultCells`. */
const writeResult = `client_id = ?, client_host = ?, ${resultFields.map((field) => `${field} = ?`).join(", ")},
  schedule_time = coalesce(schedule_time, ?), server_id = coalesce(server_id, ?),
  server_host = coalesce(server_host, ?)`;

const results = resultFields.map((field) => ({ property: propertyOf(field), isTime: kindOf(field) === "time" }));

type Statements = ReturnType<typeof prepareStatements>;

function prepareStatements(db: Connection) {
  // The plus keeps the planner from using the index of ids.
  const [byId, byRow] = ["where id = ?", "where rowid = ? and +id = ?"];
  const assigning = "update task set client_id = ?, client_host = ?";
  return {
    assign: db.prepare(`${assigning} ${byId} and completion_time is null and server_id = ?`),
    assignRow: db.prepare(`${assigning} ${byRow} and completion_time is null and server_id = ?`),
    start: db.prepare(`update task set start_time = ? ${byId} and completion_time is null and server_id = ?`),
    complete: db.prepare(`update task set ${writeResult} ${byId} and completion_time is null`),
    completeRow: db.prepare(`update task set ${writeResult} ${byRow} and completion_time is null`),
    completeAndLink: db.prepare(
      `update task set ${writeResult}, retried = 1, next_id = ? ${byId} and completion_time is null`,
    ),
    link: db.prepare("update task set retried = 1, next_id = ? where id = ?"),
    unlink: db.prepare("update task set previous_id = null where previous_id = ?"),
    hasNext: db.prepare("select 1 from task where previous_id = ?"),
    hold: db.prepare("update task set server_id = ?, server_host = ?, schedule_time = ? where id = ?"),
    giveBack: db.prepare(`update task set ${clear} where id = ? and completion_time is null and server_id = ?`),
    releaseRows: db.prepare(
      `update task set ${clear} where rowid in (select value from json_each(?)) and completion_time is null`,
    ),
    takenAway: db.prepare(
      "select task_id from recall where server_id = ? and kind in ('reverted', 'deleted', 'adopted')",
    ),
    forgetRecalls: db.prepare("delete from recall where id in (select value from json_each(?))"),
  };
}

/** Prepares insertions, many rows a statement. Each call reuses the array of cells. */
function prepareInsert(db: Connection): (tasks: readonly NewTask[]) => void {
  const marks = `(${Array(insertWidth).fill("?").join(", ")})`;
  const insertOne = db.prepare(`insert into task (${insertColumns}) values ${marks}`);
  const insertMany = db.prepare(
    `insert into task (${insertColumns}) values ${Array(insertBatch).fill(marks).join(", ")}`,
  );
  const oneCells: Cell[] = new Array<Cell>(insertWidth).fill(null);
  const manyCells: Cell[] = new Array<Cell>(insertWidth * insertBatch).fill(null);
  return (tasks) => {
    let i = 0;
    for (; i + insertBatch <= tasks.length; i += insertBatch) {
      for (let k = 0; k < insertBatch; k++) putNewTask(manyCells, k * insertWidth, tasks[i + k]!, db.times);
      insertMany.run(...manyCells);
    }
    for (; i < tasks.length; i++) {
      putNewTask(oneCells, 0, tasks[i]!, db.times);
      insertOne.run(...oneCells);
    }
  };
}

/** What a commit works with: the statements, and the rows that are held. */
interface State {
  readonly statements: Statements;
  readonly insert: (tasks: readonly NewTask[]) => void;
  readonly held: HeldRows;
  readonly times: FileTimes;
}

/** Prepares commits. A task that has ended or is given back is removed from `held`. */
export function prepareCommits(db: Connection, held: HeldRows): Commits {
  const state: State = { statements: prepareStatements(db), insert: prepareInsert(db), held, times: db.times };
  const { releaseRows, link } = state.statements;
  return {
    insert: state.insert,
    release: (rows) => releaseRows.run(JSON.stringify(rows)).changes,
    insertRetry(task) {
      insertRetry(state, task);
      link.run(task.id, task.previousId);
    },
    commit: (commit) => runCommit(state, commit),
  };
}

/** Writes a commit. Answers the ids of the outcomes that were refused. */
function runCommit(state: State, commit: Commit): readonly string[] {
  const { statements, held } = state;
  const { assigned, started, completed, reverted, recalled, serverId } = commit;
  const refused: string[] = [];
  const at = state.times.format(commit.at);
  // This question takes 1 µs. Mostly nobody has changed anything.
  const gone = completed.length === 0 ? [] : statements.takenAway.values(serverId);
  const away = gone.length === 0 ? null : new Set(gone.map(([id]) => id));
  for (const done of completed)
    if (away?.has(done.id) === true || !record(state, commit, at, done)) refused.push(done.id);
  // Assignments come after the outcomes, which name the client themselves. A row that has ended is left alone.
  const ended = assigned.length > 0 && completed.length > 0 ? new Set(completed.map((done) => done.id)) : null;
  for (const { id, clientId, clientHost } of assigned) {
    if (ended?.has(id) !== true) noteClient(state, id, clientId, clientHost, serverId);
  }
  for (const { id, startTime } of started) statements.start.run(state.times.format(startTime), id, serverId);
  for (const id of reverted) {
    held.delete(id);
    statements.giveBack.run(id, serverId);
  }
  if (recalled.length > 0) statements.forgetRecalls.run(JSON.stringify(recalled));
  return refused;
}

/** Records an outcome. Answers whether it was taken. */
function record(state: State, commit: Commit, at: string, done: Completion): boolean {
  const { statements, held } = state;
  const row = held.get(done.id);
  if (row !== undefined) held.delete(done.id);
  const cells = resultCells(commit, at, done, state.times);
  if (done.retry === null) {
    if (row !== undefined && statements.completeRow.run(...cells, row, done.id).changes > 0) return true;
    return statements.complete.run(...cells, done.id).changes > 0;
  }
  const { task, claimed } = done.retry;
  if (statements.completeAndLink.run(...cells, task.id, done.id).changes === 0) return false;
  insertRetry(state, task);
  if (claimed) statements.hold.run(commit.serverId, commit.serverHost, at, task.id);
  return true;
}

/**
 * Stores a next attempt. A row that was reverted by hand may have one already, which then begins a chain of its own.
 */
function insertRetry({ statements, insert }: State, task: NewTask): void {
  const { previousId } = task;
  if (previousId !== null && statements.hasNext.get(previousId) !== null) statements.unlink.run(previousId);
  insert([task]);
}

function noteClient(
  { statements, held }: State,
  id: string,
  clientId: string,
  clientHost: string,
  serverId: string,
): void {
  const row = held.get(id);
  if (row !== undefined && statements.assignRow.run(clientId, clientHost, row, id, serverId).changes > 0) return;
  statements.assign.run(clientId, clientHost, id, serverId);
}

function resultCells(commit: Commit, at: string, done: Completion, { format }: FileTimes): Cell[] {
  const cells: Cell[] = [done.clientId, done.clientHost];
  for (const { property, isTime } of results) {
    const value = done[property];
    cells.push(isTime && typeof value === "number" ? format(value) : value);
  }
  cells.push(at, commit.serverId, commit.serverHost);
  return cells;
}
