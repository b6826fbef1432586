/*
 * The columns that a search reads, as they stand in a statement. A table may lack some: it can be older than they are.
 */
import { comparisonOf, type TaskField } from "../../task/field.ts";
import { typeOf } from "../../store/postgres/row.ts";
import { column } from "../condition.ts";

/** The columns that a search reads. */
export interface Columns {
  /** Fields to be shown. */
  readonly fields: readonly TaskField[];
  /** Fields that are tested besides. */
  readonly tested: readonly TaskField[];
  /** Columns that the table lacks: they read as null. */
  readonly absent: ReadonlySet<TaskField>;
}

/** The list of columns of a `select`: submit_time and id, by which rows have their place, then both kinds of fields. */
export function columnsOf({ fields, tested, absent }: Columns): string {
  const shown = fields.map((field) => shownColumn(field, absent));
  const others = tested.map((field) => columnOf(field, absent));
  // A field may come twice, but a name may not.
  const named = [...shown, ...others].map((each, i) => `${each} as c${i}`);
  return ["submit_time", "id", ...named].join(", ");
}

/**
 * A column to be shown. Times come as text: to read a time as a number and to write that again takes a third of all the
 * time that a row takes.
 */
function shownColumn(field: TaskField, absent: ReadonlySet<TaskField>): string {
  const name = columnOf(field, absent);
  return comparisonOf(field) === "time" ? `${name}::text` : name;
}

/** A column of a table, or null of its type if it is absent: one statement may put tables of different age together. */
export function columnOf(field: TaskField, absent: ReadonlySet<TaskField>): string {
  return absent.has(field) ? `null::${typeOf(field)}` : column(field);
}
