/* What runs now: hs list --running and hs info, while a run is at work, after it, and after it was killed. */
import { expect, test } from "bun:test";
import { linesOf, openSite, type Site, until } from "./harness.ts";
import { startClient, startServer } from "./serving.ts";

async function running(site: Site, ...words: readonly string[]): Promise<readonly string[]> {
  const { status, stdout } = await site.hs(["list", ...words, "--running"]);
  expect(status).toBe(0);
  return linesOf(stdout);
}

/** Waits until so many tasks are seen to run. */
function untilRunning(site: Site, count: number): Promise<void> {
  return until(async () => (await running(site, "id")).length === count, "what runs is seen to run", 10_000);
}

const hold = "while [ ! -e go ]; do sleep 0.05; done";

test("what runs is listed with the time since its start, also with other filters, until it has ended", async () => {
  await using site = openSite();
  site.write("t.in", `${hold} # HYPERSHELL: k:a\n${hold}; exit 3 # HYPERSHELL: k:b\ntrue\n: waits\n: waits\n`);
  await using run = site.start(["hsx", "t.in", "-N2"]);
  await untilRunning(site, 2);
  expect((await site.hs(["list", "--running", "-c"])).stdout).toBe("2\n");
  const [line, ...rest] = await running(site, "exit_status", "completion_time", "duration", "-t", "k:b");
  expect(rest).toEqual([]);
  expect(line).toMatch(/^null\tnull\t\d+(\.\d+)?$/);
  const seconds = Number(line!.split("\t")[2]);
  expect(seconds).toBeGreaterThanOrEqual(1);
  expect(seconds).toBeLessThan(20);
  expect(await running(site, "id", "-w", "duration > 0.5")).toHaveLength(2);
  expect(await running(site, "id", "-w", "duration > 1h")).toEqual([]);
  expect(await running(site, "id", "-w", "duration == null")).toEqual([]);
  expect((await site.hs(["list", "--running", "-c", "-w", "duration < 1h"])).stdout).toBe("2\n");
  const longest = await running(site, "id", "-s", "duration", "--desc");
  expect(longest).toEqual(await running(site, "id", "-s", "start_time"));
  expect((await site.hs(["update", "x:1", "--running", "-w", "duration > 1h", "-f"])).stderr).toContain("0 tasks");
  const byStart = await running(site, "start_time", "-s", "start_time", "--desc");
  expect(byStart).toEqual([...byStart].toSorted().toReversed());
  expect(byStart[0]).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/);
  const json = JSON.parse((await site.hs(["list", "--running", "--json", "-l1"])).stdout) as { duration: number }[];
  expect(json[0]!.duration).toBeGreaterThanOrEqual(1);
  const [id] = await running(site, "id", "-t", "k:a");
  const info = await site.hs(["info", id!]);
  expect(info.stdout).toMatch(/^ +started: \d{4}-.+$/m);
  expect(info.stdout).toMatch(/^ +completed: null \(running for: 0:00:\d\d(\.\d+)?\)$/m);
  expect(JSON.parse((await site.hs(["info", id!, "--json"])).stdout)).toMatchObject({ duration: null });
  expect((await site.hs(["list", "--running", "--remaining"])).status).toBe(2);
  site.write("go", "");
  expect((await run.ended).status).toBe(7);
  expect(await running(site)).toEqual([]);
});

test("short tasks are not seen, and cost no word of their start", async () => {
  await using site = openSite();
  const { stderr } = await site.hsx(["-", "-N2"], {
    stdin: "true\n".repeat(20),
    env: { HYPERSHELL_LOGGING_LEVEL: "trace" },
  });
  expect(stderr).not.toContain("Heartbeat - running");
});

test("after kill -9 nothing of that run is said to run, and the next run forgets when it had started", async () => {
  await using site = openSite();
  site.write("t.in", `${hold}\n`);
  await using run = site.start(["hsx", "t.in"]);
  await untilRunning(site, 1);
  const [id] = await running(site, "id");
  run.kill("SIGKILL");
  await run.ended;
  expect(await running(site)).toEqual([]);
  expect((await site.hs(["info", id!])).stdout).toContain("completed: null (duration: null)");
  site.write("go", "");
  await using again = site.start(["hsx", "--restart"]);
  expect((await again.ended).status).toBe(0);
  expect((await site.hs(["list", "-S", "-c"])).stdout).toBe("1\n");
});

test("what is given back by Ctrl-C has no start any more", async () => {
  await using site = openSite();
  site.write("t.in", `${hold}\n`);
  await using run = site.start(["hsx", "t.in"]);
  await untilRunning(site, 1);
  run.kill("SIGINT");
  expect((await run.ended).status).toBe(4);
  expect((await site.hs(["list", "start_time", "schedule_time"])).stdout).toBe("null\tnull\n");
});

test("what clients elsewhere run is seen too, and can be cancelled as such", async () => {
  await using site = openSite();
  site.write("t.in", `${hold}\n${hold}\n: waits\n`);
  const { server, port } = await startServer(site, ["--no-tls", "t.in"]);
  const client = startClient(site, port, ["-N2", "--no-tls"]);
  await untilRunning(site, 2);
  const changed = await site.hs(["update", "--cancel", "--running", "--no-confirm"]);
  expect([changed.status, changed.stderr]).toEqual([0, expect.stringContaining("Updated 2 tasks")]);
  expect([(await server.ended).status, (await client.ended).status]).toEqual([0, 0]);
  expect((await site.hs(["list", "exit_status"])).stdout).toBe("-1\n-1\n0\n");
});
