/*
 * Rows in an order of their own, in one statement, over the table of tasks and all that was archived from it. One statement sees one moment: what a rotation
 * moves meanwhile comes once, and one cursor is enough for any number of partitions. Does not know what is done with rows.
 */
import type { Condition } from "../../task/filter.ts";
import { comparisonOf, type TaskField } from "../../task/field.ts";
import type { Selection } from "../store.ts";
import { otherPartition } from "./survey.ts";
import { beyond, type Columns, columnsOf, type Place, type Statement, statementOf } from "./walk.ts";
import { column, whereOf } from "./where.ts";

export interface Shape extends Columns {
  readonly conditions: readonly Condition[];
}

/** Text in the order of its bytes, whatever the database sorts by. */
function orderOf(field: TaskField): string {
  return comparisonOf(field) === "text" ? `${column(field)} collate "C"` : column(field);
}

const directionOf = ({ descending }: Selection): string => (descending ? "desc nulls last" : "asc nulls first");

/** With conditions that are tested elsewhere nobody knows how many rows it takes. */
const mostOf = ({ tested }: Shape, { limit }: Selection): number | null => (tested.length === 0 ? limit : null);

/** Of one table. */
export function sortedOf(table: string, shape: Shape, selection: Selection, after: Place | null): Statement {
  const { orderBy } = selection;
  const most = mostOf(shape, selection);
  return statementOf((bind) => {
    const inside = `${beyond(after, false, bind)} and ${whereOf(shape.conditions, bind).sql}`;
    const order = orderBy === null ? "" : `${orderOf(orderBy)} ${directionOf(selection)}, `;
    const end = most === null ? "" : ` limit ${bind(most)}::bigint`;
    return `select ${columnsOf(shape)} from ${table} where ${inside} order by ${order}submit_time, id${end}`;
  });
}

/**
 * Of the table of tasks and these partitions, in their order among equals; `by`: the order that is asked for. No row if there is another partition by then,
 * which would have to be asked too.
 */
export function sortedOfAll(
  partitions: readonly string[],
  by: TaskField,
  shape: Shape,
  selection: Selection,
): Statement {
  const most = mostOf(shape, selection);
  return statementOf((bind) => {
    const { sql } = whereOf(shape.conditions, bind);
    const rows = ["task", ...partitions].map(
      (table, i) => `select ${i} as part, ${orderOf(by)} as key, ${columnsOf(shape)} from ${table} where ${sql}`,
    );
    const whole = `not exists (${otherPartition(partitions, bind)})`;
    const order = `order by key ${directionOf(selection)}, part, submit_time, id`;
    const columns = ["submit_time", "id", ...[...shape.fields, ...shape.tested].map((_, i) => `c${i}`)].join(", ");
    const end = most === null ? "" : ` limit ${bind(most)}::bigint`;
    return `select ${columns} from (${rows.join(" union all ")}) as rows where ${whole} ${order}${end}`;
  });
}
