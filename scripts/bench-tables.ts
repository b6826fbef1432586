/*
 * Databases with as many tasks as are wished for, for measurements: filled by SQL, because through the store ten
 * million would take an hour. The tasks are like those of a program that ran for weeks: one in a hundred failed, two in
 * a hundred have a tag.
 */
import { Database } from "bun:sqlite";
import { join } from "node:path";
import { systemClock } from "../src/base/clock.ts";
import { openStore } from "../src/store/open.ts";
import type { Store } from "../src/store/store.ts";
import { type Postgres, startPostgres } from "../test/systems/postgres.ts";
import { openRecords } from "../src/history/open.ts";
import type { RecordStore } from "../src/history/history.ts";

export interface Bench extends AsyncDisposable {
  readonly store: Store;
  /** Opens it anew, as `hs list` does. */
  readonly records: () => Promise<RecordStore>;
  /** What hs needs in its environment to use it. */
  readonly env: Readonly<Record<string, string>>;
  /** Adds `count` tasks after the `present` ones, ended or waiting. */
  readonly fill: (present: number, count: number, ended: boolean) => Promise<void>;
  /** Takes all tasks away. */
  readonly clear: () => Promise<void>;
  /** After much was added: what the database itself does in the course of time. */
  readonly settle: () => Promise<void>;
}

/** One that grows, and beside it one that stays small: what else the machine does slows both. */
export interface Benches extends AsyncDisposable {
  readonly title: string;
  readonly large: Bench;
  readonly small: Bench;
}

/** Rows of one statement. */
const chunk = 100_000;
/** Tasks of these tags, and that failed, by the row's number modulo 100. */
export const shares = { a: 0, b: 50, failed: 7 } as const;

const columns = `id, "group", args, submit_id, submit_time, submit_host, server_id, server_host,
  schedule_time, client_id, client_host, command, start_time, completion_time, exit_status,
  attempt, retried, waited, duration, tag`;
const [submission, server, client] = [1, 2, 3].map((n) => `019a0000-0000-7000-8000-00000000000${n}`);

/** What a row of number `i` holds, in the words of both databases: `id` and `time` are theirs. */
function cells(id: string, time: (offset: number) => string, ended: boolean, no: string): string {
  const results = [
    `'${server}', 'server01', ${time(1)}, '${client}', 'node' || (i % 64), './simulate --seed ' || i || ' input.dat'`,
    `${time(2)}, ${time(5)}, case when i % 100 = ${shares.failed} then 1 else 0 end, 1, ${no}, 2.0, 3.0`,
  ];
  const nothing = `null, null, null, null, null, null, null, null, null, 1, ${no}, null, null`;
  const tag = `case i % 100 when ${shares.a} then '{"site": "a", "part": 0}'
    when ${shares.b} then '{"site": "b", "part": 0}' else '{"part": 0}' end`;
  return `${id}, 0, './simulate --seed ' || i || ' input.dat', '${submission}', ${time(0)}, 'login01',
    ${ended ? results.join(", ") : nothing}, ${tag}`;
}

/** Tasks were submitted ten milliseconds apart; all of them before now. */
const startedAt = systemClock.now() / 1000 - 20_000_000 / 100;

async function inChunks(
  present: number,
  count: number,
  add: (from: number, to: number) => Promise<void>,
): Promise<void> {
  for (let from = present + 1; from <= present + count; from += chunk)
    await add(from, Math.min(from + chunk - 1, present + count));
}

export async function sqliteBenches(place: string): Promise<Benches> {
  const [large, small] = [await sqliteBench(join(place, "main.db")), await sqliteBench(join(place, "small.db"))];
  return {
    title: "SQLite",
    large,
    small,
    async [Symbol.asyncDispose]() {
      await large[Symbol.asyncDispose]();
      await small[Symbol.asyncDispose]();
    },
  };
}

async function sqliteBench(file: string): Promise<Bench> {
  const settings = { provider: "sqlite", file, database: null, url: null, pragmas: {} };
  const store = await openStore({ ...settings, clock: systemClock });
  const db = new Database(file);
  db.run("pragma synchronous = off");
  const id = "'01900000-0000-7000-8000-' || printf('%012x', i)";
  const time = (offset: number): string =>
    `strftime('%Y-%m-%d %H:%M:%f000', ${startedAt} + i * 0.01 + ${offset}, 'unixepoch', 'localtime')`;
  return {
    store,
    records: () => openRecords(settings),
    env: { HYPERSHELL_DATABASE_FILE: file },
    fill: (present, count, ended) =>
      inChunks(present, count, async (from, to) => {
        db.run(
          `with recursive n (i) as (select ${from} union all select i + 1 from n where i < ${to})
           insert into task (${columns}) select ${cells(id, time, ended, "0")} from n`,
        );
      }),
    clear: async () => void db.run("delete from task"),
    settle: async () => void db.run("pragma wal_checkpoint(truncate)"),
    async [Symbol.asyncDispose]() {
      db.close();
      await store.close();
    },
  };
}

export async function postgresBenches(): Promise<Benches> {
  // A server of some size, that does not lose what it has committed.
  const settings = ["fsync = on", "shared_buffers = '1GB'", "max_wal_size = '4GB'"];
  const postgres = await startPostgres({ settings });
  const opened: Bench[] = [];
  const close = async (): Promise<void> => {
    for (const each of opened) await each[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  };
  try {
    const large = await postgresBench(postgres);
    opened.push(large);
    const small = await postgresBench(postgres);
    opened.push(small);
    return { title: "PostgreSQL", large, small, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function postgresBench(postgres: Postgres): Promise<Bench> {
  const name = await postgres.create();
  const where = { provider: null, file: null, database: null, url: postgres.url(name), pragmas: {} };
  const store = await openStore({ ...where, clock: systemClock, create: true });
  const id = "('01900000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid";
  const time = (offset: number): string => `to_timestamp(${startedAt} + i * 0.01 + ${offset})`;
  // A text takes the type of its column only where it stands alone.
  const typed = (text: string): string =>
    text.replace(/'(019a[^']*)'/g, "'$1'::uuid").replace(/(case i % 100 when[\s\S]* end)$/, "($1)::jsonb");
  return {
    store,
    records: () => openRecords(where),
    env: postgres.env(name),
    fill: (present, count, ended) =>
      inChunks(present, count, async (from, to) => {
        const values = typed(cells(id, time, ended, "false"));
        const numbers = `generate_series(${from}, ${to}) as n (i)`;
        await postgres.sql(name, `insert into task (${columns}) select ${values} from ${numbers}`);
      }),
    clear: async () => void (await postgres.sql(name, "truncate task")),
    settle: async () => void (await postgres.sql(name, "vacuum analyze")),
    [Symbol.asyncDispose]: () => store.close(),
  };
}
