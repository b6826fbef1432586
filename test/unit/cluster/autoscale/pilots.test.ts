import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../../src/base/clock.ts";
import {
  describeLook,
  lookOnce,
  lookOnly,
  type PilotLaunch,
  type PilotOptions,
} from "../../../../src/cluster/autoscale/pilots.ts";
import type { JobState } from "../../../../src/launch/submitted.ts";
import { submitterOf } from "../../../../src/launch/submitted.ts";
import type { Logger } from "../../../../src/log/logger.ts";

let lib: string;
beforeEach(() => {
  lib = mkdtempSync(join(tmpdir(), "hs-pilots-"));
});
afterEach(() => rmSync(lib, { recursive: true }));

/** A batch system, a database and a clock, and what the log says. */
interface World {
  now: number;
  tasks: number;
  clients: number;
  readonly states: Map<string, JobState>;
  readonly lines: string[];
  launch: () => Promise<PilotLaunch>;
}

function world(): World {
  let id = 10;
  const states = new Map<string, JobState>();
  return {
    now: 1_000_000,
    tasks: 100,
    clients: 0,
    states,
    lines: [],
    async launch() {
      states.set(`${++id}`, "waiting");
      return { pid: 1, status: 0, printed: `Submitted batch job ${id}\n`, lastLines: [] };
    },
  };
}

function options(its: World, fields: Partial<PilotOptions> = {}): PilotOptions {
  const write = (text: string | (() => string)): void => void its.lines.push(typeof text === "string" ? text : text());
  return {
    lib,
    title: "sqlite (x)",
    rules: { policy: "dynamic", sizes: { init: 0, min: 0, max: 3 }, factor: 1, periodMs: 60_000 },
    perClient: 48,
    words: ["sbatch", "pilot.sh"],
    isOnce: true,
    jobsOf: (words) => {
      const submitter = submitterOf(words);
      if (submitter === null) return null;
      const states = async (jobs: readonly string[]) =>
        new Map(jobs.map((job) => [job, its.states.get(job) ?? "gone"]));
      return { submitter, states, cancel: async () => undefined };
    },
    outlook: async () => ({
      backlog: { group: its.tasks > 0 ? 0 : null, inGroup: its.tasks, unfinished: its.tasks },
      clients: its.clients,
    }),
    launch: () => its.launch(),
    clock: { ...systemClock, now: () => its.now },
    log: { debug: () => undefined, info: write, warning: write } as unknown as Logger,
    ...fields,
  };
}

test("each look launches one pilot, and remembers those before it", async () => {
  const its = world();
  for (let look = 0; look < 4; look++) expect((await lookOnce(options(its))).isDone).toBe(true);
  expect(its.lines).toEqual(["Autoscale adding client (job 11)", "Autoscale adding client (job 12)"]);
  expect(statSync(join(lib, "autoscale.json")).mode & 0o777).toBe(0o600);
  its.tasks = 500;
  for (let look = 0; look < 3; look++) await lookOnce(options(its));
  expect(its.lines.slice(2)).toEqual(["Autoscale adding client (job 13)"]);
  // Another database has pilots of its own.
  await lookOnce(options(its, { title: "sqlite (y)" }));
  expect(its.lines.slice(3)).toEqual(["Autoscale adding client (job 14)"]);
});

test("two who look at the same time do not launch twice", async () => {
  const its = world();
  its.tasks = 10;
  await Promise.all([lookOnce(options(its)), lookOnce(options(its))]);
  expect(its.lines).toEqual(["Autoscale adding client (job 11)"]);
});

test("clients that somebody has started by hand count, and so do jobs that wait", async () => {
  const its = world();
  its.clients = 2;
  expect((await lookOnce(options(its))).decision.kind).toBe("wait");
  its.tasks = 3 * 48;
  expect((await lookOnce(options(its))).decision.kind).toBe("add");
  expect((await lookOnly(options(its))).sight).toMatchObject({ launched: 3, registered: 2 });
});

test("a pilot that is over is forgotten; one that came to nothing counts as a launch that failed", async () => {
  const its = world();
  await lookOnce(options(its));
  its.states.set("11", "gone");
  its.now += 10_000;
  expect((await lookOnce(options(its))).decision.kind).toBe("wait");
  expect(its.lines.at(-1)).toBe("Autoscale client (1) ended and has run no task (job 11)");
  its.now += 60_000;
  await lookOnce(options(its));
  expect(its.lines.at(-1)).toBe("Autoscale adding client (job 12)");
  [its.clients, its.tasks] = [1, 40];
  its.states.set("12", "running");
  await lookOnce(options(its));
  its.states.set("12", "gone");
  [its.clients, its.tasks] = [0, 0];
  await lookOnce(options(its));
  expect(its.lines.at(-1)).toBe("Autoscale client disconnected (job 12)");
});

test("launches that fail make pauses that last from call to call, and end a program that keeps looking", async () => {
  const its = world();
  its.launch = async () => ({ pid: 1, status: 1, printed: "", lastLines: ["no such partition"] });
  const kinds: string[] = [];
  for (let minute = 0; minute < 16; minute++, its.now += 60_000) {
    const { decision, isDone } = await lookOnce(options(its, { isOnce: minute < 15 }));
    kinds.push(isDone ? decision.kind : `${decision.kind} failed`);
  }
  const failed = kinds.flatMap((kind, minute) => (kind === "add failed" ? [minute] : []));
  expect([failed, kinds.at(-1)]).toEqual([[0, 1, 3, 7], "end failed"]);
  expect(its.lines[0]).toBe("Autoscale client (1) exited with status 1: no such partition");
  // Who begins to look anew has mended the launcher, perhaps.
  expect((await lookOnce(options(its, { isOnce: false, isFresh: true }))).decision.kind).toBe("add");
});

test("a launcher that submits and names no job has failed", async () => {
  const its = world();
  its.launch = async () => ({ pid: 1, status: 0, printed: "hello", lastLines: [] });
  expect((await lookOnce(options(its))).isDone).toBe(false);
  expect(its.lines).toEqual(["Autoscale client (1) exited with status 0: it printed no id of a job: hello"]);
});

test("a launcher that runs its pilot is watched by its process", async () => {
  const its = world();
  const child = Bun.spawn(["sleep", "60"], { stdio: ["ignore", "ignore", "ignore"] });
  its.launch = async () => ({ pid: child.pid, status: null, printed: "", lastLines: [] });
  const run = { words: ["./pilot.sh"] };
  await lookOnce(options(its, run));
  expect((await lookOnly(options(its, run))).running).toBe(1);
  child.kill("SIGKILL");
  await child.exited;
  expect((await lookOnly(options(its, run))).running).toBe(0);
});

test("a memory that cannot be read counts as none", async () => {
  writeFileSync(join(lib, "autoscale.json"), "{");
  const its = world();
  await lookOnce(options(its));
  expect(its.lines).toEqual(["Autoscale adding client (job 11)"]);
});

test("a look is told in words", async () => {
  const its = world();
  its.clients = 1;
  expect(describeLook(await lookOnly(options(its)), "sbatch pilot.sh")).toBe(
    "100 tasks to do in group 0, 100 in all; 1 client connected, 0 jobs waiting in the queue, 0 pilots running\n" +
      "Would launch: sbatch pilot.sh\nWhy: pressure high (2.00)\n",
  );
});
