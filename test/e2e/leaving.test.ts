/*
 * Runs that are told to end before they are done: what is kept of their input, what they say, and with which status
 * they end.
 */
import { expect, test } from "bun:test";
import { linesOf, openSite, type Site, until } from "./harness.ts";
import { ask } from "./tables.ts";

const lines = 120_000;

/** A file that takes seconds to store. Its first task tells that it runs. */
function bigFile(site: Site): void {
  const rest = Array.from({ length: lines - 2 }, (_, n) => `sleep 0.2; : ${n}`).join("\n");
  site.write("big.in", `touch started; sleep 0.2\ntouch started; sleep 0.2\n${rest}\n`);
}

const unfinished = (site: Site): number =>
  ask<{ n: number }>(site.database, "select count(*) n from task where exit_status is null")[0]!.n;
const stored = (site: Site): number => ask<{ n: number }>(site.database, "select count(*) n from task")[0]!.n;
/** The same from the start of a program that makes the database. */
function storedYet(site: Site): number {
  if (!site.exists(site.database)) return 0;
  return ask(site.database, "select 1 from sqlite_master where name = 'task'").length === 0 ? 0 : stored(site);
}

test("a file is stored whole before a run leaves, whatever ends it, and what was not run makes status 7", async () => {
  for (const [words, signal, status] of [
    [["hsx", "big.in", "-N2"], "SIGUSR1", 7],
    [["hsx", "big.in", "-N2"], "SIGUSR2", 7],
    [["hsx", "big.in", "-N2"], "SIGINT", 4],
    [["hsx", "big.in", "-N2"], "SIGTERM", 143],
    [["sh", "-c", "exec hsx - -N2 <big.in"], "SIGINT", 4],
  ] as const) {
    await using site = openSite();
    bigFile(site);
    await using run = site.start(words);
    await until(() => site.exists("started"), "a task starts");
    run.kill(signal);
    const ended = await run.ended;
    expect([signal, ended.status, stored(site)]).toEqual([signal, status, lines]);
    expect(ended.stderr).toContain("is stored before the run ends (a second Ctrl-C or TERM leaves without it)");
    expect(ended.stderr).toContain(
      `${unfinished(site)} tasks were not run - they are in the database (run them with --restart)`,
    );
  }
}, 120_000);

test("hs server stores its file whole too, and server.exitzero makes 0 of 7", async () => {
  for (const [exitzero, status] of [
    ["false", 7],
    ["true", 0],
  ] as const) {
    await using site = openSite();
    bigFile(site);
    const env = { HYPERSHELL_SERVER_EXITZERO: exitzero, HYPERSHELL_SERVER_AUTH: "k".repeat(64) };
    await using run = site.start(["hs", "server", "big.in", "--no-tls", "-p0"], { env });
    await run.line(/Server listening/);
    run.kill("SIGUSR1");
    expect([(await run.ended).status, stored(site)]).toEqual([status, lines]);
  }
}, 60_000);

test("a second signal leaves without the rest of a file, and tells how much of it was read", async () => {
  for (const [first, second, status] of [
    ["SIGINT", "SIGINT", 4],
    ["SIGTERM", "SIGTERM", 143],
    ["SIGTERM", "SIGINT", 143],
  ] as const) {
    await using site = openSite();
    bigFile(site);
    await using run = site.start(["hsx", "big.in", "-N2"]);
    await until(() => site.exists("started"), "a task starts");
    run.kill(first);
    await run.line(/is stored before the run ends/);
    // A SIGTERM that comes at once counts as the same wish, so it is sent until it is heeded. A SIGINT is sent once: at
    // the very end one more would be a Ctrl-C for what comes after the run.
    if (second === "SIGINT") run.kill(second);
    await until(() => {
      if (second !== "SIGINT") run.kill(second);
      return run.stderr().includes("Stopped reading");
    }, "the second signal is heeded");
    const ended = await run.ended;
    expect(ended.status).toBe(status);
    expect(ended.stderr).toContain(`Stopped reading big.in after ${stored(site)} lines - what follows is not stored`);
    expect(stored(site)).toBeLessThan(lines);
  }
}, 60_000);

test("a stream that is cut is told of, with the number of lines that were taken in", async () => {
  for (const [store, words] of [
    [[], "stored"],
    [["--no-db"], "run"],
  ] as const) {
    await using site = openSite();
    await using run = site.start(["hsx", "-N1", ...store], { keepOpen: true });
    run.type("echo one\necho two\n");
    await run.line(/^two$/);
    run.kill("SIGUSR1");
    const { status, stderr } = await run.ended;
    expect([status, linesOf(stderr).at(-1)]).toEqual([
      7,
      ` WARNING [hypershell.cluster] Stopped reading <stdin> after 2 lines - what follows is not ${words}`,
    ]);
  }
});

test("hs submit that is ended says how much is stored, from a stream and from a file", async () => {
  for (const [signal, status] of [
    ["SIGINT", 4],
    ["SIGTERM", 143],
  ] as const) {
    await using site = openSite();
    await using submit = site.start(["hs", "submit"], { keepOpen: true });
    submit.type("echo 1\n# none\necho 2\n");
    await until(() => storedYet(site) === 2, "both are stored");
    submit.kill(signal);
    const ended = await submit.ended;
    expect([ended.status, ...linesOf(ended.stderr).slice(-2)]).toEqual([
      status,
      " WARNING [hypershell.submit] Stopped reading <stdin> after 3 lines - what follows is not stored",
      "    INFO [hypershell.submit] Submitted 2 tasks",
    ]);
  }
  await using site = openSite();
  bigFile(site);
  await using submit = site.start(["hs", "submit", "-f", "big.in"]);
  await until(() => storedYet(site) > 0, "some are stored");
  submit.kill("SIGINT");
  const ended = await submit.ended;
  expect(stored(site)).toBeLessThan(lines);
  expect([ended.status, ...linesOf(ended.stderr).slice(-2)]).toEqual([
    4,
    ` WARNING [hypershell.submit] Stopped reading big.in after ${stored(site)} lines - what follows is not stored`,
    `    INFO [hypershell.submit] Submitted ${stored(site)} tasks`,
  ]);
}, 60_000);

test("a drained run with --forever ends with 0, one with --restart and tasks left with 7", async () => {
  for (const [option, status] of [
    ["--forever", 0],
    ["--restart", 7],
  ] as const) {
    await using site = openSite();
    await site.hs(["submit", "touch started; sleep 0.5"]);
    await site.hs(["submit", "--", "echo", "never"]);
    await using run = site.start(["hsx", option, "-N1"]);
    await until(() => site.exists("started"), "a task starts");
    run.kill("SIGUSR1");
    expect([option, (await run.ended).status]).toEqual([option, status]);
    expect(unfinished(site)).toBe(1);
  }
});

test("an idle limit ends neither a run whose input is open nor one that waits for whatever is submitted", async () => {
  for (const store of [[], ["--no-db"]]) {
    await using site = openSite();
    const line = "(seq 3; sleep 2.5; seq 4 10) | hsx -T1 -N2 -t 'echo {}'";
    const { status, stdout } = await site.shell([line, ...store].join(" "));
    expect([status, linesOf(stdout).length]).toEqual([0, 10]);
  }
  await using site = openSite();
  await using run = site.start(["hsx", "--forever", "-T1"]);
  await run.line(/Scheduler will run forever/);
  await site.shell("sleep 2; hs submit echo late");
  await run.line(/^late$/);
  run.kill("SIGUSR1");
  expect((await run.ended).status).toBe(0);
});
