/*
 * The story of `hsx` on one machine: a server, and one client in the same process, joined by a pipe. Knows how the two
 * start and end together; what a server needs besides is in serve.ts.
 */
import { systemClock } from "../base/clock.ts";
import { hostName } from "../base/process.ts";
import { type Client, runClient } from "../client/client.ts";
import { pipe } from "../wire/pipe.ts";
import type { HostMessage, PeerMessage } from "../wire/message.ts";
import { WireProblem } from "../wire/problem.ts";
import { clientSettings, makeExecutor, type TaskOptions } from "./tasks.ts";
import { type ClusterReport, serve, type ServeOptions } from "./serve.ts";
import { onSignals } from "./signals.ts";

export interface ClusterOptions extends Omit<ServeOptions, "logger" | "remote">, TaskOptions {
  /** Time before the first task starts, milliseconds. */
  readonly delayMs: number;
}

/**
 * Runs tasks on this machine until the run ends. Throws a UserError when something is wrong with the files, and the
 * error of a store or client that fails.
 */
export async function runCluster(options: ClusterOptions): Promise<ClusterReport> {
  const { loggers } = options;
  const clock = systemClock;
  // Everything that can be wrong with files is found before the first task runs.
  const executor = makeExecutor(options, options.instanceId);
  try {
    const serving = await serve({ ...options, logger: "cluster", remote: false });
    const { server } = serving;
    const [serverEnd, clientEnd] = pipe<HostMessage, PeerMessage>();
    server.attach(serverEnd);
    // There is only this one connection.
    const ends = [clientEnd];
    let client: Client | null = null;
    let stopped = false;
    const clientFailure = Promise.withResolvers<never>();

    function start(): void {
      if (stopped) return;
      client = runClient({
        connect: async () => ends.pop() ?? Promise.reject(new WireProblem("lost", "the server is gone")),
        settings: {
          ...clientSettings(options),
          host: hostName(),
          servers: 1,
          connectMs: 0,
          loyalMs: 0,
          reconnectMs: 0,
          forsakenMs: 0,
        },
        executor,
        clock,
        log: loggers("client"),
      });
      // This client leaves only when it is asked to, or when it was idle for long: then nobody is left to run tasks.
      client.finished.then(() => server.stop("finish"), clientFailure.reject);
    }
    if (options.delayMs > 0) clock.after(options.delayMs, start);
    else start();

    const release = onSignals(
      {
        stop(how, signal) {
          stopped = true;
          serving.stop(how, signal);
        },
        kill() {
          client?.kill();
          serving.hurry();
        },
      },
      loggers,
      "server",
    );
    // A store beyond help ends the server at once; all the same the tasks are stopped before the run is over.
    const served = serving.finished.catch(async (error: unknown) => {
      await client?.finished;
      throw error;
    });
    return await Promise.race([served, clientFailure.promise]).finally(release);
  } finally {
    executor.close();
  }
}
