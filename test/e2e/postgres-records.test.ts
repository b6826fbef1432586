/*
 * Searching and changing the history of tasks in a real PostgreSQL with the executable: what stays behind there, and
 * what goes to other tables.
 */
import { expect } from "bun:test";
import { noPostgres } from "../systems/postgres.ts";
import { sharedPostgres } from "../systems/shared-postgres.ts";
import { linesOf, needs, openSite, type Site, until } from "./harness.ts";

const withPostgres = needs([], noPostgres);
const postgres = sharedPostgres();

interface Filled {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
}

/** A database with finished tasks, a second apart, made by the server itself. */
async function filled(site: Site, rows: number): Promise<Filled> {
  const name = await postgres().create();
  const env = postgres().env(name);
  expect((await site.hs(["initdb", "--yes"], { env })).status).toBe(0);
  await postgres().sql(
    name,
    `insert into task (id, "group", args, submit_id, submit_time, schedule_time, start_time, completion_time,
       exit_status, attempt, retried, tag)
     select gen_random_uuid(), 0, 'echo ' || n, '01900000-0000-7000-8000-000000000001', at, at, at, at, n % 2,
       1, n % 2 = 1,
       jsonb_build_object('site', 's' || n % 3, 'part', 0)
     from generate_series(1, ${rows}) n,
       lateral (select '2026-11-22 07:00:00+00'::timestamptz + n * interval '1 s' as at) as time`,
  );
  return { name, env };
}

async function nothingRuns(name: string): Promise<void> {
  await until(async () => {
    const rows = await postgres().sql(
      name,
      "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() " +
        "and backend_type = 'client backend'",
    );
    return rows.length === 0;
  }, "a statement of a program that has ended still runs");
}

withPostgres("a reader that leaves early is no error, and nothing goes on for it", async () => {
  await using site = openSite();
  const { name, env } = await filled(site, 50_000);
  for (const words of ["list --csv", "list id args -s args", "list id -w 'args ~ 7'"]) {
    const { stdout, stderr } = await site.shell(`{ hs ${words}; echo "status $?" >&2; } | head -2`, { env });
    expect([words, linesOf(stdout).length, stderr]).toEqual([words, 2, "status 0\n"]);
    await nothingRuns(name);
  }
});

withPostgres("Ctrl-C ends a search, and the statement that it waits for", async () => {
  await using site = openSite();
  const { name, env } = await filled(site, 10);
  for (const words of [
    ["list", "id"],
    ["list", "--count", "-w", "args ~ 1"],
    ["list", "id", "-s", "args"],
  ] as const) {
    const locked = await postgres().sql(name, "select count(*) from pg_locks where mode = 'AccessExclusiveLock'");
    expect(locked).toEqual(["0"]);
    const where = `-h ${postgres().socket} -p ${postgres().port} -U ${postgres().user} -d ${name}`.split(" ");
    const hold = "begin; lock table task; select pg_sleep(600)";
    const holder = Bun.spawn(["psql", "-X", "-q", ...where, "-c", hold], {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
    });
    const waiting =
      "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'hypershell'";
    try {
      await until(
        async () =>
          (await postgres().sql(name, "select 1 from pg_locks where mode = 'AccessExclusiveLock'")).length > 0,
        "the table is not locked",
      );
      await using search = site.start(["hs", ...words], { env });
      await until(async () => (await postgres().sql(name, waiting))[0] === "1", "the search does not wait");
      search.kill("SIGINT");
      expect((await search.ended).status).toBe(4);
      await until(async () => (await postgres().sql(name, waiting))[0] === "0", "the statement still waits");
    } finally {
      await postgres().sql(
        name,
        "select pg_terminate_backend(pid) from pg_stat_activity " +
          "where query like '%pg_sleep(600)%' and pid <> pg_backend_pid()",
      );
      await holder.exited;
    }
  }
});

withPostgres(
  "finished tasks are archived in tables, which hs list and hs info find, unless they are to be ignored",
  async () => {
    await using site = openSite();
    const { name, env } = await filled(site, 12);
    await site.hs(["submit", "echo open"], { env });
    const before = (await site.hs(["list", "args", "exit_status"], { env })).stdout;
    for (const part of [1, 2]) {
      const { status, stderr } = await site.hs(["initdb", "--rotate", "--yes"], { env });
      expect([part, status, stderr.includes("CRITICAL")]).toEqual([part, 0, false]);
      if (part === 1)
        await postgres().sql(
          name,
          `update task set exit_status = 0, completion_time = submit_time where args = 'echo open'`,
        );
    }
    expect(await postgres().sql(name, "select count(*) from task_1 union all select count(*) from task_2")).toEqual([
      "12",
      "1",
    ]);
    const list = async (...words: string[]): Promise<readonly string[]> =>
      linesOf((await site.hs(["list", ...words], { env })).stdout);
    expect(await list("args")).toEqual(linesOf(before).map((line) => line.split("\t")[0]!));
    expect(await list("--count")).toEqual(["13"]);
    expect(await list("--count", "-i")).toEqual(["0"]);
    expect(await list("--count", "-t", "part:1")).toEqual(["12"]);
    expect(await list("args", "-t", "part:2")).toEqual(["echo open"]);
    expect(await list("args", "-s", "submit_time", "-l", "1")).toEqual(["echo 1"]);
    expect(await list("args", "-s", "submit_time", "--desc", "-l", "1")).toEqual(["echo open"]);
    expect([...(await list("--tag-values", "site"))].toSorted()).toEqual(["s0", "s1", "s2"]);
    const [id] = await list("id", "-w", "args == echo 3");
    expect((await site.hs(["info", id!, "-x", "args"], { env })).stdout).toBe("echo 3\n");
    const refused = await site.hs(["update", id!, "args", "x"], { env });
    expect([refused.status, linesOf(refused.stderr)]).toEqual([5, [expect.stringContaining("moved to a partition")]]);
  },
);
