/* Tasks that no client can meet: which of them wait, which end, and what is said of them. */
import { expect, test } from "bun:test";
import type { Capacity } from "../../../src/task/demand.ts";
import type { ServerSettings } from "../../../src/server/state.ts";
import type { Completion } from "../../../src/store/store.ts";
import { everyFailure } from "../../../src/task/retries.ts";
import { Bench, outcome, task } from "./bench.ts";

const capacity: Capacity = { cores: 4, memory: 2 ** 30, others: {} };

function open(settings: Partial<ServerSettings> = {}, clientId = "a"): Bench {
  const bench = new Bench(settings);
  bench.register(clientId, 8, { executors: 8, capacity });
  return bench;
}

/** What the store is told has ended. */
const completed = (bench: Bench): readonly Completion[] =>
  bench.effects.flatMap((effect) => (effect.kind === "commit" ? effect.commit.completed : []));

/** What is said of a task that has ended so. */
const line = (id: string, why: string): string => `Insufficient resources for task (${id}): ${why} (cancelled)`;

test("on one machine such a task ends at once, whatever the run waits for, and the others go on", () => {
  const bench = new Bench({ forever: true, mayGrow: true });
  bench.hello("server", { credit: 8, executors: 8, capacity });
  bench.give(task("1", { cores: 8 }), task("2", { cores: 2 }), task("3", { memory: 2 ** 31 }));
  expect(bench.notes("error")).toEqual([line("1", "cores: 4 < 8"), line("3", "memory: 1.00GB < 2.00GB")]);
  expect(
    completed(bench).map(({ id, exitStatus, clientId, startTime }) => [id, exitStatus, clientId, startTime]),
  ).toEqual([
    ["1", -3, null, null],
    ["3", -3, null, null],
  ]);
  expect(bench.held("server").map(({ id }) => id)).toEqual(["2"]);
  bench.committed();
  expect(bench.state.counts.failed).toBe(2);
  expect(bench.notes("warning")).toEqual([]);
  expect(bench.kinds().filter((kind) => kind === "failed")).toHaveLength(2);
});

test("it is tried again like any other failure, which is the end of a finite run", () => {
  const bench = open({ retries: everyFailure(2), graceMs: 0 });
  bench.on({ kind: "inputEnded" });
  bench.give(task("1", { cores: 8 }));
  expect(completed(bench)[0]?.retry?.task.attempt).toBe(2);
});

test("where no client comes by itself it ends after the time of grace since the last one came", () => {
  const bench = open({ graceMs: 30_000 });
  bench.give(task("1", { cores: 8 }));
  expect(bench.notes("warning")).toEqual(["Waiting up to 30 s for a client that is large enough: cores: 4 < 8 (1)"]);
  bench.pass(20_000);
  bench.register("b", 2, { capacity: { ...capacity, cores: 6 } });
  bench.pass(49_999);
  expect(bench.notes("error")).toEqual([]);
  bench.pass(50_000);
  expect(bench.notes("error")).toEqual([line("1", "cores: 6 < 8")]);
});

test("a client that is large enough gets it meanwhile", () => {
  const bench = open({ graceMs: 30_000 });
  bench.give(task("1", { cores: 8 }));
  bench.pass(29_000);
  bench.register("b", 2, { capacity: { ...capacity, cores: 8 } });
  expect(bench.held("b").map(({ id }) => id)).toEqual(["1"]);
  bench.lose("b");
  bench.pass(58_000);
  expect(bench.notes("error")).toEqual([]);
});

test("where clients may come at any time it waits, and that is said once", () => {
  const bench = open({ forever: true, mayGrow: true });
  bench.give(task("1", { cores: 8 }), task("2", { cores: 64 }));
  const told = "Tasks wait for a client that is large enough: cores: 4 < 8 (1), cores: 4 < 64 (2) - all others go on";
  expect(bench.notes("warning")).toEqual([told]);
  bench.pass(500_000);
  expect(bench.notes("warning").filter((text) => text.startsWith("Tasks wait"))).toEqual([]);
  bench.register("b", 2, { capacity: { ...capacity, cores: 64 } });
  expect(bench.held("b").map(({ id }) => id)).toEqual(["1"]);
});

test("what is no amount nobody will ever have", () => {
  const bench = open({ forever: true, mayGrow: true });
  bench.give(task("1", { tag: { gpus: "many", part: 0 } }), task("2", { tag: { gpus: 1, part: 0 } }));
  expect(bench.notes("error")).toEqual([line("1", "gpus: the value of the tag is no amount")]);
  expect(bench.state.demands.count).toBe(1);
});

/** A client that has a minute left. */
function openTimed(settings: Partial<ServerSettings> = {}): Bench {
  const bench = new Bench({ graceMs: 0, ...settings });
  bench.register("a", 2, { capacity: { ...capacity, until: 60_000 } });
  return bench;
}

test("a task that nobody has the time for does not fail: a finite run ends without it", () => {
  const bench = openTimed();
  bench.give(task("1", { timeout: 3600 }), task("2", { timeout: 10 }));
  expect(bench.notes("error")).toEqual([]);
  expect(bench.notes("warning")).toEqual([
    "Starting no task that may run beyond the time of its client: 1 may take 1:00:00, and 0:01:00 is left",
  ]);
  const [two] = bench.assigned("a");
  expect(two!.id).toBe("2");
  bench.on({ kind: "inputEnded" });
  bench.results("a", [{ ...outcome(two!), completionTime: 20 }]);
  bench.committed();
  // What has changed since the first question makes it ask once more.
  for (let n = 0; n < 2; n++) bench.claimed({ kind: "waiting", unfinished: 1, busyGroup: 0 });
  expect(bench.notes("warning")).toEqual([
    "1 task is left, because no client has as much time as its time limit - " +
      "a later run can take up what is left (--restart)",
  ]);
  expect(bench.told("a")).toContainEqual({ kind: "leave", how: "finish", reason: "no time is left for more" });
  expect(bench.state.outbox).toMatchObject({ completed: [], reverted: ["1"] });
});

test("where clients may come at any time it waits for one with more time", () => {
  const bench = openTimed({ forever: true, mayGrow: true });
  bench.give(task("1", { timeout: 3600 }));
  bench.pass(59_000);
  expect(bench.state.phase.at).toBe("running");
  bench.register("b", 2, { capacity });
  expect(bench.assigned("b").map(({ id }) => id)).toEqual(["1"]);
});

test("a client that has little time left does not get a task again that has told so by its exit status", () => {
  const bench = openTimed({ requeueStatus: 85 });
  bench.give(task("1"));
  const [one] = bench.assigned("a");
  bench.results("a", [outcome(one!, 85)]);
  expect(bench.find("commit")?.commit.reverted).toEqual(["1"]);
  bench.committed();
  bench.give(task("1"), task("2"));
  expect(bench.assigned("a").map(({ id }) => id)).toEqual(["2"]);
  bench.register("b", 2, { capacity });
  expect(bench.assigned("b").map(({ id }) => id)).toEqual(["1"]);
});

test("beside other servers it is left to them", () => {
  const bench = open({ graceMs: 0 });
  bench.on({ kind: "neighbours", count: 1 }, { kind: "inputEnded" });
  bench.give(task("1", { cores: 8 }), task("2", { cores: 1 }));
  expect(bench.notes("warning")).toEqual([
    "Tasks are left to other servers, because no client here is large enough: cores: 4 < 8 (1)",
  ]);
  expect(bench.find("commit")?.commit.reverted).toEqual(["1"]);
  bench.committed();
  expect(bench.find("claim")?.request.tooMuch).toEqual([{ cores: 8, memory: 0, tags: [], timeout: 0 }]);
});

test("without any client nothing is decided", () => {
  const bench = open({ graceMs: 0 });
  bench.say("a", { kind: "bye", reason: "" });
  expect(bench.find("claim")?.request.limit ?? 0).toBe(0);
  bench.claimed({ kind: "claimed", group: 0, tasks: [task("1", { cores: 8 })] });
  bench.pass(10_000);
  expect(bench.notes("error")).toEqual([]);
});
