import { everyFailure } from "../../../src/task/retries.ts";
import { describe, expect, test } from "bun:test";
import type { ServerSettings } from "../../../src/server/state.ts";
import type { Lease } from "../../../src/wire/message.ts";
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
    const bench = open({ retries: everyFailure(2) });
    const lease = { id: "1", lease: 7 };
    const asked = bench.hello("a", { finished: [lease] });
    bench.results("a", [outcome(lease, 1)], 0);
    expect(bench.find("commit")).toBeUndefined();
    bench.registered("a", asked?.number, [task("1")]);
    const [completed] = bench.find("commit")?.commit.completed ?? [];
    expect([completed?.id, completed?.retry?.task.attempt]).toEqual(["1", 2]);
  });

  test("what ends while the store is asked for it is asked for once more, as finished", () => {
    const bench = open();
    const [ends, runs, own] = ["1", "2", "3"].map((id) => ({ id, lease: 7 })) as [Lease, Lease, Lease];
    const asked = bench.hello("a", { running: [ends, runs, own] });
    bench.results("a", [outcome(ends), outcome(own)], 0);
    bench.registered("a", asked?.number, [task("3")]);
    const again = bench.find("register");
    expect(again).toMatchObject({ adopt: ["2", "1"], finished: ["1"] });
    expect(bench.told("a")).toEqual([]);
    bench.registered("a", again?.number, [task("1")]);
    expect(bench.told("a")).toContainEqual({ kind: "drop", tasks: [runs] });
    expect(bench.find("commit")?.commit.completed.map(({ id }) => id)).toEqual(["1", "3"]);
  });
});

describe("a client with tasks of another store or run", () => {
  const lease = { id: "1", lease: 7 };

  test("is told who is here, keeps what it has, and is told of once", () => {
    const bench = open({ scope: { kind: "submission", id: "run" } });
    for (const ground of [{ store: "elsewhere", run: "run" }, { store: "store" }, { store: "store", run: "another" }]) {
      expect(bench.hello("a", { running: [lease], ...ground })).toBeUndefined();
      const [welcome, ...rest] = bench.told("a");
      expect([welcome, rest]).toMatchObject([{ kind: "welcome", store: "store", run: "run", evictMs: 600_000 }, []]);
      expect([bench.find("disconnect")?.clientId, bench.state.clients.size]).toEqual(["a", 0]);
    }
    expect(bench.hello("a", { finished: [lease], store: "store", run: "run" })).toMatchObject({ adopt: ["1"] });
  });

  test("is served where whatever is free is run, if the store is its own", () => {
    const bench = open();
    expect(bench.hello("a", { running: [lease], store: "elsewhere" })).toBeUndefined();
    expect(bench.notes("warning")).toEqual([
      "A client that has 1 task of another database looks for its own server, and is not served here (node: a)",
    ]);
    bench.hello("a", { running: [lease], store: "elsewhere" });
    expect(bench.notes("warning")).toEqual([]);
    expect(bench.hello("a", { running: [lease], store: "store", run: "run" })).toMatchObject({ adopt: ["1"] });
  });
});

describe("a server that was taken for dead", () => {
  test("asks which tasks its clients may keep, and hands out nothing before it knows", () => {
    const bench = open();
    bench.register("a");
    bench.give(task("1"), task("2"), task("3"));
    const [one, two] = bench.held("a") as [Lease, Lease];
    bench.on({ kind: "slept" });
    expect([bench.find("attest") !== undefined, bench.state.row]).toEqual([true, "doubted"]);
    bench.results("a", [outcome(one)], 1);
    expect(bench.assigned("a")).toEqual([]);
    bench.on({ kind: "rowMissed" });
    expect(bench.find("enter")).toBeDefined();
    bench.committed();
    expect(bench.assigned("a")).toEqual([]);
    // What waited here is free for others by now.
    bench.on({ kind: "entered", firstLease: 500 });
    expect(bench.find("commit")?.commit.reverted).toEqual(["3"]);
    const asked = bench.find("register");
    bench.committed();
    expect(asked).toMatchObject({ adopt: ["2"], brings: true });
    bench.registered("a", asked?.number);
    expect(bench.told("a")).toEqual([{ kind: "drop", tasks: [two] }]);
    // The claim that was under way may have brought what others had freed.
    bench.give(task("4"));
    expect(bench.find("commit")?.commit.reverted).toEqual(["4"]);
    bench.committed();
    bench.give(task("4"));
    expect(bench.held("a")).toEqual([{ id: "4", lease: 500 }]);
  });

  test("goes on when its row is there", () => {
    const bench = open();
    bench.register("a");
    bench.give(task("1"));
    bench.on({ kind: "slept" });
    bench.on({ kind: "rowSeen" });
    expect([bench.state.row, bench.held("a").length, bench.find("register")]).toEqual(["known", 1, undefined]);
  });
});

test("a client that has said bye gets no task, whatever it says then before the store knows it", () => {
  const bench = open();
  const asked = bench.hello("a", { credit: 0 });
  bench.say("a", { kind: "bye", reason: "" });
  bench.results("a", [], 4);
  bench.give(task("1"));
  bench.registered("a", asked?.number);
  expect(bench.told("a").map(({ kind }) => kind)).toEqual(["welcome"]);
  expect([bench.state.clients.size, bench.state.willing.size, bench.state.holders.size]).toEqual([0, 0, 0]);
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
      // An outcome that was recorded long ago would look the same: the answer waits until that is safe.
      expect(bench.find("commit")).toMatchObject({ commit: { completed: [], reverted: [] }, confirms: true });
      expect([bench.held("b"), bench.told("a"), bench.told("b")]).toEqual([[own!], [], []]);
      bench.committed();
      expect(bench.told("a")).toEqual([{ kind: "ack", tasks: [forged, forged] }]);
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
    // It is on record as somebody's until it is free.
    expect([bench.find("register"), bench.find("commit")?.commit.reverted]).toEqual([undefined, ["2"]]);
    bench.committed();
    const asked = bench.find("register");
    expect(asked?.adopt).toEqual(["2"]);
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
  const one = { id: "1", lease: 3 };

  test("what a claim brings while a client asks for it is that client's, whatever the store answers", () => {
    for (const answer of [[task("1")], []]) {
      const bench = open();
      bench.register("b");
      const asked = bench.hello("a", { finished: [one] });
      bench.give(task("1"), task("2"));
      expect([bench.held("a"), bench.assigned("b").map(({ id }) => id)]).toEqual([[one], ["2"]]);
      bench.registered("a", asked?.number, answer);
      bench.results("a", [outcome(one)], 0);
      expect(bench.find("commit")?.commit.completed.map(({ clientId }) => clientId)).toEqual(["a"]);
    }
  });

  test("it goes to others if nobody wants that dispatch any more", () => {
    const bench = open();
    bench.register("b");
    const asked = bench.hello("a", { running: [one] });
    bench.registered("c", bench.hello("c")?.number, [], [{ id: "1", from: 0, below: 4 }]);
    bench.give(task("1"));
    expect([bench.held("a"), bench.assigned("b").map(({ id }) => id)]).toEqual([[], ["1"]]);
    bench.registered("a", asked?.number);
    expect(bench.told("a")).toContainEqual({ kind: "drop", tasks: [one] });
  });

  test("of two clients that say they have a task, only the one that was given it ends it", () => {
    const bench = open();
    const [first, second] = [bench.hello("a", { finished: [one] }), bench.hello("b", { finished: [one] })];
    bench.registered("a", first?.number, [task("1")]);
    bench.registered("b", second?.number, [task("1")]);
    bench.results("b", [outcome(one, 1)], 0);
    expect([bench.find("commit")?.commit.completed, bench.held("a")]).toEqual([[], [one]]);
    bench.committed();
    bench.results("a", [outcome(one)], 0);
    expect(bench.find("commit")?.commit.completed.map(({ clientId }) => clientId)).toEqual(["a"]);
  });

  test("what is adopted for a client that has left it to be given back is given back once", () => {
    const bench = open({ graceMs: 0 });
    bench.register("b");
    bench.give(task("2"));
    const asked = bench.hello("a", { running: [one] });
    bench.results("b", [outcome(bench.lease("2"))]);
    bench.give(task("1"));
    bench.lose("a");
    expect(bench.state.outbox.reverted).toEqual(["1"]);
    bench.registered("a", asked?.number, [task("1")]);
    expect(bench.state.outbox.reverted).toEqual(["1"]);
  });

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
