/*
 * A database in a real PostgreSQL, as people set it up and use it: settings, tables, errors, and the commands from
 * submission to search.
 */
import { describe, expect } from "bun:test";
import { noPostgres } from "../systems/postgres.ts";
import { sharedPostgres } from "../systems/shared-postgres.ts";
import { linesOf, needs, openSite, type Site, until } from "./harness.ts";
import { startClient, startServer } from "./serving.ts";

const withPostgres = needs([], noPostgres);
const postgres = sharedPostgres();

type Environment = Readonly<Record<string, string>>;

/** A database with tables, and what finds it. */
async function prepared(site: Site): Promise<Environment> {
  const env = postgres().env(await postgres().create());
  expect((await site.hs(["initdb", "--yes"], { env })).status).toBe(0);
  return env;
}

describe("settings", () => {
  withPostgres("name a database in every way that there is", async () => {
    await using site = openSite();
    const db = postgres();
    const name = await db.create();
    const base = db.env(name);
    const { HYPERSHELL_DATABASE_PASSWORD: password, ...rest } = base;
    await db.sql(name, "create schema other");
    const here = { HYPERSHELL_DATABASE_PROVIDER: "postgres", HYPERSHELL_DATABASE_DATABASE: name };
    const ways: readonly (readonly [string, Environment])[] = [
      ["settings", base],
      ["url", { HYPERSHELL_DATABASE_URL: db.url(name) }],
      ["url without psycopg", { HYPERSHELL_DATABASE_URL: db.url(name).replace("+psycopg", "") }],
      ["password_env", { ...rest, HYPERSHELL_DATABASE_PASSWORD_ENV: "MY_PASSWORD", MY_PASSWORD: password! }],
      ["password_eval", { ...rest, HYPERSHELL_DATABASE_PASSWORD_EVAL: `printf %s '${password!}'` }],
      ["PGPASSWORD", { ...rest, PGPASSWORD: password! }],
      ["socket", { ...here, PGHOST: db.socket, PGPORT: String(db.port), PGUSER: db.user }],
      ["socket as host", { ...rest, HYPERSHELL_DATABASE_HOST: db.socket, HYPERSHELL_DATABASE_PASSWORD: "any" }],
      ["schema", { ...base, HYPERSHELL_DATABASE_SCHEMA: "other" }],
      ["a driver's own key", { HYPERSHELL_DATABASE_URL: `${db.url(name)}?application_name=mine&sslmode=prefer` }],
    ];
    for (const [way, env] of ways) {
      const { status, stderr } = await site.hs(["initdb", "-y"], { env });
      expect([way, status, stderr.includes("CRITICAL")]).toEqual([way, 0, false]);
      expect((await site.hs(["list", "--count"], { env })).stdout).toBe("0\n");
    }
    expect(
      await db.sql(name, "select table_schema from information_schema.tables where table_name = 'task' order by 1"),
    ).toEqual(["other", "public"]);
  });

  withPostgres("a configuration file will do, with the password from a program, which nobody else runs", async () => {
    await using site = openSite();
    const db = postgres();
    const name = await db.create();
    site.write(
      "../site/config.toml",
      [
        "[database]",
        'provider = "postgresql"',
        `database = "${name}"`,
        'host = "127.0.0.1"',
        `port = ${db.port}`,
        `user = "${db.user}"`,
        `password_eval = "echo x >> asked; printf %s '${db.password}'"`,
        'application_name = "from-file"',
      ].join("\n"),
    );
    expect((await site.hs(["submit", "--initdb", "echo", "hi"])).status).toBe(0);
    expect(site.lines("asked")).toEqual(["x"]);
    expect((await site.hs(["config", "get", "database.user"])).stdout.trim()).toBe(db.user);
    expect(site.lines("asked")).toEqual(["x"]);
    expect((await site.hs(["list", "args"])).stdout).toBe("echo hi\n");
  });

  withPostgres("what is wrong is one line that says what to do, without the password", async () => {
    await using site = openSite();
    const db = postgres();
    const name = await db.create();
    const base = { ...db.env(name) };
    const cases: readonly (readonly [change: Environment, status: number, part: string])[] = [
      [{ HYPERSHELL_DATABASE_PASSWORD: "wrong-one" }, 5, "wrong user or password"],
      [{ HYPERSHELL_DATABASE_DATABASE: "nowhere" }, 5, "there is no database"],
      [{ HYPERSHELL_DATABASE_PORT: "1" }, 5, "nobody listens"],
      [{ HYPERSHELL_DATABASE_HOST: "no-such-host.invalid" }, 5, "is not known"],
      [{ HYPERSHELL_DATABASE_SCHEMA: "nowhere" }, 5, "initdb"],
      [{ HYPERSHELL_DATABASE_SSLMODE: "require" }, 5, "TLS"],
      [{ HYPERSHELL_DATABASE_SSLMODE: "always" }, 3, "sslmode"],
      [
        { HYPERSHELL_DATABASE_URL: `${db.url(name)}?keepalife=1` },
        5,
        "does not know a setting (unrecognized configuration",
      ],
      [{ HYPERSHELL_DATABASE_URL: `${db.url(name)}?work_mem=x` }, 5, "does not take a setting (invalid value"],
      [{ HYPERSHELL_DATABASE_URL: `${db.url(name)}?keepalives=1` }, 5, "Run 'hs initdb' once"],
      [{ HYPERSHELL_DATABASE_DATABASE: "" }, 3, "Must provide 'database' if not SQLite"],
      [{ HYPERSHELL_DATABASE_USER: "" }, 3, "Must provide 'user' if 'password' provided"],
      [{ HYPERSHELL_DATABASE_PASSWORD: "" }, 3, "Must provide 'password' if 'user' provided"],
      [{ HYPERSHELL_DATABASE_PROVIDER: "oracle" }, 3, "Unsupported database 'oracle'"],
      [{ HYPERSHELL_DATABASE_URL: "mysql://u:secret-word@h/d" }, 3, "Unsupported provider in URL 'mysql'"],
      [{}, 5, "The database has no tables yet. Run 'hs initdb' once to create the tables"],
    ];
    for (const [change, status, part] of cases) {
      for (const words of [
        ["list", "-l1"],
        ["submit", "true"],
      ]) {
        const ended = await site.hs(words, { env: { ...base, ...change } });
        const lines = linesOf(ended.stderr);
        expect([part, ended.status, ended.stdout, lines.length]).toEqual([part, status, "", 1]);
        expect(lines[0]).toStartWith("CRITICAL [hypershell.data] ");
        expect(lines[0]).toContain(part);
        expect(ended.stderr).not.toMatch(/pass\/word|secret-word|wrong-one/);
      }
    }
  });
});

describe("what is not as it should be", () => {
  withPostgres("is told in one line by whatever stands where a PostgreSQL is looked for", async () => {
    await using site = openSite();
    const listen = (socket: Partial<Bun.SocketHandler>): Bun.TCPSocketListener =>
      Bun.listen({
        hostname: "127.0.0.1",
        port: 0,
        socket: { open: () => undefined, data: () => undefined, ...socket },
      });
    const ssh = listen({
      open: (socket) => void socket.write("SSH-2.0-OpenSSH_9.2\r\n"),
      data: (socket) => void socket.end("Invalid SSH identification string.\r\n"),
    });
    const door = listen({ open: (socket) => void socket.end() });
    const silence = listen({});
    const cases = [
      // What it says may be lost with the connection.
      [ssh, /does not answer as PostgreSQL does|ended the connection at once/],
      [door, /ended the connection at once/],
      [silence, /did not answer in time/],
    ] as const;
    for (const [{ port }, part] of cases) {
      const env = { ...postgres().env("any"), HYPERSHELL_DATABASE_PORT: String(port), PGCONNECT_TIMEOUT: "1" };
      const { status, stderr } = await site.hs(["list", "-l1"], { env });
      expect([part, status, linesOf(stderr)]).toEqual([part, 5, [expect.stringMatching(part)]]);
    }
    for (const listener of [ssh, door, silence]) listener.stop(true);
  });

  withPostgres(
    "keeps nobody from what he may do: who reads, who writes but makes no tables, one connection",
    async () => {
      await using site = openSite();
      const env = await prepared(site);
      const database = env["HYPERSHELL_DATABASE_DATABASE"]!;
      await site.hs(["submit", "echo", "hi"], { env });
      const as = (user: string): Environment => ({
        ...env,
        HYPERSHELL_DATABASE_USER: user,
        HYPERSHELL_DATABASE_PASSWORD: user,
      });
      await postgres().sql(
        database,
        `create role reader login password 'reader'; grant select on all tables in schema public to reader;
       create role writer login password 'writer' connection limit 2;
       grant select, insert, update, delete on all tables in schema public to writer;
       create role standby login password 'standby'; grant all on all tables in schema public to standby;
       alter role standby set default_transaction_read_only = on`,
      );
      for (const user of ["reader", "standby"])
        for (const words of [["args"], ["--count"], ["args", "-F", "-t", "a:1"]])
          expect((await site.hs(["list", ...words], { env: as(user) })).status).toBe(0);
      for (const [user, part] of [
        ["reader", "permission denied for table"],
        ["standby", "can only be read"],
      ] as const)
        for (const words of [
          ["submit", "true"],
          ["update", "-f", "x:1"],
          ["cluster", "-N1", "--restart"],
        ]) {
          const { status, stderr } = await site.hs(words, { env: as(user) });
          expect([user, words[0], status, linesOf(stderr).at(-1)]).toEqual([
            user,
            words[0],
            5,
            expect.stringContaining(part),
          ]);
          expect(linesOf(stderr).at(-1)).toStartWith("CRITICAL [hypershell.data] ");
        }
      const input = Array.from({ length: 200 }, (_, i) => `${i}\n`).join("");
      const run = await site.hsx(["-N4", "-t", "echo {}"], { env: as("writer"), stdin: input });
      expect([run.status, linesOf(run.stdout).length]).toEqual([0, 200]);
      expect(run.stderr).not.toContain("too many connections");
      expect((await site.hs(["list", "--count", "-S"], { env })).stdout).toBe("200\n");
    },
  );
});

describe("tables", () => {
  withPostgres("are made when asked for, after a question or with --initdb, and then left as they are", async () => {
    await using site = openSite();
    const db = postgres();
    const name = await db.create();
    const env = db.env(name);
    const asked = await site.hs(["initdb"], { env });
    expect([asked.status, linesOf(asked.stderr).at(-1)]).toEqual([
      5,
      "CRITICAL [hypershell.data] This asks a question and there is no terminal: repeat with --yes",
    ]);
    const run = await site.hsx(["--initdb", "-t", "echo {}"], { env, stdin: "1\n2\n" });
    expect([run.status, run.stdout]).toEqual([0, "1\n2\n"]);
    expect((await site.hs(["initdb", "-y"], { env })).status).toBe(0);
    expect((await site.hs(["list", "args", "exit_status"], { env })).stdout).toBe("1\t0\n2\t0\n");
    const types =
      "select column_name || ' ' || data_type from information_schema.columns " +
      "where table_name = 'task' and column_name";
    expect(await db.sql(name, `${types} in ('memory', 'exit_status', 'waited') order by 1`)).toEqual([
      "exit_status bigint",
      "memory bigint",
      "waited double precision",
    ]);
  });

  withPostgres("of older programs are used as they are: read, run and added to", async () => {
    await using site = openSite();
    const db = postgres();
    const name = await db.create();
    const env = db.env(name);
    await db.sql(name, olderTables);
    const id = "0192f000-0000-7000-8000-000000000001";
    await db.sql(
      name,
      `insert into task (id, "group", args, submit_id, submit_time, attempt, retried, tag)
       values ('${id}', 0, 'echo from before', '${id}', '2026-11-22 07:00:00+00', 1, false,
         '{"part": 0, "site": "b"}')`,
    );
    expect((await site.hs(["list", "args", "submit_time"], { env })).stdout).toBe(
      "echo from before\t2026-11-22 07:00:00+00:00\n",
    );
    expect((await site.hsx(["--restart"], { env })).stdout).toBe("from before\n");
    expect((await site.hsx(["-t", "echo {}"], { env, stdin: "new\n" })).stdout).toBe("new\n");
    expect((await site.hs(["list", "exit_status", "tag", "duration"], { env })).stdout).toMatch(
      /^0\t\{"site": "b", "part": 0\}\t\d+(\.\d+)?\n0\t\{"part": 0\}\t\d+(\.\d+)?\n$/,
    );
    const types =
      "select data_type from information_schema.columns where table_name = 'task' and column_name = 'exit_status'";
    expect(await db.sql(name, types)).toEqual(["smallint"]);
    const wide = await site.hs(["submit", "-c", "40000", "-g", "0", "--", "true"], { env });
    expect(wide.status).toBe(5);
    const refusal = linesOf(wide.stderr).filter((line) => line.startsWith("CRITICAL"));
    expect(refusal).toEqual([expect.stringMatching(/cannot keep a value \(.*smallint.*\) - give one/)]);
  });

  withPostgres("of somebody else are left alone", async () => {
    await using site = openSite();
    const db = postgres();
    const name = await db.create();
    await db.sql(name, "create table task (id int, what text)");
    const ended = await site.hs(["initdb", "-y"], { env: db.env(name) });
    expect([ended.status, linesOf(ended.stderr).length]).toEqual([5, 1]);
    expect(ended.stderr).toContain("belongs to another program");
  });
});

describe("work", () => {
  withPostgres("goes from submission to search, with retries, groups, tags and templates", async () => {
    await using site = openSite();
    const env = await prepared(site);
    await site.hs(["submit", "-t", "site:b", "--template", "echo {} && test {} != 2", "-f", "-"], {
      env,
      stdin: "1\n2\n3\n",
    });
    await site.hs(["submit", "-g", "1", "echo", "last", "ü\t'\""], { env });
    const run = await site.hsx(["--restart", "-r1", "-N2"], { env });
    expect(run.status).toBe(7);
    expect(linesOf(run.stdout).filter((line) => line === "2").length).toBe(2);
    const listed = await site.hs(["list", "args", "exit_status", "attempt", "retried", "-t", "site:b"], { env });
    expect(linesOf(listed.stdout).toSorted()).toEqual([
      "echo 1 && test 1 != 2\t0\t1\tfalse",
      "echo 2 && test 2 != 2\t1\t1\ttrue",
      "echo 2 && test 2 != 2\t1\t2\tfalse",
      "echo 3 && test 3 != 2\t0\t1\tfalse",
    ]);
    expect((await site.hs(["list", "--count", "--failed"], { env })).stdout).toBe("2\n");
    expect((await site.hs(["list", "--tag-values", "site"], { env })).stdout).toBe("b\n");
    expect((await site.hs(["update", "done:yes", "-S", "-f"], { env })).status).toBe(0);
    expect((await site.hs(["list", "--count", "-t", "done:yes"], { env })).stdout).toBe("2\n");
    await site.hs(["initdb", "--rotate", "-y"], { env });
    expect((await site.hs(["list", "--count"], { env })).stdout).toBe("5\n");
    expect(Number((await site.hs(["list", "--count", "-i"], { env })).stdout)).toBeLessThan(5);
  });

  withPostgres("waits for a server that was told of it at once, and is stopped when it is cancelled", async () => {
    await using site = openSite();
    const env = await prepared(site);
    const { port } = await startServer(site, ["--forever"], { env });
    startClient(site, port, ["-N2", "--capture"], { env });
    const startedAt = Date.now();
    const ran = await site.hs(["run", "--", "sh", "-c", "echo out; echo err >&2; exit 3"], { env });
    expect([ran.status, ran.stdout]).toEqual([3, "out\n"]);
    expect(Date.now() - startedAt).toBeLessThan(10_000);
    await site.hs(["submit", "sleep", "1000"], { env });
    const sleeping = (): boolean => site.left().some((line) => line.includes("sleep 1000"));
    while (!sleeping()) await site.hs(["list", "-c"], { env });
    const at = Date.now();
    await site.hs(["update", "--cancel", "-R", "-f"], { env });
    while (sleeping()) await site.hs(["list", "-c"], { env });
    expect(Date.now() - at).toBeLessThan(2500);
    expect((await site.hs(["list", "exit_status", "-w", "args == sleep 1000"], { env })).stdout).toBe("-1\n");
  });
});

/** As programs before this one made them. */
const olderTables = `create table task (
  id UUID PRIMARY KEY, "group" INTEGER NOT NULL, args TEXT NOT NULL, submit_id UUID NOT NULL,
  submit_time TIMESTAMPTZ NOT NULL, submit_host TEXT, cores SMALLINT, memory INTEGER, cores_max FLOAT,
  memory_max FLOAT, timeout INTEGER, server_id UUID, server_host TEXT, schedule_time TIMESTAMPTZ, client_id UUID,
  client_host TEXT, command TEXT, start_time TIMESTAMPTZ, completion_time TIMESTAMPTZ, exit_status SMALLINT,
  outpath TEXT, errpath TEXT, csvpath TEXT, attempt SMALLINT NOT NULL, retried BOOLEAN NOT NULL, waited INTEGER,
  duration INTEGER, previous_id UUID UNIQUE, next_id UUID UNIQUE, tag JSONB NOT NULL);
create index index_tasks_unscheduled on task ("group", schedule_time);
create index index_tasks_retries on task (exit_status, retried);
create table client (
  id UUID PRIMARY KEY, host TEXT NOT NULL, server_id UUID NOT NULL, server_host TEXT NOT NULL, connected_at TIMESTAMPTZ,
  disconnected_at TIMESTAMPTZ, evicted BOOLEAN NOT NULL);
create index client_disconnected_at on client (disconnected_at);`;

withPostgres("what runs is seen while it runs, and not after its run was killed", async () => {
  await using site = openSite();
  const env = await prepared(site);
  const seen = async (): Promise<string> => (await site.hs(["list", "args", "duration", "--running"], { env })).stdout;
  await using run = site.start(["hsx", "-"], { env, stdin: "sleep 60\n" });
  await until(async () => /^sleep 60\t\d/.test(await seen()), "the task is seen to run");
  const id = (await site.hs(["list", "id"], { env })).stdout.trim();
  expect((await site.hs(["info", id], { env })).stdout).toMatch(/completed: null \(running for: 0:00:\d\d/);
  run.kill("SIGKILL");
  await run.ended;
  expect(await seen()).toBe("");
});
