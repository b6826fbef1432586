/*
 * The story of `hs client`: it connects to a server, runs its tasks, and comes back when the connection breaks. It
 * leaves when it is told to, when it was idle for too long, and when its server is out of reach for good.
 */
import { systemClock } from "../base/clock.ts";
import { secretDigits } from "../base/ids.ts";
import { hostName } from "../base/process.ts";
import { type Client, runClient } from "../client/client.ts";
import { type ClientTls, connect } from "../wire/connect.ts";
import { problemError } from "./problems.ts";
import { moreUrgent, onSignals, type StopName, unreadText } from "./signals.ts";
import { clientSettings, makeExecutor, type TaskOptions } from "./tasks.ts";

/** The key that both sides must know, and the TLS settings by which the server is recognised. */
export interface ClientAccess {
  readonly key: string;
  /** The settings of TLS; null: connections have none. */
  readonly tls: ClientTls | null;
}

/** Where a server may be. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface ClientRunOptions extends TaskOptions {
  /** The servers, in the order in which they are tried; at least one. */
  readonly servers: readonly Endpoint[];
  readonly security: ClientAccess;
  /** The largest number of outcomes in one frame; null: all that wait. */
  readonly bundleSize: number | null;
  /** The longest time that an outcome waits for others, milliseconds; null: the server decides. */
  readonly bundleWaitMs: number | null;
  /**
   * Whether a run of `hsx` launched this client. Such a run has a key of its own, so no other server can take its
   * place.
   */
  readonly launched: boolean;
  /** Time before the first attempt to connect, milliseconds. */
  readonly delayMs: number;
}

export interface ClientReport {
  readonly stoppedBy: StopName | null;
}

/**
 * Runs tasks until the client is sent away, is idle for too long, or is stopped. Throws a UserError when no server can
 * be reached, or when all were lost for too long.
 */
export async function runClientAlone(options: ClientRunOptions): Promise<ClientReport> {
  const { config, loggers, delayMs } = options;
  const executor = makeExecutor(options, null, leaveUnread);
  const clock = systemClock;
  const reconnectMs = config.integer("client.reconnect") * 1000;
  const secret = secretDigits(32);
  let stoppedBy: StopName | null = null;
  const stopped = Promise.withResolvers<void>();
  let client: Client | null = null;
  const release = onSignals(
    {
      stop(how, signal) {
        stoppedBy = moreUrgent(stoppedBy, signal);
        stopped.resolve();
        client?.stop(how, signal);
      },
      running: () => client?.running() ?? 0,
      kill: () => client?.kill(),
    },
    loggers,
    "client",
  );

  function leaveUnread(): void {
    if (stoppedBy === null) loggers("client").warning(unreadText);
    stoppedBy = moreUrgent(stoppedBy, "SIGPIPE");
    stopped.resolve();
    client?.stop("finish", "SIGPIPE");
  }

  function start(servers: readonly Endpoint[]): Client {
    return runClient({
      connect: (index) => connect({ ...servers[index]!, ...options.security, clock, handshakeMs, connectMs }),
      settings: {
        ...clientSettings(options),
        host: hostName(),
        secret,
        bundleSize: options.bundleSize,
        bundleWaitMs: options.bundleWaitMs,
        servers: servers.length,
        connectMs: config.integer("client.connect") * 1000,
        // After the whole grace period the server gives the tasks to others. The server has half of that time to come
        // back.
        loyalMs: (config.integer("server.grace") * 1000) / 2,
        reconnectMs,
        forsakenMs: options.launched ? Math.min(forsakenMs, reconnectMs) : reconnectMs,
      },
      executor,
      clock,
      log: loggers("client"),
    });
  }

  try {
    if (delayMs > 0) {
      const timer = clock.after(delayMs, stopped.resolve);
      await stopped.promise;
      timer.cancel();
      if (stoppedBy !== null) return { stoppedBy };
    }
    let { servers } = options;
    for (let round = 1; ; round++) {
      client = start(servers);
      const failure = await client.finished;
      const last = servers[client.server()]!;
      // A client that one server sent away has done its work: if it finds no other server then, that is no failure.
      if (failure !== null && stoppedBy === null && round === 1) throw problemError("client", last.host, failure);
      servers = servers.filter((each) => each !== last);
      if (stoppedBy !== null || failure !== null || !client.dismissed() || servers.length === 0) return { stoppedBy };
      loggers("client").info(`Sent away by the server on ${last.host} - asking the next`);
    }
  } finally {
    release();
    executor.close();
  }
}

/** The longest wait of one attempt for the connection, and for the proofs of the key on it, milliseconds. */
const connectMs = 10_000;
const handshakeMs = 10_000;
/**
 * How long a client of a server that was killed tries again, milliseconds: its host answers that the port is closed.
 * The time covers wrong answers of a network that is being repaired.
 */
const forsakenMs = 3000;
