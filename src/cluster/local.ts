/*
 * A server and one client in one process, joined by a pipe: what `hsx` runs on one machine. The only other room that sees both sides is
 * cli. Knows how the parts of a run start, feed each other and end; decides nothing about tasks.
 */
import type { Clock } from "../base/clock.ts";
import { runClient } from "../client/client.ts";
import type { Executor } from "../client/executor.ts";
import type { ClientSettings } from "../client/state.ts";
import type { Loggers } from "../log/logger.ts";
import { runServer, type ServerReport } from "../server/door.ts";
import type { ServerSettings } from "../server/state.ts";
import type { Store } from "../store/store.ts";
import { pipe } from "../wire/pipe.ts";
import type { ClientMessage, LeaveKind, ServerMessage } from "../wire/message.ts";

export interface LocalOptions {
  readonly store: Store;
  readonly server: ServerSettings;
  readonly client: ClientSettings;
  readonly executor: Executor;
  /** The group to start with; null: the lowest there is. */
  readonly group: number | null;
  /** Starts before the first line is read (positive) delay, milliseconds. */
  readonly clientDelayMs: number;
  readonly clock: Clock;
  readonly loggers: Loggers;
  readonly onFailed: (args: string) => void;
}

export interface LocalRun {
  inputResumed(): void;
  inputQuiet(): void;
  inputEnded(): void;
  stop(how: LeaveKind, reason: string): void;
  /** SIGKILL to every task that is left; a database in trouble is not waited for. */
  kill(): void;
  readonly finished: Promise<ServerReport>;
}

export function runLocal(options: LocalOptions): LocalRun {
  const { store, clock, loggers, onFailed } = options;
  const server = runServer({
    settings: options.server,
    group: options.group,
    store,
    clock,
    log: loggers("server"),
    onFailed,
  });
  const [serverEnd, clientEnd] = pipe<ServerMessage, ClientMessage>();
  server.attach(serverEnd);
  const startClient = () =>
    runClient(clientEnd, { settings: options.client, executor: options.executor, clock, log: loggers("client") });
  let client: ReturnType<typeof runClient> | null = null;
  let stopped = false;
  const clientFailure = Promise.withResolvers<never>();

  function start(): void {
    if (stopped) return;
    client = startClient();
    // The client of a local run leaves only when asked to, or when it was idle for long: then nobody is left to run tasks.
    client.finished.then(() => server.stop("finish"), clientFailure.reject);
  }
  if (options.clientDelayMs > 0) clock.after(options.clientDelayMs, start);
  else start();

  // A store beyond help ends the server at once; the tasks are stopped all the same before the run is over.
  const served = server.finished.catch(async (error: unknown) => {
    await client?.finished;
    throw error;
  });

  return {
    finished: Promise.race([served, clientFailure.promise]),
    inputResumed: server.inputResumed,
    inputQuiet: server.inputQuiet,
    inputEnded: server.inputEnded,
    stop(how) {
      stopped = true;
      server.stop(how);
    },
    kill() {
      client?.kill();
      server.hurry();
    },
  };
}
