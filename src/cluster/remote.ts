/*
 * The story of `hs client`: connects to a server, runs its tasks, comes back when the connection breaks, and leaves when it is told to, has been
 * idle for too long, or its server is out of reach for good.
 */
import { systemClock } from "../base/clock.ts";
import { hostName } from "../base/process.ts";
import { runClient } from "../client/client.ts";
import { type ClientTls, connect } from "../wire/tcp.ts";
import { problemError } from "./problems.ts";
import { moreUrgent, onSignals, type StopName } from "./signals.ts";
import { clientSettings, makeExecutor, type TaskOptions } from "./tasks.ts";

/** How the server is recognised, and how it recognises us. */
export interface ClientAccess {
  readonly key: string;
  /** null: no TLS. */
  readonly tls: ClientTls | null;
}

export interface ClientRunOptions extends TaskOptions {
  readonly host: string;
  readonly port: number;
  readonly security: ClientAccess;
  /** Most outcomes in one frame; null: as many as there are. */
  readonly bundleSize: number | null;
  /** Longest that an outcome waits for company, milliseconds; null: as the server says. */
  readonly bundleWaitMs: number | null;
  /** Before the first attempt to connect. */
  readonly delayMs: number;
}

export interface ClientReport {
  readonly stoppedBy: StopName | null;
}

/** Throws a UserError when the server cannot be reached, or was lost for too long. */
export async function runClientAlone(options: ClientRunOptions): Promise<ClientReport> {
  const { host, port, security, config, loggers, delayMs } = options;
  const executor = makeExecutor(options, null);
  const clock = systemClock;
  let stoppedBy: StopName | null = null;
  const stopped = Promise.withResolvers<void>();
  let client: ReturnType<typeof runClient> | null = null;
  const release = onSignals(
    {
      stop(how, signal) {
        stoppedBy = moreUrgent(stoppedBy, signal);
        stopped.resolve();
        client?.stop(how, signal);
      },
      kill: () => client?.kill(),
    },
    loggers,
    "client",
  );
  try {
    if (delayMs > 0) {
      const timer = clock.after(delayMs, stopped.resolve);
      await stopped.promise;
      timer.cancel();
      if (stoppedBy !== null) return { stoppedBy };
    }
    client = runClient({
      connect: () => connect({ host, port, ...security, clock, handshakeMs, connectMs }),
      settings: {
        ...clientSettings(options),
        host: hostName(),
        bundleSize: options.bundleSize,
        bundleWaitMs: options.bundleWaitMs,
        connectMs: (config.integer("client.connect") ?? 15) * 1000,
        reconnectMs: (config.integer("client.reconnect") ?? 600) * 1000,
      },
      executor,
      clock,
      log: loggers("client"),
    });
    const failure = await client.finished;
    if (failure !== null && stoppedBy === null) throw problemError("client", host, failure);
    return { stoppedBy };
  } finally {
    release();
    executor.close();
  }
}

/** One attempt: the connection, and the proofs on it, milliseconds. */
const connectMs = 10_000;
const handshakeMs = 10_000;
