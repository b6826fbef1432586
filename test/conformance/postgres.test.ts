/*
 * The promises of a store, kept by a real PostgreSQL. A database for each test would take a tenth of a second: they
 * share one, with a schema for each.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { systemClock } from "../../src/base/clock.ts";
import { newId } from "../../src/base/ids.ts";
import { channelOf, openPostgres, type PostgresConnection } from "../../src/store/postgres/connection.ts";
import { openPostgresStore } from "../../src/store/postgres/postgres.ts";
import { type PostgresTarget, postgresTarget } from "../../src/store/postgres/settings.ts";
import type { Store } from "../../src/store/store.ts";
import type { NewTask } from "../../src/task/task.ts";
import { needs, until } from "../e2e/harness.ts";
import { noPostgres, type Postgres, startPostgres } from "../systems/postgres.ts";
import { startAnswers } from "../fault/answers.ts";
import { adoptionConformance } from "./adoption.ts";
import { setbackConformance } from "./setbacks.ts";
import { serversConformance } from "./servers.ts";
import { sourcesConformance } from "./sources.ts";
import {
  claimed,
  completion,
  ids,
  makeCommit,
  makeServer,
  makeTasks,
  next,
  type OpenedStore,
  request,
  serverId,
  storeConformance,
  t0,
} from "./store.ts";

let postgres: Postgres | null = null;
let database = "";
let schemas = 0;

beforeAll(async () => {
  if (noPostgres !== null) return;
  postgres = await startPostgres({ settings: ["deadlock_timeout = '200ms'"] });
  database = await postgres.create();
}, 60_000);
afterAll(async () => {
  await postgres?.[Symbol.asyncDispose]();
});

function targetOf(schema: string): PostgresTarget {
  const none = { database: null, host: null, port: null, user: null, password: null, parameters: {} };
  return postgresTarget({ ...none, url: postgres!.url(database), schema }, {}, "nobody");
}

async function open(schema = `s${++schemas}`): Promise<OpenedStore> {
  const store = await openPostgresStore({ target: targetOf(schema), clock: systemClock, echo: null, create: true });
  return { store, [Symbol.asyncDispose]: () => store.close() };
}

/** Somebody else at the same tables. */
async function openDirect(): Promise<PostgresConnection & AsyncDisposable> {
  const direct = await openPostgres({ target: targetOf(`s${schemas}`), clock: systemClock, echo: null });
  return { ...direct, [Symbol.asyncDispose]: direct.close };
}

/** Waits until a statement waits for a row that `direct` has locked. */
async function untilBlocked(direct: PostgresConnection): Promise<void> {
  let blocked = false;
  let asking: Promise<void> | null = null;
  const ask = (): boolean => {
    asking ??= direct
      .query("select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")
      .then((rows) => {
        blocked = rows.length > 0;
        asking = null;
      });
    return blocked;
  };
  await until(ask, "a statement waits for a row");
}

if (noPostgres === null) {
  storeConformance("postgresql", () => open());
  adoptionConformance("postgresql", () => open());
  serversConformance("postgresql", () => open());
  sourcesConformance("postgresql", () => open());
  setbackConformance("postgresql", () => open());
  describe("several at one PostgreSQL", neighbourConformance);
} else {
  needs([], noPostgres)("the store in PostgreSQL", async () => undefined);
}

const plain = { clock: systemClock, echo: null };

function neighbourConformance(): void {
  test("statements are prepared, but not where a pooler may do the next one on another connection", async () => {
    await using pooler = startAnswers(postgres!.port, true);
    const counts: unknown[] = [];
    for (const port of [postgres!.port, pooler.port]) {
      const connection = await openPostgres({ target: { ...targetOf("public"), port, tls: false }, ...plain });
      await using _ = { [Symbol.asyncDispose]: connection.close };
      for (let times = 0; times < 2; times++) await connection.query("select $1::int", [times]);
      counts.push(await connection.query("select count(*)::int from pg_prepared_statements"));
    }
    expect(counts).toEqual([[[1]], [[0]]]);
  });

  test("a status of Windows is kept as it is, also by a table with a narrow column", async () => {
    const narrow = "alter table task alter column exit_status type integer";
    const status = 3_221_225_477;
    for (const [change, kept] of [
      [narrow, status],
      [`${narrow}; create view looks as select exit_status from task`, 2 ** 31 - 1],
    ] as const) {
      await using opened = await open();
      await using direct = await openDirect();
      await direct.script(change);
      const tasks = makeTasks(5);
      await opened.store.insert(tasks);
      const completed = tasks.map((task, i) => completion(task, { exitStatus: i === 2 ? status : i }));
      expect(await opened.store.commit(makeCommit({ completed }))).toEqual({ refused: [] });
      const rows = await direct.query("select exit_status::float8, command from task order by submit_time");
      expect(rows).toEqual([0, 1, kept, 3, 4].map((each) => [each, kept === status || each < 5 ? "echo" : null]));
    }
  });

  test("a value that the database has no room for costs its own outcome, which is recorded without it", async () => {
    await using opened = await open();
    await using direct = await openDirect();
    await direct.script("alter table task alter column outpath type varchar(5)");
    const tasks = makeTasks(20);
    const [long, retried] = [tasks[7]!, tasks[13]!];
    const retry = { task: next(retried), claimed: false };
    await opened.store.insert(tasks);
    await opened.store.claim(request());
    const completed = tasks.map((task) =>
      completion(task, { outpath: task === long || task === retried ? "/tmp/out" : "/out", exitStatus: 3 }),
    );
    completed[13] = { ...completed[13]!, retry };
    // The last is recorded already, and given back with the rest what belongs to nobody.
    completed.push(completion(tasks[0]!));
    const reverted = [newId()];
    expect(await opened.store.commit(makeCommit({ completed, reverted }))).toEqual({ refused: [tasks[0]!.id] });
    const rows = await direct.query(
      "select id, outpath, exit_status, command from task where attempt = 1 order by submit_time",
    );
    expect(rows).toEqual(
      tasks.map(({ id }) => (id === long.id || id === retried.id ? [id, null, 3, null] : [id, "/out", 3, "echo"])),
    );
    const linked = await direct.query("select previous_id from task where attempt = 2");
    expect(linked).toEqual([[retried.id]]);
  });

  test("an insertion that is tried again, after its answer was lost, stores nothing twice", async () => {
    await using opened = await open();
    await using direct = await openDirect();
    const tasks = makeTasks(3);
    await opened.store.insert(tasks.slice(0, 2));
    await opened.store.insert(tasks);
    expect(await direct.query("select id from task order by submit_time")).toEqual(ids(tasks).map((id) => [id]));
  });

  test("a heartbeat is as old as it is by the clock of the database, whatever those of hosts tell", async () => {
    await using opened = await open();
    const { store } = opened;
    await using direct = await openDirect();
    const row = makeServer(serverId, { startedAt: 0, beatAt: 0 });
    const hour = 3_600_000;
    const ageMs = async (): Promise<number> => Date.now() - (await store.servers())[0]!.beatAt;
    await store.addServer(row);
    expect(Math.abs(await ageMs())).toBeLessThan(10_000);
    await store.beatServer(serverId, Date.now() - hour);
    expect(Math.abs(await ageMs())).toBeLessThan(10_000);
    await direct.query("update server set beat_at = beat_at - $1::float", [hour]);
    expect(Math.abs((await ageMs()) - hour)).toBeLessThan(10_000);
  });

  test("where there is room for one connection only, one after the other uses it, and nobody is refused", async () => {
    const user = "hermit";
    await postgres!.sql(database, `create role ${user} login password '${user}' connection limit 1`);
    const target = { ...targetOf("public"), user, password: user };
    const connection = await openPostgres({ target, ...plain });
    await using _ = { [Symbol.asyncDispose]: connection.close };
    const numbers = [0, 1, 2, 3, 4, 5, 6, 7].map((number) => [number]);
    const asked = numbers.map(([number]) => connection.query("select $1::int from pg_sleep(0.02)", [number]));
    expect(await Promise.all(asked)).toEqual(numbers.map((row) => [row]));
  });

  test("who looks has the memory to put indices together, and keeps what is more", async () => {
    const memoryWith = async (parameters: Readonly<Record<string, string>>): Promise<unknown> => {
      const target = { ...targetOf(`s${++schemas}`), parameters };
      const looking = await openPostgres({ target, clock: systemClock, echo: null, watched: true });
      const [row] = await looking.query("show work_mem");
      await looking.close();
      return row?.[0];
    };
    expect(await memoryWith({})).toBe("64MB");
    expect(await memoryWith({ work_mem: "1GB" })).toBe("1GB");
  });

  test("servers that claim at the same time never get the same task, and together they get all", async () => {
    await using first = await open();
    const others = [first, ...(await Promise.all([1, 2, 3].map(() => open(`s${schemas}`))))];
    const tasks = makeTasks(1500);
    await first.store.insert(tasks);
    const got = await Promise.all(
      others.map(async ({ store }, n) => {
        const own: string[] = [];
        for (;;) {
          const claim = await store.claim(request({ serverId: newId(), limit: 10 + n, at: t0 + own.length }));
          if (claim.kind !== "claimed") return own;
          own.push(...ids(claim.tasks));
        }
      }),
    );
    expect(got.flat().toSorted()).toEqual(ids(tasks).toSorted());
    // Nobody waited for the others to have taken all.
    for (const own of got) expect(own.length).toBeGreaterThan(0);
    for (const other of others.slice(1)) await other[Symbol.asyncDispose]();
  });

  test("what is locked by somebody else is passed over, not waited for", async () => {
    await using opened = await open();
    await using direct = await openDirect();
    const tasks = makeTasks(3);
    await opened.store.insert(tasks);
    await direct.transaction(async (query) => {
      await query("select 1 from task where id = $1::uuid for update", [tasks[0]!.id]);
      expect(ids(claimed(await opened.store.claim(request({ limit: 2 }))))).toEqual(ids(tasks.slice(1)));
    });
    expect(ids(claimed(await opened.store.claim(request())))).toEqual([tasks[0]!.id]);
  });

  test("an outcome that waited for its row while a person took the task back is refused", async () => {
    await using opened = await open();
    await using direct = await openDirect();
    const { store } = opened;
    const [taken, kept] = makeTasks(2) as [NewTask, NewTask];
    await store.insert([taken, kept]);
    await store.claim(request());
    let committing: ReturnType<Store["commit"]> | null = null;
    await direct.transaction(async (query) => {
      await query("insert into recall (server_id, task_id, kind) values ($1::uuid, $2::uuid, 'reverted')", [
        serverId,
        taken.id,
      ]);
      await query("update task set server_id = null, server_host = null, schedule_time = null where id = $1::uuid", [
        taken.id,
      ]);
      committing = store.commit(makeCommit({ completed: [completion(taken), completion(kept)] }));
      await untilBlocked(direct);
    });
    expect(await committing!).toEqual({ refused: [taken.id] });
    const recalled = (await store.recalls(serverId)).map(({ number }) => number);
    await store.commit(makeCommit({ recalled }));
    expect(ids(claimed(await store.claim(request())))).toEqual([taken.id]);
  });

  test("a commit that stands in the way of somebody else's change is done after it, without a word", async () => {
    await using opened = await open();
    await using direct = await openDirect();
    const { store } = opened;
    const [low, high] = makeTasks(2).toSorted((one, other) => (one.id < other.id ? -1 : 1)) as [NewTask, NewTask];
    await store.insert([low, high]);
    await store.claim(request());
    const touch = "update task set tag = tag where id = $1::uuid";
    let committing: ReturnType<Store["commit"]> | null = null;
    await direct.transaction(async (query) => {
      // Whoever has waited for this long looks for a deadlock, and is the one to give way: the commit.
      await query("select set_config('deadlock_timeout', '60s', true)");
      await query(touch, [high.id]);
      committing = store.commit(makeCommit({ completed: [completion(low), completion(high)] }));
      await untilBlocked(direct);
      await query(touch, [low.id]);
    });
    expect(await committing!).toEqual({ refused: [] });
  });

  test("who listens hears of tasks and recalls of others, also after the connection was lost", async () => {
    await using opened = await open();
    await using other = await open(`s${schemas}`);
    await using direct = await openDirect();
    const heard = { tasks: 0, recalls: 0 };
    opened.store.onInsert(() => heard.tasks++);
    opened.store.onRecall(() => heard.recalls++);
    // Whenever it begins to listen it looks at both.
    await until(() => heard.tasks > 0, "it listens");
    const before = heard.tasks;
    await other.store.insert(makeTasks(1));
    await until(() => heard.tasks > before, "the insertion is heard");
    const lost = { ...heard };
    await direct.query(
      "select pg_terminate_backend(pid) from pg_stat_activity " +
        "where datname = current_database() and query like 'listen%'",
    );
    await until(() => heard.tasks > lost.tasks && heard.recalls > lost.recalls, "it listens again");
    const later = { ...heard };
    await direct.query("select pg_notify($1, 'recall')", [channelOf(`s${schemas}`)]);
    await until(() => heard.recalls > later.recalls, "the recall is heard");
    expect(heard.tasks).toBe(later.tasks);
  });
}
