/*
 * The database as one process sees it: a Store whose calls take their time, overtake each other, and fail in passing
 * when the seed says so. What a process that died had asked for may still be done.
 */
import { TransientError } from "../../src/base/errors.ts";
import type { Store } from "../../src/store/store.ts";
import type { Model } from "./model.ts";
import type { Process, World } from "./world.ts";

export interface Weather {
  /** Longest that a call takes to arrive, and its answer, milliseconds. */
  readonly slowMs: number;
  readonly durable: boolean;
  /** Numbers of the calls that fail, counted over all processes. */
  readonly failing: ReadonlySet<number>;
  /** The database is away until then. */
  awayUntil: number;
  calls: number;
}

/** How late another process hears of new tasks, milliseconds at most. */
const noticeMs = 100;

export function storage(world: World, process: Process, model: Model, weather: Weather): Store {
  const { rng } = world;

  function call<T>(name: string, work: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const answer = (how: () => void): void =>
      void world.at(world.now() + rng.between(0, weather.slowMs), () => process.enter(how));
    const mayOutlive = rng.chance(0.5);
    world.at(world.now() + rng.between(0, weather.slowMs), () => {
      if (process.at === "ended" && !mayOutlive) return;
      const number = ++weather.calls;
      if (weather.failing.has(number) || world.now() < weather.awayUntil) {
        world.trace(() => `${process.name} ---- call ${number} of the database fails (${name})`);
        return answer(() => reject(new TransientError("database is locked")));
      }
      try {
        const value = work();
        answer(() => resolve(value));
      } catch (error) {
        world.blame(error);
      }
    });
    return promise;
  }

  return {
    durable: weather.durable,
    title: "model",
    addSubmission: (submission) => call("addSubmission", () => model.addSubmission(submission)),
    submission: (id) => call("submission", () => model.submission(id)),
    insert: (tasks) => call("insert", () => model.insert(tasks)),
    sync: () => call("sync", () => model.unsynced.clear()),
    onInsert: (wake) =>
      model.onInsert(() => {
        if (process.at !== "ended") world.at(world.now() + rng.between(0, noticeMs), () => process.enter(wake));
      }),
    onRecall: (wake) =>
      model.onRecall(() => {
        if (process.at !== "ended") world.at(world.now() + rng.between(0, noticeMs), () => process.enter(wake));
      }),
    recalls: (serverId) => call("recalls", () => model.recalls(serverId)),
    addServer: (server) =>
      call("addServer", () => model.addServer({ ...server, startedAt: world.now(), beatAt: world.now() })),
    unreserve: (id) => call("unreserve", () => model.unreserve(id)),
    beatServer: (id) => call("beatServer", () => model.beatServer(id, world.now())),
    endServer: (id) => call("endServer", () => model.endServer(id)),
    servers: () => call("servers", () => [...model.servers.values()]),
    handedOut: (id) => call("handedOut", () => model.handedOut(id)),
    buryServer: (id) => call("buryServer", () => model.buryServer(id)),
    revertOrphans: () => call("revertOrphans", model.revertOrphans),
    claim: (request) => call("claim", () => model.claim(request)),
    commit: (order) => call("commit", () => model.commit(order)),
    retryFailures: (scope, retries, at, newId) =>
      call("retryFailures", () => model.retryFailures(scope, retries, at, newId)),
    survey: (scope) => call("survey", () => model.survey(scope)),
    backlog: (scope) => call("backlog", () => model.backlog(scope)),
    sources: (scope) => call("sources", () => model.sources(scope)),
    total: (scope) => call("total", () => model.total(scope)),
    addClient: (client) => call("addClient", () => model.addClient(client)),
    endClient: (id, serverId, at, evicted) => call("endClient", () => model.endClient(id, serverId, at, evicted)),
    forgetClient: (id, serverId) => call("forgetClient", () => model.forgetClient(id, serverId)),
    clientsOf: (serverId) => call("clientsOf", () => model.clientsOf(serverId)),
    adopt: (request) => call("adopt", () => model.adopt(request)),
    close: () => Promise.resolve(),
  };
}
