/*
 * Every tag map that is in use in one table. With the index of tags only its entries are read (tag-maps.ts); without
 * that index, every row.
 */
import type { Tags } from "../../task/task.ts";
import { plainTag } from "../../store/postgres/indices.ts";
import { displayTags } from "./display.ts";
import { matchingRows } from "./search.ts";
import { hasIndex, isTallied, type TaskTable } from "./table.ts";
import { mapLimit, tagMaps } from "./tag-maps.ts";

/** Every tag map once, in order of first appearance. Beyond the first `mapLimit` maps they are in no order. */
export async function* tagSets(table: TaskTable): AsyncGenerator<Tags> {
  yield* (await hasIndex(table, "tags")) ? byIndex(table) : byRows(table);
}

async function* byIndex(table: TaskTable): AsyncGenerator<Tags> {
  if (await hasPlainTags(table)) yield { part: 0 };
  const first = await tagMaps(table);
  const inOrder = first.toSorted(([, one], [, other]) => Number(one) - Number(other));
  for (const [, , , tag] of inOrder) yield displayTags(tag);
  // More than that cannot be held, so the others cannot be sorted.
  for (let rows = first; rows.length === mapLimit;) {
    rows = await tagMaps(table, rows.at(-1)![0]);
    for (const [, , , tag] of rows) yield displayTags(tag);
  }
}

async function* byRows(table: TaskTable): AsyncGenerator<Tags> {
  const seen = new Set<unknown>();
  const everything = { where: [], orderBy: null, descending: false, limit: null };
  for await (const rows of matchingRows(table, everything, ["tag"])) {
    for (const [, , tag] of rows) {
      if (seen.has(tag)) continue;
      seen.add(tag);
      yield displayTags(tag);
    }
  }
}

/** Whether any task has no tags of its own. */
async function hasPlainTags(table: TaskTable): Promise<boolean> {
  const { query } = table.connection;
  if (await isTallied(table)) {
    const [row] = await query("select sum(plain) from tally");
    return Number(row?.[0]) > 0;
  }
  return (await query(`select 1 from ${table.name} where tag = ${plainTag} limit 1`)).length > 0;
}
