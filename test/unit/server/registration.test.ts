import { describe, expect, test } from "bun:test";
import type { ServerSettings } from "../../../src/server/state.ts";
import { Bench, outcome, task } from "./bench.ts";

/** A server whose own leases are above those that clients bring from others. */
function open(settings: Partial<ServerSettings> = {}): Bench {
  return new Bench({ firstLease: 100, ...settings }, { group: 0 });
}

describe("registering", () => {
  test("a client gets tasks only when the store knows it", () => {
    const bench = open();
    const asked = bench.hello("a");
    expect(bench.told("a")).toEqual([]);
    bench.give(task("1"));
    expect(bench.told("a")).toEqual([]);
    bench.registered("a", asked?.number);
    expect(bench.told("a").map(({ kind }) => kind)).toEqual(["welcome", "submission", "assign"]);
  });

  test("the client of a run on one machine waits for nothing", () => {
    const bench = open();
    bench.hello("server");
    expect(bench.told("server").map(({ kind }) => kind)).toContain("welcome");
  });

  test("a beat is answered, also while the store does not answer", () => {
    const bench = open();
    bench.hello("a");
    bench.say("a", { kind: "beat" });
    expect(bench.told("a")).toEqual([{ kind: "beat" }]);
  });

  test("outcomes that come before the store knows the client are recorded when it does", () => {
    const bench = open({ attempts: 2 });
    const lease = { id: "1", lease: 7 };
    const asked = bench.hello("a", { finished: [lease] });
    bench.results("a", [outcome(lease, 1)], 0);
    expect(bench.find("commit")).toBeUndefined();
    bench.registered("a", asked?.number, [task("1")]);
    const [completed] = bench.find("commit")?.commit.completed ?? [];
    expect([completed?.id, completed?.retry?.task.attempt]).toEqual(["1", 2]);
  });
});

describe("coming back", () => {
  test("what waits here again goes back to the client that still runs it", () => {
    const bench = open({ evictMs: 10_000 });
    bench.register("a");
    bench.give();
    bench.on({ kind: "inserted" });
    bench.give(task("1"));
    const [lease] = bench.held("a");
    bench.now = 10_000;
    bench.on({ kind: "woken" });
    bench.committed();
    // No client, so it only waits.
    bench.state.ready.push(task("1"));
    bench.hello("a", { running: [lease!] });
    expect(bench.held("a")).toEqual([lease!]);
    expect(bench.state.ready.length).toBe(0);
  });

  test("what another client has by now is dropped by the one that was lost", () => {
    const bench = open();
    bench.register("b");
    bench.on({ kind: "inserted" });
    bench.give(task("1"));
    const [newer] = bench.held("b");
    bench.hello("a", { running: [{ id: "1", lease: 3 }] });
    expect(bench.told("a")).toEqual([{ kind: "drop", tasks: [{ id: "1", lease: 3 }] }]);
    expect(bench.held("b")).toEqual([newer!]);
  });

  test("an outcome of the one that was lost counts if it is the first, and the other stops", () => {
    const bench = new Bench({ firstLease: 100 }, { group: 0, estates: [{ serverId: "dead", clients: ["a"] }] });
    bench.register("b");
    bench.on({ kind: "inserted" });
    bench.give(task("1"));
    const [newer] = bench.held("b");
    const older = { id: "1", lease: 3 };
    bench.registered("a", bench.hello("a", { finished: [older] })?.number);
    bench.results("a", [outcome(older)], 0);
    expect(bench.told("b")).toEqual([{ kind: "drop", tasks: [newer!] }]);
    expect(bench.find("commit")?.commit.completed.map(({ clientId }) => clientId)).toEqual(["a"]);
  });

  test("an outcome of somebody who never had the task does not, whichever lease it names", () => {
    const bench = open();
    bench.register("b");
    bench.on({ kind: "inserted" });
    bench.give(task("1"));
    const [own] = bench.held("b");
    for (const lease of [own!.lease, own!.lease + 1, 3]) {
      const forged = { id: "1", lease };
      bench.registered("a", bench.hello("a", { finished: [forged] })?.number);
      bench.results("a", [outcome(forged), outcome(forged, 1)], 0);
      expect(bench.told("a")).toEqual([{ kind: "ack", tasks: [forged, forged] }]);
      expect([bench.held("b"), bench.told("b"), bench.find("commit")]).toEqual([[own!], [], undefined]);
    }
    bench.results("b", [outcome(own!)]);
    expect(bench.find("commit")?.commit.completed.map(({ clientId }) => clientId)).toEqual(["b"]);
  });

  test("what the store does not hand over is dropped", () => {
    const bench = open();
    const asked = bench.hello("a", {
      running: [
        { id: "1", lease: 3 },
        { id: "2", lease: 4 },
      ],
    });
    expect(asked?.adopt).toEqual(["1", "2"]);
    bench.registered("a", asked?.number, [task("2")]);
    expect(bench.told("a")).toContainEqual({ kind: "drop", tasks: [{ id: "1", lease: 3 }] });
    expect(bench.held("a")).toEqual([{ id: "2", lease: 4 }]);
  });

  test("a task that was about to be given back stays with the client that has it after all", () => {
    const bench = open();
    bench.register("a");
    bench.on({ kind: "inserted" });
    bench.give(task("1"), task("2"));
    const [one, two] = bench.held("a");
    // The first return is under way to the store when the second waits for its turn.
    bench.say("a", { kind: "returned", tasks: [one!] });
    bench.say("a", { kind: "returned", tasks: [two!] });
    expect(bench.state.outbox.reverted).toEqual(["2"]);
    bench.hello("a", { running: [two!] });
    bench.committed();
    const asked = bench.find("register");
    expect(asked?.adopt).toEqual(["2"]);
    expect(bench.find("commit")).toBeUndefined();
    bench.registered("a", asked?.number, [task("2")]);
    expect(bench.held("a")).toEqual([two!]);
  });

  test("a task that a claim brings although its client has just come back with it is not run again", () => {
    const bench = open();
    bench.register("b");
    const asked = bench.hello("a", { running: [{ id: "1", lease: 3 }] });
    expect(bench.state.claim.at).toBe("asked");
    bench.registered("a", asked?.number, [task("1")]);
    bench.give(task("1"));
    expect([bench.told("b"), bench.state.ready.length]).toEqual([[], 0]);
    expect(bench.held("a")).toEqual([{ id: "1", lease: 3 }]);
  });
});

describe("tasks between claim and client", () => {
  test("what was adopted for a client that is gone, and then claimed, is given back before the next claim", () => {
    const bench = open({ graceMs: 0 });
    bench.register("b");
    expect(bench.state.claim.at).toBe("asked");
    const asked = bench.hello("a", { running: [{ id: "1", lease: 3 }] });
    bench.lose("a");
    bench.registered("a", asked?.number, [task("1")]);
    expect(bench.find("commit")?.commit.reverted).toEqual(["1"]);
    bench.committed();
    bench.give(task("1"));
    expect(bench.find("commit")?.commit.reverted).toEqual(["1"]);
    expect(bench.find("claim")).toBeUndefined();
    bench.committed();
    expect(bench.find("claim")).toBeDefined();
  });
});
