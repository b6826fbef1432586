/* What is told of processes of Windows, which servers are judged by. */
import { expect, test } from "bun:test";
import { windowsProcesses } from "../../../src/base/processes-windows.ts";
import { fakeSystem } from "./fake-windows.ts";

test("a process is told from a later one of the same number, and from one that has ended", () => {
  const system = fakeSystem();
  const { stateOf, isStill } = windowsProcesses(system.kernel);
  system.add(10, 1);
  const first = stateOf(10);
  expect(first).toMatchObject({ isOver: false });
  expect(isStill(10, first!.startedAt)).toBe(true);
  system.end(10, 0);
  expect([stateOf(10)?.isOver, isStill(10, first!.startedAt)]).toEqual([true, false]);
  system.add(10, 1);
  expect([isStill(10, first!.startedAt), isStill(10, stateOf(10)!.startedAt), isStill(10, "")]).toEqual([
    false,
    true,
    true,
  ]);
  expect([stateOf(11), isStill(11, "")]).toEqual([null, false]);
  expect(system.open()).toBe(0);
});

test("processes are those of one machine, which is asked once", () => {
  const { kernel } = fakeSystem();
  let asked = 0;
  const { table } = windowsProcesses({ ...kernel, machine: () => `machine ${++asked}` });
  expect([table(), table()]).toEqual(["machine 1", "machine 1"]);
});
