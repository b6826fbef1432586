/*
 * The tag maps that are in use in one table, by its index of tags. From each map a query leaps over all rows that have
 * it to the next map, so the time grows with the number of maps and not with the number of rows.
 */
import type { Condition } from "../../task/filter.ts";
import { statementOf } from "../../store/postgres/bind.ts";
import type { Row } from "../../store/postgres/connection.ts";
import { tagHash, unusualTag } from "../../store/postgres/indices.ts";
import { isTag } from "../condition.ts";
import { ask, hasIndex, type TaskTable } from "./table.ts";
import { hasHash, tagTest } from "./where.ts";

/** Tag maps that one query looks through, at most; finding one takes 15 µs. */
export const mapLimit = 10_000;
/** Below the hash of every map. */
const lowestHash = "00000000-0000-0000-0000-000000000000";

/**
 * Up to `mapLimit` tag maps in order of their hashes: the hash, then submit_time, id and tags of the first row that has
 * it. `after`: the hash behind which to begin; null: at the first. Needs the index of tags.
 */
export function tagMaps(table: TaskTable, after: unknown = null): Promise<readonly Row[]> {
  return ask(table, { sql: leapOver(table.name), values: [after ?? lowestHash, mapLimit] });
}

/**
 * The hashes of the tag maps that pass all conditions on tags; other conditions are ignored. Null: there are more maps
 * than `mapLimit`, or there is no index of them.
 */
export async function hashesWith(table: TaskTable, conditions: readonly Condition[]): Promise<string[] | null> {
  if (!(await hasIndex(table, "tags"))) return null;
  const statement = statementOf(
    (bind) => {
      const tests = conditions.filter(isTag).map((condition) => tagTest("maps.tag", condition, bind));
      return `with maps as materialized (${leapOver(table.name)}) select hash, (${tests.join(" and ")}) from maps`;
    },
    [lowestHash, mapLimit + 1],
  );
  const rows = await ask(table, statement);
  if (rows.length > mapLimit) return null;
  return rows.filter(([, passes]) => passes === true).map(([hash]) => String(hash));
}

/** The query of `tagMaps`. $1: the hash behind which it begins, $2: how many. */
function leapOver(table: string): string {
  const next = (hash: string): string =>
    `select ${tagHash} from ${table} where ${unusualTag} and ${tagHash} > ${hash} order by 1 limit 1`;
  return `with recursive leap (hash) as (
      select (${next("$1::uuid")})
      union all
      select (${next("leap.hash")}) from leap where leap.hash is not null
    ), hashes as (select hash from leap where hash is not null limit $2::int)
    select hash, first.submit_time, first.id, first.tag from hashes cross join lateral (
      select submit_time, id, tag from ${table} where ${hasHash("hash")} order by submit_time, id limit 1) as first`;
}
