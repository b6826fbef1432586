/* Tasks that are watched, on a host and by a clock that are made up. */
import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../../../src/base/clock.ts";
import type { Ends } from "../../../src/client/executor.ts";
import { type Monitor, type MonitorOptions, newMonitor, type Watch } from "../../../src/client/monitor.ts";
import type { Assignment } from "../../../src/task/task.ts";
import { makeAssignment, makeLog } from "../../make.ts";
import { type FakeHost, fakeHost } from "./monitor-host.ts";

const mb = 2 ** 20;

/** A process that has ended with this processor time, milliseconds, and largest size, bytes. */
function usage(usedMs: number, peak: number): Parameters<Watch["ended"]>[0] {
  const none = { user: 0n, system: 0n };
  return { resourceUsage: () => ({ cpuTime: { ...none, total: BigInt(usedMs * 1000) }, maxRSS: peak }) as never };
}

interface Bench extends Disposable {
  readonly host: FakeHost;
  readonly monitor: Monitor;
  readonly folder: string;
  /** What the log and the executor were told. */
  readonly said: string[];
  /** When looks were, milliseconds from the start. */
  readonly looks: number[];
  start(pid: number, more?: Partial<Assignment>): Watch | null;
  pass(ms: number): void;
  now(): number;
}

/** A client that was started at a whole second. */
function bench(changes: Partial<MonitorOptions> = {}, shares: Record<number, number> = {}): Bench {
  const startedAt = Date.UTC(2026, 10, 30, 16, 0, 0);
  let now = startedAt;
  const due: { at: number; action: () => void }[] = [];
  const clock: Clock = {
    now: () => now,
    after(delayMs, action) {
      const entry = { at: now + delayMs, action };
      due.push(entry);
      return { cancel: () => void (due.includes(entry) && due.splice(due.indexOf(entry), 1)) };
    },
  };
  const looks: number[] = [];
  const plain = fakeHost();
  const host: FakeHost = {
    ...plain,
    list(then) {
      looks.push(now - startedAt);
      plain.list(then);
    },
    share: (pid) => shares[pid] ?? null,
  };
  host.start(process.pid, 1);
  const folder = mkdtempSync(join(tmpdir(), "hs-monitor-"));
  const said: string[] = [];
  const log = { ...makeLog((level, text) => said.push(`${level} ${text}`)), enabled: () => false };
  const options = { clientId: "c", records: true, enforces: false, taskFolder: folder, clock, log, ...changes };
  const monitor = newMonitor(options, host);
  const ends: Ends = {
    overMemory: (id, used, allowed, isKilled) => said.push(`over ${id} ${used / mb} ${allowed / mb} ${isKilled}`),
    ended: () => undefined,
    held: () => undefined,
    unplaced: () => undefined,
  };
  return {
    host,
    monitor,
    folder,
    said,
    looks,
    now: () => now,
    start(pid, more = {}) {
      host.start(pid, process.pid, { session: pid, group: pid, memory: mb });
      return monitor.watch(makeAssignment({ id: `t${pid}`, lease: 1 }, more), pid, ends);
    },
    pass(ms) {
      const until = now + ms;
      for (;;) {
        const next = due.toSorted((a, b) => a.at - b.at)[0];
        if (next === undefined || next.at > until) break;
        now = next.at;
        due.splice(due.indexOf(next), 1);
        next.action();
      }
      now = until;
    },
    [Symbol.dispose]() {
      monitor.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

test("young tasks are looked at soon, and then all of them once a second, at the same moments", () => {
  using on = bench();
  on.pass(250);
  on.start(1001);
  on.pass(40);
  on.start(1002);
  on.pass(4000);
  expect(on.looks).toEqual([350, 550, 950, 2000, 3000, 4000]);
});

test("nobody looks when no task is left", () => {
  using on = bench();
  const watch = on.start(1001)!;
  on.pass(2500);
  watch.close(on.now());
  const { length } = on.looks;
  on.pass(10_000);
  expect(on.looks).toHaveLength(length);
});

test("an outcome has the file and the peaks of the whole tree", () => {
  using on = bench();
  const watch = on.start(1001)!;
  on.host.start(1002, 1001, { memory: 300 * mb });
  on.pass(750);
  on.host.work(1002, 1500);
  on.pass(350);
  on.host.end(1002, true);
  on.host.work(1001, 100);
  on.pass(2000);
  watch.ended(usage(1600, 300 * mb));
  expect(watch.close(on.now())).toEqual({
    csvpath: join(on.folder, "t1001.csv"),
    coresMax: 1.5,
    memoryMax: 301 * mb,
  });
  const rows = readFileSync(join(on.folder, "t1001.csv"), "utf8").trimEnd().split("\n");
  expect(rows.slice(1).map((row) => row.split(",").slice(1).join(" "))).toEqual([
    "0.00 0",
    `1.50 ${301 * mb}`,
    `0.10 ${mb}`,
    `0.00 ${mb}`,
    `0.00 ${mb}`,
  ]);
});

test("a task that uses more than it asked for is told of once a kind, above the tolerances", () => {
  using on = bench();
  on.start(1001, { cores: 1, memory: 100 * mb });
  on.start(1002, { cores: 2, memory: 500 * mb });
  on.start(1003, {});
  for (const pid of [1001, 1002, 1003]) {
    on.host.start(pid + 100, pid, { memory: 320 * mb });
  }
  for (let second = 0; second < 5; second++) {
    for (const pid of [1101, 1102, 1103]) on.host.work(pid, 2040);
    on.pass(1000);
  }
  expect(on.said.toSorted()).toEqual([
    "WARNING Resource limit exceeded (t1001): cores 2.04 (used) > 1.00 (allocated)",
    "WARNING Resource limit exceeded (t1001): memory 321MB (used) > 100MB (allocated)",
  ]);
});

test("what a task used between two looks is told of at its end, if the system knows it", () => {
  using on = bench();
  const watch = on.start(1001, { cores: 1, memory: 100 * mb })!;
  on.pass(50);
  watch.ended(usage(100, 2 ** 40));
  expect(watch.close(on.now())).toMatchObject({ coresMax: 2, memoryMax: 2 ** 40 });
  expect(on.said).toEqual([
    "WARNING Resource limit exceeded (t1001): cores 2.00 (used) > 1.00 (allocated)",
    "WARNING Resource limit exceeded (t1001): memory 1.00TB (used) > 100MB (allocated)",
  ]);
});

test("the size of this program, which a process has in the system's books, is not the task's", () => {
  using on = bench();
  const watch = on.start(1001)!;
  on.pass(50);
  watch.ended(usage(100, process.resourceUsage().maxRSS * 1024));
  expect(watch.close(on.now())).toMatchObject({ memoryMax: mb });
});

test("what a task leaves running counts as it is at the task's end", () => {
  using on = bench();
  const watch = on.start(1001)!;
  on.host.start(1002, 1001, { memory: 10 * mb });
  on.pass(1500);
  on.host.processes.get(1002)!.memory = 200 * mb;
  on.host.end(1001, true);
  expect(watch.close(on.now())).toMatchObject({ memoryMax: 200 * mb });
});

test("without a request to keep tasks within their memory, none is stopped", () => {
  using on = bench({ enforces: false });
  on.start(1001, { memory: mb });
  on.host.start(1101, 1001, { memory: 400 * mb });
  on.pass(3000);
  expect(on.said.filter((line) => line.startsWith("over"))).toEqual([]);
});

test("with it, a task near its limit that takes more is told of within a quarter of a second, once", () => {
  // These have nothing to do with the groups of the kernel that there may be on the host of the test.
  using on = bench({ records: false, enforces: true });
  expect(on.start(1000, {})).toBeNull();
  expect(on.start(1001, { memory: 100 * mb })).not.toBeNull();
  on.pass(3000);
  on.host.start(1101, 1001, { memory: 104 * mb });
  on.pass(3000);
  expect(on.said).toEqual([]);
  on.host.start(1102, 1001, { memory: 10 * mb });
  on.pass(250);
  expect(on.said).toEqual(["over t1001 115 100 false"]);
  on.pass(3000);
  expect(on.said).toHaveLength(1);
  expect(existsSync(join(on.folder, "t1001.csv"))).toBe(false);
});

test("what processes have in common counts once before a task is stopped for it", () => {
  const shares = { 1101: 60 * mb, 1102: 30 * mb };
  using on = bench({ enforces: true }, shares);
  on.start(1001, { memory: 100 * mb });
  on.host.start(1101, 1001, { memory: 90 * mb });
  on.host.start(1102, 1001, { memory: 90 * mb });
  on.pass(3000);
  expect(on.said).toEqual([]);
  shares[1102] = 50 * mb;
  on.pass(1000);
  expect(on.said).toEqual(["over t1001 111 100 false"]);
});

test("files that cannot be made are told of once, and peaks are recorded all the same", () => {
  using on = bench({ taskFolder: "/nowhere/at/all" });
  const [one, other] = [on.start(1001)!, on.start(1002)!];
  on.pass(1500);
  expect(one.close(on.now())).toEqual({ csvpath: null, coresMax: 0, memoryMax: mb });
  other.close(on.now());
  expect(on.said).toEqual([expect.stringMatching(/^WARNING The metrics of tasks cannot be written to '\/nowhere/)]);
});
