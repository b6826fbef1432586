/*
 * `hs submit --queue`: tasks go to a running server, with or without a database, and nothing is needed where they come
 * from.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { linesOf, openSite, type Site, sorted, until } from "./harness.ts";
import { secured, startClient, startServer } from "./serving.ts";

const uuid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";

/** A place elsewhere: another site, no database, only the key. */
function elsewhere(site: Site): Record<string, string> {
  return { ...secured, HYPERSHELL_SITE: join(site.path, "elsewhere"), HYPERSHELL_DATABASE_FILE: "" };
}

const submitTo = (port: string): string[] => ["submit", "--queue", "-p", port];

interface Listed {
  readonly args: string;
  readonly group: number;
  readonly cores: number | null;
  readonly memory: number | null;
  readonly timeout: number | null;
  readonly exit_status: number | null;
  readonly tag: Record<string, unknown>;
}

async function list(site: Site): Promise<readonly Listed[]> {
  const fields = ["args", "group", "cores", "memory", "timeout", "exit_status", "tag"];
  return JSON.parse((await site.hs(["list", ...fields, "--json"])).stdout) as Listed[];
}

test("a server without a database runs what is sent to it, for as long as it lives", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["--no-db", "--forever", "-f", "failed"]);
  const client = startClient(site, port, ["-N2"]);
  const env = elsewhere(site);
  const single = await site.hs([...submitTo(port), "-t", "site:b", "demo", "-g0", "--", "echo", "hello world"], {
    env,
  });
  expect([single.status, single.stdout]).toEqual([0, ""]);
  expect(single.stderr).toMatch(new RegExp(`^ +INFO \\[hypershell.submit\\] Submitted task \\(${uuid}\\)\n$`));
  await client.line(/^hello world$/);
  const lines = await site.hs(submitTo(port), { env, stdin: "echo 2 $TASK_TAG_SITE  # HYPERSHELL: site:c\nexit 9\n" });
  expect(linesOf(lines.stderr).at(-1)).toBe("    INFO [hypershell.submit] Submitted 2 tasks");
  await client.line(/^2 c$/);
  await until(
    () => site.lines("failed").length > 0,
    () => server.stderr(),
  );
  expect(site.lines("failed")).toEqual(["exit 9"]);
  server.kill("SIGUSR1");
  expect([(await server.ended).status, (await client.ended).status]).toEqual([0, 0]);
});

test("a server with a database stores what is sent, and lists it with tags, groups and needs", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["--forever", "--no-tls"]);
  const env = elsewhere(site);
  site.write("tasks.in", "echo 1\n# HYPERSHELL: case:2\necho 2  # HYPERSHELL: group:3\n");
  const words = ["-t", "site:b", "naked", "-g", "1", "-c", "2", "-m", "1GB", "-W", "10m", "--template", "run {}"];
  const { status, stderr } = await site.hs([...submitTo(port), "--no-tls", "-f", "tasks.in", ...words], { env });
  expect([status, linesOf(stderr).at(-1)]).toEqual([0, "    INFO [hypershell.submit] Submitted 2 tasks"]);
  expect(stderr).toContain("TLS is disabled");
  const common = { cores: 2, memory: 2 ** 30, timeout: 600, exit_status: null };
  expect(await list(site)).toEqual([
    { args: "run echo 1", group: 1, ...common, tag: { site: "b", naked: "", part: 0 } },
    { args: "run echo 2", group: 3, ...common, tag: { site: "b", naked: "", case: 2, part: 0 } },
  ]);
  expect(site.exists("../elsewhere/lib/main.db")).toBe(false);
  // Without a group it is group 0, whatever waits.
  expect((await site.hs([...submitTo(port), "--no-tls", "true"], { env })).status).toBe(0);
  expect((await list(site)).map(({ group }) => group)).toEqual([1, 3, 0]);
  const client = startClient(site, port, ["--no-tls", "-N2"]);
  await until(
    async () => (await list(site)).filter((task) => task.exit_status !== null).length >= 2,
    () => server.stderr(),
  );
  server.kill("SIGUSR1");
  expect([(await server.ended).status, (await client.ended).status]).toEqual([0, 0]);
});

for (const database of [true, false]) {
  test(`a finite server runs its input and what is sent (${database ? "with" : "without"} a database)`, async () => {
    await using site = openSite();
    const words = ["-", "--no-tls", ...(database ? [] : ["--no-db"])];
    const { server, port } = await startServer(site, words, { keepOpen: true });
    const client = startClient(site, port, ["--no-tls"]);
    server.type("echo read\n");
    await client.line(/^read$/);
    const sent = await site.hs([...submitTo(port), "--no-tls", "echo sent; exit 4"], { env: elsewhere(site) });
    expect(sent.status).toBe(0);
    server.closeStdin();
    const { status, stderr } = await server.ended;
    expect([status, linesOf(stderr).at(-1)]).toEqual([
      7,
      expect.stringMatching(/^ WARNING \[hypershell.server\] 1 of 2 tasks failed \(/),
    ]);
    expect(sorted((await client.ended).stdout)).toEqual(["read", "sent"]);
  });
}

test("a finite server does not end while a submitter is at work", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["-", "--no-tls"], { keepOpen: true });
  const submitter = site.start(["hs", ...submitTo(port), "--no-tls"], { keepOpen: true, env: elsewhere(site) });
  submitter.type("echo 1\n");
  const client = startClient(site, port, ["--no-tls"]);
  await client.line(/^1$/);
  server.closeStdin();
  submitter.type("echo 2\n");
  await client.line(/^2$/);
  submitter.closeStdin();
  expect([(await submitter.ended).status, (await server.ended).status, (await client.ended).status]).toEqual([0, 0, 0]);
});

test("many tasks are all stored when the submitter says so, whether or not there is a client", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["--forever"]);
  site.write("tasks.in", Array.from({ length: 30_000 }, (_, n) => `echo ${n} ${"x".repeat(n % 500)}\n`).join(""));
  const { status, stderr } = await site.hs([...submitTo(port), "-f", "tasks.in"], { env: elsewhere(site) });
  // Nobody is asked to finish anything.
  server.kill("SIGKILL");
  await server.ended;
  expect([status, linesOf(stderr).at(-1)]).toEqual([0, "    INFO [hypershell.submit] Submitted 30000 tasks"]);
  expect((await site.hs(["list", "--count", "--remaining"])).stdout).toBe("30000\n");
});

test("without a database a server takes as much as it has room for, and the submitter waits", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["--no-db", "--forever", "--no-tls"]);
  site.write("tasks.in", "true\n".repeat(25_000));
  const env = { ...elsewhere(site), HYPERSHELL_LOGGING_LEVEL: "debug" };
  const submitter = site.start(["hs", ...submitTo(port), "--no-tls", "-f", "tasks.in"], { env });
  await submitter.line(/Submitted \d+ tasks/);
  server.kill("SIGTERM");
  expect((await server.ended).status).toBe(143);
  const { status, stderr } = await submitter.ended;
  expect(status).toBe(5);
  expect(linesOf(stderr).at(-1)).toMatch(/\(\d+ of \d+ tasks stored\)|- \d+ of \d+ tasks stored/);
});

test("a server that dies is told at once, with what is stored", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["--forever", "--no-tls"]);
  const env = { ...elsewhere(site), HYPERSHELL_LOGGING_LEVEL: "debug" };
  const submitter = site.start(["hs", ...submitTo(port), "--no-tls"], { keepOpen: true, env });
  submitter.type("echo 1\necho 2\n");
  await until(
    async () => (await site.hs(["list", "--count"])).stdout === "2\n",
    () => submitter.stderr(),
  );
  server.kill("SIGKILL");
  const { status, stderr } = await submitter.ended;
  expect(status).toBe(5);
  expect(linesOf(stderr).at(-1)).toMatch(
    /^CRITICAL \[hypershell.submit\] The server disconnected.* - 2 of 2 tasks stored$/,
  );
});

test("a submitter says why it cannot reach a server, in one line, with status 5", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["--forever", "--no-tls"]);
  const env = elsewhere(site);
  const wrong = await site.hs([...submitTo(port), "--no-tls", "-k", "another-key-0123456", "true"], { env });
  expect([wrong.status, linesOf(wrong.stderr).at(-1)]).toEqual([
    5,
    expect.stringMatching(/^CRITICAL \[hypershell.submit\] The server .*key/),
  ]);
  server.kill("SIGTERM");
  await server.ended;
  const refused = await site.hs([...submitTo(port), "true"], { env });
  expect([refused.status, linesOf(refused.stderr).at(-1)]).toEqual([
    5,
    expect.stringMatching(/^CRITICAL \[hypershell.submit\] Connection refused/),
  ]);
  const bad = await site.hs([...submitTo("9"), "echo 1 # HYPERSHELL: a:/"], { env });
  expect([bad.status, linesOf(bad.stderr).length]).toEqual([2, 1]);
});

test("a file with a bad line is not sent at all; of a stream the good lines are", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["--forever", "--no-tls"]);
  const env = elsewhere(site);
  const text = "echo 1\necho 2 # HYPERSHELL: k:a/b\necho 3\n";
  site.write("tasks.in", text);
  const file = await site.hs([...submitTo(port), "--no-tls", "-f", "tasks.in"], { env });
  expect([file.status, (await list(site)).length]).toEqual([2, 0]);
  const stream = await site.hs([...submitTo(port), "--no-tls"], { env, stdin: text });
  expect([stream.status, (await list(site)).length]).toEqual([2, 2]);
  server.kill("SIGTERM");
  expect((await server.ended).status).toBe(143);
});
