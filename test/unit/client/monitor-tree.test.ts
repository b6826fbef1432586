import { describe, expect, test } from "bun:test";
import {
  fell,
  findNew,
  finish,
  type Forest,
  measure,
  newForest,
  plant,
  type TaskTree,
} from "../../../src/client/monitor-tree.ts";
import { type FakeHost, fakeHost } from "./monitor-host.ts";

const own = 50;

/** A host with this program, process 1 and some that have nothing to do with it. */
function hostWith(countsChildren = true): { readonly host: FakeHost; readonly forest: Forest } {
  const host = fakeHost(countsChildren);
  for (const pid of [1, 2, 3, 4]) host.start(pid, 0, { session: 0, group: 0 });
  host.start(own, 1);
  return { host, forest: newForest(host, own) };
}

function lead(host: FakeHost, forest: Forest, task: string, pid: number): TaskTree {
  host.start(pid, own, { session: pid, group: pid, task, memory: 10 });
  return plant(forest, task, pid);
}

function look(host: FakeHost, forest: Forest): void {
  host.list((pids) => findNew(forest, pids));
}

const pidsOf = (tree: TaskTree): number[] => [...tree.members.keys()].toSorted((a, b) => a - b);

describe("a process is of a task", () => {
  test("if the task's session, or group, has it", () => {
    const { host, forest } = hostWith();
    const [a, b] = [lead(host, forest, "a", 60), lead(host, forest, "b", 70)];
    host.start(61, 1, { session: 60, group: 61 });
    host.start(71, 1, { session: 5, group: 70 });
    look(host, forest);
    expect([pidsOf(a), pidsOf(b)]).toEqual([
      [60, 61],
      [70, 71],
    ]);
  });

  test("if one of its processes has started it, in whatever order they are found", () => {
    const { host, forest } = hostWith();
    const a = lead(host, forest, "a", 60);
    host.start(31, 32, { session: 31, group: 31 });
    host.start(32, 33, { session: 31, group: 31 });
    host.start(33, 60, { session: 33, group: 33 });
    look(host, forest);
    host.start(34, 31, { session: 34, group: 34 });
    look(host, forest);
    expect(pidsOf(a)).toEqual([31, 32, 33, 34, 60]);
  });

  test("still when it has another parent", () => {
    const { host, forest } = hostWith();
    const a = lead(host, forest, "a", 60);
    host.start(61, 60, { session: 61, group: 61 });
    host.start(62, 61, { session: 62, group: 62 });
    look(host, forest);
    host.end(61, true);
    look(host, forest);
    measure(forest, a);
    expect(pidsOf(a)).toEqual([60, 62]);
  });

  test("if its environment names the task, when nothing else shows it; that of what is older is not looked at", () => {
    const { host, forest } = hostWith();
    const a = lead(host, forest, "a", 60);
    host.start(80, 1, { session: 80, group: 80, task: "a" });
    host.start(81, 1, { session: 81, group: 81, task: "another" });
    look(host, forest);
    expect(pidsOf(a)).toEqual([60, 80]);
    expect(host.asked).toEqual([80, 81]);
  });

  test("no more when the task is over", () => {
    const { host, forest } = hostWith();
    const a = lead(host, forest, "a", 60);
    host.start(61, 60);
    look(host, forest);
    fell(forest, a);
    look(host, forest);
    expect([forest.byPid.size, forest.byLeader.size, forest.byTask.size]).toEqual([0, 0, 0]);
    expect(forest.foreign.has(61)).toBe(true);
  });

  test("not if it is this program, or has started it", () => {
    const { host, forest } = hostWith();
    const a = lead(host, forest, "a", 60);
    look(host, forest);
    expect(pidsOf(a)).toEqual([60]);
  });
});

test("what is of no task is read once, and then now and then; what has got its number is found", () => {
  const { host, forest } = hostWith();
  const a = lead(host, forest, "a", 60);
  host.start(61, 1, { session: 61, group: 61 });
  look(host, forest);
  host.reads.length = 0;
  for (let round = 0; round < 31; round++) look(host, forest);
  // 1, 2, 3, 4 and 61, but not this program.
  expect(host.reads.toSorted((one, other) => one - other)).toEqual([1, 2, 3, 4, 61]);
  host.end(61, true);
  host.start(61, 60);
  for (let round = 0; round < 32; round++) look(host, forest);
  expect(pidsOf(a)).toEqual([60, 61]);
});

test("a look reads no process of a task: only a measurement of that task does", () => {
  const { host, forest } = hostWith();
  const [a] = [lead(host, forest, "a", 60), lead(host, forest, "b", 70)];
  for (let round = 0; round < 40; round++) look(host, forest);
  host.reads.length = 0;
  for (let round = 0; round < 40; round++) look(host, forest);
  expect(host.reads.filter((pid) => pid >= own)).toEqual([]);
  measure(forest, a);
  expect(host.reads.filter((pid) => pid >= own)).toEqual([60]);
});

describe("what a task has used", () => {
  test("is the sizes of its processes together, as they are now", () => {
    const { host, forest } = hostWith();
    const a = lead(host, forest, "a", 60);
    expect(a.memory).toBe(10);
    host.start(61, 60, { memory: 100 });
    look(host, forest);
    measure(forest, a);
    expect(a.memory).toBe(110);
    host.end(61, true);
    measure(forest, a);
    expect(a.memory).toBe(10);
  });

  test("does not count the time of a child twice that was waited for, and does not lose that of others", () => {
    for (const [isCollected, countsChildren] of [
      [true, true],
      [false, true],
      [true, false],
    ] as const) {
      const { host, forest } = hostWith(countsChildren);
      const a = lead(host, forest, "a", 60);
      host.start(61, 60);
      host.start(62, 61);
      look(host, forest);
      host.work(60, 100);
      host.work(61, 1000);
      host.work(62, 5000);
      measure(forest, a);
      expect(a.totalMs).toBe(6100);
      host.end(62, isCollected);
      host.end(61, isCollected);
      for (let round = 0; round < 3; round++) measure(forest, a);
      expect([isCollected, a.totalMs]).toEqual([isCollected, 6100]);
      host.work(60, 50);
      measure(forest, a);
      expect(a.totalMs).toBe(6150);
    }
  });

  test("has the time of the leader that the system told at its end, and that of what it had not waited for", () => {
    const { host, forest } = hostWith();
    const a = lead(host, forest, "a", 60);
    host.start(61, 60);
    look(host, forest);
    host.work(60, 100);
    host.work(61, 1000);
    measure(forest, a);
    host.end(61, false);
    measure(forest, a);
    host.work(60, 30);
    // A look may come between the end of the process and the news of it.
    host.end(60, true);
    measure(forest, a);
    expect(a.totalMs).toBe(1100);
    finish(forest, a, 130);
    expect(a.totalMs).toBe(1130);
  });
});
