/*
 * Walks along the tasks of one table, in order of insertion or by time of submission downwards. Each page is a query of
 * its own, so no transaction is open while a pager waits for its reader: one would keep the database from cleaning up.
 *
 * A page never makes the database look at more than a stretch of the table: rows that do not match are passed by in
 * steps, along an index, whatever the planner thinks of the conditions. How tasks ended and which tags they have tell
 * which parts of the table are walked along. The statements are in path.ts.
 */
import type { Condition } from "../../task/filter.ts";
import type { Row } from "../../store/postgres/connection.ts";
import { statusClasses } from "../../store/postgres/indices.ts";
import { isTag } from "../condition.ts";
import type { Shape } from "./order.ts";
import { aheadOf, type Branches, pageOf, type Path, type Place, placeOf } from "./path.ts";
import { ask, type TaskTable } from "./table.ts";
import { hashesWith } from "./tag-maps.ts";
import { classesOf, holdsFor, holdsForPlain, isStatus, isTime } from "./where.ts";

/** Rows of the first page: few, so that the first row comes at once. */
export const firstPage = 100;
const largestPage = 2000;
/** Rows that one page may pass by, from the first page to the largest stretch, which takes 100 ms. */
const firstStretch = 2000;
const largestStretch = 100_000;
/** Tag maps whose rows are read side by side, at most. With more of them the whole table is walked along. */
const hashLimit = 16;

/** How many rows a search still wants. Whoever reads its rows counts down. */
export interface Wanted {
  left: number;
}

/**
 * Rows that meet the conditions of `shape`, in pages that are never empty. Regular expressions are not tested. `after`:
 * begins behind that place.
 */
export async function* walk(
  table: TaskTable,
  shape: Shape,
  descending: boolean,
  after: Place | null,
  wanted: Wanted,
): AsyncGenerator<readonly Row[]> {
  const { conditions, tested } = shape;
  const branches = await branchesOf(table, conditions);
  const path: Path = { table: table.name, branches, descending };
  const times = conditions.filter(isTime);
  // Where every row of the branches matches, a page passes none by.
  const isDense = conditions.every((each) => isTime(each) || (branches.kind === "conditions" && isCovered(each)));
  let [page, stretch] = [firstPage, firstStretch];
  for (let place = after; ;) {
    const end: Place | null = isDense ? null : await placeAhead(table, path, place, times, stretch);
    const size: number = tested.length === 0 ? Math.min(page, wanted.left) : page;
    const rows = await ask(table, pageOf(path, [place, end], conditions, shape, size));
    if (rows.length > 0) yield rows;
    page = Math.min(largestPage, page * 2);
    if (rows.length === size) {
      place = placeOf(rows.at(-1)!);
      stretch = Math.max(firstStretch, Math.floor(stretch / 4));
      continue;
    }
    if (end === null) return;
    place = end;
    if (rows.length < size / 2) stretch = Math.min(largestStretch, stretch * 2);
  }
}

/** The place that is a stretch (rows) further; null: there are fewer rows. */
async function placeAhead(
  table: TaskTable,
  path: Path,
  place: Place | null,
  times: readonly Condition[],
  stretch: number,
): Promise<Place | null> {
  const [row] = await ask(table, aheadOf(path, place, times, stretch));
  return row === undefined ? null : placeOf(row);
}

/** Parts of the table that do not overlap and together have every row that matches. */
async function branchesOf(table: TaskTable, conditions: readonly Condition[]): Promise<Branches> {
  const classes = classesOf(conditions);
  const byStatus: Branches = { kind: "conditions", conditions: classes.map((each) => statusClasses[each]) };
  const tags = conditions.filter(isTag);
  if (tags.length === 0 || classes.length === 0 || tags.every(holdsForPlain)) return byStatus;
  // Few tasks end badly.
  if (classes.length === 1 && classes[0] === "unsuccessful") return byStatus;
  const hashes = await hashesWith(table, conditions);
  if (hashes === null || hashes.length > hashLimit) return byStatus;
  return { kind: "hashes", hashes };
}

/** Whether the choice of branches by status leaves no row that fails this condition. */
function isCovered(condition: Condition): boolean {
  return isStatus(condition) && condition.operator !== "~" && holdsFor(condition, "unsuccessful") !== null;
}
