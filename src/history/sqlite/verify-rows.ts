/*
 * Each row of a file by itself: whether its columns may stand together, and whether somebody is there who holds it.
 */
import {
  countLeftover,
  type Fault,
  faultOf,
  isMendableRow,
  noLeftovers,
  openArchived,
  rowRules,
  type ServerFacts,
  tellLeftovers,
} from "../faults.ts";
import { rowsOf, tablesOf, type TaskFile, turn } from "./verify-files.ts";

/** Rows that one statement looks at: 50 ms. */
const stretch = 50_000;

const time = "'[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]*'";
const times = ["submit_time", "schedule_time", "start_time", "completion_time"];
const isBadTime = times.map((name) => `${name} not glob ${time}`).join(" or ");

/** What only a text can get wrong. Tags of older programs may have NaN in them, which is no JSON. */
const ownRules = [
  ["badTime", `(${isBadTime})`],
  ["badTags", "(tag not glob '{*}')"],
] as const;

/** ?3: the ids of living servers, ?4: those of dead ones that reserve their submission. */
const isHeldByNobody = `(completion_time is null and schedule_time is not null
  and (server_id is null or server_id not in (select value from json_each(?3))))`;
const isReservedByNobody = `(completion_time is null and schedule_time is null
  and submit_id in (select value from json_each(?4)))`;
/** Programs of today have ids of version 7, and tell of each submission before its first task. */
const isOfNobody = `(completion_time is null and substr(submit_id, 15, 1) = '7'
  and submit_id not in (select id from submission))`;

/**
 * Looks at all rows of a file that count; answers their number. `servers`: those of the main file; null: a partition,
 * where every task has ended.
 */
export async function checkRows(
  file: TaskFile,
  servers: ServerFacts | null,
  tell: (fault: Fault) => void,
): Promise<number> {
  const { db, place, upto } = file;
  const cases = casesOf(servers, tablesOf(db));
  const statement = db.prepare(
    `select kind, id, server_id, submit_id, next_id is not null from (
       select case ${cases} end as kind, id, server_id, submit_id, next_id
       from task not indexed where rowid between ?1 and ?2
     ) where kind is not null`,
  );
  const leftovers = noLeftovers();
  const lists = servers === null ? [] : [JSON.stringify(servers.living), JSON.stringify(reserving(servers))];
  const last = Math.min(upto, Number(rowsOf(db, "select max(rowid) from task")[0]?.[0] ?? 0));
  let tasks = 0;
  try {
    for (let from = nextRow(file, 0); from !== null && from <= last; from = nextRow(file, from + stretch - 1)) {
      const to = Math.min(last, from + stretch - 1);
      for (const [kind, id, server, submission, hasNext] of statement.values(from, to, ...lists)) {
        const example = String(id);
        if (kind === "held") countLeftover(leftovers.held, server === null ? "" : String(server), example);
        else if (kind === "reserved") countLeftover(leftovers.reserved, String(submission), example);
        else if (kind === "noSubmission") {
          leftovers.unknownSubmissions.count += 1;
          leftovers.unknownSubmissions.example ??= example;
        } else {
          const mendable = isMendableRow(kind as Fault["kind"], hasNext === 1);
          tell(faultOf(kind as Fault["kind"], place, { id: example, mendable }));
        }
      }
      tasks += Number(rowsOf(db, "select count(*) from task where rowid between ? and ?", from, to)[0]?.[0]);
      await turn();
    }
  } finally {
    statement.finalize();
  }
  if (servers !== null) tellLeftovers(leftovers, servers, place, (id) => clientsOf(file, id), tell);
  return tasks;
}

function reserving({ dead }: ServerFacts): readonly string[] {
  return dead.filter(({ reserves }) => reserves).map(({ id }) => id);
}

/** The rules as branches of one expression; the first that applies is told. */
function casesOf(servers: ServerFacts | null, tables: ReadonlySet<string>): string {
  const rules = servers === null ? [openArchived, ...rowRules, ...ownRules] : [...rowRules, ...ownRules];
  const branches = rules.map(([kind, condition]) => `when ${condition} then '${kind}'`);
  if (servers !== null) {
    branches.push(`when ${isHeldByNobody} then 'held'`, `when ${isReservedByNobody} then 'reserved'`);
    if (tables.has("submission")) branches.push(`when ${isOfNobody} then 'noSubmission'`);
  }
  return branches.join("\n");
}

/** The first row after number `row`; null: there is none. */
function nextRow({ db }: TaskFile, row: number): number | null {
  const found = rowsOf(db, "select min(rowid) from task where rowid > ?", row)[0]?.[0];
  return typeof found === "number" ? found : null;
}

/** Clients of a dead server that may still run its tasks. In a run on one machine the client is the server itself. */
function clientsOf({ db }: TaskFile, server: string): number {
  const [row] = rowsOf(
    db,
    "select count(*) from client where server_id = ?1 and id <> ?1 and disconnected_at is null and not evicted",
    server,
  );
  return Number(row?.[0]);
}
