/*
 * PostgreSQL goes away in the middle of a run and comes back: every task is recorded once, nothing is lost, and one
 * line each way says so. The same when the program is killed meanwhile.
 */
import { describe, expect, test } from "bun:test";
import { openSite, type Running, type Site, until } from "../e2e/harness.ts";
import { startClient, startServer } from "../e2e/serving.ts";
import { noPostgres } from "../systems/postgres.ts";
import { sharedPostgres } from "../systems/shared-postgres.ts";
import { expectSoundIn } from "./sound.ts";

const tasks = 300;
const timeoutMs = 120_000;
const input = Array.from({ length: tasks }, (_, n) => `: ${n}; echo ${n} >> ran; sleep 0.02\n`).join("");

const postgres = sharedPostgres();

interface Place {
  readonly site: Site;
  readonly database: string;
  readonly env: Readonly<Record<string, string>>;
}

async function openPlace(more: Readonly<Record<string, string>> = {}): Promise<Place & AsyncDisposable> {
  const database = await postgres().create();
  const site = openSite(() => expectSoundIn(postgres(), database));
  site.write("tasks.in", input);
  const env = { ...postgres().env(database), ...more };
  return { site, database, env, [Symbol.asyncDispose]: () => site[Symbol.asyncDispose]() };
}

const trouble = / WARNING \[hypershell\.[\w.]+\] Database trouble, trying again/g;
const back = / WARNING \[hypershell\.[\w.]+\] Database is back/g;
const count = (run: Running, pattern: RegExp): number => run.stderr().match(pattern)?.length ?? 0;
const warned = (run: Running): { trouble: number; back: number } => ({
  trouble: count(run, trouble),
  back: count(run, back),
});

/** Waits until this many tasks have started. */
const started = ({ site }: Place, many: number, run: Running): Promise<void> =>
  until(
    () => site.lines("ran").length >= many,
    () => `${site.lines("ran").length} started\n${run.stderr()}`,
    timeoutMs,
  );

/** What is on record, and how often tasks ran. */
async function outcome({ site, database }: Place): Promise<unknown> {
  const [recorded] = await postgres().sql(
    database,
    "select count(*), count(distinct args), " +
      "count(*) filter (where exit_status = 0 and completion_time is not null) from task",
  );
  const ran = site.lines("ran");
  return { recorded, ran: new Set(ran).size, again: ran.length - new Set(ran).size };
}

/** Whoever writes a row of a server waits until the answer, or the database, has gone. */
async function lockServers(database: string): Promise<Bun.Subprocess> {
  const { socket, port, user, sql } = postgres();
  const lock = "begin; lock table server in share mode; select pg_sleep(600)";
  const words = ["psql", "-X", "-h", socket, "-p", String(port), "-U", user, "-d", database, "-c", lock];
  const holder = Bun.spawn(words, { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  const held = "select 1 from pg_locks where relation = 'server'::regclass and mode = 'ShareLock' and granted";
  await until(async () => (await sql(database, held)).length > 0, "no lock", timeoutMs);
  return holder;
}

/** Restarts it when a statement like this waits for the lock. */
async function restartIn(database: string, statement: string, holder: Bun.Subprocess): Promise<void> {
  const waits = `select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%${statement}%'`;
  await until(async () => (await postgres().sql(database, waits)).length > 0, `no ${statement}`, timeoutMs);
  await postgres().crash();
  await holder.exited;
  await postgres().start();
}

const all = `${tasks}|${tasks}|${tasks}`;
const once = { recorded: all, ran: tasks, again: 0 };

describe.skipIf(noPostgres !== null)(`PostgreSQL in trouble${noPostgres === null ? "" : ` (${noPostgres})`}`, () => {
  test(
    "a run on one machine goes on when it is restarted in the middle",
    async () => {
      await using place = await openPlace();
      await using run = place.site.start(["hsx", "tasks.in", "-N4", "--initdb"], { env: place.env, timeoutMs });
      await started(place, tasks / 5, run);
      await postgres().crash();
      await postgres().start();
      const { status, stderr } = await run.ended;
      expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
      expect(await outcome(place)).toEqual(once);
      expect(warned(run)).toEqual({ trouble: 1, back: 1 });
    },
    timeoutMs,
  );

  test(
    "hs submit goes on when PostgreSQL is back, and stores each line once; Ctrl-C ends one that waits",
    async () => {
      await using place = await openPlace();
      const { site, env, database } = place;
      expect((await site.hs(["initdb", "--yes"], { env })).status).toBe(0);
      await using run = site.start(["hs", "submit", "-"], { env, timeoutMs, keepOpen: true });
      const talking = { ...env, HYPERSHELL_LOGGING_LEVEL: "debug" };
      await using hasty = site.start(["hs", "submit", "-"], { env: talking, timeoutMs, keepOpen: true });
      await until(() => hasty.stderr().includes("Started (committer: database)"), hasty.stderr, timeoutMs);
      const lines = (from: number): string => Array.from({ length: 1000 }, (_, n) => `echo ${from + n}\n`).join("");
      const stored = async (): Promise<string | undefined> =>
        (await postgres().sql(database, "select count(*), count(distinct args) from task"))[0];
      run.type(lines(0));
      while ((await stored()) !== "1000|1000") expect(run.stderr()).not.toContain("CRITICAL");
      await postgres().crash();
      run.type(lines(1000));
      hasty.type(lines(2000));
      for (const each of [run, hasty]) await until(() => count(each, trouble) > 0, each.stderr, timeoutMs);
      hasty.kill("SIGINT");
      expect((await hasty.ended).status).toBe(4);
      await postgres().start();
      run.closeStdin();
      const { status, stderr } = await run.ended;
      expect([status, count(run, trouble), count(run, back)]).toEqual([0, 1, 1]);
      expect(stderr).toContain("Submitted 2000 tasks");
      expect(await stored()).toBe("2000|2000");
    },
    timeoutMs,
  );

  test(
    "a server whose database goes as it starts, or as it ends, goes on when that is back",
    async () => {
      await using place = await openPlace();
      const { site, env, database } = place;
      site.write("few.in", "sleep 0.2\n");
      expect((await site.hs(["submit", "-f", "few.in", "--initdb"], { env, timeoutMs })).status).toBe(0);
      const starts = await lockServers(database);
      const beginning = startServer(site, ["--restart", "-H", "127.0.0.1"], { env, timeoutMs });
      await restartIn(database, "insert into server", starts);
      const { server, port } = await beginning;
      expect(warned(server)).toEqual({ trouble: 1, back: 1 });
      const ends = await lockServers(database);
      await using client = startClient(site, port, ["-N1"], { env, timeoutMs });
      await client.ended;
      await restartIn(database, "delete from server", ends);
      const { status, stderr } = await server.ended;
      expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
      expect(warned(server)).toEqual({ trouble: 2, back: 2 });
      expect(await postgres().sql(database, "select id from server")).toEqual([]);
    },
    timeoutMs,
  );

  test(
    "a client that waited in vain for tasks while it was gone leaves when its outcomes are recorded",
    async () => {
      await using place = await openPlace({ HYPERSHELL_CLIENT_HEARTRATE: "1", HYPERSHELL_LOGGING_LEVEL: "debug" });
      const { site, env } = place;
      const served = await startServer(site, ["tasks.in", "-H", "127.0.0.1", "--initdb"], { env, timeoutMs });
      await using server = served.server;
      const [impatient, patient] = ["-T1", "-T600"].map((patience) =>
        startClient(site, served.port, ["-N2", patience], { env, timeoutMs }),
      ) as [Running, Running];
      await started(place, tasks / 5, server);
      await postgres().crash();
      // What was handed out before is worked off meanwhile, and its outcomes wait.
      await until(() => count(server, trouble) > 0, server.stderr, timeoutMs);
      await impatient.line(/Timeout reached/);
      await postgres().start();
      const { status, stderr } = await server.ended;
      expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
      expect([(await impatient.ended).status, (await patient.ended).status]).toEqual([0, 0]);
      expect(await outcome(place)).toEqual(once);
      expect(warned(server)).toEqual({ trouble: 1, back: 1 });
    },
    timeoutMs,
  );

  test(
    "clients of a server that was killed while PostgreSQL was gone go on with the next server",
    async () => {
      await using place = await openPlace({ HYPERSHELL_CLIENT_HEARTRATE: "1" });
      const { site, env } = place;
      const submitted = await site.hs(["submit", "-f", "tasks.in", "--initdb"], { env, timeoutMs });
      expect(submitted.status).toBe(0);
      const { server: first, port } = await startServer(site, ["--restart", "-H", "127.0.0.1"], { env, timeoutMs });
      const clients = [1, 2].map(() => startClient(site, port, ["-N2"], { env, timeoutMs }));
      await started(place, tasks / 5, first);
      await postgres().crash();
      await until(() => count(first, trouble) > 0, first.stderr, timeoutMs);
      first.kill("SIGKILL");
      await first.ended;
      await postgres().start();
      const again = ["--restart", "-H", "127.0.0.1", "-p", port];
      const { server: second } = await startServer(site, again, { env, timeoutMs });
      const { status, stderr } = await second.ended;
      expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
      expect((await Promise.all(clients.map(({ ended }) => ended))).map((client) => client.status)).toEqual([0, 0]);
      expect(await outcome(place)).toEqual(once);
    },
    timeoutMs,
  );

  test(
    "a killed run on one machine goes on when it is started again",
    async () => {
      await using place = await openPlace();
      const { site, env } = place;
      const first = site.start(["hsx", "tasks.in", "-N4", "--initdb"], { env, timeoutMs });
      await started(place, tasks / 5, first);
      first.kill("SIGKILL");
      await first.ended;
      await site.deserted();
      const { status, stderr } = await site.hsx(["--restart", "-N4"], { env, timeoutMs });
      expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
      const { again, ...rest } = (await outcome(place)) as { recorded: string; ran: number; again: number };
      expect(rest).toEqual({ recorded: all, ran: tasks });
      // Only what ran, or had just ended, when it was killed runs anew.
      expect(again).toBeLessThan(20);
    },
    timeoutMs,
  );
});
