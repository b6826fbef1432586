import { expect, test } from "bun:test";
import { newState, type ServerState } from "../../../src/server/state.ts";
import {
  drainWaiting,
  enqueue,
  enqueueFirst,
  giveBackAbove,
  refile,
  waitingCount,
  waitingTasks,
  withdraw,
} from "../../../src/server/waiting.ts";
import { makeSettings, task } from "./bench.ts";

/** Tasks 1 to 4 need nothing, 5 to 8 need cores: two of them 2, two of them 4. */
function open(): ServerState {
  const state = newState(makeSettings(), 0);
  for (let n = 1; n <= 8; n++)
    enqueue(state, task(`${n}`, { submitTime: n, group: n % 2, cores: n > 4 ? 2 * (1 + (n % 2)) : null }));
  return state;
}

const ids = (tasks: Iterable<{ readonly id: string }>): string[] => Array.from(tasks, ({ id }) => id);

test("what needs the same waits in one lane, what needs nothing in none", () => {
  const state = open();
  expect(ids(state.ready.values())).toEqual(["1", "2", "3", "4"]);
  expect([...state.demands.lanes.values()].map(({ tasks }) => ids(tasks.values()))).toEqual([
    ["5", "7"],
    ["6", "8"],
  ]);
  expect(waitingCount(state)).toBe(8);
  enqueueFirst(state, task("9", { cores: 2 }));
  expect([...state.demands.lanes.values()].map(({ tasks }) => ids(tasks.values()))[1]).toEqual(["9", "6", "8"]);
});

test("tasks are withdrawn by id, and the others stay in order", () => {
  const state = open();
  expect([...withdraw(state, new Set(["3", "1", "5", "6", "8", "10"])).keys()]).toEqual(["1", "3", "5", "6", "8"]);
  expect(ids(waitingTasks(state))).toEqual(["2", "4", "7"]);
  expect(state.demands.lanes.size).toBe(1);
  expect(state.demands.count).toBe(1);
});

test("tasks of higher groups are given back, from lanes too", () => {
  const state = open();
  state.group = 1;
  giveBackAbove(state, 0);
  expect(ids(waitingTasks(state))).toEqual(["2", "4", "6", "8"]);
  expect(state.outbox.reverted).toEqual(["1", "3", "5", "7"]);
});

test("everything is taken in the order of submission", () => {
  const state = open();
  expect(ids(drainWaiting(state))).toEqual(["1", "2", "3", "4", "5", "6", "7", "8"]);
  expect(waitingCount(state)).toBe(0);
  expect(state.demands.lanes.size).toBe(0);
});

test("a tag becomes a need when its name becomes that of a resource, a time limit when time is limited", () => {
  const state = newState(makeSettings(), 0);
  enqueue(state, task("1", { tag: { license: 1, part: 0 } }));
  enqueue(state, task("2", { timeout: 60 }));
  expect(state.ready.length).toBe(2);
  state.demands.names.add("license");
  state.demands.isTimed = true;
  refile(state);
  expect(state.ready.length).toBe(0);
  expect([...state.demands.lanes.values()].map(({ demand, timeout }) => [demand.others, timeout])).toEqual([
    [{ license: 1 }, null],
    [null, 60],
  ]);
});
