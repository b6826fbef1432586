/*
 * Cells as they are stored, made into the values that people see. Does not know how rows are found.
 */
import { lineText } from "../../base/wordlist.ts";
import { comparisonOf, type TaskField } from "../../task/field.ts";
import type { ShownRow, ShownValue } from "../../task/task.ts";
import type { Cell } from "../../store/sqlite/row.ts";
import { readTags } from "../../store/tags.ts";
import { displayTime, type FileTimes } from "../../store/times.ts";
import type { Row } from "./table.ts";

/** From a row number and the cells of `fields` to the values of `fields`; what follows them is left out. */
export function displayOf(fields: readonly TaskField[], times: FileTimes): (row: Row) => ShownRow {
  const show = fields.map((field) => valueOf(field, times));
  return (row) => {
    const shown = new Array<ShownValue>(show.length);
    for (let i = 0; i < show.length; i++) shown[i] = show[i]!(row[i + 1] ?? null);
    return shown;
  };
}

function valueOf(field: TaskField, { local }: FileTimes): (cell: Cell) => ShownValue {
  if (field === "args") return (cell) => (typeof cell === "string" ? lineText(cell) : cell);
  switch (comparisonOf(field)) {
    case "time":
      return (cell) => (typeof cell === "string" ? displayTime(local(cell)) : cell);
    case "boolean":
      return (cell) => (typeof cell === "number" ? cell !== 0 : cell);
    case "tags":
      return readTags;
    default:
      return (cell) => cell;
  }
}
