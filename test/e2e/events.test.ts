/* The log lines that scripts rely on: levels, names and shapes, in the order in which a run of one task goes. */
import { expect, test } from "bun:test";
import { linesOf, openSite } from "./harness.ts";

test("a run of one task tells its story at TRACE, and nothing at the default level", async () => {
  await using site = openSite();
  const { stderr } = await site.shell("echo a | hsx -t 'echo {}'", { env: { HYPERSHELL_LOGGING_LEVEL: "trace" } });
  const told = linesOf(stderr).map((line) =>
    line
      .trim()
      .replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "ID")
      .replace(/\((?!ID)[^ ()]+: ID\)/g, "(HOST: ID)"),
  );
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
  expect(told.some((line) => /^DEBUG \[hypershell\.client\] Running task \(ID\)\[\d+\]: echo a$/.test(line))).toBe(
    true,
  );
});

test("database.echo shows the statements, and nobody sees them without it", async () => {
  await using site = openSite();
  const echoed = await site.shell("echo true | hsx", { env: { HYPERSHELL_DATABASE_ECHO: "true" } });
  expect(echoed.stderr).toContain("INFO [hypershell.data] begin immediate");
  expect(echoed.stderr).toContain("INFO [hypershell.data] insert into task");
  expect((await site.shell("echo true | hsx")).stderr).toBe("");
});
