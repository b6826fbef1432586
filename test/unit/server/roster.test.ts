import { describe, expect, test } from "bun:test";
import type { ServerEffect } from "../../../src/server/effects.ts";
import type { Revoked, ServerEvent } from "../../../src/server/event.ts";
import { step } from "../../../src/server/reactor.ts";
import { check, type Estate, newState, type ServerSettings } from "../../../src/server/state.ts";
import type { ClaimedTask, Outcome } from "../../../src/task/task.ts";
import type { ClientMessage, HostMessage, Lease, LeaveKind } from "../../../src/wire/message.ts";

const settings: ServerSettings = {
  serverId: "server",
  serverHost: "host",
  scope: { kind: "all" },
  attempts: 1,
  eager: false,
  forever: false,
  bundleSize: null,
  pollMs: 30_000,
  evictMs: 600_000,
  graceMs: 30_000,
  durable: true,
  companyMs: 0,
  firstLease: 100,
  newId: () => "retry",
};

function task(id: string): ClaimedTask {
  const rest = { cores: null, memory: null, timeout: null, attempt: 1, previousId: null, tag: { part: 0 } };
  return { id, group: 0, args: `echo ${id}`, submitId: "s", submitTime: 0, submitHost: "h", scheduleTime: 1, ...rest };
}

function outcome({ id, lease }: Lease, exitStatus = 0): Outcome {
  const rest = { outpath: null, errpath: null, csvpath: null, coresMax: null, memoryMax: null };
  return { id, lease, command: "x", startTime: 1, completionTime: 2, exitStatus, ...rest };
}

/** A server as clients see it: what they say goes in, what they and the store are told comes out. */
function open(more: Partial<ServerSettings> = {}, estates: readonly Estate[] = []) {
  const state = newState({ ...settings, ...more }, 0, 0, estates);
  let effects: ServerEffect[] = [];
  const bench = {
    now: 0,
    state,
    on(...events: ServerEvent[]) {
      effects = step(state, events, bench.now);
      check(state);
    },
    /** Nothing happens until then: the server is woken when it wishes to be. Effects of all steps. */
    pass(until: number) {
      const all: ServerEffect[] = [];
      while (bench.now < until) {
        bench.now = Math.min(until, Math.max(state.wakeAt, bench.now + 1));
        bench.on({ kind: "woken" });
        all.push(...effects);
      }
      effects = all;
    },
    hello(clientId: string, running: readonly Lease[] = [], finished: readonly Lease[] = [], credit = 2) {
      const hello = { kind: "hello", clientId, host: "node", executors: 2, credit, running, finished } as const;
      bench.on({ kind: "joined", hello });
      return bench.find("register");
    },
    registered(
      clientId: string,
      number: number | undefined,
      adopted: readonly ClaimedTask[] = [],
      revoked: readonly Revoked[] = [],
    ) {
      bench.on({ kind: "registered", clientId, number: number ?? -1, adopted, templates: [], revoked });
    },
    join(clientId: string) {
      bench.registered(clientId, bench.hello(clientId)?.number);
    },
    say(clientId: string, message: Exclude<ClientMessage, { kind: "hello" }>) {
      bench.on({ kind: "received", clientId, message });
    },
    gives(...tasks: ClaimedTask[]) {
      if (state.claim.at === "asked")
        bench.on({ kind: "claimed", claim: { kind: "claimed", group: 0, tasks }, templates: [] });
      else throw new Error("nobody has asked for tasks");
    },
    find<K extends ServerEffect["kind"]>(kind: K): Extract<ServerEffect, { kind: K }> | undefined {
      return effects.find((effect): effect is Extract<ServerEffect, { kind: K }> => effect.kind === kind);
    },
    told(clientId: string): HostMessage[] {
      return effects.flatMap((each) => (each.kind === "send" && each.clientId === clientId ? [each.message] : []));
    },
    held: (clientId: string) =>
      [...(state.clients.get(clientId)?.held ?? [])].map(([id, { lease }]) => ({ id, lease })),
  };
  return bench;
}

describe("joining", () => {
  test("a client gets tasks only when the store knows it", () => {
    const bench = open();
    const asked = bench.hello("a");
    expect(bench.told("a")).toEqual([]);
    bench.gives(task("1"));
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
    const asked = bench.hello("a", [], [lease]);
    bench.say("a", { kind: "results", outcomes: [outcome(lease, 1)], credit: 0 });
    expect(bench.find("commit")).toBeUndefined();
    bench.registered("a", asked?.number, [task("1")]);
    const [completed] = bench.find("commit")?.commit.completed ?? [];
    expect([completed?.id, completed?.retry?.task.attempt]).toEqual(["1", 2]);
  });
});

describe("coming back", () => {
  test("what waits here again goes back to the client that still runs it", () => {
    const bench = open({ evictMs: 10_000 });
    bench.join("a");
    bench.gives();
    bench.on({ kind: "inserted" });
    bench.gives(task("1"));
    const [lease] = bench.held("a");
    bench.now = 10_000;
    bench.on({ kind: "woken" });
    bench.on({ kind: "committed", report: { refused: [] } });
    // No client, so it only waits.
    bench.state.ready.push(task("1"));
    bench.hello("a", [lease!]);
    expect(bench.held("a")).toEqual([lease!]);
    expect(bench.state.ready.length).toBe(0);
  });

  test("what another client has by now is dropped by the one that was lost", () => {
    const bench = open();
    bench.join("b");
    bench.on({ kind: "inserted" });
    bench.gives(task("1"));
    const [newer] = bench.held("b");
    bench.hello("a", [{ id: "1", lease: 3 }]);
    expect(bench.told("a")).toEqual([{ kind: "drop", tasks: [{ id: "1", lease: 3 }] }]);
    expect(bench.held("b")).toEqual([newer!]);
  });

  test("an outcome of the one that was lost counts if it is the first, and the other stops", () => {
    const bench = open();
    bench.join("b");
    bench.on({ kind: "inserted" });
    bench.gives(task("1"));
    const [newer] = bench.held("b");
    const older = { id: "1", lease: 3 };
    bench.registered("a", bench.hello("a", [], [older])?.number);
    bench.say("a", { kind: "results", outcomes: [outcome(older)], credit: 0 });
    expect(bench.told("b")).toEqual([{ kind: "drop", tasks: [newer!] }]);
    expect(bench.find("commit")?.commit.completed.map(({ clientId }) => clientId)).toEqual(["a"]);
  });

  test("what the store does not hand over is dropped", () => {
    const bench = open();
    const asked = bench.hello("a", [
      { id: "1", lease: 3 },
      { id: "2", lease: 4 },
    ]);
    expect(asked?.adopt).toEqual(["1", "2"]);
    bench.registered("a", asked?.number, [task("2")]);
    expect(bench.told("a")).toContainEqual({ kind: "drop", tasks: [{ id: "1", lease: 3 }] });
    expect(bench.held("a")).toEqual([{ id: "2", lease: 4 }]);
  });

  test("a task that was about to be given back stays with the client that has it after all", () => {
    const bench = open();
    bench.join("a");
    bench.on({ kind: "inserted" });
    bench.gives(task("1"), task("2"));
    const [one, two] = bench.held("a");
    // The first return is under way to the store when the second waits for its turn.
    bench.say("a", { kind: "returned", tasks: [one!] });
    bench.say("a", { kind: "returned", tasks: [two!] });
    expect(bench.state.outbox.reverted).toEqual(["2"]);
    bench.hello("a", [two!]);
    bench.on({ kind: "committed", report: { refused: [] } });
    const asked = bench.find("register");
    expect(asked?.adopt).toEqual(["2"]);
    expect(bench.find("commit")).toBeUndefined();
    bench.registered("a", asked?.number, [task("2")]);
    expect(bench.held("a")).toEqual([two!]);
  });

  test("a task that a claim brings although its client has just come back with it is not run again", () => {
    const bench = open();
    bench.join("b");
    const asked = bench.hello("a", [{ id: "1", lease: 3 }]);
    expect(bench.state.claim.at).toBe("asked");
    bench.registered("a", asked?.number, [task("1")]);
    bench.gives(task("1"));
    expect([bench.told("b"), bench.state.ready.length]).toEqual([[], 0]);
    expect(bench.held("a")).toEqual([{ id: "1", lease: 3 }]);
  });
});

describe("tasks between claim and client", () => {
  test("what was adopted for a client that is gone again, and comes with a claim, is given back before anything is claimed", () => {
    const bench = open({ graceMs: 0 });
    bench.join("b");
    expect(bench.state.claim.at).toBe("asked");
    const asked = bench.hello("a", [{ id: "1", lease: 3 }]);
    bench.on({ kind: "disconnected", clientId: "a", error: null });
    bench.registered("a", asked?.number, [task("1")]);
    expect(bench.find("commit")?.commit.reverted).toEqual(["1"]);
    bench.on({ kind: "committed", report: { refused: [] } });
    bench.gives(task("1"));
    expect(bench.find("commit")?.commit.reverted).toEqual(["1"]);
    expect(bench.find("claim")).toBeUndefined();
    bench.on({ kind: "committed", report: { refused: [] } });
    expect(bench.find("claim")).toBeDefined();
  });
});

describe("a dead predecessor", () => {
  const estate: Estate = { serverId: "dead", clients: ["a", "b"] };

  test("its clients are waited for, and what none of them has is free as soon as all are back", () => {
    const bench = open({}, [estate]);
    bench.on({ kind: "inputEnded" });
    const first = bench.hello("a", [{ id: "1", lease: 3 }]);
    expect(first?.from).toEqual(["dead"]);
    bench.registered("a", first?.number, [task("1")]);
    expect(bench.find("bury")).toBeUndefined();
    bench.registered("b", bench.hello("b")?.number);
    expect(bench.find("bury")?.serverId).toBe("dead");
    bench.on({ kind: "buried", serverId: "dead", reverted: 4, revoked: [] });
    expect(bench.state.estates.size).toBe(0);
  });

  test("those that do not come are given up after the grace period", () => {
    const bench = open({}, [estate]);
    bench.on({ kind: "inputEnded" });
    bench.on({ kind: "claimed", claim: { kind: "none", unfinished: 3 }, templates: [] });
    expect(bench.find("finish")).toBeUndefined();
    expect(bench.find("wake")?.at).toBeLessThanOrEqual(30_000);
    bench.pass(29_999);
    expect(bench.find("bury")).toBeUndefined();
    bench.pass(30_000);
    expect(bench.find("bury")?.serverId).toBe("dead");
    bench.on({ kind: "buried", serverId: "dead", reverted: 0, revoked: [] });
    bench.on({ kind: "claimed", claim: { kind: "none", unfinished: 0 }, templates: [] });
    if (bench.state.claim.at === "asked")
      bench.on({ kind: "claimed", claim: { kind: "none", unfinished: 0 }, templates: [] });
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
      bench.registered("a", bench.hello("a", [old])?.number, [task("1")], [revoked]);
      expect(bench.told("a")).toContainEqual({ kind: "drop", tasks: [old] });
      expect([bench.held("a"), bench.find("commit")?.commit.reverted]).toEqual([[], ["1"]]);
    });

    test("gets no outcome by the run that ended before, whoever has it by now", () => {
      const bench = open({}, [estate]);
      bench.join("b");
      bench.gives(task("1"), task("2"), task("3"));
      const anew = bench.held("b");
      // One is with another client, one waits, one is not this server's.
      for (const id of ["1", "3", "4"]) {
        const run = { id, lease: 3 };
        const client = `late ${id}`;
        bench.registered(client, bench.hello(client, [], [run])?.number, [], [{ ...revoked, id }]);
        bench.say(client, { kind: "results", outcomes: [outcome(run)], credit: 0 });
        expect(bench.told(client)).toContainEqual({ kind: "ack", tasks: [run] });
      }
      expect(bench.held("b")).toEqual(anew);
      expect([bench.state.settling ?? [], bench.state.outbox.completed]).toEqual([[], []]);
    });

    test("stays with the client that runs it anew", () => {
      const bench = open({}, [estate]);
      bench.registered("a", bench.hello("a", [later])?.number, [task("1")], [revoked]);
      expect(bench.held("a")).toEqual([later]);
    });

    test("is known as such when the server is given up", () => {
      const bench = open({}, [{ serverId: "dead", clients: ["a"] }]);
      bench.pass(30_000);
      bench.on({ kind: "buried", serverId: "dead", reverted: 0, revoked: [revoked] });
      const asked = bench.hello("a", [old]);
      expect(asked?.adopt).toEqual([]);
      expect(bench.told("a")).toContainEqual({ kind: "drop", tasks: [old] });
    });
  });
});

test("a client that was given up brings nothing for a task that was to be run anew since", () => {
  const bench = open({ graceMs: 0 });
  bench.join("a");
  bench.gives(task("1"));
  const old = bench.held("a");
  bench.on({ kind: "disconnected", clientId: "a", error: "reset" });
  bench.pass(1);
  bench.on({ kind: "committed", report: { refused: [] } });
  bench.join("b");
  bench.gives(task("1"));
  bench.on({ kind: "recallsNoticed" });
  bench.on({ kind: "recalled", recalls: [{ number: 1, id: "1", kind: "reverted" }] });
  expect(bench.hello("a", [], old)?.adopt).toEqual([]);
});

describe("the end", () => {
  const lost = (clientId: string): ServerEvent => ({ kind: "disconnected", clientId, error: "reset" });
  const stopped = (how: LeaveKind): ServerEvent => ({ kind: "stopRequested", how });

  test("a client that is away holding nothing is not waited for", () => {
    const bench = open();
    bench.join("a");
    bench.on(lost("a"));
    bench.pass(2000);
    bench.on(stopped("finish"));
    expect(bench.state.clients.size).toBe(0);
  });

  test("a client whose connection broke a moment ago is told to leave when it is back", () => {
    const bench = open();
    bench.join("a");
    bench.on(lost("a"));
    bench.pass(1000);
    bench.on(stopped("finish"));
    const { number } = bench.hello("a")!;
    bench.registered("a", number);
    expect(bench.told("a").map(({ kind }) => kind)).toEqual(["welcome", "leave"]);
  });

  test("so is one whose connection broke before it could say goodbye", () => {
    const bench = open();
    bench.join("a");
    bench.on(stopped("finish"));
    expect(bench.told("a")).toMatchObject([{ kind: "leave" }]);
    bench.on(lost("a"));
    bench.registered("a", bench.hello("a")?.number);
    expect(bench.told("a").map(({ kind }) => kind)).toEqual(["welcome", "leave"]);
  });

  test("if it does not come, the end is late by two seconds at most, counted from when it was lost", () => {
    const bench = open();
    bench.join("a");
    bench.pass(500);
    bench.on(lost("a"));
    bench.pass(1000);
    bench.on(stopped("finish"));
    bench.pass(2499);
    expect(bench.state.clients.size).toBe(1);
    bench.pass(2500);
    expect(bench.find("endClient")).toMatchObject({ clientId: "a", evicted: false });
  });

  test("in a hurry it is not waited for, before and after the connection breaks", () => {
    const bench = open();
    bench.join("a");
    bench.join("b");
    bench.on(lost("a"));
    bench.on(stopped("abort"));
    expect([...bench.state.clients.keys()]).toEqual(["b"]);
    bench.on(lost("b"));
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
    bench.join("a");
    bench.join("b");
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

  test("out of patience, nobody is waited for; what clients may still run stays on record as theirs", () => {
    const bench = open();
    bench.join("a");
    bench.join("b");
    bench.on({ kind: "inserted" });
    bench.gives(task("1"));
    expect(bench.held("a")).not.toEqual([]);
    bench.on(stopped("abort"), { kind: "hurried" });
    expect([bench.find("commit"), bench.find("endClient")?.clientId]).toEqual([undefined, "b"]);
    bench.gives();
    expect([bench.state.phase.at, bench.state.abandoned]).toEqual(["done", true]);
  });

  test("so does, in a hurry, what a client has that is away or has just come", () => {
    const bench = open();
    bench.join("a");
    bench.on({ kind: "inserted" });
    bench.gives(task("1"));
    bench.on(lost("a"));
    const asked = bench.hello("b", [{ id: "2", lease: 3 }]);
    bench.on(stopped("abort"));
    expect(bench.told("b")).toMatchObject([{ kind: "leave", how: "abort" }]);
    bench.registered("b", asked?.number, [task("2")]);
    bench.gives();
    expect([bench.state.outbox.reverted, bench.state.settling, bench.find("endClient")]).toEqual([[], null, undefined]);
    expect([bench.state.phase.at, bench.state.abandoned]).toEqual(["done", true]);
  });

  test("without a database it is given back, for there is nobody to find it later", () => {
    const bench = open({ durable: false });
    bench.join("a");
    bench.on({ kind: "inserted" });
    bench.gives(task("1"));
    bench.on(stopped("abort"), { kind: "hurried" });
    expect(bench.find("commit")?.commit.reverted).toEqual(["1"]);
    bench.on({ kind: "committed", report: { refused: [] } });
    bench.gives();
    expect([bench.state.phase.at, bench.state.abandoned]).toEqual(["done", false]);
  });

  test("a submitter that is connected keeps a finite run open", () => {
    const bench = open();
    bench.on({ kind: "intakeOpened" }, { kind: "inputEnded" });
    bench.on({ kind: "claimed", claim: { kind: "none", unfinished: 0 }, templates: [] });
    if (bench.state.claim.at === "asked")
      bench.on({ kind: "claimed", claim: { kind: "none", unfinished: 0 }, templates: [] });
    expect(bench.state.phase.at).toBe("running");
    bench.on({ kind: "intakeClosed" });
    bench.on({ kind: "claimed", claim: { kind: "none", unfinished: 0 }, templates: [] });
    expect(bench.state.phase.at).toBe("done");
  });
});
