/*
 * Counts the tasks of one table that match, by whatever is quickest: what is counted already, an index of tags, an
 * index for each way to end, or else row by row.
 */
import { type Condition, withoutFields } from "../../task/filter.ts";
import { type Bind, statementOf } from "../../store/postgres/bind.ts";
import { statusClasses, tagHash, unusualTag } from "../../store/postgres/indices.ts";
import { isTag } from "../condition.ts";
import type { Selection } from "../history.ts";
import { matchingRows } from "./search.ts";
import { absentOf, ask, isTallied, type TaskTable, withImplied } from "./table.ts";
import { hashesWith } from "./tag-maps.ts";
import { classesOf, holdsFor, holdsForPlain, isStatus, isTime, testsOf, whereOf } from "./where.ts";

/** The number of tasks that match, at most the limit. Throws UserError for a bad pattern, else as Query does. */
export async function countOf(table: TaskTable, asked: Selection): Promise<number> {
  const selection = withoutFields(asked, await absentOf(table));
  const { limit } = selection;
  if (limit !== null && limit <= 0) return 0;
  const conditions = await withImplied(table, selection.where);
  const tests = testsOf(conditions);
  if (classesOf(conditions).length === 0) return 0;
  if (tests.length > 0) return countOneByOne(table, selection);
  const known = await countByTally(table, conditions);
  if (known !== null) return limit === null ? known : Math.min(known, limit);
  const tagged = await countByTags(table, conditions, limit);
  if (tagged !== null) return tagged;
  if (conditions.some(isTime)) return countByTimes(table, conditions, limit);
  return countRows(table, limit, (bind) => whereOf(conditions, bind));
}

/** Conditions that SQL cannot say need to see each row. */
async function countOneByOne(table: TaskTable, selection: Selection): Promise<number> {
  let count = 0;
  const unordered = { ...selection, orderBy: null, descending: false };
  for await (const rows of matchingRows(table, unordered, [])) count += rows.length;
  return count;
}

/**
 * Where only how tasks ended is asked for, table `tally` knows most of the answer; a class of which it is not known
 * whether all rows match is counted by its index. Null: there is no tally, or something else is asked for.
 */
async function countByTally(table: TaskTable, conditions: readonly Condition[]): Promise<number | null> {
  const statuses = conditions.filter(isStatus);
  if (statuses.length < conditions.length || !(await isTallied(table))) return null;
  const [row] = await table.connection.query(
    "select sum(open), sum(succeeded), sum(total) - sum(open) - sum(succeeded) from tally",
  );
  const [open = 0, succeeded = 0, unsuccessful = 0] = (row ?? []).map(Number);
  const known = { open, succeeded, unsuccessful };
  let count = 0;
  for (const each of classesOf(conditions)) {
    const isWhole = statuses.every((condition) => holdsFor(condition, each) === true);
    count += isWhole
      ? known[each]
      : await countRows(table, null, (bind) => `${statusClasses[each]} and ${whereOf(conditions, bind)}`);
  }
  return count;
}

/**
 * Counts the rows of the tag maps that pass, by the index of tags. Null: tags are not asked for, or they are too many.
 */
async function countByTags(
  table: TaskTable,
  conditions: readonly Condition[],
  limit: number | null,
): Promise<number | null> {
  // Tasks without tags of their own are not in this index, so it is of no use where they pass.
  if (conditions.filter(isTag).every(holdsForPlain)) return null;
  const hashes = await hashesWith(table, conditions);
  if (hashes === null) return null;
  return countRows(
    table,
    limit,
    (bind) => `${whereOf(conditions, bind)} and ${unusualTag} and ${tagHash} = any (${bind(hashes)}::uuid[])`,
  );
}

/** Counts within a range of times, in each class by its own index, which is in order of time. */
async function countByTimes(table: TaskTable, conditions: readonly Condition[], limit: number | null): Promise<number> {
  let count = 0;
  for (const each of classesOf(conditions)) {
    const left = limit === null ? null : limit - count;
    count += await countRows(table, left, (bind) => `${statusClasses[each]} and ${whereOf(conditions, bind)}`);
  }
  return count;
}

/** Counts the rows that meet the condition that `write` writes, at most `limit`. */
async function countRows(table: TaskTable, limit: number | null, write: (bind: Bind) => string): Promise<number> {
  const statement = statementOf((bind) => {
    const rows = `from ${table.name} where ${write(bind)}`;
    if (limit === null) return `select count(*) ${rows}`;
    return `select count(*) from (select 1 ${rows} limit ${bind(limit)}::bigint) as few`;
  });
  const [row] = await ask(table, statement);
  return Number(row?.[0]);
}
