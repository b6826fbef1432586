/*
 * Groups as a user relies on them: the lowest goes first, however often one submits, and failures hold back their own.
 */
import { expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { linesOf, openSite, type Running, type Site, until } from "./harness.ts";

/** Two tasks of group 0 and one of group 1; each writes its name and the moments of its start and end. */
function pipeline(site: Site, name: string, settings = "# HYPERSHELL: group:0\n"): void {
  const step = (what: string): string => `echo ${what} >> log; sleep 0.3; echo end-${what} >> log`;
  site.write(`${name}.in`, `${settings}${step("map")}\n${step("map")}\n${step("reduce")} # HYPERSHELL: group:1\n`);
}

const folder = (site: Site, name: string): void => void mkdirSync(join(site.work, name), { recursive: true });

/** Each command of the advice, as somebody pastes it. */
function advised(text: string, action: string): string[] {
  return [...text.matchAll(/: (hs update --\S+ .*?)(?:, then start again with --restart)?(?: \(to go on.*)?$/gm)]
    .map(([, command]) => command!)
    .filter((command) => command.includes(`--${action}`));
}

const query = async (site: Site, words: string): Promise<readonly string[]> =>
  linesOf((await site.shell(words)).stdout);

for (const settings of ["# HYPERSHELL: group:0\n", ""]) {
  test(`a pipeline that is submitted again begins anew (${settings === "" ? "without" : "with"} group:0)`, async () => {
    await using site = openSite();
    pipeline(site, "p", settings);
    for (const round of [1, 2]) {
      const submitted = await site.hs(["submit", "-f", "p.in"]);
      expect([submitted.status, submitted.stderr]).toEqual([0, "    INFO [hypershell.submit] Submitted 3 tasks\n"]);
      const run = await site.hsx(["--restart", "-N4"]);
      expect(run.status).toBe(0);
      const order = ["map", "map", "end-map", "end-map", "reduce", "end-reduce"];
      expect(site.lines("log")).toEqual(Array.from({ length: round }, () => order).flat());
    }
    expect(await query(site, "hs list group -s submit_time")).toEqual(["0", "0", "1", "0", "0", "1"]);
  });
}

test("what comes in a lower group while a higher one runs goes first, with --forever", async () => {
  await using site = openSite();
  const run = site.start(["hsx", "--forever", "-N1"], { keepOpen: true });
  await site.shell(`seq 40 | hs submit -g 3 --template 'echo 3 >> log; sleep 0.1'`);
  await until(() => site.lines("log").length > 2, run.stderr);
  await site.shell(`seq 4 | hs submit --template 'echo 0 >> log'; seq 2 | hs submit -g 1 --template 'echo 1 >> log'`);
  await until(() => site.lines("log").length === 46, run.stderr);
  const log = site.lines("log").join("");
  // Those of group 3 that had started by then, and the few that waited at the client, come before.
  expect(log).toMatch(/^3{3,20}0{4}1{2}3+$/);
  run.kill("SIGUSR1");
  expect((await run.ended).status).toBe(0);
});

test("failures hold back their own directory, with the commands that go on, and nobody else", async () => {
  await using site = openSite();
  for (const name of ["old", "new"]) folder(site, name);
  await site.shell("printf 'exit 3\\nexit 4\\ntrue\\n' | hsx", { cwd: "old" });
  // Somebody else's failures do not matter, nor do those of a higher group.
  await site.shell("printf 'echo a\\necho b # HYPERSHELL: group:1\\n' | hs submit -f -", { cwd: "new" });
  const free = await site.hsx(["--restart"], { cwd: "new" });
  expect([free.status, linesOf(free.stdout)]).toEqual([0, ["a", "b"]]);
  // One's own do.
  await site.shell("hs submit -g 2 -- echo late; hs submit -- echo soon", { cwd: "old" });
  const held = await site.hsx(["--restart"], { cwd: "old" });
  expect([held.status, held.stdout]).toEqual([7, "soon\n"]);
  expect(held.stderr).toMatch(
    new RegExp(
      "CRITICAL \\[hypershell.server\\] 1 task is held back: 2 tasks of group 0 failed, submitted from " +
        `${join(site.work, "old")} on \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d \\(example: \\S{36}\\)$`,
      "m",
    ),
  );
  // Each of the remedies as it stands: the failures run again, ...
  const [revert] = advised(held.stderr, "revert");
  const reverted = await site.shell(`${revert} -f`);
  expect([reverted.status, reverted.stderr]).toEqual([0, expect.stringContaining("Updated 2 tasks")]);
  const again = await site.hsx(["--restart"]);
  expect([again.status, again.stdout]).toEqual([7, ""]);
  // ... or they are deleted, ...
  const deletes = advised(again.stderr, "revert").map((command) => command.replace("--revert", "--delete"));
  expect((await site.shell(`${deletes[0]} -f`)).stderr).toContain("Deleted 2 tasks");
  const gone = await site.hsx(["--restart"]);
  expect([gone.status, gone.stdout]).toEqual([0, "late\n"]);
  // ... or what waits is given up.
  await site.shell("printf 'false\\necho x # HYPERSHELL: group:1\\n' | hsx", { cwd: "new" });
  const last = await site.hsx(["--restart"]);
  expect(last.status).toBe(7);
  const [cancel] = advised(last.stderr, "cancel");
  expect((await site.shell(`${cancel} -f`)).stderr).toContain("1 task");
  expect((await site.hsx(["--restart"])).status).toBe(0);
  expect(await query(site, "hs list args -w exit_status==-1")).toEqual(["echo x"]);
});

/** The pipeline of a directory: tasks name it, their round and their group. */
function threeGroups(site: Site, place: string, round: number): void {
  const line = (group: number): string =>
    `echo start ${place} ${round} ${group} >> ${site.work}/log; sleep 0.1; ` +
    `echo end ${place} ${round} ${group} >> ${site.work}/log # HYPERSHELL: group:${group}\n`;
  site.write(`${place}/${round}.in`, [2, 0, 1, 0, 2, 1].map(line).join(""));
}

/** No task has started while one of a lower group was under way, and none of its round that is lower came later. */
function expectInOrder(log: readonly string[], place: string): void {
  const open = new Map<number, number>();
  const reached = new Map<string, number>();
  for (const entry of log) {
    const [what, where, round, text] = entry.split(" ") as [string, string, string, string];
    const group = Number(text);
    if (what === "start") {
      for (const [lower, count] of open) if (lower < group) expect([entry, lower, count]).toEqual([entry, lower, 0]);
      open.set(group, (open.get(group) ?? 0) + 1);
    } else open.set(group, open.get(group)! - 1);
    if (where !== place || what !== "start") continue;
    expect(group).toBeGreaterThanOrEqual(reached.get(round) ?? 0);
    reached.set(round, group);
  }
}

test("a pipeline of three groups, twice while a server runs, beside the failures of another directory", async () => {
  await using site = openSite();
  for (const name of ["a", "b", "failed"]) folder(site, name);
  await site.shell("printf 'false\\nfalse\\n' | hsx", { cwd: "failed" });
  await site.shell("hs submit -g 1 -- echo never", { cwd: "failed" });
  const run: Running = site.start(["hsx", "--forever", "-N2"], { keepOpen: true });
  const submit = async (place: string, round: number): Promise<void> => {
    threeGroups(site, place, round);
    expect((await site.hs(["submit", "-f", `${round}.in`], { cwd: place })).status).toBe(0);
  };
  await submit("a", 1);
  await until(() => site.lines("log").some((line) => line.startsWith("start a 1 1")), run.stderr);
  await Promise.all([submit("a", 2), submit("b", 1)]);
  await until(() => site.lines("log").filter((line) => line.startsWith("end")).length >= 18, run.stderr);
  await submit("b", 2);
  await until(() => site.lines("log").filter((line) => line.startsWith("end")).length >= 24, run.stderr);
  for (const place of ["a", "b"]) expectInOrder(site.lines("log"), place);
  // Only what has a reason is left, and the reason was told, once.
  expect(await query(site, "hs list args -R")).toEqual(["echo never"]);
  const told = run
    .stderr()
    .match(/WARNING .* 1 task is held back: 2 tasks of group 0 failed, submitted from .*failed on /g);
  expect(told).toHaveLength(1);
  // The advice works while the server runs.
  const [revert] = advised(run.stderr(), "revert");
  await site.shell(`${revert!.replace("--revert", "--delete")} -f`);
  await until(() => run.stdout().includes("never"), run.stderr);
  run.kill("SIGUSR1");
  expect((await run.ended).status).toBe(0);
});

test("without a database, and on a submission of its own, failures count only against the run itself", async () => {
  await using site = openSite();
  site.write("t.in", "true\necho up # HYPERSHELL: group:1\n");
  await site.shell("printf 'false\\n' | hsx");
  for (const words of [[], ["--no-db"]]) {
    const run = await site.hsx(["t.in", ...words]);
    expect([run.status, run.stdout]).toEqual([0, "up\n"]);
  }
});
