import { describe, expect, test } from "bun:test";
import {
  decide,
  describeSight,
  initialSize,
  pauseAfter,
  pressureOf,
  pressureOfBacklog,
  type Policy,
  type Rules,
  type Sight,
} from "../../../../src/cluster/autoscale/policy.ts";

const minute = 60_000;

function rules(policy: Policy, sizes: Partial<Rules["sizes"]> = {}): Rules {
  return { policy, sizes: { init: 1, min: 0, max: 4, ...sizes }, factor: 1, periodMs: minute };
}

function sight(fields: Partial<Sight> = {}): Sight {
  return {
    now: 1000 * minute,
    group: 0,
    tasks: 0,
    waiting: fields.tasks ?? 0,
    total: fields.tasks ?? 0,
    registered: fields.launched ?? 0,
    launched: 0,
    draining: 0,
    room: 0,
    pressure: null,
    luck: { failures: 0, failedAt: 0, everCame: true },
    ...fields,
  };
}

const failed = (failures: number, agoMs: number, everCame = false): Partial<Sight> => ({
  luck: { failures, failedAt: 1000 * minute - agoMs, everCame },
});

const [fixed, dynamic] = [rules("fixed"), rules("dynamic")];
const two = { min: 2 };

describe("what a look comes to", () => {
  test.each<[string, Rules, Partial<Sight>, string]>([
    ["nothing to do, nobody there", fixed, {}, "wait: pause (no clients and no active tasks)"],
    ["the same, following the load", dynamic, {}, "wait: pause (no clients and no active tasks)"],
    ["tasks, and nobody there", fixed, { tasks: 1 }, "add: adding client (1 task remaining in group 0)"],
    [
      "tasks of a group, and nobody there",
      dynamic,
      { tasks: 30, group: 2 },
      "add: adding client (30 tasks remaining in group 2)",
    ],
    ["a fixed number is there", fixed, { tasks: 99, launched: 1 }, "wait: pause (1 client, a fixed number)"],
    ["a fixed number has nothing to do", fixed, { launched: 1 }, "wait: pause (no active tasks)"],
    ["fewer than the least", rules("fixed", two), { launched: 1 }, "add: min-size reached (1 < 2)"],
    ["fewer than the least, without tasks", rules("dynamic", two), {}, "add: min-size reached (0 < 2)"],
    ["none may be there", rules("fixed", { max: 0 }), { tasks: 9 }, "wait: max-size reached (0 >= 0)"],
    [
      "nothing has ended yet",
      dynamic,
      { tasks: 99, launched: 1 },
      "wait: pause (waiting on clients to complete initial tasks)",
    ],
    ["nothing has ended, and nothing is to be done", dynamic, { launched: 1 }, "wait: pause (no active tasks)"],
    ["too much", dynamic, { tasks: 99, launched: 1, pressure: 1.5 }, "add: pressure high (1.50)"],
    ["just enough", dynamic, { tasks: 99, launched: 1, pressure: 1 }, "wait: pressure low (1.00)"],
    ["too little", dynamic, { launched: 4, pressure: 0 }, "wait: pressure low (0.00)"],
    [
      "too much for the greatest number",
      dynamic,
      { tasks: 99, launched: 4, pressure: 9 },
      "wait: max-size reached (4 >= 4)",
    ],
    ["a factor of 0", dynamic, { tasks: 9, launched: 1, pressure: Infinity }, "add: pressure high (Infinity)"],
    [
      "those that come will do",
      dynamic,
      { tasks: 99, launched: 3, waiting: 20, room: 24, pressure: 1.5 },
      "wait: pause (pressure high (1.50), but room for 24 is there or coming, and 20 wait)",
    ],
    [
      "all of it runs",
      dynamic,
      { tasks: 9, launched: 3, waiting: 0, pressure: 1.2 },
      "wait: pause (pressure high (1.20), but clients have all of it)",
    ],
    [
      "those that are there leave, and tasks wait",
      dynamic,
      { tasks: 9, waiting: 5, draining: 2 },
      "add: adding client (9 tasks remaining in group 0)",
    ],
    [
      "those that are there leave, and run all that is left",
      fixed,
      { tasks: 4, waiting: 0, draining: 2 },
      "wait: pause (clients that leave run what is left: 4 tasks)",
    ],
    [
      "a launch has just failed",
      fixed,
      { tasks: 4, ...failed(1, 10_000) },
      "wait: pause (the last launch failed, the next is in 0:00:50)",
    ],
    [
      "the second in a row",
      fixed,
      { tasks: 4, ...failed(2, minute) },
      "wait: pause (the last 2 launches failed, the next is in 0:01:00)",
    ],
    [
      "the least number waits for it, too",
      rules("fixed", two),
      failed(2, 0),
      "wait: pause (the last 2 launches failed, the next is in 0:02:00)",
    ],
    [
      "it is time to try again",
      fixed,
      { tasks: 4, ...failed(2, 2 * minute) },
      "add: adding client (4 tasks remaining in group 0)",
    ],
    ["nothing can be launched", fixed, { tasks: 4, ...failed(4, 0) }, "end: 4 launches in a row failed"],
    [
      "it could once",
      fixed,
      { tasks: 4, ...failed(9, 0, true) },
      "wait: pause (the last 9 launches failed, the next is in 0:10:00)",
    ],
  ])("%s", (_, asked, seen, expected) => {
    const { kind, reason } = decide(asked, sight(seen));
    expect(`${kind}: ${reason.replace(/^Autoscale /, "")}`).toBe(expected);
  });

  test("the look itself in a line of the log", () => {
    const seen = sight({ tasks: 30, total: 40, group: 1, launched: 3, registered: 2 });
    expect(describeSight(fixed, seen)).toBe("Autoscale check (clients: 2/3, tasks: 30 in group 1, 40 total)");
    expect(describeSight(dynamic, { ...seen, pressure: 1.234, draining: 1 })).toBe(
      "Autoscale check (pressure: 1.23, clients: 2/3, tasks: 30 in group 1, 40 total, leaving: 1)",
    );
    expect(describeSight(dynamic, seen)).toContain("(pressure: unknown, clients: 2/3,");
  });

  test("a run starts with no more clients than there may be", () => {
    expect([initialSize(rules("fixed", { init: 9 })), initialSize(fixed)]).toEqual([4, 1]);
  });
});

test("pauses after launches that failed double, up to ten minutes or eight periods", () => {
  expect([0, 1, 2, 3, 9, 99].map((failures) => pauseAfter(failures, minute) / minute)).toEqual([0, 1, 2, 4, 10, 10]);
  expect(pauseAfter(9, 30 * minute) / minute).toBe(240);
});

describe("pressure", () => {
  const work = { tasks: 100, running: 10, rate: 5, duration: 2, silentLooks: 0 };
  test.each<[string, Partial<typeof work> & { readonly factor?: number }, number | null]>([
    ["ten at once, and a hundred to do", {}, 10],
    ["the factor divides it", { factor: 2 }, 5],
    ["tasks of a hundredth of a second", { rate: 1000, duration: 0.01 }, 10],
    ["more run now than did on the average", { running: 50 }, 2],
    ["fewer run now", { running: 1 }, 10],
    ["nothing is to be done", { tasks: 0 }, 0],
  ])("%s", (_, { factor = 1, ...fields }, expected) => {
    expect(pressureOf({ ...work, ...fields }, factor)).toBe(expected);
  });

  test("is unknown until a task has ended, or has run through more than two looks", () => {
    const long = { tasks: 100, running: 10, rate: null, duration: null };
    expect([0, 1, 2, 3].map((silentLooks) => pressureOf({ ...long, silentLooks }, 1))).toEqual([null, null, null, 10]);
    expect(pressureOf({ ...long, running: 0, silentLooks: 9 }, 1)).toBeNull();
  });

  test("of numbers alone counts whole loads", () => {
    const of = (tasks: number, clients: number, factor = 1) => pressureOfBacklog(tasks, 48, factor, clients);
    expect([of(96, 1), of(60, 1), of(96, 2), of(47, 0), of(200, 1, 2)]).toEqual([2, 1, 1, null, 2]);
  });
});
