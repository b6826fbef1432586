/* The end of a host's time: which tasks start before it, what is given back, and that the client leaves. */
import { expect, test } from "bun:test";
import type { ClientEffect } from "../../../src/client/effects.ts";
import { Bench, task } from "./bench.ts";

const end = { at: 3_600_000, source: "--until" };

/** Lets time pass while the server answers every beat. */
function live(bench: Bench, until: number): ClientEffect[] {
  const effects: ClientEffect[] = [];
  for (let at = bench.now + 5000; at < until; at += 5000) {
    effects.push(...bench.pass(at));
    bench.on({ kind: "received", message: { kind: "beat" } });
  }
  effects.push(...bench.pass(until));
  return effects;
}

test("a task starts whose limit is over before the end; another is given back, and takes up credit for a while", () => {
  const bench = new Bench({ end, executors: 2 }, 0).welcome();
  const [fits, none, long] = [task("a", { timeout: 3600 }), task("b"), task("c", { timeout: 3601 })];
  bench.assign(long, fits);
  expect(bench.started()).toEqual(["a"]);
  expect(bench.notes("warning")).toEqual([
    expect.stringMatching(
      /^Starting no task that may run beyond \S+ \S+, when the time of this host is up \(--until\): c /,
    ),
  ]);
  expect(bench.sent()).toContainEqual({ kind: "returned", tasks: [{ id: "c", lease: long.lease }] });
  // One of two executors is taken, and the credit for the other waits.
  expect(bench.state.granted).toBe(0);
  live(bench, 29_000);
  expect(bench.state.granted).toBe(0);
  live(bench, 31_000);
  expect(bench.state.granted).toBe(1);
  bench.assign(none);
  expect(bench.started()).toEqual(["b"]);
  expect(bench.notes("warning")).toEqual([]);
});

test("the limit of the client counts as well", () => {
  const bench = new Bench({ end, timeoutMs: 7_200_000 }, 0).welcome();
  bench.assign(task("a"), task("b", { timeout: 60 }));
  expect(bench.started()).toEqual(["b"]);
});

test("at the end the client leaves, and what runs comes to its end", () => {
  const bench = new Bench({ end, executors: 1 }).welcome();
  const [runs, waits] = [task("a"), task("b")];
  bench.assign(runs, waits);
  live(bench, end.at - 1);
  expect(bench.state.phase.at).toBe("working");
  const effects = live(bench, end.at);
  expect(effects).toContainEqual({
    kind: "note",
    level: "info",
    text: "The time of this host is up (--until): no more tasks start, 1 task still runs",
  });
  expect(bench.state.phase).toMatchObject({ at: "leaving", how: "finish" });
  expect(bench.signals()).toEqual([]);
  bench.ended(runs);
  bench.ack(runs);
  expect(bench.state.phase.at).toBe("gone");
});

test("an end that is learned later counts from then on, and a client whose time was up does not begin", () => {
  const bench = new Bench().welcome();
  bench.on({ kind: "endLearned", end: { at: 1000, source: "scontrol" } });
  bench.assign(task("a", { timeout: 2 }));
  expect(bench.started()).toEqual([]);
  bench.pass(1000);
  expect(bench.state.phase.at).toBe("gone");
  const late = new Bench({ end: { at: 0, source: "--until" } });
  expect(late.state.phase.at).toBe("gone");
});

test("while a batch system is asked for the end, tasks with a limit wait, and others start", () => {
  const bench = new Bench({ asksForEnd: true, executors: 3 }).welcome();
  bench.assign(task("a", { timeout: 2 }), task("b"), task("c", { timeout: 1 }));
  expect(bench.started()).toEqual(["b"]);
  bench.on({ kind: "endLearned", end: { at: 1500, source: "scontrol" } });
  expect(bench.started()).toEqual(["c"]);
  const unlimited = new Bench({ asksForEnd: true }).welcome();
  unlimited.assign(task("d", { timeout: 2 }));
  unlimited.on({ kind: "endLearned", end: null });
  expect(unlimited.started()).toEqual(["d"]);
});
