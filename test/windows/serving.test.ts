/* hs.exe and a program of Linux on one task list, over TLS. */
import { expect } from "bun:test";
import { sorted, until } from "../e2e/harness.ts";
import { secured, startServer } from "../e2e/serving.ts";
import { openPlace, type Place, testOnWindows } from "./place.ts";

const env = secured;
const timeoutMs = 60_000;

/** The exit statuses in the database of Linux. */
async function statuses({ linux }: Place): Promise<readonly string[]> {
  return sorted((await linux.hs(["list", "exit_status"])).stdout);
}

testOnWindows("a client of Windows outlives its Linux server, and comes back to the next one", async () => {
  await using place = await openPlace();
  const { linux } = place;
  const waits = "ping -n 4 127.0.0.1 >nul";
  linux.write("tasks", `echo ran>>one.out & ${waits}\necho ran>>two.out & ${waits}\nexit 259\necho three\n`);
  const first = await startServer(linux, ["tasks", "-r", "0"]);
  const client = place.start(["hs", "client", "-H", "localhost", "-p", first.port, "-N2"], { env, timeoutMs });
  await until(
    () => linux.exists("one.out") && linux.exists("two.out"),
    () => `no task runs: ${client.stderr()}`,
  );
  first.server.kill("SIGKILL");
  await first.server.ended;
  const second = linux.start(["hs", "server", "--restart", "-p", first.port], { env, timeoutMs });
  await second.line(/Server listening/);
  expect((await second.ended).status).toBe(7);
  expect((await client.ended).status).toBe(0);
  expect(await statuses(place)).toEqual(["0", "0", "0", "259"]);
  // Each ran once.
  expect([linux.read("one.out").trim(), linux.read("two.out").trim()]).toEqual(["ran", "ran"]);
});

testOnWindows("tasks that Windows submits to a Linux server run on Windows", async () => {
  await using place = await openPlace();
  const { server, port } = await startServer(place.linux, ["--forever"]);
  const submitted = await place.hs(["submit", "--queue", "-p", port, "set", "OS"], { env });
  expect(submitted).toMatchObject({ status: 0 });
  const client = await place.hs(["client", "-p", port, "-N1", "-T", "1"], { env, timeoutMs });
  expect(client).toMatchObject({ status: 0, stdout: "OS=Windows_NT\r\n" });
  expect(await statuses(place)).toEqual(["0"]);
  server.kill("SIGTERM");
});

testOnWindows("a client of Linux serves a server on Windows", async () => {
  await using place = await openPlace();
  const tasks = place.write("tasks", "echo $((1 + 1))\r\necho $TASK_ID\r\nfalse\r\n");
  const server = place.start(["hs", "server", tasks, "-p", "0"], { env, timeoutMs });
  const line = await server.line(/Server listening on .*:\d+/);
  const port = /:(\d+)\s*$/.exec(line)![1]!;
  const client = await place.linux.hs(["client", "-H", "localhost", "-p", port, "-N1"], { env, timeoutMs });
  expect(client.status).toBe(0);
  expect(client.stdout).toStartWith("2\n");
  expect((await server.ended).status).toBe(7);
  const { stdout } = await place.hs(["list", "exit_status"]);
  expect(sorted(stdout.replaceAll("\r", ""))).toEqual(["0", "0", "1"]);
});
