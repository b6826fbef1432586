import { describe, expect, test } from "bun:test";
import {
  addLaunch,
  arrive,
  clear,
  type Fleet,
  match,
  nameOfLaunch,
  newFleet,
  sightOf,
} from "../../../../src/cluster/autoscale/fleet.ts";
import type { Rules } from "../../../../src/cluster/autoscale/policy.ts";
import type { ClientLoad, ServerLoad } from "../../../../src/server/load.ts";

const rules: Rules = {
  policy: "dynamic",
  sizes: { init: 1, min: 0, max: 4 },
  factor: 1,
  periodMs: 60_000,
};

function client(job: string | null, fields: Partial<ClientLoad> = {}): ClientLoad {
  return { id: `of ${job}`, host: "a", job, executors: 8, running: 8, isDraining: false, hasWorked: true, ...fields };
}

function load(clients: readonly ClientLoad[], fields: Partial<ServerLoad> = {}): ServerLoad {
  const running = clients.reduce((sum, each) => sum + each.running, 0);
  return {
    clients,
    running,
    held: running,
    ready: 0,
    credit: 0,
    heldBack: null,
    rate: null,
    duration: null,
    ...fields,
  };
}

/** A fleet of launches with these names. */
function fleetOf(...names: string[]): Fleet {
  const fleet = newFleet();
  for (const name of names) addLaunch(fleet, name, 100 + fleet.launched);
  return fleet;
}

/** What is over now: the index of each launch, and how. */
const over = (fleet: Fleet, now = 0): string[] =>
  clear(fleet, now).map(({ launch, kind }) => `${launch.index} ${kind}`);
const sight = (fleet: Fleet, seen: ServerLoad, inGroup = 100) =>
  sightOf(fleet, seen, { group: 0, inGroup, unfinished: inGroup }, rules, 0);

describe("a launch and its client", () => {
  test("find each other by the name that was handed on, or by the job", () => {
    const fleet = fleetOf("x-1", "x-2", "x-3");
    fleet.launches[1]!.job = "77";
    match(fleet, [client("77"), client("x-1"), client("somebody else's")]);
    expect(fleet.launches.map(({ hasCome }) => hasCome)).toEqual([true, true, false]);
    expect(sight(fleet, load([client("77"), client("x-1"), client("somebody else's")]))).toMatchObject({
      registered: 3,
      launched: 4,
    });
  });

  test("find each other without a name: the first launch without a client takes it", () => {
    const fleet = fleetOf("x-1", "x-2");
    match(fleet, [client("x-1"), client(null)]);
    expect(fleet.launches.map(({ clients }) => clients.length)).toEqual([1, 1]);
    expect(fleet.others).toEqual([]);
  });

  test("have met, although the client came and went between two looks", () => {
    const fleet = fleetOf("x-1");
    arrive(fleet, "x-1");
    fleet.launches[0]!.end = { status: 0, lastLines: [] };
    match(fleet, []);
    expect([over(fleet), fleet.luck]).toEqual([["1 gone"], { failures: 0, failedAt: 0, everCame: true }]);
  });

  test("part when the launcher leaves the client behind: it counts until it is gone", () => {
    const fleet = fleetOf("x-1");
    match(fleet, [client("x-1")]);
    fleet.launches[0]!.end = { status: 0, lastLines: [] };
    expect(over(fleet)).toEqual([]);
    match(fleet, []);
    expect(over(fleet)).toEqual(["1 gone"]);
  });
});

describe("a job", () => {
  function jobs(): Fleet {
    const fleet = fleetOf("x-1");
    Object.assign(fleet.launches[0]!, { job: "77", end: { status: 0, lastLines: [] } });
    return fleet;
  }

  test("counts as coming while it waits, and has its number as its name", () => {
    const fleet = jobs();
    match(fleet, []);
    expect([over(fleet), nameOfLaunch(fleet.launches[0]!)]).toEqual([[], "job 77"]);
    expect(sight(fleet, load([]))).toMatchObject({ launched: 1, registered: 0, waiting: 100 });
  });

  test("is over when its client has left, whatever the batch system still says", () => {
    const fleet = jobs();
    match(fleet, [client("77")]);
    match(fleet, []);
    expect([over(fleet), fleet.luck.failures]).toEqual([["1 gone"], 0]);
  });

  test("has failed when it is gone and no client has come", () => {
    const fleet = jobs();
    fleet.launches[0]!.jobState = "gone";
    match(fleet, []);
    expect([over(fleet, 5000), fleet.luck]).toEqual([["1 failed"], { failures: 1, failedAt: 5000, everCame: false }]);
  });
});

describe("launches that fail", () => {
  const end = (fleet: Fleet, status: number): void => {
    for (const launch of fleet.launches) launch.end = { status, lastLines: [] };
  };

  test("count once where they were made together, and are forgotten when a client comes", () => {
    const fleet = fleetOf("x-1", "x-2", "x-3");
    end(fleet, 3);
    expect([over(fleet, 1), fleet.luck.failures]).toEqual([["1 failed", "2 failed", "3 failed"], 1]);
    fleet.round++;
    addLaunch(fleet, "x-4", null);
    end(fleet, 127);
    expect([over(fleet, 2), fleet.luck]).toEqual([["4 failed"], { failures: 2, failedAt: 2, everCame: false }]);
    addLaunch(fleet, "x-5", 1);
    arrive(fleet, "x-5");
    expect(fleet.luck).toEqual({ failures: 0, failedAt: 0, everCame: true });
  });

  test("include one that ends well before its client is there, and not one whose client ends badly", () => {
    const fleet = fleetOf("x-1");
    end(fleet, 0);
    expect([over(fleet), fleet.luck.failures]).toEqual([["1 failed"], 1]);
    const other = fleetOf("x-1");
    match(other, [client("x-1")]);
    end(other, 143);
    match(other, []);
    expect([over(other), other.luck.failures]).toEqual([["1 failed"], 0]);
  });
});

describe("what a look sees", () => {
  test("clients that leave are no capacity", () => {
    const fleet = fleetOf("x-1", "x-2");
    const clients = [client("x-1", { isDraining: true }), client("x-2")];
    match(fleet, clients);
    expect(sight(fleet, load(clients))).toMatchObject({ registered: 1, launched: 1, draining: 1, waiting: 84 });
  });

  test("those that come take as many tasks as those that are here", () => {
    const fleet = fleetOf("x-1", "x-2", "x-3");
    const clients = [client("x-1", { running: 6 })];
    match(fleet, clients);
    expect(sight(fleet, load(clients, { credit: 2 })).room).toBe(2 + 2 * 6);
    // Clients ask for tasks, and those that wait are not for them.
    expect(sight(fleet, load(clients, { credit: 2, ready: 1 })).room).toBe(2 * 6);
  });

  test("what failures hold back calls for no client", () => {
    const fleet = fleetOf("x-1");
    expect(sight(fleet, load([], { heldBack: 100 }))).toMatchObject({ tasks: 0, waiting: 0, total: 100 });
  });

  test("long tasks are known by looks at which none ends", () => {
    const fleet = fleetOf("x-1");
    const clients = [client("x-1")];
    match(fleet, clients);
    const pressures = [1, 2, 3].map(() => sight(fleet, load(clients)).pressure);
    expect(pressures).toEqual([null, null, 12.5]);
    expect(sight(fleet, load(clients, { rate: 1, duration: 8 })).pressure).toBe(12.5);
    expect(fleet.silentLooks).toBe(0);
  });
});
