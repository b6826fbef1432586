/*
 * A server in this process with a client that does as it is told, as a scene for views.
 */
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { newId } from "../../src/base/ids.ts";
import { hostName } from "../../src/base/process.ts";
import type { DatabaseViewing } from "../../src/cluster/viewing/database.ts";
import { showOutput } from "../../src/client/shown.ts";
import { type ServerViewing, viewServer } from "../../src/cluster/viewing/server.ts";
import { runServer, type Server } from "../../src/server/door.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { openSqlite } from "../../src/store/sqlite/sqlite.ts";
import type { Store } from "../../src/store/store.ts";
import { everyFailure } from "../../src/task/retries.ts";
import type { Assignment } from "../../src/task/task.ts";
import type { ViewSource } from "../../src/view/view.ts";
import type { HostLink } from "../../src/wire/link.ts";
import type { ClientMessage, ServerMessage } from "../../src/wire/message.ts";
import { pipe } from "../../src/wire/pipe.ts";
import { makeOutcome, silentLog } from "../make.ts";
import { makeTask } from "./store.ts";
import { runningTexts } from "./view.ts";

/** A server whose ten tasks are as every scene has them. */
export interface Staged extends AsyncDisposable {
  readonly server: Server;
  readonly viewing: ServerViewing;
  readonly ids: readonly string[];
  /** Adds text to the captured output of the first task that runs. */
  readonly print: (text: string) => Promise<void>;
}

const everything = { kind: "all" } as const;

/** `database`: in a file, or in memory. */
export async function stage(database: boolean): Promise<Staged> {
  const folder = mkdtempSync(join(tmpdir(), "hs-view-"));
  const file = join(folder, "main.db");
  const store: Store = database
    ? openSqlite({ file, pragmas: { synchronous: "off" }, clock: systemClock })
    : new MemoryStore();
  const seen = (): ServerViewing => ({
    server,
    servers: () => store.servers(),
    isAlive: () => true,
    tasks: store.own ?? databaseIn(folder, file),
    name: "here",
    clock: systemClock,
  });
  const server: Server = await startServer(store, () => viewServer(seen()));
  server.watch();
  const since = Date.now() - 10_000;
  const texts = ["a", "b", "c", "fails", "fails, too", "is cancelled", ...runningTexts, "waits", "waits, too"];
  const tasks = texts.map((args, i) => makeTask({ id: newId(), args, submitId: newId(), submitTime: since + i }));
  await store.insert(tasks);
  const client = await connect(server, folder);
  const assigned = await client.assigned(8);
  const statuses = [0, 0, 0, 3, 70, -1];
  const outcomes = statuses.map((exitStatus, i) => {
    const { id, lease, args } = assigned[i]!;
    const [startTime, completionTime] = [since + 100, since + 1100 + i];
    const ran = exitStatus >= 0 ? { command: args, startTime } : { command: null, startTime: null };
    return makeOutcome({ id, lease }, { exitStatus, completionTime, outpath: null, errpath: null, ...ran });
  });
  client.say({ kind: "results", outcomes, credit: 0 });
  await client.acknowledged(outcomes.length);
  const started = assigned.slice(6).map(({ id, lease }, i) => ({ id, lease, startTime: since + 2000 + i }));
  client.say({ kind: "beat", started });
  await client.answered();
  return {
    server,
    viewing: seen(),
    ids: tasks.map(({ id }) => id),
    print: async (text) => appendFileSync(join(folder, `${assigned[6]!.id}.out`), text),
    async [Symbol.asyncDispose]() {
      server.stop("abort");
      client.leave();
      await server.finished;
      await store.close();
      rmSync(folder, { recursive: true });
    },
  };
}

function databaseIn(folder: string, file: string): DatabaseViewing {
  return {
    settings: { provider: "sqlite", file, database: null, url: null, pragmas: {} },
    ports: {
      captureFolder: () => folder,
      host: hostName(),
      fetch: async () => ({ kind: "failed", reason: "there is no other host" }),
      log: silentLog,
      clock: systemClock,
    },
    clock: systemClock,
  };
}

async function startServer(store: Store, view: () => Promise<ViewSource>): Promise<Server> {
  const serverId = newId();
  const now = Date.now();
  const place = { host: hostName(), pid: process.pid, pidStart: null, processTable: null };
  const row = { id: serverId, ...place, reserves: false, startedAt: now, beatAt: now };
  const { storeId, firstLease } = await store.addServer(row);
  const server = runServer({
    store,
    enter: () => store.addServer(row),
    isAlive: (other) => other.id === serverId,
    clock: systemClock,
    log: silentLog,
    onFailed: () => undefined,
    view,
    settings: {
      serverId,
      serverHost: hostName(),
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
  return server;
}

/** A client that says what the test wants it to. */
interface Puppet {
  say(message: ClientMessage): void;
  /** Resolves with all assignments when there are so many. */
  assigned(count: number): Promise<readonly Assignment[]>;
  acknowledged(count: number): Promise<void>;
  /** Resolves when the last beat is answered. */
  answered(): Promise<void>;
  leave(): void;
}

async function connect(server: Server, folder: string): Promise<Puppet> {
  const [near, far] = pipe<ClientMessage, ServerMessage>() as unknown as [HostLink, Parameters<Server["attach"]>[0]];
  const clientId = newId();
  const assigned: Assignment[] = [];
  let [acks, beats] = [0, 0];
  let heard: (() => void) | null = null;
  server.attach(far);
  near.open({
    message(message) {
      if (message.kind === "assign") assigned.push(...message.tasks);
      else if (message.kind === "ack") acks += message.tasks.length;
      else if (message.kind === "beat") beats++;
      else if (message.kind === "show") say({ kind: "shown", ask: message.ask, ...showOutput(folder, message, false) });
      heard?.();
    },
    drain: () => undefined,
    close: () => undefined,
  });
  const until = async (done: () => boolean): Promise<void> => {
    while (!done()) await new Promise<void>((resolve) => (heard = resolve));
  };
  const say = (message: ClientMessage): void => void near.send(message);
  const host = hostName();
  say({ kind: "hello", clientId, host, executors: 2, credit: 8, running: [], finished: [], shows: true });
  return {
    say,
    async assigned(count) {
      await until(() => assigned.length >= count);
      return assigned;
    },
    acknowledged: (count) => until(() => acks >= count),
    answered: () => until(() => beats > 0),
    leave: () => near.close(),
  };
}
