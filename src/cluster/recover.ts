/*
 * What a run finds in its database before it starts: servers that died, tasks they held, tasks of earlier runs. A finite run with input of
 * its own only tells of them; `--restart` and `--forever` take them over (DESIGN 4.5).
 */
import type { Clock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import type { Logger } from "../log/logger.ts";
import type { Scope, ServerRow, Store } from "../store/store.ts";

export interface RecoverOptions {
  readonly store: Store;
  readonly scope: Scope;
  readonly forever: boolean;
  /** Attempts a task has in all. */
  readonly attempts: number;
  readonly isAlive: (server: ServerRow) => boolean;
  readonly now: () => number;
  readonly newId: () => string;
  readonly log: Logger;
}

export interface Recovery {
  /** The group to go on with; null: the lowest there is. */
  readonly group: number | null;
  /** Nothing is left to do for a finite run without input. */
  readonly nothingToDo: boolean;
}

export async function recover(options: RecoverOptions): Promise<Recovery> {
  const { store, scope, log } = options;
  if (!store.durable) return { group: null, nothingToDo: false };
  if (scope.kind === "submission") {
    const { unfinished } = await store.survey({ kind: "all" });
    if (unfinished > 0)
      log.info(`Database has ${unfinished} unfinished tasks of earlier runs - left alone (run them with --restart)`);
    return { group: null, nothingToDo: false };
  }
  return takeOver(options);
}

/** Gives back what dead servers held or reserved. The number of tasks that were under way there. */
async function buryDead(store: Store, isAlive: (server: ServerRow) => boolean, log: Logger): Promise<number> {
  let reverted = 0;
  for (const server of await store.servers()) {
    if (isAlive(server)) continue;
    log.debug(`Server is gone (${server.host}: ${server.id})`);
    reverted += await store.buryServer(server.id);
  }
  return reverted;
}

export interface WatchOptions {
  readonly store: Store;
  readonly isAlive: (server: ServerRow) => boolean;
  readonly clock: Clock;
  readonly everyMs: number;
  readonly log: Logger;
}

/** A run that takes whatever is free also takes what servers leave behind that die beside it. The answer ends the watch. */
export function watchServers(options: WatchOptions): () => void {
  const { store, isAlive, clock, everyMs, log } = options;
  let ended = false;
  let timer = clock.after(everyMs, look);
  function look(): void {
    // What fails now succeeds at a later look, or the server's own calls tell what is wrong.
    void buryDead(store, isAlive, log)
      .then((reverted) => {
        if (reverted > 0) log.info(`Reverted ${reverted} tasks of servers that are gone`);
      })
      .catch((error: unknown) => log.debug(() => `Servers not looked at: ${messageOf(error)}`))
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
  const { store, scope, forever, attempts, isAlive, now, newId, log } = options;
  let reverted = await buryDead(store, isAlive, log);
  reverted += await store.revertOrphans();
  if (attempts > 1) {
    const again = await store.retryFailures(scope, attempts, now(), newId);
    if (again > 0) log.info(`Trying ${again} previously failed tasks again`);
  }
  const { unfinished, total } = await store.survey(scope);
  if (forever) log.info("Scheduler will run forever");
  if (total === 0) {
    log.info(`Empty database - ${forever ? "waiting for initial tasks" : "stopping"}`);
    return { group: null, nothingToDo: true };
  }
  if (unfinished === 0) {
    const count = total.toLocaleString("en-US");
    log.info(`All previous tasks completed (${count}) - ${forever ? "waiting for new tasks" : "stopping"}`);
    return { group: await startGroup(store, log), nothingToDo: true };
  }
  log.info(`Found ${unfinished} unfinished tasks`);
  log.info(`Reverted ${reverted} previously interrupted tasks`);
  return { group: await startGroup(store, log), nothingToDo: false };
}

async function startGroup(store: Store, log: Logger): Promise<number> {
  const { group, reason } = await store.activeGroup();
  log.debug(`Starting with task group ${group} (${reason})`);
  return group;
}
