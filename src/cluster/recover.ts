/*
 * What a run finds in its database before it starts: servers that died, tasks they held, tasks of earlier runs. A
 * finite run with input of its own only tells of them; `--restart` and `--forever` take them over (ARCHITECTURE.md,
 * rule 5).
 */
import type { Retries } from "../task/retries.ts";
import type { Clock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import { counted } from "../base/units.ts";
import type { Logger } from "../log/logger.ts";
import type { Estate } from "../server/state.ts";
import type { Scope, ServerRow, Store } from "../store/store.ts";
import { tellOfContinued, tellOfLeft, unfinishedOf } from "./sources.ts";

export interface RecoverOptions {
  /** The id of the server of this run. */
  readonly ownId: string;
  readonly store: Store;
  readonly scope: Scope;
  readonly forever: boolean;
  /** Which failures are tried again. */
  readonly retries: Retries;
  /** Whether clients of an earlier server can come back to this run. */
  readonly remote: boolean;
  readonly isAlive: (server: ServerRow) => boolean;
  /** See Liveness. */
  readonly isProven: (server: ServerRow) => boolean;
  readonly now: () => number;
  readonly newId: () => string;
  readonly log: Logger;
}

export interface Recovery {
  /** Dead servers whose clients may still run their tasks. */
  readonly estates: readonly Estate[];
  /** The number of tasks of earlier runs that this one is to run. */
  readonly unfinished: number;
  /** Servers that seem to be at work, and may have died less than a minute ago. */
  readonly unproven: readonly ServerRow[];
}

/** Takes over what the scope of this run allows, and reports the rest. Throws what the store throws. */
export async function recover(options: RecoverOptions): Promise<Recovery> {
  const { store, scope, isAlive, now, log } = options;
  if (!store.durable) return { estates: [], unfinished: 0, unproven: [] };
  if (scope.kind === "submission") {
    const sources = await store.sources({ kind: "all" });
    if (sources.length > 0) {
      const servers = await store.servers();
      const dead = servers.filter((server) => !isAlive(server));
      let recorded = 0;
      for (const { id } of dead) recorded += await store.recordLeft(id);
      const left = recorded === 0 ? sources : await store.sources({ kind: "all" });
      tellOfLeft(left, now(), servers.length - dead.length <= 1, log);
    }
    return { estates: [], unfinished: 0, unproven: [] };
  }
  return takeOver(options);
}

/**
 * Gives back what dead servers held or reserved. `spare` may keep a server for later, because its clients may be alive.
 * Answers how many tasks it held, and how many of them were with its clients.
 */
async function buryDead(
  store: Store,
  isAlive: (server: ServerRow) => boolean,
  spare: (server: ServerRow, clients: readonly string[]) => Promise<boolean>,
  log: Logger,
): Promise<{ reverted: number; handedOut: number }> {
  let reverted = 0;
  let handedOut = 0;
  for (const server of await store.servers()) {
    if (isAlive(server)) continue;
    // In a run on one machine the client is the same process, and has died with the server.
    const clients = (await store.clientsOf(server.id)).filter((id) => id !== server.id);
    if (clients.length > 0 && (await spare(server, clients))) continue;
    log.debug(`Server is gone (${server.host}: ${server.id})`);
    await store.recordLeft(server.id);
    handedOut += await store.handedOut(server.id);
    reverted += await store.buryServer(server.id);
  }
  return { reverted, handedOut };
}

export interface WatchOptions extends Pick<RecoverOptions, "store" | "isAlive" | "isProven" | "log"> {
  /** Servers of which it is to be found out whether they are at work. */
  readonly unproven: readonly ServerRow[];
  readonly clock: Clock;
  readonly everyMs: number;
  /** Time that the clients of a dead server have to find its successor, milliseconds. */
  readonly graceMs: number;
  readonly log: Logger;
}

export interface Watch {
  end(): void;
  /** Resolves when each of the servers that seemed to be at work has proved to be, or is gone. Never rejects. */
  readonly settled: Promise<void>;
}

/** The pause between two looks while it is not known whether other servers are alive, milliseconds. */
const unprovenMs = 1000;

/** Gives back what servers held that die while this run takes any free task. */
export function watchServers(options: WatchOptions): Watch {
  const { store, isAlive, isProven, clock, graceMs, log } = options;
  let ended = false;
  let unproven = new Set(options.unproven.map(({ id }) => id));
  const settled = Promise.withResolvers<void>();
  const pauseMs = (): number => (unproven.size > 0 ? Math.min(unprovenMs, options.everyMs) : options.everyMs);
  async function prove(): Promise<void> {
    if (unproven.size > 0) {
      const left = (await store.servers()).filter((row) => unproven.has(row.id) && !isProven(row));
      unproven = new Set(left.map(({ id }) => id));
    }
    if (unproven.size === 0) settled.resolve();
  }
  const missedAt = new Map<string, number>();
  /**
   * Whether a server died only just now. It is spared for the grace period: it may be started again, and its clients go
   * on meanwhile.
   */
  const justDied = async ({ id }: ServerRow): Promise<boolean> => {
    const since = missedAt.get(id) ?? clock.now();
    missedAt.set(id, since);
    return clock.now() - since < graceMs;
  };
  if (unproven.size === 0) settled.resolve();
  let timer = clock.after(pauseMs(), look);
  function look(): void {
    // If this look fails, a later one may succeed. A failure that stays is reported by the server's own calls.
    void buryDead(store, isAlive, justDied, log)
      .then(({ reverted }) => {
        if (reverted > 0) log.info(`Reverted ${counted(reverted, "task")} of servers that are gone`);
        return prove();
      })
      .catch((error: unknown) => log.debug(() => `Could not look at other servers: ${messageOf(error)}`))
      .finally(() => {
        if (!ended) timer = clock.after(pauseMs(), look);
      });
  }
  return {
    settled: settled.promise,
    end() {
      ended = true;
      timer.cancel();
    },
  };
}

async function takeOver(options: RecoverOptions): Promise<Recovery> {
  const { store, scope, forever, retries, remote, isAlive, isProven, now, newId, log } = options;
  const estates: Estate[] = [];
  const inherit = async (server: ServerRow, clients: readonly string[]): Promise<boolean> => {
    if (!remote) return false;
    // The tasks that it reserved are free at once. Those that its clients hold wait for the clients.
    await store.unreserve(server.id);
    estates.push({ serverId: server.id, clients });
    return true;
  };
  const dead = await buryDead(store, isAlive, inherit, log);
  const reverted = dead.reverted + (await store.revertOrphans());
  if (retries.attempts > 1) {
    const again = await store.retryFailures(scope, retries, now(), newId);
    if (again > 0) log.info(`Trying ${counted(again, "previously failed task")} again`);
  }
  const sources = await store.sources(scope);
  const unfinished = unfinishedOf(sources);
  const total = unfinished > 0 ? unfinished : await store.total(scope);
  const living = (await store.servers()).filter((row) => row.id !== options.ownId && isAlive(row));
  const unproven = living.filter((row) => !isProven(row));
  const recovery = { estates, unfinished, unproven };
  if (forever) log.info("Scheduler will run forever");
  if (unfinished === 0) {
    tellOfIdle(total, living.length, recovery, options);
    tellOfUnproven(recovery, options);
    return recovery;
  }
  tellOfUnproven(recovery, options);
  log.info(`Found ${counted(unfinished, "unfinished task")}`);
  tellOfContinued(sources, log);
  log.info(`Reverted ${counted(reverted, "previously interrupted task")}${begunOf(dead)}`);
  return recovery;
}

/**
 * Says that there is nothing to do now, and what happens next. `total`: how many tasks are there, ended ones included.
 */
function tellOfIdle(total: number, others: number, { unproven }: Recovery, { forever, log }: RecoverOptions): void {
  if (forever || others === 0) {
    const what = total === 0 ? "Empty database" : `All previous tasks completed (${total.toLocaleString("en-US")})`;
    const next = forever ? (total === 0 ? "waiting for initial tasks" : "waiting for new tasks") : "stopping";
    log.info(`${what} - ${next}`);
  } else if (unproven.length === 0) {
    const who = `${counted(others, "other server")} ${others === 1 ? "is" : "are"} at work on what is in the database`;
    log.info(`Nothing to do for this run: ${who} - stopping`);
  }
}

/** Tells of servers that may have died just now: what they hold is not free before that is certain. */
function tellOfUnproven({ unproven }: Recovery, { forever, log }: RecoverOptions): void {
  if (unproven.length === 0 || forever) return;
  const [one] = unproven;
  const who = unproven.length === 1 ? `Server ${one?.host}: ${one?.id}` : counted(unproven.length, "other server");
  const was = unproven.length === 1 ? "was" : "were";
  const wait = "waiting for a heartbeat, up to a minute";
  log.info(`${who} ${was} at work a moment ago - ${wait}; without one its tasks are taken over`);
}

/** Tells how many of the tasks that dead servers held had begun, if not all. */
function begunOf({ reverted, handedOut }: { readonly reverted: number; readonly handedOut: number }): string {
  const waited = Math.max(0, reverted - handedOut);
  if (waited === 0) return "";
  return ` (${handedOut} ${handedOut === 1 ? "was" : "were"} running, ${waited} had not begun)`;
}

/** Says how long clients of dead servers are waited for. `graceMs`: milliseconds. */
export function tellOfEstates({ estates }: Recovery, graceMs: number, log: Logger): void {
  if (estates.length === 0) return;
  const clients = estates.reduce((sum, estate) => sum + estate.clients.length, 0);
  const who = `${counted(clients, "client")} of the previous server, which may still hold tasks`;
  log.info(`Waiting up to ${graceMs / 1000} s for ${who}`);
}
