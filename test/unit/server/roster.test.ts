import { describe, expect, test } from "bun:test";
import type { Revoked, ServerEvent } from "../../../src/server/event.ts";
import type { Estate, ServerSettings } from "../../../src/server/state.ts";
import type { LeaveKind } from "../../../src/wire/message.ts";
import { Bench, outcome, task } from "./bench.ts";

/** A server whose own leases are above those that clients bring from others. */
function open(settings: Partial<ServerSettings> = {}, estates: readonly Estate[] = []): Bench {
  return new Bench({ firstLease: 100, ...settings }, { group: 0, estates });
}

describe("a dead predecessor", () => {
  const estate: Estate = { serverId: "dead", clients: ["a", "b"] };

  test("is given up as soon as all its clients are back: what none of them has is free", () => {
    const bench = open({}, [estate]);
    bench.on({ kind: "inputEnded" });
    const first = bench.hello("a", { running: [{ id: "1", lease: 3 }] });
    expect(first?.from).toEqual(["dead"]);
    bench.registered("a", first?.number, [task("1")]);
    expect(bench.find("bury")).toBeUndefined();
    bench.registered("b", bench.hello("b")?.number);
    expect(bench.find("bury")?.serverId).toBe("dead");
    bench.on({ kind: "buried", serverId: "dead", reverted: 4, revoked: [] });
    expect(bench.state.estates.size).toBe(0);
  });

  test("is given up after the grace period when its clients do not come", () => {
    const bench = open({}, [estate]);
    bench.on({ kind: "inputEnded" });
    bench.claimed({ kind: "none", unfinished: 3 });
    expect(bench.find("finish")).toBeUndefined();
    expect(bench.find("wake")?.at).toBeLessThanOrEqual(30_000);
    bench.pass(29_999);
    expect(bench.find("bury")).toBeUndefined();
    bench.pass(30_000);
    expect(bench.find("bury")?.serverId).toBe("dead");
    bench.on({ kind: "buried", serverId: "dead", reverted: 0, revoked: [] });
    bench.quiet(0);
    expect(bench.state.phase.at).toBe("done");
  });

  describe("a task that was taken back from it", () => {
    const revoked: Revoked = { id: "1", from: 0, below: 50 };
    const [old, later] = [
      { id: "1", lease: 3 },
      { id: "1", lease: 50 },
    ];

    test("is stopped at the client that brings it, and waits to be run anew", () => {
      const bench = open({}, [estate]);
      bench.registered("a", bench.hello("a", { running: [old] })?.number, [task("1")], [revoked]);
      expect(bench.told("a")).toContainEqual({ kind: "drop", tasks: [old] });
      expect([bench.held("a"), bench.find("commit")?.commit.reverted]).toEqual([[], ["1"]]);
    });

    test("gets no outcome by the run that ended before, whoever has it by now", () => {
      const bench = open({}, [estate]);
      bench.register("b");
      bench.give(task("1"), task("2"), task("3"));
      const anew = bench.held("b");
      // One is with another client, one waits, one is not this server's.
      for (const id of ["1", "3", "4"]) {
        const run = { id, lease: 3 };
        const client = `late ${id}`;
        bench.registered(client, bench.hello(client, { finished: [run] })?.number, [], [{ ...revoked, id }]);
        bench.results(client, [outcome(run)], 0);
        expect(bench.told(client)).toContainEqual({ kind: "ack", tasks: [run] });
      }
      expect(bench.held("b")).toEqual(anew);
      expect([bench.state.settling?.outcomes ?? [], bench.state.outbox.completed]).toEqual([[], []]);
    });

    test("stays with the client that runs it anew", () => {
      const bench = open({}, [estate]);
      bench.registered("a", bench.hello("a", { running: [later] })?.number, [task("1")], [revoked]);
      expect(bench.held("a")).toEqual([later]);
    });

    test("is known as such when the server is given up", () => {
      const bench = open({}, [{ serverId: "dead", clients: ["a"] }]);
      bench.pass(30_000);
      bench.on({ kind: "buried", serverId: "dead", reverted: 0, revoked: [revoked] });
      const asked = bench.hello("a", { running: [old] });
      expect(asked?.adopt).toEqual([]);
      expect(bench.told("a")).toContainEqual({ kind: "drop", tasks: [old] });
    });
  });
});

test("a client that was given up brings nothing for a task that was to be run anew since", () => {
  const bench = open({ graceMs: 0 });
  bench.register("a");
  bench.give(task("1"));
  const old = bench.held("a");
  bench.lose("a");
  bench.pass(1);
  bench.committed();
  bench.register("b");
  bench.give(task("1"));
  bench.on({ kind: "recallsNoticed" });
  bench.on({ kind: "recalled", recalls: [{ number: 1, id: "1", kind: "reverted" }] });
  expect(bench.hello("a", { finished: old })?.adopt).toEqual([]);
});

describe("the end", () => {
  const stopped = (how: LeaveKind): ServerEvent => ({ kind: "stopRequested", how });

  test("a client that is away holding nothing is not waited for", () => {
    const bench = open();
    bench.register("a");
    bench.lose("a");
    bench.pass(2000);
    bench.on(stopped("finish"));
    expect(bench.state.clients.size).toBe(0);
  });

  test("a client whose connection broke a moment ago is told to leave when it is back", () => {
    const bench = open();
    bench.register("a");
    bench.lose("a");
    bench.pass(1000);
    bench.on(stopped("finish"));
    const { number } = bench.hello("a")!;
    bench.registered("a", number);
    expect(bench.told("a").map(({ kind }) => kind)).toEqual(["welcome", "leave"]);
  });

  test("a client whose connection broke before it could say goodbye is told to leave when it is back", () => {
    const bench = open();
    bench.register("a");
    bench.on(stopped("finish"));
    expect(bench.told("a")).toMatchObject([{ kind: "leave" }]);
    bench.lose("a");
    bench.registered("a", bench.hello("a")?.number);
    expect(bench.told("a").map(({ kind }) => kind)).toEqual(["welcome", "leave"]);
  });

  test("a client that is away without tasks delays the end until two seconds after it was lost, at most", () => {
    const bench = open();
    bench.register("a");
    bench.pass(500);
    bench.lose("a");
    bench.pass(1000);
    bench.on(stopped("finish"));
    bench.pass(2499);
    expect(bench.state.clients.size).toBe(1);
    bench.pass(2500);
    expect(bench.find("endClient")).toMatchObject({ clientId: "a", evicted: false });
  });

  test("a server in a hurry does not wait for a client without tasks, whenever its connection breaks", () => {
    const bench = open();
    bench.register("a");
    bench.register("b");
    bench.lose("a");
    bench.on(stopped("abort"));
    expect([...bench.state.clients.keys()]).toEqual(["b"]);
    bench.lose("b");
    expect(bench.state.clients.size).toBe(0);
  });

  test("a client that is just joining is told to go when there is no time for it", () => {
    const bench = open();
    bench.hello("a");
    bench.on(stopped("abort"));
    expect(bench.told("a")).toMatchObject([{ kind: "leave", how: "abort" }]);
    expect(bench.find("disconnect")?.clientId).toBe("a");
  });

  test("a client without tasks that was told to leave and says nothing is waited for a moment only", () => {
    const bench = open({ graceMs: 40_000 });
    bench.register("a");
    bench.register("b");
    bench.on({ kind: "inserted" });
    bench.on({ kind: "stopRequested", how: "finish" });
    bench.pass(20_000);
    bench.say("b", { kind: "beat" });
    bench.pass(39_999);
    expect(bench.find("endClient")).toBeUndefined();
    bench.pass(40_000);
    expect(bench.find("endClient")).toMatchObject({ clientId: "a", evicted: true });
    expect([...bench.state.clients.keys()]).toEqual(["b"]);
  });

  test("a server out of patience waits for nobody; what clients may still run stays on record as theirs", () => {
    const bench = open();
    bench.register("a");
    bench.register("b");
    bench.on({ kind: "inserted" });
    bench.give(task("1"));
    expect(bench.held("a")).not.toEqual([]);
    bench.on(stopped("abort"), { kind: "hurried" });
    expect([bench.find("commit"), bench.find("endClient")?.clientId]).toEqual([undefined, "b"]);
    bench.give();
    expect([bench.state.phase.at, bench.state.abandoned]).toEqual(["done", true]);
  });

  test("what clients have that are away or have just come stays theirs when the server is in a hurry", () => {
    const bench = open();
    bench.register("a");
    bench.on({ kind: "inserted" });
    bench.give(task("1"));
    bench.lose("a");
    const asked = bench.hello("b", { running: [{ id: "2", lease: 3 }] });
    bench.on(stopped("abort"));
    expect(bench.told("b")).toMatchObject([{ kind: "leave", how: "abort" }]);
    bench.registered("b", asked?.number, [task("2")]);
    bench.give();
    expect([bench.state.outbox.reverted, bench.state.settling, bench.find("endClient")]).toEqual([[], null, undefined]);
    expect([bench.state.phase.at, bench.state.abandoned]).toEqual(["done", true]);
  });

  test("what clients may still run is given back without a database, for there is nobody to find it later", () => {
    const bench = open({ durable: false });
    bench.register("a");
    bench.on({ kind: "inserted" });
    bench.give(task("1"));
    bench.on(stopped("abort"), { kind: "hurried" });
    expect(bench.find("commit")?.commit.reverted).toEqual(["1"]);
    bench.committed();
    bench.give();
    expect([bench.state.phase.at, bench.state.abandoned]).toEqual(["done", false]);
  });

  test("a submitter that is connected keeps a finite run open", () => {
    const bench = open();
    bench.on({ kind: "intakeOpened" }, { kind: "inputEnded" });
    bench.quiet(0);
    expect(bench.state.phase.at).toBe("running");
    bench.on({ kind: "intakeClosed" });
    bench.claimed({ kind: "none", unfinished: 0 });
    expect(bench.state.phase.at).toBe("done");
  });
});
