/* What becomes of tasks in shells that live when something is stopped, killed, left behind or idle. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../src/base/clock.ts";
import type { ExecutorOptions } from "../../../src/client/options.ts";
import { until } from "../../e2e/harness.ts";
import { shellsIn } from "../../property/twins.ts";
import { isRunning, processesOf, type TaskPlace, taskPlace } from "../../unit/client/tasks.ts";

const links = realpathSync(mkdtempSync(join(tmpdir(), "hs-shells-")));
const shells: string[] = [];
beforeAll(() => void shells.push(...shellsIn(links)));
afterAll(() => rmSync(links, { recursive: true, force: true }));

/** A place whose next task is one of a shell that lives. */
async function warmed(options: Partial<ExecutorOptions> = {}): Promise<TaskPlace> {
  const place = taskPlace({ cwd: process.cwd(), ...options });
  await until(async () => {
    await place.run("true");
    return place.executor.livingStarts > 0;
  }, "commands are run by shells that live");
  return place;
}

const eachShell = (title: string, work: (shell: string) => Promise<void>): void =>
  test.skipIf(process.platform !== "linux")(title, async () => {
    for (const shell of shells) await work(shell);
  });

eachShell("each task has its own variables, and the output goes where it should", async (shell) => {
  using place = await warmed({ shell });
  for (const site of ["a", "it's", "b"])
    await place.run(
      'echo "$TASK_TAG_SITE $TASK_ARGS" >&2; echo "$TASK_ID"',
      { args: `echo ${site}`, tag: { site } },
      'echo "$TASK_TAG_SITE $TASK_COMMAND" >&2',
    );
  expect(place.read("err")).toContain(`it's echo "$TASK_TAG_SITE $TASK_COMMAND" >&2\n`);
  // A tag that no shell can set, and other tags, are for other shells.
  await place.run("true", { tag: { b: 1 } });
  const before = place.executor.livingStarts;
  expect((await place.run('[ "$TASK_TAG_B" = 1 ] && [ -z "$TASK_TAG_SITE" ]', { tag: { b: 1 } })).exitStatus).toBe(0);
  expect(place.executor.livingStarts).toBe(before + 1);
  expect(
    (await place.run("printenv TASK_TAG_A.B | cat; false || printenv TASK_TAG_A.B", { tag: { "a.b": 1 } })).exitStatus,
  ).toBe(shell.includes("bash") ? 0 : 1);
  expect(place.executor.livingStarts).toBe(before + 1);
});

eachShell("a signal from us ends a task with its shell, and the next has another", async (shell) => {
  using place = await warmed({ shell });
  for (const [signal, status] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGKILL", 137],
  ] as const) {
    const said = place.read("out").length;
    const { running, outcome } = place.start("echo begun; sh -c 'echo ready; exec sleep 60'; sleep 61");
    const pid = running.pid!;
    await until(() => place.read("out").slice(said) === "begun\nready\n", "it runs");
    running.signal(signal);
    expect([signal, (await outcome).exitStatus]).toEqual([signal, status]);
    await until(() => !running.alive(), "nothing of it is left");
    await until(() => !isRunning(pid), "its shell has ended");
    expect((await place.run("exit 3")).exitStatus).toBe(3);
  }
  expect(place.read("err")).toBe("");
});

eachShell("a signal from us ends a pipeline as it would in a fresh shell", async (shell) => {
  using place = await warmed({ shell });
  using fresh = taskPlace({ shell, cwd: process.cwd(), shellReuse: false });
  const stubborn = `sh -c "trap '' INT TERM; echo ready >&2; sleep 0.3; exit 7"`;
  for (const signal of ["SIGINT", "SIGTERM", "SIGKILL"] as const)
    for (const command of ["sh -c 'echo ready >&2; exec sleep 60' | cat", `cat /dev/null | ${stubborn}`]) {
      const statuses: number[] = [];
      for (const each of [place, fresh]) {
        const said = each.read("err").length;
        const { running, outcome } = each.start(command);
        await until(() => each.read("err").slice(said).includes("ready"), "it runs");
        running.signal(signal);
        statuses.push((await outcome).exitStatus);
        running.signal("SIGKILL");
        await until(() => !running.alive(), "nothing of it is left");
      }
      expect([signal, command, statuses[0]]).toEqual([signal, command, statuses[1]!]);
    }
  expect(place.read("err")).toBe(fresh.read("err"));
});

eachShell("a program that catches what stops it has its own say", async (shell) => {
  using place = await warmed({ shell });
  const script = `trap 'echo caught; exit 7' TERM INT; echo ready; while :; do sleep 0.05; done`;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    const fresh = taskPlace({ shell, cwd: process.cwd(), shellReuse: false });
    const statuses: number[] = [];
    for (const each of [place, fresh]) {
      const said = each.read("out").length;
      const { running, outcome } = each.start(`sh -c "${script.replaceAll("$", "\\$")}"`);
      await until(() => each.read("out").slice(said).includes("ready"), "it is ready");
      running.signal(signal);
      statuses.push((await outcome).exitStatus);
      await until(() => !running.alive(), "nothing of it is left");
    }
    expect([signal, statuses[0]]).toEqual([signal, statuses[1]!]);
    fresh[Symbol.dispose]();
  }
});

eachShell("what an earlier task has left lives on when a later one in the same shell is stopped", async (shell) => {
  using place = await warmed({ shell });
  const pids: number[] = [];
  for (const words of ["sleep 300", "env -i sleep 301", "setsid sleep 302".replace("setsid", "nohup")]) {
    const from = place.read("out").length;
    await place.run(`sh -c '${words} >${place.folder}/x 2>&1 & echo $!'`);
    pids.push(Number(place.read("out").slice(from)));
  }
  // The system tells when a process was started by ticks of 10 ms.
  const [from, leftAt] = [place.read("out").length, performance.now()];
  await until(() => performance.now() - leftAt > 50, "some ticks pass");
  const { running, outcome } = place.start("sleep 60 | sh -c 'echo ready; exec sleep 61'; true");
  await until(() => place.read("out").length > from, "it runs");
  running.signal("SIGTERM");
  expect((await outcome).exitStatus).toBe(143);
  running.signal("SIGKILL");
  await until(() => !running.alive(), "nothing of it is left");
  expect(pids.map(isRunning)).toEqual([true, true, true]);
  for (const pid of pids) process.kill(pid, "SIGKILL");
});

eachShell("a shell that is killed takes its task along, and no other", async (shell) => {
  using place = await warmed({ shell });
  const others = [1, 2, 3].map(() => place.start("sleep 0.3; exit 5"));
  const { running, outcome } = place.start("echo begun; sleep 60; true");
  await until(() => place.read("out") === "begun\n", "it has begun");
  process.kill(running.pid!, "SIGKILL");
  expect((await outcome).exitStatus).toBe(137);
  for (const other of others) expect((await other.outcome).exitStatus).toBe(5);
  // One that had nothing to do just then is not missed.
  const { running: next, outcome: answer } = place.start("exit 4");
  await answer;
  process.kill(next.pid!, "SIGKILL");
  // It is gone, but this process does not know it yet.
  while (isRunning(next.pid!));
  expect((await place.run("exit 6")).exitStatus).toBe(6);
  expect((await place.run("exit 6")).exitStatus).toBe(6);
});

eachShell("shells that have nothing to do go, and all do at the end", async (shell) => {
  const begin = systemClock.now();
  const clock = {
    now: () => begin + (systemClock.now() - begin) * 100,
    after: (ms: number, action: () => void) => systemClock.after(ms / 100, action),
  };
  {
    using place = await warmed({ shell, clock });
    await until(() => processesOf(place.clientId).length === 0, "idle shells have gone");
    const starts = place.executor.livingStarts;
    expect((await place.run("exit 2")).exitStatus).toBe(2);
    expect(place.executor.livingStarts).toBe(starts + 1);
  }
});

test("no shell lives where that was switched off, or a task is measured, captured or pinned", async () => {
  for (const options of [
    { shellReuse: false },
    { capture: true },
    { pins: { pin() {}, unpin() {}, release() {} } },
  ] as const) {
    using place = taskPlace({ cwd: process.cwd(), ...options });
    // Elsewhere they live after so many.
    for (let n = 0; n < 60; n++) await place.run("true");
    expect(place.executor.livingStarts).toBe(0);
  }
});

test.skipIf(process.platform !== "linux")(
  "a shell is replaced before it has grown",
  async () => {
    using place = await warmed({ shell: shells[0]! });
    const pids = new Set<number>();
    for (let n = 0; n < 2100; n++) {
      const { running, outcome } = place.start("true");
      pids.add(running.pid!);
      await outcome;
    }
    expect(pids.size).toBe(2);
  },
  30_000,
);
