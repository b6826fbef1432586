/*
 * Changing tasks in PostgreSQL by hand. Tasks are searched for as they are changed, so their number takes no memory.
 * They are changed in transactions of some thousand rows, each of which locks its rows and tests the conditions again:
 * what has ended in the meantime is not cancelled. A server is told of each task that it held, in the transaction that
 * changes the task.
 */
import { argumentError, TransientError } from "../../base/errors.ts";
import { parseId } from "../../base/ids.ts";
import type { Condition } from "../../task/filter.ts";
import { comparisonOf, kindOf, type TaskField } from "../../task/field.ts";
import { type Bind, bindTo } from "../../store/postgres/bind.ts";
import { partitionsOf } from "../../store/postgres/catalog.ts";
import { instantText } from "../../store/postgres/cells.ts";
import { channelOf, type PostgresConnection, type Query, type Row } from "../../store/postgres/connection.ts";
import { guardsOf, isLink, isOfNext, isTagged, recallOf, revertedFields, selectionOf } from "../change.ts";
import { column } from "../condition.ts";
import type { Change, ChangeReport, Edits, Selection } from "../history.ts";
import { matchingRows } from "./search.ts";
import { tableOf } from "./table.ts";
import { testsOf, whereOf } from "./where.ts";

/** Rows of one transaction: 50 ms. */
const chunk = 2000;
/**
 * How often a transaction is tried. Servers lock the same rows in another order, and of two that wait for each other
 * PostgreSQL takes one back at once.
 */
const attempts = 6;

/** Changes over a connection. `change` throws UserError for what a column cannot hold, else as Query does. */
export function postgresEdits(connection: PostgresConnection): Edits {
  const table = tableOf(connection, "task");
  const channel = channelOf(connection.schema);
  return {
    async change(selection, change, at, progress) {
      const chosen = selectionOf(selection, change);
      const sets = setsOf(change, at, await columnsIn(connection.query));
      let [changed, held] = [0, 0];
      for await (const ids of chunksOf(matchingRows(table, chosen, []), isStill(chosen, change) ? chunk : Infinity)) {
        for (let from = 0; from < ids.length; from += chunk) {
          const part = ids.slice(from, from + chunk);
          const report = await persist(connection, async (query) => {
            const done = await edit(query, part, chosen.where, change, sets);
            // Reverted tasks wait to be run again.
            if (change.action === "revert") await query("select pg_notify($1, 'tasks')", [channel]);
            if (done.held > 0) await query("select pg_notify($1, 'recall')", [channel]);
            return done;
          });
          changed += report.changed;
          held += report.held;
          progress?.(changed);
        }
      }
      return { changed, held };
    },
  };
}

/** Runs `work` in a transaction, and tries again after what may pass. */
async function persist<T>(connection: PostgresConnection, work: (query: Query) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await connection.transaction(work);
    } catch (error) {
      if (!(error instanceof TransientError) || attempt === attempts) throw constraintOf(error);
    }
  }
}

/**
 * Whether tasks can be changed while others are still searched for. They can when the search gives rows in an order in
 * which those that are changed stay behind, and the change does not touch what is yet to be selected. Otherwise all are
 * found before the first is changed.
 */
function isStill({ where, orderBy }: Selection, { action, fields }: Change): boolean {
  const isTouched = where.some((each) => isLink(each) || (action === "delete" && isOfNext(each)));
  return (orderBy === null || orderBy === "submit_time") && !fields.has("submit_time") && !isTouched;
}

/** The ids of all rows, at least `least` at a time, but for the last. */
async function* chunksOf(portions: AsyncIterable<readonly Row[]>, least: number): AsyncGenerator<readonly string[]> {
  let ids: string[] = [];
  for await (const rows of portions) {
    for (const [, id] of rows) ids.push(String(id));
    if (ids.length < least) continue;
    yield ids;
    ids = [];
  }
  yield ids;
}

/** Inside a transaction: changes the tasks that still match, and leaves recalls for the servers that hold some. */
async function edit(
  query: Query,
  ids: readonly string[],
  conditions: readonly Condition[],
  change: Change,
  sets: readonly ColumnValue[],
): Promise<ChangeReport> {
  const { found, others } = await lock(query, ids, conditions, change, sets);
  if (change.action === "revert" || change.action === "delete") await unlink(query, found, change.action);
  if (others.length === 0) return { changed: 0, held: 0 };
  const kind = recallOf(change);
  const told =
    kind === null
      ? []
      : await query(
          `insert into recall (server_id, task_id, kind) select server_id, id, $2 from task
           where id = any ($1::uuid[]) and schedule_time is not null and completion_time is null
             and server_id is not null
           order by submit_time, id returning 1`,
          [others, kind],
        );
  await write(query, others, change, sets);
  return { changed: others.length, held: told.length };
}

/** $1: attempts that go. The one before is a final failure again, if the one that goes had not ended. */
const forgetNext = (table: string): string => `update ${table} set next_id = null,
    retried = ${table}.retried and gone.completion_time is not null
  from task as gone where gone.id = any ($1::uuid[]) and ${table}.next_id = gone.id`;
/** $1: attempts that go or are reverted. The next one becomes the beginning of a chain of its own. */
const forgetPrevious = (table: string): string =>
  `update ${table} set previous_id = null where previous_id = any ($1::uuid[])`;

/** Takes away the links to these tasks, which are locked, also in partitions. */
async function unlink(query: Query, ids: readonly string[], action: "revert" | "delete"): Promise<void> {
  if (ids.length === 0) return;
  const isLinked = "(next_id is not null or previous_id is not null)";
  const linked = await query(`select 1 from task where id = any ($1::uuid[]) and ${isLinked} limit 1`, [ids]);
  const partitions = linked.length === 0 ? [] : await partitionsOf(query);
  for (const table of ["task", ...partitions]) {
    await query(forgetPrevious(table), [ids]);
    if (action === "delete") await query(forgetNext(table), [ids]);
  }
}

/** Tasks that nobody else can change until the transaction ends. */
interface Locked {
  /** The ids of the tasks that still match. */
  readonly found: readonly string[];
  /** The ids of those that the change makes other than they are. */
  readonly others: readonly string[];
}

async function lock(
  query: Query,
  ids: readonly string[],
  conditions: readonly Condition[],
  change: Change,
  sets: readonly ColumnValue[],
): Promise<Locked> {
  const guards = guardsOf(conditions, change);
  const tests = testsOf(guards);
  const values: unknown[] = [ids];
  const bind = bindTo(values);
  const sql = whereOf(guards, bind);
  const assigned = change.action === "delete" ? [] : [...assignmentsOf(change, sets, bind)];
  const differs = assigned.map(([name, value]) => `${name} is distinct from ${value}`).join(" or ");
  const isOther = change.action === "delete" ? "true" : differs === "" ? "false" : differs;
  const columns = ["id", `(${isOther})::int`, ...tests.map(({ field }) => column(field))].join(", ");
  const rows = await query(
    `select ${columns} from task where id = any ($1::uuid[]) and ${sql} order by id for update`,
    values,
  );
  const passed = rows.filter((row) => tests.every((test, i) => test.passes(row[i + 2] ?? null)));
  const idsOf = (some: readonly Row[]): readonly string[] => some.map(([id]) => String(id));
  return { found: idsOf(passed), others: idsOf(passed.filter(([, other]) => Number(other) === 1)) };
}

/** Writes the change to these tasks, which are locked. */
async function write(
  query: Query,
  ids: readonly string[],
  change: Change,
  sets: readonly ColumnValue[],
): Promise<void> {
  if (change.action === "delete") {
    await query("delete from task where id = any ($1::uuid[])", [ids]);
    return;
  }
  const values: unknown[] = [ids];
  const assigned = assignmentsOf(change, sets, bindTo(values));
  if (assigned.size === 0) return;
  const list = [...assigned].map(([name, value]) => `${name} = ${value}`).join(", ");
  await query(`update task set ${list} where id = any ($1::uuid[])`, values);
}

/** Columns, and their new values in SQL. */
function assignmentsOf(change: Change, sets: readonly ColumnValue[], bind: Bind): ReadonlyMap<string, string> {
  const { action, tags, removedTags } = change;
  const assigned = new Map<string, string>();
  if (action === "revert") for (const each of revertedFields) assigned.set(column(each), "null");
  for (const { field, type, value } of sets)
    assigned.set(column(field), value === null ? "null" : `${bind(value)}::${type}`);
  if (isTagged(change)) {
    const added = Object.fromEntries(Object.entries(tags).filter(([key]) => !removedTags.includes(key)));
    assigned.set("tag", `(tag - ${bind(removedTags)}::text[]) || ${bind(JSON.stringify(added))}::text::jsonb`);
  }
  return assigned;
}

/** A column and its new value, as a parameter of this type has it. */
interface ColumnValue {
  readonly field: TaskField;
  readonly type: string;
  readonly value: unknown;
}

/** The type of each column, and whether it may be null: tables that other programs made have types of their own. */
type Columns = ReadonlyMap<string, { readonly type: string; readonly nullable: boolean }>;

async function columnsIn(query: Query): Promise<Columns> {
  const rows = await query(
    `select attname, atttypid::regtype::text, not attnotnull from pg_attribute
     where attrelid = 'task'::regclass and attnum > 0 and not attisdropped`,
  );
  return new Map(
    rows.map(([name, type, nullable]) => [String(name), { type: String(type), nullable: nullable === true }]),
  );
}

/** The columns that get values, tags and `revertedFields` aside. Throws UserError for what a column cannot hold. */
function setsOf({ action, fields }: Change, at: number, columns: Columns): readonly ColumnValue[] {
  const values = new Map<TaskField, string | number | boolean | null>();
  if (action === "cancel") {
    values.set("schedule_time", at);
    values.set("completion_time", at);
    values.set("exit_status", -1);
  }
  if (action === "revert") values.set("retried", false);
  for (const [field, value] of fields) values.set(field, value);
  return [...values].map(([field, value]) => {
    const { type, nullable } = columns.get(field) ?? { type: "text", nullable: true };
    if (value === null && !nullable) throw argumentError(`${field} cannot be null`);
    return { field, type, value: value === null ? null : cellOf(field, type, value) };
  });
}

/** The first number above those that fit. For bigints: that JavaScript counts exactly. */
const integerLimits: Readonly<Record<string, number>> = {
  smallint: 2 ** 15,
  integer: 2 ** 31,
  bigint: Number.MAX_SAFE_INTEGER + 1,
};

/** A value as the column takes it. Throws UserError where it does not fit. */
function cellOf(field: TaskField, type: string, value: string | number | boolean): unknown {
  const limit = integerLimits[type];
  if (limit !== undefined) {
    const number = type === "integer" && kindOf(field) === "span" ? Math.trunc(Number(value)) : Number(value);
    if (!Number.isInteger(number)) throw argumentError(`${field} takes whole numbers, not '${String(value)}'`);
    if (number >= limit || number < -limit)
      throw argumentError(`${field} takes numbers up to ${limit - 1} in this database, not '${String(value)}'`);
    return number;
  }
  switch (comparisonOf(field)) {
    case "number":
      if (!Number.isFinite(Number(value))) throw argumentError(`${field} takes numbers, not '${String(value)}'`);
      return Number(value);
    case "boolean":
      return Boolean(value);
    case "time":
      return typeof value === "number" ? instantText(value) : value;
    case "id": {
      const id = parseId(String(value));
      if (id === null)
        throw argumentError(
          `${field} takes an id such as 01900000-0000-7000-8000-000000000000, not '${String(value)}'`,
        );
      return id;
    }
    default:
      if (String(value).includes("\0")) throw argumentError(`PostgreSQL cannot keep the character NUL (in ${field})`);
      return String(value);
  }
}

/**
 * What was broken, in words for people, where it is the rule that a field has no value twice; else the error itself.
 */
function constraintOf(error: unknown): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  if (error.code !== "23505") return error;
  const name = /\((\w+)\)=/.exec("detail" in error ? String(error.detail) : "")?.[1] ?? "a field";
  return argumentError(`${name} cannot be the same for two tasks`);
}
