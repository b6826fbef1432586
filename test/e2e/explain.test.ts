/*
 * `hs explain` in real situations, on both databases: groups, failures that hold back, no server, runs of others, tasks
 * that run, were retried, or were cancelled.
 */
import { expect, test } from "bun:test";
import { noPostgres } from "../systems/postgres.ts";
import { sharedPostgres } from "../systems/shared-postgres.ts";
import { linesOf, needs, openSite, type Site, until } from "./harness.ts";
import { secured, startClient, startServer } from "./serving.ts";

const postgres = sharedPostgres();
type Environment = Readonly<Record<string, string>>;

interface Explained {
  readonly id: string;
  readonly state: string;
  readonly why: readonly string[];
  readonly story: readonly string[];
  readonly advice: readonly string[];
}

/** The explanations of the tasks that these words of `hs list` find. */
async function explained(site: Site, words: string, env: Environment): Promise<readonly Explained[]> {
  const ended = await site.shell(`hs explain --json $(hs list id ${words})`, { env });
  expect([ended.status, ended.stderr]).toEqual([0, ""]);
  return JSON.parse(ended.stdout) as readonly Explained[];
}

async function situations(site: Site, env: Environment): Promise<void> {
  const lines = ["exit 3", "true # HYPERSHELL: group:1", "true # HYPERSHELL: group:2 cores:1000 timeout:10m"];
  site.write("tasks.in", `${lines.join("\n")}\n`);
  await site.hs(["submit", "tasks.in"], { env });
  const [first, , third] = await explained(site, "-s group", env);
  expect(first!.why).toEqual(["No server is there that could run it."]);
  expect(third!.why[0]).toStartWith("Its group (2) waits for group 0, which has 1 task that has not ended");
  expect(third!.why[0]).toContain(first!.id);
  expect(third!.why[1]).toStartWith("Its group (2) waits for group 1");

  await site.hsx(["--restart", "-r1"], { env });
  const [failed, again, held] = await explained(site, "-s group", env);
  expect([failed!.state, failed!.why[0]]).toEqual(["failed", "It ended with status 3, which its command chose."]);
  expect(failed!.why[1]).toContain(`the last attempt failed with status 3 (${again!.id})`);
  expect(again!.story).toContain(`Attempt 1 failed with status 3 (${failed!.id}).`);
  expect([held!.state, held!.why[0]]).toEqual(["waits", expect.stringContaining("held back until these failures")]);
  // The advice can be used as it stands.
  const revert = /hs update --revert .*exit_status!=-1/.exec(held!.advice.join("\n"))![0];
  expect((await site.shell(`${revert} -f`, { env })).status).toBe(0);
  expect((await explained(site, "-g 1", env))[0]!.why[0]).toStartWith("Its group (1) waits for group 0");

  expect((await site.hs(["update", "--cancel", "-R", "-f"], { env })).status).toBe(0);
  const [cancelled] = await explained(site, "-g 2", env);
  expect([cancelled!.state, cancelled!.why[0]]).toEqual([
    "cancelled",
    "It was cancelled before it ran (hs update --cancel).",
  ]);

  const { server, port } = await startServer(site, ["--forever"], { env });
  await site.shell("hs submit -- sleep 60; hs submit -g 5 -c 1000 -- true", { env });
  const [alone] = await explained(site, "-R -g 0", env);
  expect(alone!.why.join(" ")).toContain("No client is on record as connected");
  const client = startClient(site, port, [], { env });
  await until(async () => (await site.hs(["list", "--count", "--running"], { env })).stdout === "1\n", client.stderr);
  const [running, waiting] = await explained(site, "-R -s group", env);
  expect([running!.state, running!.why[0]]).toEqual([
    "runs",
    expect.stringMatching(/^It (runs on|is with a client on) /),
  ]);
  expect(waiting!.why.join(" ")).toMatch(/waits for group 0.* takes it when it is its turn.* It needs 1000 cores/);
  const asked = await site.hs(["explain", waiting!.id, "-p", port], { env: { ...secured, ...env } });
  expect([asked.status, asked.stderr]).toEqual([0, ""]);
  expect(asked.stdout).toMatch(/It needs 1000 cores, and none of 1 client has that \(cores: \d+ < 1000\)\./);
  const stranger = await site.hs(["explain", waiting!.id, "-p", port], { env });
  expect([stranger.status, stranger.stdout]).toEqual([expect.any(Number), ""]);
  expect(stranger.status).not.toBe(0);
  server.kill("SIGKILL");
  await server.ended;
  const [orphan] = await explained(site, "-R -g 0", env);
  expect(orphan!.why.join(" ")).toMatch(/Its server was last seen .* ago. The client goes on/);
  client.kill("SIGKILL");
}

test("every situation is told, in an SQLite file", async () => {
  await using site = openSite();
  await situations(site, {});
}, 60_000);

needs([], noPostgres)(
  "every situation is told, in PostgreSQL",
  async () => {
    await using site = openSite();
    const env = postgres().env(await postgres().create());
    expect((await site.hs(["initdb", "--yes"], { env })).status).toBe(0);
    await situations(site, env);
  },
  60_000,
);

test("a live run keeps its own tasks, and leaves those of others", async () => {
  await using site = openSite();
  site.write("tasks.in", "sleep 60\ntrue\n");
  const run = site.start(["hsx", "tasks.in"]);
  await until(async () => (await site.hs(["list", "--count"])).stdout === "2\n", run.stderr);
  await site.hs(["submit", "--", "true"]);
  const ids = linesOf((await site.shell("hs list id -s submit_time")).stdout);
  const text = (await site.hs(["explain", ids[1]!, ids[2]!.slice(0, 30)])).stdout;
  expect(text).toContain("the run that it was submitted by, takes it when it is its turn.");
  expect(text).toContain("No server takes it: 1 run is alive");
  expect(text.match(/^Task /gm)).toHaveLength(2);
  run.kill("SIGKILL");
});

test("what is no task is refused as by hs info", async () => {
  await using site = openSite();
  await site.hs(["submit", "--", "true"]);
  for (const word of ["00000000-0000-7000-8000-000000000000", "nonsense"]) {
    const [explain, info] = [await site.hs(["explain", word]), await site.hs(["info", word])];
    expect(explain).toEqual(info);
    expect(explain.stdout).toBe("");
  }
});
