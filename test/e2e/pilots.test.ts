/*
 * Pilot jobs against a server with PostgreSQL: clients come and go, the database too, and those who wait get what they
 * wait for. W26 is one of the ways to use the program that users know; server.test.ts tells of the numbers.
 */
import { expect } from "bun:test";
import { noPostgres } from "../systems/postgres.ts";
import { sharedPostgres } from "../systems/shared-postgres.ts";
import { linesOf, needs, openSite, type Site, until } from "./harness.ts";
import { secured, startClient, startServer } from "./serving.ts";

const withPostgres = needs([], noPostgres);
const postgres = sharedPostgres();

/** A site whose database is a new one of PostgreSQL. */
async function siteOfPostgres(): Promise<{ site: Site; env: Readonly<Record<string, string>>; database: string }> {
  const site = openSite();
  const database = await postgres().create();
  const env = postgres().env(database);
  expect((await site.hs(["initdb", "-y"], { env })).status).toBe(0);
  return { site, env, database };
}

withPostgres("W26: pilot jobs come and go, one in order and one not, and every task is run and recorded", async () => {
  const { site: place, env, database } = await siteOfPostgres();
  await using site = place;
  const { server, port } = await startServer(site, ["--forever", "--bind", "127.0.0.1"], {
    env: { ...env, HYPERSHELL_SERVER_GRACE: "1" },
  });
  site.write("tasks.in", Array.from({ length: 40 }, (_, n) => `sleep 0.2; echo ${n} >> ended\n`).join(""));
  expect((await site.hs(["submit", "-f", "tasks.in"], { env })).status).toBe(0);
  site.write("key", secured.HYPERSHELL_SERVER_AUTH);
  // The job knows nothing of the database.
  site.write("job.sh", `exec hs client -N4 -T60 --capture --host localhost -p ${port} -k $(cat key) 2>>log\n`);
  const job = () => site.start(["sh", "job.sh"], { timeoutMs: 60_000 });
  const warned = job();
  await until(() => site.lines("ended").length >= 4, "nothing is run");
  warned.kill("SIGUSR1");
  expect((await warned.ended).status).toBe(0);
  const killed = job();
  const before = site.lines("ended").length;
  await until(() => site.lines("ended").length > before, "nothing is run");
  killed.kill("SIGKILL");
  await killed.ended;
  const last = job();
  const remaining = async (): Promise<string> => (await site.hs(["list", "--count", "--remaining"], { env })).stdout;
  await until(() => new Set(site.lines("ended")).size === 40, "the tasks are done", 60_000);
  await until(async () => (await remaining()) === "0\n", "their outcomes are recorded");
  last.kill("SIGUSR1");
  expect((await last.ended).status).toBe(0);
  const counts = "select count(*), count(distinct args), count(*) filter (where exit_status = 0) from task";
  expect(await postgres().sql(database, counts)).toEqual(["40|40|40"]);
  // What the killed one ran may have ended twice, and nothing else has.
  expect(new Set(site.lines("ended")).size).toBe(40);
  expect(site.lines("ended").length).toBeLessThanOrEqual(44);
  server.kill("SIGUSR1");
  expect((await server.ended).status).toBe(0);
});

withPostgres("hs run, hs wait and hs info do with PostgreSQL what they do with a file", async () => {
  const { site: place, env } = await siteOfPostgres();
  await using site = place;
  const { port } = await startServer(site, ["--forever", "-r1"], { env });
  startClient(site, port, ["-N2", "--capture"]);
  const ran = await site.hs(["run", "-t", "site:b", "--", "sh", "-c", "echo out; echo err >&2; exit 3"], { env });
  expect([ran.status, ran.stdout, linesOf(ran.stderr).at(-1)]).toEqual([3, "out\n", "err"]);
  const [id = ""] = linesOf((await site.hs(["list", "id", "-w", "attempt == 2", "-t", "site:b"], { env })).stdout);
  const waited = await site.hs(["wait", id, "-s"], { env });
  expect([waited.status, waited.stdout]).toEqual([0, "3\n"]);
  expect(waited.stderr).toMatch(/Task completed \(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+\+00:00\)\n$/);
  expect((await site.hs(["info", id, "--stdout"], { env })).stdout).toBe("out\n");
  expect((await site.hs(["info", id, "-x", "tag"], { env })).stdout).toBe("site:b, part:0\n");
});

withPostgres("who waits for a task waits for the database too, and says so once", async () => {
  const { site: place, env } = await siteOfPostgres();
  await using site = place;
  const waiting = site.start(["hs", "run", "-n1", "--", "true"], { env, timeoutMs: 60_000 });
  await waiting.line(/Waiting on task/);
  await postgres().crash();
  await waiting.line(/WARNING \[hypershell\.task\] Waiting for the database: /);
  await postgres().start();
  await waiting.line(/INFO \[hypershell\.task\] The database is back/);
  await site.hsx(["--restart"], { env });
  const { status, stderr } = await waiting.ended;
  expect(status).toBe(0);
  expect(linesOf(stderr).filter((line) => line.includes("Waiting for the database"))).toHaveLength(1);
});
