/*
 * Looking through the tasks of one PostgreSQL table, for people. Rows come from search.ts, numbers from count.ts and
 * tags from tags.ts. Does not know that there are other tables: that is partitions.ts.
 */
import { idsFrom, parseId } from "../../base/ids.ts";
import { taskFields } from "../../task/field.ts";
import type { Catalog } from "../../store/postgres/catalog.ts";
import type { PostgresConnection } from "../../store/postgres/connection.ts";
import type { Records, TaskRecord } from "../history.ts";
import { columnsOf } from "./columns.ts";
import { countOf } from "./count.ts";
import { displayOf, shownRows } from "./display.ts";
import { matchingRows } from "./search.ts";
import { absentOf, ask, tableOf, type TaskTable } from "./table.ts";
import { tagSets } from "./tags.ts";

/**
 * The tasks of the table with this name, to be searched. `catalog`: what was there a moment ago, to save a question.
 */
export function recordsOf(connection: PostgresConnection, name: string, catalog?: Catalog): Records {
  return recordsIn(tableOf(connection, name, catalog));
}

/** As recordsOf, for a table that is at hand. */
export function recordsIn(table: TaskTable): Records {
  return {
    search: (query) => shownRows(matchingRows(table, query, query.fields), query.fields),
    count: (selection) => countOf(table, selection),
    find: (id) => find(table, id),
    idsWith: (prefix) => idsWith(table, prefix),
    tagSets: () => tagSets(table),
  };
}

async function idsWith(table: TaskTable, prefix: string): Promise<readonly string[]> {
  const sql = `select id from ${table.name} where id between $1::uuid and $2::uuid limit 2`;
  return (await ask(table, { sql, values: [...idsFrom(prefix)] })).map(([id]) => String(id));
}

async function find(table: TaskTable, id: string): Promise<TaskRecord | null> {
  if (parseId(id) === null) return null;
  const columns = columnsOf({ fields: taskFields, tested: [], absent: await absentOf(table) });
  const sql = `select ${columns} from ${table.name} where id = $1::uuid`;
  const [row] = await ask(table, { sql, values: [id] });
  if (row === undefined) return null;
  const shown = displayOf(taskFields)(row);
  return Object.fromEntries(taskFields.map((field, i) => [field, shown[i]])) as TaskRecord;
}
