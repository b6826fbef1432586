/*
 * One SQLite database, used from several time zones: times are of one kind there, whoever wrote them, and everybody
 * sees them in the zone where they are.
 */
import { Database } from "bun:sqlite";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { expect, test } from "bun:test";
import { linesOf, openSite, type Site } from "./harness.ts";
import { ask } from "./tables.ts";

const newYork = { env: { TZ: "America/New_York" } };
const tokyo = { env: { TZ: "Asia/Tokyo" } };

async function column(site: Site, words: readonly string[], options = {}): Promise<readonly string[]> {
  const { stdout } = await site.hs(["list", ...words, "--csv"], options);
  return linesOf(stdout.replaceAll("\r", "")).slice(1);
}

/** The hour of a shown time. */
const hourOf = (text: string): number => Number(text.slice(11, 13));

test("tasks submitted in one zone and run in another have waited as long as they have", async () => {
  await using site = openSite();
  expect((await site.hs(["submit", "--", "echo", "1"], newYork)).status).toBe(0);
  expect((await site.hs(["submit", "--", "echo", "2"], tokyo)).status).toBe(0);
  expect((await site.hs(["submit", "--", "echo", "3"])).status).toBe(0);
  expect(await site.hsx(["--restart", "-N1"])).toMatchObject({ status: 0, stdout: "1\n2\n3\n" });
  const rows = ask<{ waited: number }>(site.database, "select waited from task");
  expect(rows.map(({ waited }) => waited >= 0 && waited < 60)).toEqual([true, true, true]);
  // In order of time, and not of the clocks on the walls.
  expect(await column(site, ["args", "-s", "submit_time"])).toEqual(["echo 1", "echo 2", "echo 3"]);
  expect(await column(site, ["args", "-s", "submit_time", "--desc"])).toEqual(["echo 3", "echo 2", "echo 1"]);
});

test("times are shown and asked for in the zone of who asks", async () => {
  await using site = openSite();
  await site.hs(["submit", "--", "echo", "1"], newYork);
  await site.hs(["submit", "--", "echo", "2"], tokyo);
  const [here, there] = [await column(site, ["submit_time"]), await column(site, ["submit_time"], tokyo)];
  expect(here.length).toBe(2);
  expect(there.map(hourOf)).toEqual(here.map((text) => (hourOf(text) + 9) % 24));
  for (const [options, times] of [
    [{}, here],
    [tokyo, there],
  ] as const) {
    const found = (condition: string) => column(site, ["args", "-w", condition], options);
    expect(await found(`submit_time > ${times[0]}`)).toEqual(["echo 2"]);
    expect(await found(`submit_time <= ${times[0]}`)).toEqual(["echo 1"]);
    expect(await found(`submit_time == ${times[1]}`)).toEqual(["echo 2"]);
    expect(await found(`submit_time ~ ^${times[0]!.slice(0, 13)}`)).toContain("echo 1");
  }
});

test("through the end of summer time, order and waiting are right", async () => {
  await using site = openSite();
  const berlin = { env: { TZ: "Europe/Berlin" } };
  for (const word of ["first", "second", "later"]) await site.hs(["submit", "--", "echo", word], berlin);
  // By the clock of the file: 02:30 in Berlin in summer time, and 02:10 after it.
  const db = new Database(site.database);
  const offsetMs = Number(db.query("select offset from clock").values()[0]![0]) * 60_000;
  for (const [args, at] of [
    ["echo first", "2026-10-25T02:30:00+02:00"],
    ["echo second", "2026-10-25T02:10:00+01:00"],
  ] as const) {
    const text = new Date(Date.parse(at) + offsetMs).toISOString().replace("T", " ").replace("Z", "000");
    db.query("update task set submit_time = ? where args = ?").run(text, args);
  }
  db.close();
  expect(await column(site, ["args", "-s", "submit_time", "-l2"], berlin)).toEqual(["echo first", "echo second"]);
  const shown = await column(site, ["submit_time", "-s", "submit_time", "-l2"], berlin);
  expect(shown).toEqual(["2026-10-25 02:30:00", "2026-10-25 02:10:00"]);
  expect(
    await column(site, ["args", "-w", "submit_time >= 2026-10-25 02:05:00+01:00", "args != echo later"], berlin),
  ).toEqual(["echo second"]);
});

test("what was in a database before stays as it was written, and what comes is in order after it", async () => {
  await using site = openSite();
  await site.hs(["submit", "--", "echo", "old"], newYork);
  const db = new Database(site.database);
  db.run("drop table clock");
  db.run("update task set submit_time = '2026-07-01 12:00:00.000000'");
  db.close();
  expect(await column(site, ["submit_time"])).toEqual(["2026-07-01 12:00:00"]);
  await site.hs(["submit", "--", "echo", "new"], newYork);
  expect(await column(site, ["submit_time", "-w", "submit_time < 2026-07-01 12:30"], tokyo)).toEqual([
    "2026-07-01 12:00:00",
  ]);
  await site.hs(["submit", "--", "echo", "newer"], tokyo);
  expect(await column(site, ["args", "-s", "submit_time"])).toEqual(["echo old", "echo new", "echo newer"]);
  expect((await site.hsx(["--restart"])).status).toBe(0);
  const waited = ask<{ waited: number }>(site.database, "select waited from task where args <> 'echo old'");
  expect(waited.every((row) => row.waited >= 0 && row.waited < 60)).toBe(true);
});

test("archived tasks keep their times", async () => {
  await using site = openSite();
  mkdirSync(dirname(site.database), { recursive: true, mode: 0o700 });
  expect((await site.hsx(["-t", "echo {}", ":::", "1"], newYork)).status).toBe(0);
  const before = await column(site, ["submit_time", "completion_time"]);
  expect((await site.hs(["initdb", "--rotate", "--yes"], tokyo)).status).toBe(0);
  expect(ask(site.database, "select * from task")).toEqual([]);
  expect(await column(site, ["submit_time", "completion_time"])).toEqual(before);
  expect(await column(site, ["submit_time", "completion_time", "-s", "submit_time"])).toEqual(before);
});
