import { expect, test } from "bun:test";
import { loadOf } from "../../../src/server/load.ts";
import { Bench, outcome, task } from "./bench.ts";

/** A bench with a client, and these tasks claimed for it. */
function benchWith(...ids: string[]): Bench {
  const bench = new Bench({ forever: true, measures: true });
  bench.register("a");
  bench.claimed({ kind: "claimed", group: 0, tasks: ids.map((id) => task(id)) });
  return bench;
}

test("the load of a server is what runs, what waits, and who takes more", () => {
  const bench = benchWith("1", "2", "3");
  expect(loadOf(bench.state)).toEqual({
    clients: [{ id: "a", host: "node", job: null, executors: 2, running: 2, isDraining: false, hasWorked: true }],
    running: 2,
    held: 2,
    ready: 1,
    credit: 0,
    heldBack: null,
    rate: null,
    duration: null,
  });
});

test("a client that takes no more tasks gets none, and is told from the others", () => {
  const bench = benchWith("1");
  expect(loadOf(bench.state).credit).toBe(1);
  bench.say("a", { kind: "beat", leaving: true });
  expect(loadOf(bench.state)).toMatchObject({ credit: 0, clients: [{ isDraining: true, running: 1 }] });
  bench.claimed({ kind: "claimed", group: 0, tasks: [task("2")] });
  expect(bench.state.holders.has("2")).toBe(false);
});

test("the pace is that of the clients that are there, and is measured only where somebody asks", () => {
  for (const measures of [true, false]) {
    const bench = new Bench({ forever: true, measures });
    bench.register("a");
    bench.claimed({ kind: "claimed", group: 0, tasks: [task("1"), task("2")] });
    const leases = [...bench.state.clients.get("a")!.held.values()].map((held) => ({
      id: held.task.id,
      lease: held.lease,
    }));
    bench.results(
      "a",
      leases.map((lease) => ({ ...outcome(lease), command: "x", startTime: 1000, completionTime: 1500 })),
    );
    const { rate, duration } = loadOf(bench.state);
    expect([rate, duration]).toEqual(measures ? [4, 0.5] : [null, null]);
  }
});

test("tasks that wait at a client for its cores do not run, and it has no room for others", () => {
  const bench = new Bench({ forever: true, measures: true });
  bench.register("a");
  const wide = ["1", "2", "3"].map((id) => task(id, { cores: 8 }));
  bench.claimed({ kind: "claimed", group: 0, tasks: wide });
  expect(loadOf(bench.state)).toMatchObject({ running: 1, credit: 0, clients: [{ running: 1 }] });
  const tally = bench.state.clients.get("a")!.tally!;
  Object.assign(tally, { count: 4, tookMs: 4000, from: 1000, until: 3000 });
  expect(loadOf(bench.state).running).toBe(2);
});

test("a client says what brought it up", () => {
  const bench = new Bench();
  const hello = {
    clientId: "a",
    host: "node",
    executors: 2,
    credit: 2,
    running: [],
    finished: [],
    job: "hs-1",
  } as const;
  bench.on({ kind: "helloReceived", hello: { kind: "hello", ...hello } });
  expect(loadOf(bench.state).clients.map(({ job }) => job)).toEqual(["hs-1"]);
});
