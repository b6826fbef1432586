/*
 * Looks through a PostgreSQL database and its partitions for what cannot be, and mends it. Everything is read in one
 * transaction that sees one moment; servers go on meanwhile. The tables are joined by PostgreSQL, and what does not fit
 * comes here through a cursor. Pages and indices are not looked at: PostgreSQL has pg_amcheck for that.
 */
import { clearedFields, requiredFields, type TaskField } from "../../task/field.ts";
import type { Clock } from "../../base/clock.ts";
import { partitionsOf, readCatalog } from "../../store/postgres/catalog.ts";
import {
  channelOf,
  openPostgres,
  type PostgresConnection,
  type PostgresOptions,
  type Query,
  type Row,
} from "../../store/postgres/connection.ts";
import { recount, requireTables, wrongCounts } from "../../store/postgres/schema.ts";
import { serverRows } from "../../store/postgres/servers.ts";
import { column } from "../condition.ts";
import {
  backwardFault,
  type CheckOptions,
  type Checked,
  type CheckStore,
  countLeftover,
  type Fault,
  faultOf,
  forwardFault,
  isMendableRow,
  type LinkedRow,
  mends,
  noLeftovers,
  openArchived,
  rowRules,
  type ServerFacts,
  takesOther,
  tellLeftovers,
} from "../faults.ts";

type Tell = (fault: Fault) => void;

/** Rows that come at once. */
const portion = 2000;

/** Opens a database to be verified; nothing is changed before `mend`. Throws UserError for what stands in the way. */
export async function openPostgresCheck(options: PostgresOptions): Promise<CheckStore> {
  const connection = await openPostgres({ ...options, watched: true });
  const { title, place, query, close } = connection;
  try {
    requireTables(await readCatalog(query), place);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    title,
    check: (asked, tell) => check(connection, options.clock, asked, tell),
    mend: (fault, isAlive) => mend(connection, options.clock, fault, isAlive),
    close,
  };
}

async function check(connection: PostgresConnection, clock: Clock, asked: CheckOptions, tell: Tell): Promise<Checked> {
  return connection.transaction(async (query) => {
    await query("set transaction isolation level repeatable read, read only");
    const names = await tablesOf(query);
    const rows = names.has("server") ? await serverRows(query, clock).servers() : [];
    const facts = { living: rows.filter(asked.isAlive), dead: rows.filter((row) => !asked.isAlive(row)) };
    const partitions = await partitionsOf(query);
    const tables = ["task", ...partitions];
    let tasks = await checkRows(query, "task", tell);
    for (const partition of partitions) tasks += await checkRows(query, partition, tell);
    await checkHolders(query, { dead: facts.dead, living: facts.living.map(({ id }) => id) }, names, tell);
    await checkLinks(query, tables, tell);
    if (partitions.length > 0) await checkDuplicates(query, tables, tell);
    await checkOthers(query, names, tell);
    const filesElsewhere = asked.hasFile === null ? 0 : await checkFiles(query, tables, asked.hasFile, tell);
    return { tasks, partitions: partitions.length, filesElsewhere };
  });
}

/** The tables where statements look first. */
async function tablesOf(query: Query): Promise<ReadonlySet<string>> {
  const rows = await query(
    `select relname from pg_class where relkind = 'r'
     and relnamespace = (select oid from pg_namespace where nspname = current_schema())`,
  );
  return new Set(rows.map(([name]) => String(name)));
}

/** The rows of a statement without values, portion by portion, inside a transaction. */
async function* rowsOf(query: Query, sql: string): AsyncGenerator<Row> {
  await query(`declare verified no scroll cursor for ${sql}`);
  for (;;) {
    const rows = await query(`fetch ${portion} from verified`);
    yield* rows;
    if (rows.length < portion) break;
  }
  await query("close verified");
}

/** Rows by themselves. Answers how many there are. */
async function checkRows(query: Query, table: string, tell: Tell): Promise<number> {
  const badTags = ["badTags", "jsonb_typeof(tag::jsonb) <> 'object'"] as const;
  const rules = [...(table === "task" ? [] : [openArchived]), ...rowRules, badTags];
  const cases = rules.map(([kind, condition]) => `when ${condition} then '${kind}'`);
  const sql = `select * from (
    select case ${cases.join(" ")} end as kind, id, next_id is not null from ${table}
  ) as looked where kind is not null`;
  for await (const [kind, id, hasNext] of rowsOf(query, sql)) {
    const mendable = isMendableRow(kind as Fault["kind"], hasNext === true);
    tell(faultOf(kind as Fault["kind"], table, { id: String(id), mendable }));
  }
  return Number((await query(`select count(*) from ${table}`))[0]?.[0]);
}

/** Tasks that servers hold or reserve that are gone, and tasks whose submission is not known. */
async function checkHolders(query: Query, facts: ServerFacts, names: ReadonlySet<string>, tell: Tell): Promise<void> {
  const leftovers = noLeftovers();
  const held = await query(
    `select server_id, count(*), min(id::text) from task
     where completion_time is null and schedule_time is not null
       and (server_id is null or server_id <> all ($1::uuid[]))
     group by server_id`,
    [facts.living],
  );
  for (const [server, count, example] of held)
    countLeftover(leftovers.held, server === null ? "" : String(server), String(example), Number(count));
  const reserved = await query(
    `select submit_id, count(*), min(id::text) from task
     where completion_time is null and schedule_time is null and submit_id = any ($1::uuid[]) group by submit_id`,
    [facts.dead.filter(({ reserves }) => reserves).map(({ id }) => id)],
  );
  for (const [submission, count, example] of reserved)
    countLeftover(leftovers.reserved, String(submission), String(example), Number(count));
  if (names.has("submission")) {
    // Programs of today have ids of version 7, and tell of each submission before its first task.
    const [row] = await query(
      `select count(*), min(task.id::text) from task where completion_time is null
         and substr(submit_id::text, 15, 1) = '7'
         and not exists (select 1 from submission where submission.id = submit_id)`,
    );
    Object.assign(leftovers.unknownSubmissions, { count: Number(row?.[0]), example: row?.[1] ?? null });
  }
  const clients = new Map<string, number>();
  if (facts.dead.length > 0 && names.has("client")) {
    const rows = await query(
      `select server_id, count(*) from client where server_id = any ($1::uuid[]) and id <> server_id
         and disconnected_at is null and not evicted group by server_id`,
      [facts.dead.map(({ id }) => id)],
    );
    for (const [server, count] of rows) clients.set(String(server), Number(count));
  }
  tellLeftovers(leftovers, facts, "task", (id) => clients.get(id) ?? 0, tell);
}

const linkColumns = ["id", "previous_id", "next_id", "retried", "attempt", "exit_status"];
const columnsOf = (table: string): string =>
  [`${table}.place`, ...linkColumns.map((name) => `${table}.${name}`)].join(", ");
const width = linkColumns.length + 1;

/** All rows that name another attempt, of all tables. */
function linked(tables: readonly string[], condition: string): string {
  const list = linkColumns.join(", ");
  return tables.map((name) => `select '${name}' as place, ${list} from ${name} where ${condition}`).join(" union all ");
}

/** Chains of attempts, within and across tables. */
async function checkLinks(query: Query, tables: readonly string[], tell: Tell): Promise<void> {
  const pairs = (link: string, wrong: string): string => `select ${columnsOf("one")}, ${columnsOf("other")}
    from (${linked(tables, `${link} is not null`)}) as one
    left join (${linked(tables, "true")}) as other on other.id = one.${link}
    where other.id is null or ${wrong}`;
  const forwards = pairs(
    "next_id",
    "other.previous_id is distinct from one.id or other.attempt <> one.attempt + 1 or not one.retried",
  );
  const backwards = pairs("previous_id", "other.next_id is distinct from one.id");
  for (const [sql, judge] of [
    [forwards, forwardFault],
    [backwards, backwardFault],
  ] as const) {
    for await (const cells of rowsOf(query, sql)) {
      const other = cells.slice(width);
      const fault = judge(linkedRow(cells), other[1] === null ? null : linkedRow(other), true);
      if (fault !== null) tell(fault);
    }
  }
}

function linkedRow(cells: Row): LinkedRow {
  const [place, id, previousId, nextId, retried, attempt, exitStatus] = cells;
  return {
    id: String(id),
    place: String(place),
    previousId: previousId === null ? null : String(previousId),
    nextId: nextId === null ? null : String(nextId),
    retried: retried === true,
    attempt: Number(attempt),
    exitStatus: exitStatus === null ? null : Number(exitStatus),
  };
}

/** Tasks that are in two tables. */
async function checkDuplicates(query: Query, tables: readonly string[], tell: Tell): Promise<void> {
  const all = tables.map((name, at) => `select id, ${at} as place, ${contentIn(name)} as content from ${name}`);
  const sql = `select id, array_to_string(array_agg(place order by place), ','), count(distinct content)
    from (${all.join(" union all ")}) as each group by id having count(*) > 1`;
  for await (const [id, places, contents] of rowsOf(query, sql)) {
    const [one = 0, other = 0] = String(places).split(",").map(Number);
    const isSame = Number(contents) === 1 && one === 0;
    const kind = Number(contents) === 1 ? "twice" : "twiceOtherwise";
    tell(faultOf(kind, tables[one]!, { id: String(id), other: tables[other]!, mendable: isSame }));
  }
}

/** What is recorded of a task, but for its tags, which name the partition, and what is newer than version 2.8. */
const recorded: readonly TaskField[] = requiredFields.filter((field) => field !== "tag");
const contentIn = (table: string): string =>
  `md5(row(${recorded.map((field) => `${table}.${column(field)}`).join(", ")})::text)`;

/** Recalls, and the counts that triggers keep. */
async function checkOthers(query: Query, names: ReadonlySet<string>, tell: Tell): Promise<void> {
  const count = async (kind: Fault["kind"], sql: string, mendable: boolean): Promise<void> => {
    const [row] = await query(sql);
    const found = Number(row?.[0]);
    if (found > 0) tell(faultOf(kind, "task", { id: String(row?.[1]), count: found, mendable }));
  };
  if (names.has("recall") && names.has("server")) {
    await count("strayRecall", `select count(*), min(task_id::text) from recall where ${isStray}`, true);
    const kinds = "'cancelled', 'reverted', 'deleted', 'changed', 'adopted'";
    await count("badRecall", `select count(*), min(task_id::text) from recall where kind not in (${kinds})`, false);
  }
  if (names.has("tally") && (await query(wrongCounts)).length > 0) tell(faultOf("counts", "task", { mendable: true }));
}

const isStray = "server_id not in (select id from server)";

async function checkFiles(
  query: Query,
  tables: readonly string[],
  hasFile: NonNullable<CheckOptions["hasFile"]>,
  tell: Tell,
): Promise<number> {
  let elsewhere = 0;
  const sql = tables
    .map(
      (name) => `select '${name}', id, client_host, outpath, errpath, csvpath from ${name}
        where completion_time is not null and (outpath > '' or errpath > '' or csvpath > '')`,
    )
    .join(" union all ");
  for await (const [place, id, host, ...paths] of rowsOf(query, sql)) {
    const task = { id: String(id), clientHost: host === null ? null : String(host) };
    for (const path of paths) {
      if (typeof path !== "string" || path === "") continue;
      const found = hasFile(task, path);
      if (found === null) elsewhere += 1;
      else if (!found) tell(faultOf("fileGone", String(place), { id: task.id, other: path }));
    }
  }
  return elsewhere;
}

const clear = clearedFields.map((field) => `${column(field)} = null`).join(", ");

async function mend(
  connection: PostgresConnection,
  clock: Clock,
  fault: Fault,
  isAlive: CheckOptions["isAlive"],
): Promise<boolean> {
  const { kind, id, other, place } = fault;
  return connection.transaction(async (query) => {
    const servers = kind === "deadServer" ? await serverRows(query, clock).servers() : [];
    if (kind === "deadServer" && !servers.some((row) => row.id === id && !isAlive(row))) return false;
    const change = async (sql: string, values: readonly unknown[] = []): Promise<number> =>
      (await query(`${sql} returning 1`, values)).length;
    const written = mends[kind];
    if (written !== undefined) {
      const sql = written.replaceAll("TABLE", place).replace(/\?(\d)/g, "$$$1::uuid");
      return (await change(sql, takesOther(written) ? [id, other] : [id])) > 0;
    }
    switch (kind) {
      case "deadServer":
      case "lostServer": {
        const whose = id === "" ? "server_id is null" : "server_id = $1::uuid";
        const lost = kind === "lostServer" ? "and (server_id is null or server_id not in (select id from server))" : "";
        const reverted = await change(
          `update task set ${clear} where completion_time is null and schedule_time is not null and ${whose} ${lost}`,
          id === "" ? [] : [id],
        );
        if (reverted > 0) await query("select pg_notify($1, 'tasks')", [channelOf(connection.schema)]);
        if (kind === "lostServer") return reverted > 0;
        await change("delete from recall where server_id = $1::uuid", [id]);
        return (await change("delete from server where id = $1::uuid", [id])) + reverted > 0;
      }
      case "strayRecall":
        return (await change(`delete from recall where ${isStray}`)) > 0;
      case "counts":
        return (await change(recount)) > 0;
      case "twice":
        return (
          (await change(
            `delete from task where id = $1::uuid and exists (
               select 1 from ${String(other)} as twin where twin.id = task.id
                 and ${contentIn("twin")} = ${contentIn("task")})`,
            [id],
          )) > 0
        );
      default:
        return false;
    }
  });
}
