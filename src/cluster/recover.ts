/*
 * What a run finds in its database before it starts: servers that died, tasks they held, tasks of earlier runs. A
 * finite run with input of its own only tells of them; `--restart` and `--forever` take them over (ARCHITECTURE.md,
 * rule 5).
 */
import type { Clock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import { counted } from "../base/units.ts";
import type { Logger } from "../log/logger.ts";
import type { Estate } from "../server/state.ts";
import type { Scope, ServerRow, Store } from "../store/store.ts";
import { tellOfContinued, tellOfLeft, unfinishedOf } from "./sources.ts";

export interface RecoverOptions {
  readonly store: Store;
  readonly scope: Scope;
  readonly forever: boolean;
  /** The number of attempts that a task has in all. */
  readonly attempts: number;
  /** Whether clients of an earlier server can come back to this run. */
  readonly remote: boolean;
  readonly isAlive: (server: ServerRow) => boolean;
  readonly now: () => number;
  readonly newId: () => string;
  readonly log: Logger;
}

export interface Recovery {
  /** Dead servers whose clients may still run their tasks. */
  readonly estates: readonly Estate[];
  /** The number of tasks of earlier runs that this one is to run. */
  readonly unfinished: number;
}

/** Takes over what the scope of this run allows, and reports the rest. Throws what the store throws. */
export async function recover(options: RecoverOptions): Promise<Recovery> {
  const { store, scope, isAlive, now, log } = options;
  if (!store.durable) return { estates: [], unfinished: 0 };
  if (scope.kind === "submission") {
    const sources = await store.sources({ kind: "all" });
    if (sources.length > 0) {
      const living = (await store.servers()).filter(isAlive);
      tellOfLeft(sources, now(), living.length <= 1, log);
    }
    return { estates: [], unfinished: 0 };
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
    handedOut += await store.handedOut(server.id);
    reverted += await store.buryServer(server.id);
  }
  return { reverted, handedOut };
}

export interface WatchOptions {
  readonly store: Store;
  readonly isAlive: (server: ServerRow) => boolean;
  readonly clock: Clock;
  readonly everyMs: number;
  /** Time that the clients of a dead server have to find its successor, milliseconds. */
  readonly graceMs: number;
  readonly log: Logger;
}

/** Gives back what servers held that die while this run takes any free task. Answers a function that ends the watch. */
export function watchServers(options: WatchOptions): () => void {
  const { store, isAlive, clock, everyMs, graceMs, log } = options;
  let ended = false;
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
  let timer = clock.after(everyMs, look);
  function look(): void {
    // If this look fails, a later one may succeed. A failure that stays is reported by the server's own calls.
    void buryDead(store, isAlive, justDied, log)
      .then(({ reverted }) => {
        if (reverted > 0) log.info(`Reverted ${counted(reverted, "task")} of servers that are gone`);
      })
      .catch((error: unknown) => log.debug(() => `Could not look at other servers: ${messageOf(error)}`))
      .finally(() => {
        if (!ended) timer = clock.after(everyMs, look);
      });
  }
  return () => {
    ended = true;
    timer.cancel();
  };
}

async function takeOver(options: RecoverOptions): Promise<Recovery> {
  const { store, scope, forever, attempts, remote, isAlive, now, newId, log } = options;
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
  if (attempts > 1) {
    const again = await store.retryFailures(scope, attempts, now(), newId);
    if (again > 0) log.info(`Trying ${counted(again, "previously failed task")} again`);
  }
  const sources = await store.sources(scope);
  const unfinished = unfinishedOf(sources);
  const total = unfinished > 0 ? unfinished : await store.total(scope);
  if (forever) log.info("Scheduler will run forever");
  if (total === 0) {
    log.info(`Empty database - ${forever ? "waiting for initial tasks" : "stopping"}`);
    return { estates, unfinished };
  }
  if (unfinished === 0) {
    const count = total.toLocaleString("en-US");
    log.info(`All previous tasks completed (${count}) - ${forever ? "waiting for new tasks" : "stopping"}`);
    return { estates, unfinished };
  }
  log.info(`Found ${counted(unfinished, "unfinished task")}`);
  tellOfContinued(sources, log);
  log.info(`Reverted ${counted(reverted, "previously interrupted task")}${begunOf(dead)}`);
  return { estates, unfinished };
}

/** Tells how many of the tasks that dead servers held had begun, if not all. */
function begunOf({ reverted, handedOut }: { readonly reverted: number; readonly handedOut: number }): string {
  const waited = Math.max(0, reverted - handedOut);
  if (waited === 0) return "";
  return ` (${handedOut} ${handedOut === 1 ? "was" : "were"} running, ${waited} had not begun)`;
}
