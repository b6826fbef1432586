/*
 * Cells of PostgreSQL as people see them. Does not know where rows come from.
 */
import { lineText } from "../../base/wordlist.ts";
import { comparisonOf, type TaskField } from "../../task/field.ts";
import type { ShownRow, ShownValue, Tags } from "../../task/task.ts";
import { instantText, parseInstant } from "../../store/postgres/cells.ts";
import type { Row } from "../../store/postgres/connection.ts";
import { readTags } from "../../store/tags.ts";

/** Makes of a row as `columnsOf` reads it (submit_time and id, then `fields`) what people see: the fields alone. */
export function displayOf(fields: readonly TaskField[]): (row: Row) => ShownRow {
  const show = fields.map(cellOf);
  return (row) => {
    const cells = new Array<ShownValue>(show.length);
    for (let i = 0; i < show.length; i++) cells[i] = show[i]!(row[i + 2] ?? null);
    return cells;
  };
}

/** The rows of all portions, as displayOf makes them. */
export async function* shownRows(
  portions: AsyncIterable<readonly Row[]>,
  fields: readonly TaskField[],
): AsyncGenerator<ShownRow> {
  const display = displayOf(fields);
  for await (const rows of portions) for (const row of rows) yield display(row);
}

/** How a cell of this field is shown. Times come as text. */
function cellOf(field: TaskField): (cell: unknown) => ShownValue {
  if (field === "args") return (cell) => lineText(String(cell));
  switch (comparisonOf(field)) {
    case "time":
      return (cell) => (cell === null ? null : displayTime(String(cell)));
    case "tags":
      return displayTags;
    default:
      return (cell) => cell as ShownValue;
  }
}

/**
 * A time as people see it: `2026-11-22 07:07:22.761974+00:00`. A fraction that is exactly zero is left out. Null for
 * what has no place on a calendar (`infinity`). `time` is as PostgreSQL writes it, without zeros at the end.
 */
function displayTime(time: string): string | null {
  if (time.endsWith("+00")) {
    const dot = time.indexOf(".");
    return dot < 0 ? `${time}:00` : `${time.slice(0, -3).padEnd(dot + 7, "0")}+00:00`;
  }
  const ms = parseInstant(time);
  if (ms === null) return null;
  const text = instantText(ms);
  const fraction = text.endsWith(".000000Z") ? "" : text.slice(19, -1);
  return `${text.slice(0, 10)} ${text.slice(11, 19)}${fraction}+00:00`;
}

/** Tags as people see them. PostgreSQL keeps keys in an order of its own; `part` is ours, and comes last everywhere. */
export function displayTags(cell: unknown): Tags {
  const tags = readTags(cell);
  if (!Object.hasOwn(tags, "part")) return tags;
  const { part, ...others } = tags;
  return { ...others, part: part! };
}
