/*
 * The database of a run is in trouble while tasks run: it fills its disk, another program locks it. Nothing that ended
 * is lost when the trouble passes, and who does not want to wait can leave.
 */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { linesOf, needs, sorted, until } from "../e2e/harness.ts";
import { secured, startServer } from "../e2e/serving.ts";
import { ask } from "../e2e/tables.ts";
import { openSoundSite } from "./sound.ts";

const trouble = / WARNING \[hypershell.server\] Database trouble, trying again/;

test("a milder signal after Ctrl-C changes nothing: the status stays 4", async () => {
  await using site = openSoundSite();
  site.write("t.in", "trap '' INT; echo ready; while [ ! -e go ]; do sleep 0.01; done\n");
  await using run = site.start(["hsx", "t.in"]);
  await run.line(/^ready$/);
  run.kill("SIGINT");
  await until(() => run.stderr().includes("going down"), "the signal has come");
  run.kill("SIGUSR1");
  await until(() => run.stderr().includes("SIGUSR1"), "the second signal has come");
  site.write("go", "");
  expect((await run.ended).status).toBe(4);
});

test("a database that is locked in the middle of a run loses nothing", async () => {
  await using site = openSoundSite();
  site.write("t.in", Array.from({ length: 20 }, (_, n) => `echo ${n}; [ ${n} -gt 0 ] || sleep 0.3`).join("\n"));
  // The usual pause for a lock is five seconds; with none the trouble begins at once.
  const env = { HYPERSHELL_DATABASE_PRAGMAS_BUSY_TIMEOUT: "0" };
  await using run = site.start(["hsx", "t.in"], { env });
  await run.line(/^0$/);
  const database = new Database(site.database);
  database.run("pragma busy_timeout = 5000");
  database.run("begin immediate");
  await until(() => trouble.test(run.stderr()), "the lock is noticed");
  database.run("commit");
  const ended = await run.ended;
  expect([ended.status, sorted(ended.stdout).length]).toEqual([0, 20]);
  expect(database.query("select count(*) n from task where exit_status = 0").all()).toEqual([{ n: 20 }]);
  database.close();
});

test("any two signals leave a database that does not come back, with the status of the first", async () => {
  for (const [first, second, status] of [
    ["SIGTERM", "SIGTERM", 143],
    ["SIGTERM", "SIGINT", 143],
    ["SIGINT", "SIGTERM", 4],
    ["SIGTERM", "SIGUSR1", 143],
    ["SIGUSR1", "SIGTERM", 143],
  ] as const) {
    await using site = openSoundSite();
    site.write("t.in", Array.from({ length: 200 }, (_, n) => `echo ${n}; sleep 0.02`).join("\n"));
    const env = { HYPERSHELL_DATABASE_PRAGMAS_BUSY_TIMEOUT: "0" };
    await using run = site.start(["hsx", "t.in"], { env });
    await run.line(/^1$/);
    using database = new Database(site.database);
    database.run("pragma busy_timeout = 5000");
    database.run("begin immediate");
    await until(() => trouble.test(run.stderr()), "the lock is noticed");
    run.kill(first);
    await until(() => /The database must come back|draining/.test(run.stderr()), "the signal is heard");
    const since = Date.now();
    await until(() => Date.now() - since > 300, "the second signal is no echo of the first");
    run.kill(second);
    const ended = await run.ended;
    expect([first, second, ended.status, linesOf(ended.stderr).at(-1)]).toEqual([
      first,
      second,
      status,
      expect.stringContaining("What ended last is not recorded and counts as unfinished"),
    ]);
  }
});

test("two SIGTERM end a run that a lock holds up, though it hears both at once", async () => {
  await using site = openSoundSite();
  site.write("t.in", Array.from({ length: 200 }, (_, n) => `echo ${n}; sleep 0.02`).join("\n"));
  await using run = site.start(["hsx", "t.in"]);
  await run.line(/^1$/);
  using database = new Database(site.database);
  database.run("pragma busy_timeout = 5000");
  database.run("begin immediate");
  const since = Date.now();
  const passed = (ms: number): Promise<void> => until(() => Date.now() - since > ms, "time goes by");
  // It waits for the lock for five seconds, and hears nothing.
  await passed(1000);
  run.kill("SIGTERM");
  await passed(2500);
  run.kill("SIGTERM");
  const { status, stderr } = await run.ended;
  expect([status, linesOf(stderr).at(-1)]).toEqual([
    143,
    expect.stringContaining("What ended last is not recorded and counts as unfinished"),
  ]);
});

test("a database that is deleted in the middle of a run ends it, tasks and all, with a line that says so", async () => {
  await using site = openSoundSite();
  site.write("t.in", "echo ready; while [ ! -e go ]; do sleep 0.01; done\nsleep 100\nsleep 100\n");
  await using run = site.start(["hsx", "t.in", "-N2"]);
  await run.line(/^ready$/);
  for (const end of ["", "-wal", "-shm"]) rmSync(`${site.database}${end}`);
  site.write("go", "");
  const { status, stderr } = await run.ended;
  expect([status, linesOf(stderr).at(-1)]).toEqual([
    5,
    expect.stringContaining("was moved or deleted while it was in use"),
  ]);
  await site.deserted();
});

test("tasks for a database that was deleted, or replaced, are not said to be stored", async () => {
  await using site = openSoundSite();
  const remove = () => ["", "-wal", "-shm"].forEach((end) => rmSync(`${site.database}${end}`, { force: true }));
  const stored = async () => (await site.hs(["list", "--count"])).stdout === "1\n";
  const moved = expect.stringContaining("was moved or deleted while it was in use");
  for (const replaced of [false, true]) {
    await using submit = site.start(["hs", "submit", "-f", "-"], { keepOpen: true });
    submit.type("true\n");
    await until(stored, "the first task is stored");
    remove();
    if (replaced) expect((await site.shell("hs initdb")).status).toBe(0);
    submit.type("true\n");
    submit.closeStdin();
    const { status, stderr } = await submit.ended;
    expect([replaced, status, linesOf(stderr)]).toEqual([replaced, 5, [moved]]);
    remove();
  }
  const { server, port } = await startServer(site, ["--forever"]);
  remove();
  expect((await site.hs(["submit", "-q", "-p", port, "true"], { env: secured })).status).toBe(5);
  const ended = await server.ended;
  expect([ended.status, linesOf(ended.stderr).at(-1)]).toEqual([5, moved]);
  await site.hs(["submit", "true"]);
  const id = (await site.hs(["list", "id"])).stdout.trim();
  await using wait = site.start(["hs", "wait", id, "-n", "1"]);
  await wait.line(/Waiting on task/);
  remove();
  expect((await wait.ended).status).toBe(5);
});

needs(["mount"], process.getuid?.() === 0 ? null : "only root can mount a small file system")(
  "a disk that is full in the middle of a run: all is recorded when there is room, and Ctrl-C twice leaves without",
  async () => {
    for (const patient of [true, false]) {
      await using site = openSoundSite();
      const lib = join(site.path, "site", "lib");
      Bun.spawnSync(["mkdir", "-p", lib]);
      const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", lib]);
      if (mounted.exitCode !== 0) throw new Error(`cannot mount: ${mounted.stderr.toString()}`);
      try {
        site.write("t.in", Array.from({ length: 100 }, (_, n) => `echo ${n}; sleep 0.02`).join("\n"));
        await using run = site.start(["hsx", "t.in", "-N2"]);
        await run.line(/^5$/);
        const filler = join(lib, "filler");
        try {
          writeFileSync(filler, new Uint8Array(8 << 20));
        } catch {
          // As much as there was room for.
        }
        await until(() => trouble.test(run.stderr()), "the full disk is noticed");
        if (!patient) {
          run.kill("SIGINT");
          await until(() => run.stderr().includes("The database must come back"), "it says what it waits for");
          run.kill("SIGINT");
          const { status, stderr } = await run.ended;
          expect([status, linesOf(stderr).at(-1)]).toEqual([
            4,
            expect.stringMatching(/What ended last is not recorded and counts as unfinished: no space left/),
          ]);
          rmSync(filler);
          expect((await site.hsx(["--restart"])).status).toBe(0);
        } else {
          rmSync(filler);
          expect((await run.ended).status).toBe(0);
        }
        const counts = "select count(*) n, sum(exit_status = 0) good from task";
        expect(ask<object>(site.database, counts)).toEqual([{ n: 100, good: 100 }]);
      } finally {
        Bun.spawnSync(["umount", "-l", lib]);
      }
    }
  },
);
