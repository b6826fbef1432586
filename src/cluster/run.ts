/*
 * The story of `hsx` on one machine: a server, and one client in the same process, joined by a pipe. Knows how the two
 * start and end together. What every server needs is in serve.ts.
 */
import { type Clock, systemClock } from "../base/clock.ts";
import { hostName } from "../base/process.ts";
import { type Client, runClient } from "../client/client.ts";
import { pipe } from "../wire/pipe.ts";
import type { HostMessage, PeerMessage } from "../wire/message.ts";
import { WireProblem } from "../wire/problem.ts";
import { answeredSoon, provisionOf } from "./host.ts";
import { newNumbering } from "./numbering.ts";
import { clientSettings, jobsFor, makeExecutor, monitorFor, showing, type TaskOptions } from "./tasks.ts";
import { type LoggedOptions, serveLogged } from "./joblog.ts";
import { printerOf, sinkOf } from "./printing.ts";
import type { ClusterReport } from "./serve.ts";
import type { HearStop } from "./signals.ts";

export interface ClusterOptions extends Omit<LoggedOptions, "logger" | "remote" | "launchesClients">, TaskOptions {
  /** How long to wait before the first task starts, milliseconds. */
  readonly delayMs: number;
  readonly hearStop: HearStop;
}

/** How long the client may take to hear of the end, milliseconds. It takes a turn of the event loop or two. */
const lastWordsMs = 100;

/** Lets the client, whose server has ended, come to its own end and say so in the log. */
function lastWords(client: Client, clock: Clock): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = clock.after(lastWordsMs, resolve);
  client.finished.then(() => resolve(), resolve);
  return promise.finally(() => timer.cancel());
}

/** The settings of a client whose only server is in the same process. */
const onlyServer = { secret: null, servers: 1, connectMs: 0, loyalMs: 0, reconnectMs: 0, forsakenMs: 0 } as const;

/**
 * Runs tasks on this machine until the run ends. Throws a UserError when something is wrong with the files, and the
 * error of a store or client that fails.
 */
export async function runCluster(options: ClusterOptions): Promise<ClusterReport> {
  const { loggers } = options;
  const clock = systemClock;
  // Everything that can be wrong with files is found before the first task runs.
  const provision = provisionOf(options);
  const monitor = await monitorFor(options);
  // The server and the client tell of the same numbers.
  const numbering = options.wishes.results === null ? null : newNumbering();
  const printer = printerOf(options, clock, loggers("server"));
  const held = { ...options, numbering, monitor, sink: sinkOf(printer), jobs: await jobsFor(options) };
  const executor = makeExecutor(held, provision, options.instanceId, () => {
    // The client gives back a task that died so. It must not get it again before the server knows.
    client?.stop("finish", "SIGPIPE");
    stopUnread();
  });
  let client: Client | null = null;
  let stopUnread = (): void => {
    // No task runs before there is a server.
  };
  try {
    const serving = await serveLogged({
      ...options,
      numbering,
      printer,
      logger: "cluster",
      remote: false,
      launchesClients: false,
    });
    const { server } = serving;
    const [serverEnd, clientEnd] = pipe<HostMessage, PeerMessage>();
    server.attachOwn(serverEnd);
    // The pipe is the only connection: a client that asks for another gets none.
    const ends = [clientEnd];
    stopUnread = serving.stopUnread;
    let stopped = false;
    const clientFailure = Promise.withResolvers<never>();

    function start(): void {
      if (stopped) return;
      client = runClient({
        connect: async () => ends.pop() ?? Promise.reject(new WireProblem("lost", "the server is gone")),
        settings: {
          ...clientSettings(options, provision),
          // While lines may come, a client without a task is not idle but waits for them.
          idleMs: null,
          host: hostName(),
          ...onlyServer,
        },
        executor,
        clock,
        isStuck: server.isStuck,
        show: showing(options),
        log: loggers("client"),
      });
      // The client leaves only when it is asked to, or after a long idle time. Then nobody is left to run tasks.
      client.finished.then(() => server.stop("finish"), clientFailure.reject);
      if (!options.forever && options.idleMs !== null) limitIdle(client, options.idleMs);
      limitTime(client);
    }
    function limitTime(of: Client): void {
      void provision.learned?.then((end) => of.endsAt(end));
    }
    function limitIdle(of: Client, idleMs: number): void {
      void serving.inputEnded.then(() => of.limitIdle(idleMs));
    }
    const { learned } = provision;
    if (options.delayMs > 0) clock.after(options.delayMs, start);
    else if (learned === null) start();
    else void answeredSoon(clock, [learned]).then(start);

    const release = options.hearStop(
      {
        stop(how, signal) {
          stopped = true;
          serving.stop(how, signal);
        },
        running: server.running,
        inTrouble: serving.inTrouble,
        kill() {
          client?.kill();
          serving.hurry();
        },
      },
      loggers,
      "server",
    );
    // A store that fails for good ends the server at once, but the tasks must still be stopped before the run is over.
    const served = serving.finished.catch(async (error: unknown) => {
      await client?.finished;
      throw error;
    });
    const report = await Promise.race([served, clientFailure.promise]).finally(release);
    if (client !== null) await lastWords(client, clock);
    return report;
  } finally {
    executor.close();
  }
}
