import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { processes } from "../../../src/base/processes.ts";
import { isAlive, newLiveness, silentMs } from "../../../src/cluster/liveness.ts";
import { serverBeatMs } from "../../../src/server/door.ts";
import type { ServerRow } from "../../../src/store/store.ts";
import { makeServerRow } from "../../make.ts";

const onLinux = test.skipIf(process.platform !== "linux");
const now = 1_000_000_000;
const here = "boot/1";

function row(fields: Partial<ServerRow> = {}): ServerRow {
  return makeServerRow("server", { beatAt: now, processTable: here, pidStart: "1", ...fields });
}

describe("whether a server runs, at one look", () => {
  /** The number of a process that has ended. */
  const gone = (): number => spawnSync("true").pid;
  const own = { pid: process.pid, pidStart: processes().stateOf(process.pid)!.startedAt };

  onLinux("the process table tells, whatever the heartbeat does", () => {
    expect(isAlive(row({ pid: gone() }), now, here)).toBe(false);
    expect(isAlive(row({ ...own, beatAt: 0 }), now, here)).toBe(true);
    // Another process has its number by now.
    expect(isAlive(row({ ...own, pidStart: "1" }), now, here)).toBe(false);
  });

  test("the heartbeat tells where the process table is another one, or is not known", () => {
    for (const table of ["boot/2", null])
      for (const [beatAt, alive] of [
        [now, true],
        [now - silentMs + 1, true],
        [now - silentMs, false],
        // Its clock is ahead of ours.
        [now + 3_600_000, true],
      ] as const) {
        expect(isAlive(row({ pid: gone(), processTable: table, beatAt }), now, here)).toBe(alive);
        expect(isAlive(row({ ...own, pidStart: "1", processTable: table, beatAt }), now, here)).toBe(alive);
      }
    expect(isAlive(row({ pid: gone() }), now, null)).toBe(true);
    expect(isAlive(row({ pid: gone(), pidStart: null }), now, here)).toBe(true);
  });
});

describe("whether a server runs, looked at again and again", () => {
  /** A watcher, and what it sees after it has looked every 10 s for a while. */
  function watcher() {
    let at = now;
    let beatAt = now;
    const { isAlive: look, isProven } = newLiveness({ now: () => at, after: () => ({ cancel() {} }) }, null);
    return {
      look: () => look(row({ beatAt })),
      isProven: () => isProven(row({ beatAt })),
      beat: (to: number) => (beatAt = to),
      sleep: (ms: number) => (at += ms),
      watch(ms: number): boolean {
        for (let left = ms; left > 0; left -= serverBeatMs) {
          at += Math.min(left, serverBeatMs);
          look(row({ beatAt }));
        }
        return look(row({ beatAt }));
      },
    };
  }

  test("it is dead when its heartbeat stands still", () => {
    const seen = watcher();
    expect(seen.look()).toBe(true);
    expect(seen.watch(silentMs - 1)).toBe(true);
    expect(seen.isProven()).toBe(false);
    expect(seen.watch(1)).toBe(false);
    seen.beat(now + silentMs);
    expect([seen.look(), seen.isProven()]).toEqual([true, true]);
  });

  test("a heartbeat that moves is a sign of life, whatever the clock of its host shows", () => {
    for (const offset of [-3_600_000, 3_600_000]) {
      const seen = watcher();
      expect(seen.look()).toBe(true);
      seen.beat(now + offset);
      expect(seen.watch(silentMs - 1)).toBe(true);
      seen.beat(now + offset + serverBeatMs);
      expect(seen.watch(silentMs - 1)).toBe(true);
      // The last one was seen at the look after it.
      expect(seen.watch(serverBeatMs + 1)).toBe(false);
    }
  });

  test("one that was silent for long before is dead at first sight", () => {
    const seen = watcher();
    seen.beat(now - silentMs);
    expect(seen.look()).toBe(false);
  });

  test("who slept does not hold it against others, who may have slept as well", () => {
    const seen = watcher();
    expect(seen.look()).toBe(true);
    seen.sleep(3_600_000);
    expect(seen.look()).toBe(true);
    expect(seen.watch(silentMs - 3 * serverBeatMs)).toBe(true);
    expect(seen.watch(serverBeatMs)).toBe(false);
  });
});
