import { expect, test } from "bun:test";
import { newScaler, type ScalerOptions } from "../../../../src/cluster/autoscale/scaler.ts";
import type { Rules } from "../../../../src/cluster/autoscale/policy.ts";
import type { Clock } from "../../../../src/base/clock.ts";
import type { LauncherEnd } from "../../../../src/launch/launcher.ts";
import type { Logger } from "../../../../src/log/logger.ts";

/** A clock that stands still until `pass` is called; between two timers everybody else gets a turn. */
function stillClock(): Clock & { pass(ms: number): Promise<void> } {
  let now = 0;
  const timers: { readonly at: number; readonly action: () => void }[] = [];
  return {
    now: () => now,
    after(delayMs, action) {
      const timer = { at: now + delayMs, action };
      timers.push(timer);
      return { cancel: () => void timers.splice(timers.indexOf(timer), timers.includes(timer) ? 1 : 0) };
    },
    async pass(ms) {
      const until = now + ms;
      for (;;) {
        for (let turn = 0; turn < 20; turn++) await Promise.resolve();
        const next = timers.toSorted((one, other) => one.at - other.at)[0];
        if (next === undefined || next.at > until) break;
        now = next.at;
        timers.splice(timers.indexOf(next), 1);
        next.action();
      }
      now = until;
    },
  };
}

function bench(rules: Partial<Rules>, more: Partial<ScalerOptions>) {
  const lines: string[] = [];
  const write =
    (level: string) =>
    (text: string | (() => string)): void =>
      void lines.push(`${level} ${typeof text === "string" ? text : text()}`);
  const log = {
    trace: () => undefined,
    debug: write("debug"),
    info: write("info"),
    warning: write("warning"),
  } as unknown as Logger;
  const clock = stillClock();
  const ends: string[] = [];
  const scaler = newScaler({
    rules: { policy: "fixed", sizes: { init: 1, min: 0, max: 4 }, factor: 1, periodMs: 1000, ...rules },
    prefix: "hs",
    load: () => ({ clients: [], running: 0, held: 0, ready: 0, credit: 0, heldBack: null, rate: null, duration: null }),
    backlog: async () => ({ group: 0, inGroup: 3, unfinished: 3 }),
    launch: () => ({ pid: 7, ended: new Promise(() => undefined) }),
    jobs: null,
    onEnd: (reason) => void ends.push(`${clock.now()} ms: ${reason}`),
    clock,
    log,
    ...more,
  });
  return { scaler, clock, lines, ends, told: (level: string) => lines.filter((line) => line.startsWith(level)) };
}

const failure: LauncherEnd = { status: 3, lastLines: ["no such partition"], printed: "" };

test("four launches in a row that fail before any client has come end the run, with their last words", async () => {
  const launchedAt: number[] = [];
  const { scaler, clock, ends, told } = bench(
    {},
    {
      launch() {
        launchedAt.push(clock.now());
        return { pid: 7, ended: Promise.resolve(failure) };
      },
    },
  );
  scaler.start();
  await clock.pass(60_000);
  expect(launchedAt).toEqual([0, 1000, 3000, 7000]);
  expect(ends).toEqual(["8000 ms: 4 launches in a row failed - exited with status 3: no such partition"]);
  expect(told("warning")).toEqual(
    [1, 2, 3, 4].map((n) => `warning Autoscale client (${n}) exited with status 3: no such partition`),
  );
});

test("a launcher that fails three times and works then is tried again after ever longer pauses", async () => {
  const launchedAt: number[] = [];
  const { scaler, clock, ends, told } = bench(
    {},
    {
      launch() {
        launchedAt.push(clock.now());
        return { pid: 7, ended: launchedAt.length > 3 ? new Promise(() => undefined) : Promise.resolve(failure) };
      },
    },
  );
  scaler.start();
  await clock.pass(7000);
  scaler.arrived("hs-4");
  await clock.pass(60_000);
  expect([launchedAt, ends, told("warning").length]).toEqual([[0, 1000, 3000, 7000], [], 3]);
});

test("they do not end it once a client has come", async () => {
  const { scaler, clock, ends, told } = bench({}, { launch: () => ({ pid: 7, ended: Promise.resolve(failure) }) });
  scaler.start();
  scaler.arrived("hs-1");
  await clock.pass(100_000);
  expect(ends).toEqual([]);
  // The first was a client, so seven pauses follow: 1, 2, 4, ... 64 periods.
  expect(told("warning")).toHaveLength(8);
});

test("a launcher that cannot be started is a launch that failed", async () => {
  const { scaler, clock, told } = bench(
    {},
    {
      launch() {
        throw new Error("The launcher 'x' may not be executed");
      },
    },
  );
  scaler.start();
  await clock.pass(500);
  expect(told("warning")).toEqual([
    "warning Autoscale client (1) exited with status 127: The launcher 'x' may not be executed",
  ]);
});

test("a launcher that submits and names no job has failed; one that does is cancelled if no client came", async () => {
  const printed = ["who knows", "11", "12"];
  const cancelled: string[] = [];
  const { scaler, clock, lines, told } = bench(
    { sizes: { init: 3, min: 0, max: 4 } },
    {
      launch: () => ({ pid: 7, ended: Promise.resolve({ status: 0, lastLines: [], printed: printed.shift()! }) }),
      jobs: {
        idIn: (text) => (/^\d+$/.test(text) ? text : null),
        states: async (jobs) => new Map(jobs.map((job) => [job, "waiting"] as const)),
        cancel: async (jobs) => void cancelled.push(...jobs),
      },
    },
  );
  scaler.start();
  await clock.pass(100);
  expect(told("info")).toEqual([
    "info Autoscale start (policy: fixed, init-size: 3)",
    "info Autoscale adding client (job 11)",
    "info Autoscale adding client (job 12)",
  ]);
  expect(told("warning")).toEqual([
    "warning Autoscale client (1) exited with status 0: it printed no id of a job: who knows",
  ]);
  scaler.arrived("11");
  await clock.pass(3000);
  scaler.stop();
  await scaler.cancelJobs();
  expect(cancelled).toEqual(["12"]);
  expect(lines).toContain("debug Done (autoscaler)");
});

test("a job that ends before its client has come is a launch that failed", async () => {
  const { scaler, clock, told } = bench(
    {},
    {
      launch: () => ({ pid: 7, ended: Promise.resolve({ status: 0, lastLines: [], printed: "11" }) }),
      jobs: {
        idIn: (text) => text,
        states: async (jobs) => new Map(jobs.map((job) => [job, "gone"] as const)),
        cancel: async () => undefined,
      },
    },
  );
  scaler.start();
  await clock.pass(1000);
  expect(told("warning")).toEqual(["warning Autoscale client (1) ended before it came (job 11)"]);
});
