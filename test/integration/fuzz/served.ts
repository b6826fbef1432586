/*
 * A real server on a store, to which anybody may connect who knows the key of the tests, and which tells a judge
 * (ledger.ts) of everything that counts. It runs in the process of the fuzzer or in one of its own (apart.ts).
 */
import { randomBytes } from "node:crypto";
import { systemClock } from "../../../src/base/clock.ts";
import { newId } from "../../../src/base/ids.ts";
import type { Logger } from "../../../src/log/logger.ts";
import { viewServer } from "../../../src/cluster/viewing/server.ts";
import { runServer, type Server } from "../../../src/server/door.ts";
import { step } from "../../../src/server/reactor.ts";
import { leaseKey, type ServerState } from "../../../src/server/state.ts";
import type { Store } from "../../../src/store/store.ts";
import { everyFailure } from "../../../src/task/retries.ts";
import type { NewTask } from "../../../src/task/task.ts";
import { newBacklog } from "../../../src/wire/backlog.ts";
import type { ByteStream } from "../../../src/wire/bytes.ts";
import type { PeerLink } from "../../../src/wire/link.ts";
import type { Lease } from "../../../src/wire/message.ts";
import { admit } from "../../../src/wire/session.ts";
import { key } from "../../unit/wire/ends.ts";
import type { Told } from "./ledger.ts";

export interface Served {
  readonly server: Server;
  readonly serverId: string;
  /** Takes a new connection. */
  readonly attach: (stream: ByteStream) => void;
}

const everything = { kind: "all" } as const;
const noCounts = { total: 0, unfinished: 0, succeeded: 0, cancelled: 0 };
/** A peer has this long to prove the key and to say something that fits, milliseconds. */
const handshakeMs = 5000;

/** Starts a server that runs until it is stopped. `tell` hears what happens, in order. */
export async function serve(store: Store, log: Logger, tell: (told: Told) => void): Promise<Served> {
  const serverId = newId();
  const now = Date.now();
  const place = { host: "here", pid: process.pid, pidStart: null, processTable: null };
  const row = { id: serverId, ...place, reserves: false, startedAt: now, beatAt: now };
  const { storeId, firstLease } = await store.addServer(row);
  // Watchers may look at everything; what they cancel would be missing among what is recorded.
  const own = { counts: () => noCounts, waitingSince: () => null, ...store.own, cancel: () => 0 };
  const seeable = { servers: () => store.servers(), isAlive: () => true, tasks: own, name: "here", clock: systemClock };
  const server: Server = runServer({
    view: () => viewServer({ server, ...seeable }),
    store: watchedStore(store, tell),
    enter: () => store.addServer(row),
    isAlive: (other) => other.id === serverId,
    clock: systemClock,
    log,
    onFailed: () => undefined,
    step: watchedStep(tell),
    settings: {
      serverId,
      serverHost: "here",
      scope: everything,
      retries: everyFailure(1),
      retryDelayMs: 0,
      halt: null,
      poison: 0,
      requeueStatus: null,
      eager: false,
      forever: true,
      mayGrow: true,
      resources: [],
      launchesClients: false,
      bundleSize: null,
      pollMs: 1000,
      evictMs: 60_000,
      graceMs: 100,
      durable: store.durable,
      companyMs: 0,
      firstLease,
      storeId,
      newId,
    },
  });
  server.inputEnded();
  const backlog = newBacklog(systemClock);
  const options = { key, clock: systemClock, handshakeMs, backlog, nonce: () => randomBytes(32) };
  return {
    server,
    serverId,
    attach(stream) {
      const ready = (link: PeerLink): void => server.attach(watchedLink(link, tell));
      admit(stream, options, { ready, failed: () => undefined });
    },
  };
}

/** The store, which tells what is added and whose outcomes it records. */
function watchedStore(store: Store, tell: (told: Told) => void): Store {
  const told: Pick<Store, "insert" | "commit"> = {
    insert(tasks: readonly NewTask[]) {
      tell({ kind: "added", ids: tasks.map(({ id }) => id) });
      return store.insert(tasks);
    },
    async commit(order) {
      const report = await store.commit(order);
      const left = [...report.refused];
      // Of several outcomes of one task the first is recorded, and the others are refused.
      const outcomes = order.completed.toReversed().flatMap(({ id, clientId, exitStatus }) => {
        const at = left.indexOf(id);
        // No task of the fuzzer needs more than a client has.
        if (at < 0) return clientId === null ? [] : [{ id, clientId, exitStatus }];
        left.splice(at, 1);
        return [];
      });
      if (outcomes.length > 0) tell({ kind: "recorded", outcomes });
      return report;
    },
  };
  // The functions of the store are bound to it: a class may have private fields.
  return new Proxy(store, {
    get(_, name: keyof Store) {
      if (name === "insert" || name === "commit") return told[name];
      const value: unknown = store[name];
      return typeof value === "function" ? (value as () => unknown).bind(store) : value;
    },
  });
}

/** The reactor, which tells of the tasks that it believes a client to have because that said so. */
function watchedStep(tell: (told: Told) => void): typeof step {
  /** What clients have brought whose registration is not over, by their ids. */
  const brought = new Map<string, readonly Lease[]>();
  return (state, events, now) => {
    const effects = step(state, events, now);
    for (const event of events) {
      if (event.kind !== "helloReceived") continue;
      const { clientId, running, finished } = event.hello;
      if (running.length + finished.length > 0) brought.set(clientId, [...running, ...finished]);
    }
    for (const [clientId, leases] of brought) {
      const ids = believed(state, clientId, leases);
      if (ids.length > 0) tell({ kind: "believed", clientId, ids });
      if ((state.clients.get(clientId)?.registration ?? null) === null) brought.delete(clientId);
    }
    return effects;
  };
}

/** Those of the tasks whose outcome counts, or has just been taken, if this client says it. */
function believed(state: ServerState, clientId: string, leases: readonly Lease[]): string[] {
  const { settling, outbox, holders, lost } = state;
  const ended = [...(settling?.outcomes ?? []), ...outbox.completed].filter((each) => each.clientId === clientId);
  const isBelieved = (lease: Lease): boolean =>
    holders.get(lease.id)?.id === clientId ||
    lost.get(leaseKey(lease)) === clientId ||
    ended.some(({ outcome, task }) => task !== null && outcome.id === lease.id);
  return leases.filter(isBelieved).map(({ id }) => id);
}

/** A connection, which tells who is given what. */
function watchedLink(link: PeerLink, tell: (told: Told) => void): PeerLink {
  let clientId = "";
  return {
    ...link,
    open: (handlers) =>
      link.open({
        ...handlers,
        message(message) {
          if (message.kind === "hello") ({ clientId } = message);
          handlers.message(message);
        },
      }),
    send(message) {
      if (message.kind === "assign") tell({ kind: "given", clientId, ids: message.tasks.map(({ id }) => id) });
      return link.send(message);
    },
  };
}
