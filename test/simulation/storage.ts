/*
 * The database as one process sees it: a Store whose calls take their time, overtake each other, and fail in passing
 * when the seed says so. What a process that died had asked for may still be done.
 */
import { TransientError } from "../../src/base/errors.ts";
import type { Commit, CommitReport, Store } from "../../src/store/store.ts";
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

/** For how long outcomes linger, milliseconds. */
const lingerMs = 20;

/** Whether outcomes may linger: those of a commit that has nothing else. */
function isPlain({ mayLinger, assigned, started, completed, reverted, recalled }: Commit): boolean {
  const isElse = assigned.length + started.length + reverted.length + recalled.length > 0;
  return mayLinger === true && !isElse && completed.every(({ retry }) => retry === null);
}

/** How late another process hears of new tasks, milliseconds at most. */
const noticeMs = 100;

export function storage(world: World, process: Process, model: Model, weather: Weather): Store {
  const { rng } = world;

  /** The server whose outcomes linger (Commit.mayLinger); null: none do. */
  let lingering: string | null = null;

  /** Records what lingers, as every call but those for outcomes and rows of servers does. */
  function settle(): void {
    if (lingering !== null) model.recordLeft(lingering);
    lingering = null;
  }

  function commit(order: Commit): CommitReport {
    if (!isPlain(order) || model.recalls(order.serverId).length > 0) {
      settle();
      return model.commit(order);
    }
    if (lingering === null) world.at(world.now() + lingerMs, () => process.enter(settle));
    lingering = order.serverId;
    model.linger(order);
    return { refused: [] };
  }

  function settled<T>(name: string, work: () => T): Promise<T> {
    return call(name, () => {
      settle();
      return work();
    });
  }

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
    sync: () => settled("sync", () => model.unsynced.clear()),
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
      settled("addServer", () => model.addServer({ ...server, startedAt: world.now(), beatAt: world.now() })),
    unreserve: (id) => call("unreserve", () => model.unreserve(id)),
    beatServer: (id) => call("beatServer", () => model.beatServer(id, world.now())),
    endServer: (id) => settled("endServer", () => model.endServer(id)),
    servers: () => call("servers", () => [...model.servers.values()]),
    handedOut: (id) => call("handedOut", () => model.handedOut(id)),
    recordLeft: (id) => call("recordLeft", () => model.recordLeft(id)),
    buryServer: (id) => call("buryServer", () => model.buryServer(id)),
    revertOrphans: () => call("revertOrphans", model.revertOrphans),
    claim: (request) => settled("claim", () => model.claim(request)),
    commit: (order) => call("commit", () => commit(order)),
    retryFailures: (scope, retries, at, newId) =>
      settled("retryFailures", () => model.retryFailures(scope, retries, at, newId)),
    survey: (scope) => settled("survey", () => model.survey(scope)),
    unended: (ids) => settled("unended", () => model.unended(ids)),
    backlog: (scope) => settled("backlog", () => model.backlog(scope)),
    sources: (scope) => settled("sources", () => model.sources(scope)),
    total: (scope) => call("total", () => model.total(scope)),
    addClient: (client) => call("addClient", () => model.addClient(client)),
    endClient: (id, serverId, at, evicted) => call("endClient", () => model.endClient(id, serverId, at, evicted)),
    forgetClient: (id, serverId) => call("forgetClient", () => model.forgetClient(id, serverId)),
    clientsOf: (serverId) => call("clientsOf", () => model.clientsOf(serverId)),
    adopt: (request) => settled("adopt", () => model.adopt(request)),
    close: () => Promise.resolve(),
  };
}
