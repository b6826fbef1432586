/*
 * One table of tasks, and what is known of it: its indices, the columns that it lacks, whether it is counted as it is
 * written. The database is asked for each of these at most once, when it is first wanted. Searches nothing.
 */
import { laterFields, type TaskField } from "../../task/field.ts";
import type { Condition } from "../../task/filter.ts";
import type { Statement } from "../../store/postgres/bind.ts";
import { absentIn, type Catalog, readCatalog } from "../../store/postgres/catalog.ts";
import type { PostgresConnection, Row } from "../../store/postgres/connection.ts";
import { irregular, statusClasses } from "../../store/postgres/indices.ts";

export interface TaskTable {
  readonly connection: PostgresConnection;
  /** `task`, or a partition. Statements name it as it stands. */
  readonly name: string;
  /** What the catalog said when it was asked. */
  readonly catalog: () => Promise<Catalog>;
  /** Whether every row without a time of completion is known to have no exit status either. */
  readonly isRegular: () => Promise<boolean>;
}

/** A table that is to be searched. `catalog`: what was there a moment ago, which saves the first question. */
export function tableOf(connection: PostgresConnection, name: string, catalog?: Catalog): TaskTable {
  const { query } = connection;
  const read = once(async () => (catalog?.indices.has(name) === true ? catalog : readCatalog(query)));
  const isRegular = once(async () => {
    if (!namesIn(await read(), name).has(`${name}_irregular`)) return false;
    return (await query(`select 1 from ${name} where ${irregular} limit 1`)).length === 0;
  });
  return { connection, name, catalog: read, isRegular };
}

/** Runs one statement. Throws as Query does. */
export function ask({ connection }: TaskTable, { sql, values }: Statement): Promise<readonly Row[]> {
  return connection.query(sql, values);
}

/** Whether the table has an index of ours; `index` is its name without that of the table, as in `tags`. */
export async function hasIndex({ catalog, name }: TaskTable, index: string): Promise<boolean> {
  return namesIn(await catalog(), name).has(`${name}_${index}`);
}

/** Whether indices have all rows in order of insertion, so that a search can go along them. */
export async function isWalkable({ catalog, name }: TaskTable): Promise<boolean> {
  const names = namesIn(await catalog(), name);
  return Object.keys(statusClasses).every((each) => names.has(`${name}_${each}`));
}

/** The columns that the table lacks, because it is older than they are. */
export async function absentOf({ catalog, name }: TaskTable): Promise<ReadonlySet<TaskField>> {
  return laterFields.length === 0 ? new Set() : absentIn(await catalog(), name);
}

/** Whether table `tally` counts the rows of this table as they are written. */
export async function isTallied({ catalog, name }: TaskTable): Promise<boolean> {
  return name === "task" && (await catalog()).tallied;
}

/**
 * The conditions with what follows from them, by which an index is found: a task without a time of completion has no
 * exit status, unless somebody has changed one of the two by hand.
 */
export async function withImplied(table: TaskTable, conditions: readonly Condition[]): Promise<readonly Condition[]> {
  if (!conditions.some(isUnended) || !(await table.isRegular())) return conditions;
  return [...conditions, { kind: "field", field: "exit_status", operator: "==", value: null }];
}

function isUnended(condition: Condition): boolean {
  if (condition.kind !== "field" || condition.field !== "completion_time") return false;
  return condition.operator === "==" && condition.value === null;
}

function namesIn({ indices }: Catalog, table: string): ReadonlySet<string> {
  return indices.get(table) ?? new Set();
}

/** Work whose answer is kept: only the first call does it. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | null = null;
  return () => (answer ??= work());
}
