/*
 * Every tag map that is in use, in order of first appearance. With the index of tags only its entries are read, and the
 * table as far as the first task without tags; without that index, every row.
 */
import type { Tags } from "../../task/task.ts";
import type { Cell } from "../../store/sqlite/row.ts";
import { unusualTag } from "../../store/sqlite/schema.ts";
import { readTags } from "../../store/tags.ts";
import { hasIndex, tagIndex, tagTexts, through } from "./indices.ts";
import { laidDown } from "./order.ts";
import { plainTags } from "./route.ts";
import { matchingRows } from "./search.ts";
import { numberOf, rowsOf, type TaskTable } from "./table.ts";

/** Rows in which the first task without tags is expected, if there is any. */
const earlyRows = 10_000;
/** Texts of tags that are remembered, so that neighbours with the same come once. */
const recentTexts = 1000;

/** Each map at least once. */
export function* tagSets(table: TaskTable): Generator<Tags> {
  if (!hasIndex(table, tagIndex.name)) {
    yield* tagSetsOfRows(table);
    return;
  }
  let plain = firstPlain(table);
  for (const [text, row] of firstTagged(table)) {
    if (plain !== null && plain < row) {
      yield plainTags;
      plain = null;
    }
    yield readTags(text);
  }
  if (plain !== null) yield plainTags;
}

function* tagSetsOfRows(table: TaskTable): Generator<Tags> {
  const recent = new Set<Cell>();
  const all = { where: [], orderBy: null, descending: false, limit: null };
  for (const [, text = null] of matchingRows(table, all, ["tag"])) {
    if (recent.has(text)) continue;
    if (recent.size === recentTexts) recent.clear();
    recent.add(text);
    yield readTags(text);
  }
}

/** The row of the first task without tags, if it is an early one; infinite: it is a later one; null: there is none. */
function firstPlain(table: TaskTable): number | null {
  const plain = `from task not indexed where not (${unusualTag})`;
  const early = `rowid < coalesce((select min(rowid) from task), 0) + ?`;
  const row = rowsOf(table, `select rowid ${plain} and ${early} order by rowid limit 1`, earlyRows)[0]?.[0];
  if (typeof row === "number") return row;
  // To look for a later one would mean to read all the others; to count is quick.
  const tagged = numberOf(table, `select count(*) from ${through(tagIndex)}`);
  return tagged < numberOf(table, "select count(*) from task") ? Number.POSITIVE_INFINITY : null;
}

/** Each text of tags, and the first row that has it, in order of these rows. */
function* firstTagged(table: TaskTable): Generator<readonly [text: Cell, row: number]> {
  const few = tagTexts(table);
  if (few !== null) {
    yield* few.toSorted(([, one], [, other]) => one - other);
    return;
  }
  const firsts = `select min(rowid) as first from ${through(tagIndex)} group by tag order by first`;
  for (const [row, text] of laidDown(table, "task.rowid, task.tag", firsts, [])) yield [text ?? null, Number(row)];
}
