/*
 * The statements of a search whose order needs a sort, over one table or over table `task` and its partitions. One
 * statement sees one moment: what a rotation moves meanwhile comes once, and one cursor is enough for any number of
 * partitions. Does not know what is done with rows.
 */
import { type Condition, withoutFields } from "../../task/filter.ts";
import { comparisonOf, type TaskField } from "../../task/field.ts";
import { isLatestFirst, type Selection } from "../history.ts";
import { type Statement, statementOf } from "../../store/postgres/bind.ts";
import { absentIn, otherPartition, type Catalog } from "../../store/postgres/catalog.ts";
import { comparedColumn } from "../condition.ts";
import { columnOf, type Columns, columnsOf } from "./columns.ts";
import { beyond, type Place } from "./path.ts";
import { whereOf } from "./where.ts";

/** What rows must meet, and the columns that are read of them. */
export interface Shape extends Columns {
  readonly conditions: readonly Condition[];
}

/** What rows are sorted by in SQL. Texts stand in the order of their bytes, whatever order the database is set to. */
function orderOf(field: TaskField, absent: ReadonlySet<TaskField>): string {
  const name = absent.has(field) ? columnOf(field, absent) : comparedColumn(field);
  return comparisonOf(field) === "text" ? `${name} collate "C"` : name;
}

const directionOf = ({ descending }: Selection): string => (descending ? "desc nulls last" : "asc nulls first");

/** The order of rows whose values are equal. */
const equalsOf = (selection: Selection): string =>
  isLatestFirst(selection) ? "submit_time desc, id desc" : "submit_time, id";

/** How many rows to ask for. Null: no limit, as nobody knows how many rows it takes where some are tested elsewhere. */
const mostOf = ({ tested }: Pick<Shape, "tested">, { limit }: Selection): number | null =>
  tested.length === 0 ? limit : null;

/** Rows of one table in the order of the selection. `after`: only those behind that place in order of insertion. */
export function sortedOf(table: string, shape: Shape, selection: Selection, after: Place | null): Statement {
  const { orderBy } = selection;
  const most = mostOf(shape, selection);
  return statementOf((bind) => {
    const inside = `${beyond(after, false, bind)} and ${whereOf(shape.conditions, bind)}`;
    const order = orderBy === null ? "" : `${orderOf(orderBy, shape.absent)} ${directionOf(selection)}, `;
    const end = most === null ? "" : ` limit ${bind(most)}::bigint`;
    return `select ${columnsOf(shape)} from ${table} where ${inside} order by ${order}${equalsOf(selection)}${end}`;
  });
}

/**
 * Rows of table `task` and of these partitions, sorted by the field `by`; equals stand in the order of their tables. It
 * answers no row if there is another partition by then, which would have to be asked too.
 */
export function sortedOfAll(
  partitions: readonly string[],
  by: TaskField,
  shape: Omit<Shape, "absent">,
  selection: Selection,
  catalog: Pick<Catalog, "absent">,
): Statement {
  const most = mostOf(shape, selection);
  return statementOf((bind) => {
    let common: string | null = null;
    const inside = (absent: ReadonlySet<TaskField>): string => {
      if (absent.size === 0) return (common ??= whereOf(shape.conditions, bind));
      return whereOf(withoutFields({ ...selection, where: shape.conditions }, absent).where, bind);
    };
    const rows = ["task", ...partitions].map((table, i) => {
      const absent = absentIn(catalog, table);
      const columns = `${i} as part, ${orderOf(by, absent)} as key, ${columnsOf({ ...shape, absent })}`;
      return `select ${columns} from ${table} where ${inside(absent)}`;
    });
    const whole = `not exists (${otherPartition(partitions, bind)})`;
    const order = `order by key ${directionOf(selection)}, part, ${equalsOf(selection)}`;
    const columns = ["submit_time", "id", ...[...shape.fields, ...shape.tested].map((_, i) => `c${i}`)].join(", ");
    const end = most === null ? "" : ` limit ${bind(most)}::bigint`;
    return `select ${columns} from (${rows.join(" union all ")}) as rows where ${whole} ${order}${end}`;
  });
}
