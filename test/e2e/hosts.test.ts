/*
 * What people change on the server's host, and what comes of it on another host: a client in a network namespace, over
 * SQLite and PostgreSQL.
 */
import { expect } from "bun:test";
import { noPostgres } from "../systems/postgres.ts";
import { sharedPostgres } from "../systems/shared-postgres.ts";
import { needs, openSite, type Site, until } from "./harness.ts";
import { namespaceProblem, openNamespace } from "./namespace.ts";
import { secured, startServer } from "./serving.ts";

const postgres = sharedPostgres();

/** `here` has the database; the other host knows an address, a port and the key. */
async function cancelThere(here: Site, env: Readonly<Record<string, string>>): Promise<void> {
  using network = openNamespace();
  await using there = openSite();
  const running = (pattern: RegExp): number => there.left().filter((line) => pattern.test(line)).length;
  here.write("tasks.in", "sleep 1000\necho on >> ran; sleep 1001 & sleep 1002; true\nsleep 1003\n");
  expect((await here.hs(["submit", "--initdb", "-f", "tasks.in"], { env })).status).toBe(0);
  const { port } = await startServer(here, ["--forever", "-H", network.v4], { env });
  const words = ["hs", "client", "-H", network.v4, "-p", port, "-N4"] as const;
  await using client = there.start(["sh", "-c", 'exec "$@"', "sh", ...network.words, ...words], { env: secured });
  await until(() => running(/sleep 100[0123]$/) >= 4, client.stderr);
  const startedAt = performance.now();
  const cancelled = await here.hs(["update", "--cancel", "-f", "-w", "args != sleep 1003"], { env });
  expect(cancelled.status).toBe(0);
  await until(() => running(/sleep 100[012]$/) === 0, client.stderr);
  expect(performance.now() - startedAt).toBeLessThan(2000);
  expect(running(/sleep 1003$/)).toBeGreaterThan(0);
  const statuses = async (): Promise<string> => (await here.hs(["list", "exit_status"], { env })).stdout;
  expect(await statuses()).toBe("-1\n-1\nnull\n");
  // Its outcome comes late, and changes nothing.
  await here.hs(["update", "--cancel", "-f", "-R"], { env });
  client.kill("SIGTERM");
  await client.ended;
  expect(await statuses()).toBe("-1\n-1\n-1\n");
}

const otherHost = needs(["ip"], namespaceProblem());
const rule = "a task that is cancelled here stops on another host within two seconds, and stays cancelled";

otherHost(`${rule}: SQLite`, async () => {
  await using here = openSite();
  await cancelThere(here, {});
});

needs(["ip"], namespaceProblem() ?? noPostgres)(`${rule}: PostgreSQL`, async () => {
  await using here = openSite();
  await cancelThere(here, postgres().env(await postgres().create()));
});
