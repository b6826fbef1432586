/*
 * The channel on which stores tell each other that tasks wait or that there are recalls (LISTEN/NOTIFY). A notification
 * says that there is something, not what: everybody who listens looks for themselves.
 */
import type { Clock } from "../../base/clock.ts";
import { FatalError, TransientError } from "../../base/errors.ts";
import { channelOf, type PostgresConnection, type Query } from "./connection.ts";

/** How long closing waits for the last notification, milliseconds. */
const lastNewsMs = 2000;

export interface News {
  /** Calls `wake` when tasks may be available that were not before. */
  onTasks(wake: () => void): void;
  /** Calls `wake` when there may be recalls. */
  onRecalls(wake: () => void): void;
  /**
   * Tells that tasks are available that were not before. Others are told after the transaction, not in it: PostgreSQL
   * commits transactions that notify one after the other, and each waits for the disk in its turn. At most one
   * notification is under way, and nobody waits for it. One that is lost with the connection does no harm, because
   * listeners look for themselves at intervals and whenever listening begins.
   */
  announce(): void;
  /** Tells others, within a transaction, that there are recalls. */
  tellRecall(within: Query): Promise<void>;
  /** Waits until everything has been told, but not longer than `lastNewsMs`. */
  told(): Promise<void>;
}

/** The state of the news of one store. */
interface State {
  readonly connection: PostgresConnection;
  readonly channel: string;
  readonly tasks: (() => void)[];
  readonly recalls: (() => void)[];
  listening: boolean;
  /** The notification that is under way. */
  telling: Promise<void> | null;
  /** Whether another one has to follow. */
  due: boolean;
}

/** The channel of the schema that the connection uses. */
export function newNews(connection: PostgresConnection, clock: Clock): News {
  const channel = channelOf(connection.schema);
  const state: State = { connection, channel, tasks: [], recalls: [], listening: false, telling: null, due: false };
  return {
    onTasks(listener) {
      state.tasks.push(listener);
      listen(state);
    },
    onRecalls(listener) {
      state.recalls.push(listener);
      listen(state);
    },
    announce() {
      wake(state.tasks);
      state.due = true;
      state.telling ??= tellOthers(state);
    },
    tellRecall: (within) => notify(within, channel, "recall"),
    async told() {
      if (state.telling === null) return;
      const late = Promise.withResolvers<void>();
      const timer = clock.after(lastNewsMs, late.resolve);
      await Promise.race([state.telling, late.promise]);
      timer.cancel();
    },
  };
}

function wake(listeners: readonly (() => void)[]): void {
  for (const each of listeners) each();
}

function listen(state: State): void {
  if (state.listening) return;
  state.listening = true;
  const heard = (news: string): void => wake(news === "recall" ? state.recalls : state.tasks);
  // Anything may have happened while nobody listened.
  const ready = (): void => {
    wake(state.recalls);
    wake(state.tasks);
  };
  state.connection.listen(state.channel, heard, ready);
}

async function tellOthers(state: State): Promise<void> {
  try {
    while (state.due) {
      state.due = false;
      await notify(state.connection.query, state.channel, "tasks");
    }
  } catch (error) {
    // The failure is not lost: the next call of the store meets it again and reports it.
    if (!(error instanceof TransientError || error instanceof FatalError)) throw error;
  } finally {
    state.telling = null;
  }
}

async function notify(within: Query, channel: string, news: "tasks" | "recall"): Promise<void> {
  await within("select pg_notify($1, $2)", [channel, news]);
}
