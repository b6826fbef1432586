/*
 * Who counts as alive where process tables do not tell, and clocks that are set: no task runs twice, and no outcome is
 * lost.
 */
import { expect } from "bun:test";
import { chmodSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { linesOf, needs, type Running, sorted, until } from "../e2e/harness.ts";
import { openUsers, whyNoUsers } from "../systems/users.ts";
import { expectSound, ofKilled, openSoundSite } from "./sound.ts";

const whyNoTable = Bun.spawnSync(["unshare", "-pf", "--mount-proc", "true"]).success
  ? null
  : "no other process table can be made here";

/** Four tasks that say that they run, and wait for a file. */
const tasks = (folder: string): string =>
  Array.from(
    { length: 4 },
    (_, n) => `echo ${n} >>${folder}/ran; until [ -e ${folder}/go ]; do sleep 0.02; done\n`,
  ).join("");

/** A second server comes to a database whose first one is at work, and leaves it its tasks. */
async function comeBeside(
  first: Running,
  second: Running,
  ran: () => readonly string[],
  go: () => void,
): Promise<void> {
  await second.line(/was at work a moment ago/);
  expect(ran()).toHaveLength(4);
  go();
  expect([(await first.ended).status, (await second.ended).status]).toEqual([0, 0]);
  expect(second.stderr()).not.toContain("Reverted");
  expect(sorted(ran().join("\n"))).toEqual(["0", "1", "2", "3"]);
}

needs(["unshare"], whyNoTable)(
  "a server in another container with the same host name is not taken for dead",
  async () => {
    await using site = openSoundSite();
    site.write("t.in", tasks(site.work));
    const env = { HYPERSHELL_LOGGING_LEVEL: "info" };
    const start = (words: string) =>
      site.start(["sh", "-c", `exec unshare -pf --mount-proc hsx ${words} -N4`], { env });
    await using first = start("t.in");
    await until(() => site.lines("ran").length === 4, "the tasks run");
    await using second = start("--restart");
    await comeBeside(
      first,
      second,
      () => site.lines("ran"),
      () => void site.write("go", ""),
    );
  },
);

needs(["unshare", "setpriv"], whyNoUsers)("a server whose process is hidden is not taken for dead", async () => {
  await using users = openUsers({ hidesProcesses: true });
  const folder = join(users.path, "shared");
  mkdirSync(folder);
  chmodSync(folder, 0o777);
  const database = join(folder, "main.db");
  const env = { HYPERSHELL_LOGGING_LEVEL: "info", HYPERSHELL_SITE_SHARED: "true", HYPERSHELL_DATABASE_FILE: database };
  const ran = () => linesOf(readFileSync(join(folder, "ran"), "utf8"));
  await using first = users.alice.start(`umask 0; printf '${tasks(folder)}' | hsx -N4`, { env });
  await until(() => Bun.file(join(folder, "ran")).size > 7, "the tasks run");
  await using second = users.bob.start("umask 0; hsx --restart -N4", { env });
  await comeBeside(first, second, ran, () => void Bun.spawnSync(["touch", join(folder, "go")]));
  await expectSound(database);
});

/** Words before a command whose clock is what FAKETIME says, or the file FAKETIME_TIMESTAMP_FILE. */
const faked = "LD_PRELOAD=$(faketime -f +0 printenv LD_PRELOAD)";

needs(["faketime"])("a clock that was ahead is set back: the results of the next run count", async () => {
  await using site = openSoundSite();
  site.write("t.in", tasks(site.work));
  const env = { DONT_FAKE_MONOTONIC: "1", FAKETIME: "+1h" };
  await using first = site.start(["sh", "-c", `${faked} exec hsx t.in -N4`], { env });
  await until(() => site.lines("ran").length === 4, "the tasks run");
  first.kill("SIGKILL");
  await first.ended;
  expect((await site.hs(["update", "--revert", "-R", "-f"])).status).toBe(0);
  site.write("go", "");
  expect((await site.hsx(["--restart", "-N4"])).status).toBe(0);
  expect((await site.shell("hs list --count --succeeded")).stdout).toBe("4\n");
  expect(site.lines("ran")).toHaveLength(8);
});

needs(["faketime"])("a clock that jumps an hour ahead and a day back in the middle of a run ends nothing", async () => {
  await using site = openSoundSite();
  const jump = (to: string): string => `echo '${to}' >clock; echo $?`;
  site.write("clock", "+0\n");
  site.write("t.in", [jump("+1h"), ...Array.from({ length: 20 }, () => "sleep 0.01"), jump("-1d"), "true"].join("\n"));
  const env = { DONT_FAKE_MONOTONIC: "1", FAKETIME_TIMESTAMP_FILE: join(site.work, "clock"), FAKETIME_NO_CACHE: "1" };
  const ended = await site.shell(`${faked} hsx t.in -W 1m`, { env });
  expect([ended.status, ended.stdout, ended.stderr]).toEqual([0, "0\n0\n", ""]);
  await expectSound(site.database, ofKilled);
  expect((await site.shell("hs list --count --succeeded")).stdout).toBe("23\n");
});
