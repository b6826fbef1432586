/*
 * hsx is killed (kill -9) in the middle of its work and started again with --restart: every task ends with exactly one
 * recorded success, and only tasks that were under way at the moment of the kill run twice.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ask } from "../e2e/tables.ts";
import { expectSound } from "./sound.ts";

const hsx = join(import.meta.dir, "../../dist/hsx");
const executors = 4;
const tasks = 2000;
const rounds = 10;
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hs-crash-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function lines(path: string): string[] {
  try {
    return readFileSync(path, "utf8")
      .split("\n")
      .filter((line) => line !== "");
  } catch {
    return [];
  }
}

function start(site: string, words: string[]) {
  const env = { PATH: process.env["PATH"] ?? "", HOME: site, HYPERSHELL_SITE: site };
  return Bun.spawn([hsx, ...words], { cwd: site, env, stdin: "ignore", stdout: "ignore", stderr: "pipe" });
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await new Promise<void>((resolve) => setTimeout(resolve, 2));
  }
}

for (let round = 1; round <= rounds; round++) {
  test(`all ${tasks} tasks are done once by --restart after kill -9 in their middle, round ${round}`, async () => {
    const site = join(folder, String(round));
    await Bun.$`mkdir -p ${site}`;
    const log = join(site, "ran");
    const file = join(site, "tasks.in");
    writeFileSync(file, Array.from({ length: tasks }, (_, n) => `echo ${n} >> ${log}`).join("\n"));

    const first = start(site, [file, "-N", String(executors)]);
    await until("the first tasks", () => lines(log).length > (tasks / (rounds + 2)) * round);
    first.kill("SIGKILL");
    await first.exited;

    const database = join(site, "lib", "main.db");
    // A task under way at the kill may still write its line: it belongs to those that may run twice.
    const recorded = new Set(
      ask<{ args: string }>(database, "select args from task where exit_status = 0").map((row) => row.args),
    );

    const second = start(site, ["--restart", "-N", String(executors)]);
    const [status, stderr] = await Promise.all([second.exited, second.stderr.text()]);
    expect([status, stderr.includes("unfinished tasks")]).toEqual([0, true]);

    const counts = "select count(*) n, sum(exit_status = 0) good, count(distinct args) distinctArgs from task";
    expect(ask<object>(database, counts)).toEqual([{ n: tasks, good: tasks, distinctArgs: tasks }]);
    await expectSound(database);

    const runs = new Map<string, number>();
    for (const line of lines(log)) runs.set(line, (runs.get(line) ?? 0) + 1);
    expect(runs.size).toBe(tasks);
    const twice = [...runs].filter(([, count]) => count > 1);
    for (const [n, count] of twice) {
      expect(count).toBe(2);
      // Never one whose success had been recorded.
      expect(recorded.has(`echo ${n} >> ${log}`)).toBe(false);
    }
    // An outcome is recorded before its executor starts another task, so each executor had at most one that was not.
    expect(twice.length).toBeLessThanOrEqual(executors);
  }, 120_000);
}
