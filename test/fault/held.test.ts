/* What a run on one machine holds of its database, and what the next one says of it after kill -9. */
import { expect, test } from "bun:test";
import { type Site, until } from "../e2e/harness.ts";
import { ask } from "../e2e/tables.ts";
import { openSoundSite } from "./sound.ts";

const counts = (site: Site): { held: number; begun: number } =>
  ask<{ held: number; begun: number }>(
    site.database,
    "select count(schedule_time) held, count(client_id) begun from task where completion_time is null",
  )[0]!;

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}

test("a run on one machine holds what it runs; --restart says what was running and what was only held", async () => {
  const line = "[ -e go ] || sleep 60\n";
  for (const [lines, words, most] of [
    [line.repeat(10), ["-N1", "-b1"], 1],
    [`${":\n".repeat(100)}${line.repeat(400)}`, ["-N2"], 270],
  ] as const) {
    await using site = openSoundSite();
    site.write("t.in", lines);
    await using run = site.start(["hsx", "t.in", ...words]);
    const executors = words[0] === "-N1" ? 1 : 2;
    const isUnderWay = (): boolean => site.left().filter((each) => /^\d+ sleep 60$/.test(each)).length === executors;
    await until(isUnderWay, "the long tasks run");
    await until(
      () => counts(site).begun === executors,
      () => `${JSON.stringify(counts(site))} are on record`,
    );
    run.kill("SIGKILL");
    // A run that is killed so soon may leave its tasks to themselves.
    await until(
      () => {
        for (const each of site.left()) end(Number.parseInt(each, 10));
        return site.left().length === 0;
      },
      () => site.left().join("; "),
    );
    expect((await run.ended).status).toBe(137);
    const { held, begun } = counts(site);
    expect([begun, held <= most]).toEqual([executors, true]);
    site.write("go", "");
    const again = await site.hsx(["--restart"]);
    const rest = held === begun ? "" : ` (${begun} were running, ${held - begun} had not begun)`;
    const tasks = held === 1 ? "task" : "tasks";
    expect([again.status, again.stderr.match(/Reverted .*/)?.[0]]).toEqual([
      0,
      `Reverted ${held} previously interrupted ${tasks}${rest}`,
    ]);
  }
});
