/*
 * Signals to a whole job: to the tasks and to whoever runs them, in either order, as schedulers and service managers
 * stop what they started. What was running is run again and has not failed. `SIGNAL_ROUNDS` is how often each is done.
 */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { type Site, until } from "../e2e/harness.ts";
import { startClient, startServer } from "../e2e/serving.ts";
import { ask } from "../e2e/tables.ts";
import { openSoundSite } from "./sound.ts";

const rounds = Number(process.env["SIGNAL_ROUNDS"] ?? 1);
const timeoutMs = 60_000 * Math.max(2, rounds);

interface Row {
  readonly exit_status: number | null;
  readonly schedule_time: string | null;
  readonly retried: number;
}

const rows = (site: Site): Row[] => ask(site.database, "select exit_status, schedule_time, retried from task");
/** Tasks that are on record as if they had run to an end of their own. */
const ended = (site: Site): Row[] => rows(site).filter((row) => row.exit_status !== null);

/** Two tasks that run, one as the only process and one below its shell, and two that wait. */
function writeTasks(site: Site): void {
  const line = "[ -e go ] || sleep 31; exit $?";
  site.write("t.in", `sleep 31.5\n${line}\n${line}\n${line}\n`);
}

const pids = (site: Site, which: (line: string) => boolean): number[] =>
  site
    .left()
    .filter(which)
    .map((line) => Number.parseInt(line, 10));
const isTask = (line: string): boolean => line.includes("sleep 31");

/** Waits until two programs of tasks run, not only their shells. */
async function started(site: Site): Promise<void> {
  await until(
    () => pids(site, (line) => /^\d+ sleep 31/.test(line)).length >= 2,
    () => `the tasks do not start: ${site.left().join("; ")}`,
  );
}

function send(to: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of to) {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended already.
    }
  }
}

const orders = ["tasks first", "tasks last", "when the tasks have ended", "mixed"] as const;

/** Sends a signal to all tasks and to all programs of hs. */
async function sendToAll(site: Site, order: (typeof orders)[number], signal: NodeJS.Signals): Promise<void> {
  const tasks = pids(site, isTask);
  const programs = pids(site, (line) => !isTask(line));
  expect(tasks.length).toBeGreaterThan(1);
  expect(programs.length).toBeGreaterThan(0);
  if (order === "mixed")
    return send(
      [...tasks, ...programs].toSorted(() => Math.random() - 0.5),
      signal,
    );
  if (order === "tasks last") return send([...programs, ...tasks], signal);
  send(tasks, signal);
  if (order === "when the tasks have ended")
    await until(() => pids(site, (line) => tasks.includes(Number.parseInt(line, 10))).length === 0, "the tasks end");
  send(programs, signal);
}

/** Does something in each order, as often as is wished. */
async function repeat(round: (order: (typeof orders)[number]) => Promise<void>): Promise<void> {
  for (let n = 0; n < rounds; n++) for (const order of orders) await round(order);
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  for (const how of ["a run with input", "--restart", "--forever"] as const) {
    test(
      `${signal} to the tasks and to hsx: nothing has failed (${how})`,
      async () => {
        await repeat(async (order) => {
          await using site = openSoundSite();
          writeTasks(site);
          if (how === "--restart") expect((await site.hs(["submit", "-f", "t.in"])).status).toBe(0);
          const words = how === "--restart" ? ["--restart"] : how === "--forever" ? ["t.in", "--forever"] : ["t.in"];
          await using run = site.start(["hsx", ...words, "-N2"]);
          await started(site);
          await sendToAll(site, order, signal);
          expect((await run.ended).status).toBe(signal === "SIGTERM" ? 143 : 4);
          expect([order, ended(site), run.stderr()]).toEqual([order, [], expect.any(String)]);
          // Nothing is on record as running, and all of it is there to be run.
          expect(rows(site).filter((row) => row.schedule_time === null)).toHaveLength(4);
        });
      },
      timeoutMs,
    );
  }
}

test(
  "kill -9 of the tasks and then of hsx: they are run again by --restart",
  async () => {
    for (let n = 0; n < rounds; n++) {
      await using site = openSoundSite();
      site.write("t.in", "[ -e go ] || sleep 31\n[ -e go ] || sleep 31\n");
      await using run = site.start(["hsx", "t.in", "-N2"]);
      await started(site);
      await sendToAll(site, "when the tasks have ended", "SIGKILL");
      expect((await run.ended).status).toBe(137);
      expect(ended(site)).toEqual([]);
      site.write("go", "");
      const again = await site.hsx(["--restart", "-N2"]);
      expect([again.status, rows(site).map((row) => row.exit_status)]).toEqual([0, [0, 0]]);
    }
  },
  timeoutMs,
);

test(
  "a server, its client and the tasks stopped together: nothing has failed",
  async () => {
    await repeat(async (order) => {
      await using site = openSoundSite();
      writeTasks(site);
      const { server, port } = await startServer(site, ["t.in"]);
      const client = startClient(site, port, ["-N2"]);
      await started(site);
      await sendToAll(site, order, "SIGTERM");
      expect([(await server.ended).status, (await client.ended).status]).toEqual([143, 143]);
      expect([order, ended(site)]).toEqual([order, []]);
    });
  },
  timeoutMs,
);

test(
  "a client stopped with its tasks gives them back to its server",
  async () => {
    await repeat(async (order) => {
      await using site = openSoundSite();
      site.write("t.in", "[ -e go ] || sleep 31\n[ -e go ] || sleep 31\n");
      const { server, port } = await startServer(site, ["t.in"]);
      const client = startClient(site, port, ["-N2"]);
      await started(site);
      const others = new Set([server.pid]);
      const tasks = pids(site, isTask);
      const programs = pids(site, (line) => !isTask(line)).filter((pid) => !others.has(pid));
      send(order === "tasks last" ? [...programs, ...tasks] : [...tasks, ...programs], "SIGTERM");
      expect((await client.ended).status).toBe(143);
      expect(ended(site)).toEqual([]);
      site.write("go", "");
      const other = startClient(site, port, ["-N2"]);
      expect([(await server.ended).status, (await other.ended).status]).toEqual([0, 0]);
      expect(rows(site).map((row) => row.exit_status)).toEqual([0, 0]);
    });
  },
  timeoutMs,
);

test(
  "a run with launched clients stopped as a whole: nothing has failed",
  async () => {
    await repeat(async (order) => {
      await using site = openSoundSite();
      writeTasks(site);
      await using run = site.start(["hsx", "t.in", "-N2", "--launcher=env"]);
      await started(site);
      await sendToAll(site, order, "SIGTERM");
      expect((await run.ended).status).toBe(143);
      expect([order, ended(site)]).toEqual([order, []]);
    });
  },
  timeoutMs,
);

test("SIGUSR1 to the tasks and to hsx, which drains: what it ended is run again", async () => {
  await using site = openSoundSite();
  site.write("t.in", "[ -e go ] || sleep 31\n[ -e go ] || sleep 31\n");
  await using run = site.start(["hsx", "t.in", "-N2"]);
  await started(site);
  await sendToAll(site, "tasks first", "SIGUSR1");
  expect((await run.ended).status).toBe(7);
  expect(ended(site)).toEqual([]);
});

test("a task that its user ends, or the system, has failed all the same, and holds up nobody for long", async () => {
  await using site = openSoundSite();
  const lines = "sleep 31\nsleep 31.5\nkill -9 $$\n[ -e x ] || sh -c 'kill -TERM $$'\necho after\necho last\n";
  site.write("t.in", lines);
  await using run = site.start(["hsx", "t.in", "-N2"]);
  await started(site);
  send(pids(site, isTask), "SIGTERM");
  const { status, stdout } = await run.ended;
  // The last two run at the same time.
  expect([status, stdout.split("\n").toSorted()]).toEqual([7, ["", "after", "last"]]);
  const got = ask<{ exit_status: number }>(site.database, "select exit_status from task order by rowid");
  expect(got.map((row) => row.exit_status)).toEqual([143, 143, 137, 143, 0, 0]);
});

/** Whether a process has a listener for this signal. */
function listens(pid: number, signal: NodeJS.Signals): boolean {
  const caught = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))![1]!;
  return ((BigInt(`0x${caught}`) >> BigInt(constants.signals[signal] - 1)) & 1n) === 1n;
}

test.skipIf(process.platform !== "linux")("signals that come while a run starts are kept until it is up", async () => {
  await using site = openSoundSite();
  site.write("t.in", "echo done >>log\n");
  expect((await site.hsx(["t.in"])).status).toBe(0);
  const statuses = { SIGHUP: 0, SIGUSR1: 7, SIGUSR2: 7, SIGTERM: 143, SIGINT: 4 } as const;
  const lock = new Database(site.database);
  lock.run("begin exclusive");
  const runs = (Object.keys(statuses) as (keyof typeof statuses)[]).map((signal) => {
    const env = { HYPERSHELL_SERVER_AUTH: "0123456789abcdef-key-of-tests" };
    const words = signal === "SIGUSR2" ? (["hs", "server", "t.in", "-p0"] as const) : (["hsx", "t.in"] as const);
    return { signal, run: site.start(words, { env }) };
  });
  // They wait for the lock before they are up.
  for (const { signal, run } of runs) {
    await until(() => listens(run.pid, "SIGHUP"), run.stderr);
    run.kill(signal);
  }
  lock.run("rollback");
  lock.close();
  for (const { signal, run } of runs) expect([signal, (await run.ended).status]).toEqual([signal, statuses[signal]]);
  expect(site.lines("log")).toEqual(["done", "done"]);
});
