/* The log lines that scripts rely on: levels, names and shapes, in the order in which a run of one task goes. */
import { expect, test } from "bun:test";
import { linesOf, openSite } from "./harness.ts";
import { startClient, startServer } from "./serving.ts";

/** Lines of a log with ID for each id, HOST for the host of a client or server, and N for numbers of processes. */
function shapesOf(stderr: string): readonly string[] {
  return linesOf(stderr).map((line) =>
    line
      .trim()
      .replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "ID")
      .replace(/\((?!ID)[^ ()]+: ID\)/g, "(HOST: ID)")
      .replace(/elapsed: [\d:.]+/, "elapsed: TIME")
      .replace(/:\d{4,5}$/, ":PORT")
      .replace(/\[\d+\]/, "[N]"),
  );
}

function expectAll(said: readonly string[], events: readonly string[]): void {
  expect(events.filter((event) => !said.includes(event))).toEqual([]);
}

test("a run of one task tells its story at TRACE, and nothing at the default level", async () => {
  await using site = openSite();
  const { stderr } = await site.shell("echo a | hsx -t 'echo {}'", { env: { HYPERSHELL_LOGGING_LEVEL: "trace" } });
  const told = shapesOf(stderr);
  const story = [
    "DEBUG [hypershell.server] Started",
    "DEBUG [hypershell.server] Started (scheduler)",
    "DEBUG [hypershell.client] Started (1 executor)",
    "DEBUG [hypershell.client] Started (scheduler: no timeout)",
    "DEBUG [hypershell.client] Started (executor-1)",
    "TRACE [hypershell.submit] Loaded task (a)",
    "DEBUG [hypershell.submit] Submitted 1 task",
    "DEBUG [hypershell.submit] Done",
    "DEBUG [hypershell.server] Scheduled 1 task",
    "DEBUG [hypershell.client] Received 1 task (HOST: ID)",
    "INFO [hypershell.client] Running task (ID)",
    "DEBUG [hypershell.server] Completed task (ID)",
    "DEBUG [hypershell.client] Disconnect received",
    "TRACE [hypershell.client] Heartbeat - final (HOST: ID)",
    "DEBUG [hypershell.server] Done",
  ];
  expect(told.filter((line) => story.includes(line))).toEqual(story);
  // The client arrives while the input is read.
  expect(told).toContain("DEBUG [hypershell.server] Registered client (HOST: ID)");
  expectAll(told, [
    "DEBUG [hypershell.client] Running task (ID)[N]: echo a",
    "DEBUG [hypershell.client] Completed task (ID) elapsed: TIME",
    "DEBUG [hypershell.server] Confirmed 1 task (HOST: ID)",
    ...["scheduler", "confirm", "receiver", "heartbeat"].map((part) => `DEBUG [hypershell.server] Done (${part})`),
    ...["executor-1", "scheduler", "collector", "heartbeat"].map((part) => `DEBUG [hypershell.client] Done (${part})`),
    "DEBUG [hypershell.client] Done",
    "DEBUG [hypershell.submit] Started (<stdin>)",
    "DEBUG [hypershell.submit] Started (loader)",
    "DEBUG [hypershell.submit] Started (committer: database)",
    "DEBUG [hypershell.submit] Done (loader)",
    "DEBUG [hypershell.submit] Done (committer: database)",
  ]);
});

test("a server and its client tell theirs, with the words that scripts wait for", async () => {
  await using site = openSite();
  site.write("tasks.in", "# HYPERSHELL: site:b\n\ntrue\nfalse\n");
  const env = { HYPERSHELL_LOGGING_LEVEL: "trace" };
  const { server, port } = await startServer(site, ["tasks.in", "--no-tls", "-r1"], { env });
  const client = await startClient(site, port, ["--no-tls"], { env }).ended;
  const ended = await server.ended;
  expect([client.status, ended.status]).toEqual([0, 7]);
  expectAll(shapesOf(ended.stderr), [
    "WARNING [hypershell.server] TLS is disabled - this is not recommended for production!",
    "INFO [hypershell.server] Server listening on localhost:PORT",
    "DEBUG [hypershell.submit] Started (tasks.in)",
    "DEBUG [hypershell.submit] Setting global attribute or tag: site:b",
    "TRACE [hypershell.submit] Skipping empty line",
    "TRACE [hypershell.submit] Loaded task (false)",
    "DEBUG [hypershell.submit] Submitted 2 tasks",
    "DEBUG [hypershell.server] Registered client (HOST: ID)",
    "TRACE [hypershell.server] Scheduled task (ID)",
    "DEBUG [hypershell.server] Scheduled 1 task",
    "TRACE [hypershell.server] No tasks available for group (waiting on 1 task to complete) - backing off 1 second",
    "DEBUG [hypershell.server] Confirmed 1 task (HOST: ID)",
    "DEBUG [hypershell.server] Completed task (ID)",
    "WARNING [hypershell.server] Non-zero exit status (1) for task (ID): false",
    "DEBUG [hypershell.server] Signaling clients (1 connected)",
    "DEBUG [hypershell.server] Disconnect requested (HOST: ID)",
    "TRACE [hypershell.server] Client disconnected (HOST: ID)",
    "DEBUG [hypershell.server] Done",
  ]);
  expectAll(shapesOf(client.stderr), [
    "DEBUG [hypershell.client] Started (1 executor)",
    "DEBUG [hypershell.client] Received 1 task (HOST: ID)",
    "INFO [hypershell.client] Running task (ID)",
    "DEBUG [hypershell.client] Disconnect received",
    "TRACE [hypershell.client] Heartbeat - final (HOST: ID)",
  ]);
});

test("commands that store, change and keep tasks tell theirs", async () => {
  await using site = openSite();
  const env = { HYPERSHELL_LOGGING_LEVEL: "debug" };
  const said = async (words: string): Promise<readonly string[]> =>
    shapesOf((await site.shell(words, { env })).stderr.replaceAll(site.database, "DB"));
  expectAll(await said("echo echo one | hs submit"), [
    "DEBUG [hypershell.submit] Submitted from <stdin> (implicit)",
    "INFO [hypershell.submit] Submitted 1 task",
  ]);
  expectAll(await said("hs submit -f <(seq 2 | sed 's/^/echo /') 2>&1 >/dev/null | sed 's,/dev/fd/[0-9]*,PATH,' >&2"), [
    "DEBUG [hypershell.submit] Submitted from PATH (explicit)",
    "INFO [hypershell.submit] Submitted 2 tasks",
  ]);
  expectAll(await said("hs submit -- echo four"), [
    "DEBUG [hypershell.submit] Submitted single task (explicit)",
    "INFO [hypershell.submit] Submitted task (ID)",
  ]);
  expectAll(await said("hs update -y x:1"), [
    "INFO [hypershell.task] Searching database: sqlite (DB)",
    "INFO [hypershell.task] Updated 4 tasks",
  ]);
  expectAll(await said("hs update -y x:1 -F"), ["INFO [hypershell.task] Update affects 0 tasks - stopping"]);
  expectAll(await said("hs update -y --delete -w 'args ~ four'"), ["INFO [hypershell.task] Deleted 1 task"]);
  expectAll(await said("hsx --restart -N2"), [
    "INFO [hypershell.server] Found 3 unfinished tasks",
    "DEBUG [hypershell.server] Done",
  ]);
  expectAll(await said("hsx --restart"), ["INFO [hypershell.server] All previous tasks completed (3) - stopping"]);
  expectAll(await said("hs initdb --vacuum -y"), ["INFO [hypershell.data] Vacuuming database DB"]);
  expectAll(await said("hs initdb --backup copy.db -y"), ["INFO [hypershell.data] Backing up DB into copy.db"]);
  expectAll(await said("hs initdb --rotate -y | cat"), [
    "DEBUG [hypershell.data] Dropped 3 completed tasks from main (DB)",
  ]);
  expectAll(await said("hs initdb --truncate -y"), ["WARNING [hypershell.data] Truncated database"]);
  expectAll(await said("hs wait 00000000-0000-7000-8000-000000000000"), [
    "CRITICAL [hypershell.task] No task with id=ID",
  ]);
});

test("database.echo shows the statements, and nobody sees them without it", async () => {
  await using site = openSite();
  const echoed = await site.shell("echo true | hsx", { env: { HYPERSHELL_DATABASE_ECHO: "true" } });
  expect(echoed.stderr).toContain("INFO [hypershell.data] begin immediate");
  expect(echoed.stderr).toContain("INFO [hypershell.data] insert into task");
  expect((await site.shell("echo true | hsx")).stderr).toBe("");
});
