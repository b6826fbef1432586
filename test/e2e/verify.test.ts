/*
 * `hs verify` as people meet it: what a crash left is told in a line with its task and remedy, mended if asked for, and
 * a database that is sound, also beside a run, is said to be. What each fault is stands in test/conformance/verify.ts.
 */
import { expect, test } from "bun:test";
import { closeSync, openSync, renameSync, writeSync } from "node:fs";
import { openSite, until } from "./harness.ts";
import { ask, change, inFile } from "./tables.ts";

test("after a crash the tasks of the dead are told and given back; beside a run nothing is told", async () => {
  await using site = openSite();
  const none = await site.hs(["verify"]);
  expect(none).toMatchObject({ status: 3, stdout: "" });
  expect(none.stderr).toContain("There is no database");
  expect(site.exists(site.database)).toBe(false);

  await using run = site.start(["hsx", "-N2"], { stdin: "touch one; sleep 20\ntouch two; sleep 20\nsleep 20\n" });
  await until(() => site.exists("one") && site.exists("two"), "two tasks did not start");
  const beside = await site.hs(["verify"]);
  expect(beside).toMatchObject({ status: 0, stdout: "" });
  expect(beside.stderr).toContain(`Sound: 3 tasks in sqlite (${site.database})`);

  run.kill("SIGKILL");
  await run.ended.catch(() => null);
  const after = await site.hs(["verify", "--full"]);
  expect(after.status).toBe(5);
  expect(after.stdout).toMatch(
    /^main\.db: server \S{36}: 3 tasks \(such as \S{36}\) held or reserved by it, and it is gone - .*repair.*\n$/,
  );
  expect(after.stderr).toContain("CRITICAL [hypershell.data] 1 fault in sqlite");
  const repaired = await site.hs(["verify", "--repair"]);
  expect(repaired).toMatchObject({ status: 0 });
  expect(repaired.stdout).toContain("- mended: gave back 3 tasks\n");
  expect(ask(site.database, "select 1 from task where schedule_time is not null")).toEqual([]);
  expect(ask(site.database, "select 1 from server")).toEqual([]);
});

test("each fault is a line, as many as wished; what is left to a person comes with the words that mend", async () => {
  await using site = openSite();
  await site.hsx(["-N2", "-r2"], { stdin: "true\nfalse\nexit 3\n" });
  const [first, second] = ask<{ id: string; next_id: string }>(
    site.database,
    "select id, next_id from task where retried order by rowid",
  );
  // As older versions left it.
  change(site.database, "delete from task where id = ?", first!.next_id);
  change(site.database, "update task set previous_id = null where id = ?", second!.next_id);
  change(site.database, "update task set exit_status = null where exit_status = 0");
  const found = await site.hs(["verify"]);
  expect(found.status).toBe(5);
  expect(found.stdout.split("\n").length - 1).toBe(4);
  expect(found.stdout).toContain(`task ${first!.id}: its next attempt ${first!.next_id} is not there - hs verify`);
  const few = await site.hs(["verify", "-l1"]);
  expect(few.stdout).toMatch(/^main\.db: task .*\n\.\.\. and 3 more\n$/);

  const repaired = await site.hs(["verify", "--repair"]);
  expect(repaired.status).toBe(5);
  expect(repaired.stdout).toContain(`task ${first!.id}: its next attempt`);
  expect(repaired.stdout).toContain("- mended: it is a final failure again\n");
  const [, words] = /it has ended without an exit status - 'hs (.*)' runs it again\n$/.exec(repaired.stdout)!;
  expect((await site.hs([...words!.split(" "), "-f"])).status).toBe(0);
  expect(await site.hs(["verify"])).toMatchObject({ status: 0, stdout: "" });
});

test("a file that is damaged, or a partition that is none to read, is told and not believed", async () => {
  await using site = openSite();
  await site.hsx(["-N2"], { stdin: "true\n".repeat(300) });
  await site.hs(["initdb", "--rotate", "-y"]);
  const partition = site.database.replace(/db$/, "1");
  inFile(partition, (db) => db.run("update task set tag = tag"));
  const descriptor = openSync(partition, "r+");
  writeSync(descriptor, Buffer.alloc(4096, 0x5a), 0, 4096, 4096 * 3);
  closeSync(descriptor);
  const damaged = await site.hs(["verify"]);
  expect(damaged.status).toBe(5);
  expect(damaged.stdout).toContain("main.1: it is damaged: ");
  expect(damaged.stdout).toContain("restore a backup");
  renameSync(partition, `${partition}.kept`);
  expect((await site.hs(["verify", "--repair"])).status).toBe(0);
  await site.shell(`printf 'no database at all' >${site.database}`);
  const other = await site.hs(["verify"]);
  expect(other.status).toBe(5);
  expect(other.stderr).toContain("is not an SQLite database");
});
