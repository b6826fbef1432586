/*
 * The story of `hs client`: it connects to a server, runs its tasks, and comes back when the connection breaks. It
 * leaves when it is told to, when it was idle for too long, and when its server is out of reach for good.
 */
import { unreachable } from "../base/assert.ts";
import { systemClock } from "../base/clock.ts";
import { secretDigits } from "../base/ids.ts";
import { hostName } from "../base/process.ts";
import { counted } from "../base/units.ts";
import { type Client, type ClientOptions, type Left, runClient } from "../client/client.ts";
import type { Executor } from "../client/executor.ts";
import type { ClientSettings } from "../client/state.ts";
import { newOutgoing } from "../client/outgoing.ts";
import { newSpool, spoolFolder, tellFull } from "../output/spool.ts";
import type { Logger, Loggers } from "../log/logger.ts";
import { type ClientTls, connect } from "../wire/connect.ts";
import type { Endpoint } from "./endpoint.ts";
import { forget, keep, type Kept, keptIn } from "./leftovers.ts";
import { problemError } from "./problems.ts";
import { type HearStop, moreUrgent, type StopName, unreadText } from "./signals.ts";
import { answeredSoon, provisionOf } from "./host.ts";
import { clientSettings, endSettings, jobsFor, makeExecutor, monitorFor, showing, type TaskOptions } from "./tasks.ts";

/** The key that both sides must know, and the TLS settings by which the server is recognised. */
export interface ClientAccess {
  readonly key: string;
  /** The settings of TLS; null: connections have none. */
  readonly tls: ClientTls | null;
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
  /** What brought it up: the launch of an autoscaler, or the job of a batch system; null: neither is known. */
  readonly job: string | null;
  /** Time before the first attempt to connect, milliseconds. */
  readonly delayMs: number;
  readonly hearStop: HearStop;
  /** Called each time that a server has taken this client in. */
  readonly onConnected?: () => void;
}

export interface ClientReport {
  readonly stoppedBy: StopName | null;
}

/** Tells once that tasks may have found no room for what they print. */
function tellingFull(loggers: Loggers): () => void {
  let isTold = false;
  return () => {
    if (!isTold) loggers("client").warning(tellFull(spoolFolder()));
    isTold = true;
  };
}

/**
 * Runs tasks until the client is sent away, is idle for too long, or is stopped. Throws a UserError when no server can
 * be reached, or when all were lost for too long.
 */
export async function runClientAlone(options: ClientRunOptions): Promise<ClientReport> {
  const { config, loggers, delayMs } = options;
  const provision = provisionOf(options);
  const monitor = await monitorFor(options);
  // What goes to files of this client stays there.
  const hasFiles = options.output !== null || options.errors !== null;
  const outgoing = hasFiles ? null : newOutgoing(newSpool({ folder: spoolFolder(), onFull: tellingFull(loggers) }));
  const held = { ...options, monitor, sink: outgoing, jobs: await jobsFor(options) };
  const executor = telling(makeExecutor(held, provision, null, leaveUnread), options.onConnected);
  const clock = systemClock;
  const reconnectMs = config.integer("client.reconnect") * 1000;
  let stoppedBy: StopName | null = null;
  const stopped = Promise.withResolvers<void>();
  let client: Client | null = null;
  let couriers: readonly Courier[] = [];
  const release = options.hearStop(
    {
      stop(how, signal) {
        stoppedBy = moreUrgent(stoppedBy, signal);
        stopped.resolve();
        client?.stop(how, signal);
        for (const courier of couriers) courier.stop();
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

  const { lib } = config.site;
  const log = loggers("client");
  const settings: ClientSettings = {
    ...clientSettings(options, provision),
    host: hostName(),
    secret: secretDigits(32),
    ...(options.job === null ? {} : { job: options.job }),
    prints: outgoing !== null,
    bundleSize: options.bundleSize,
    bundleWaitMs: options.bundleWaitMs,
    servers: options.servers.length,
    connectMs: config.integer("client.connect") * 1000,
    // After the whole grace period the server gives the tasks to others. The server has half of that time to come back.
    loyalMs: (config.integer("server.grace") * 1000) / 2,
    reconnectMs,
    forsakenMs: options.launched ? Math.min(forsakenMs, reconnectMs) : reconnectMs,
  };
  const among = (servers: readonly Endpoint[]): Pick<ClientOptions, "connect" | "settings"> => ({
    connect: (index) => connect({ ...servers[index]!, ...options.security, clock, handshakeMs, connectMs }),
    settings: { ...settings, ...endSettings(provision), servers: servers.length },
  });
  const show = showing(options);
  const keepLeft = (left: Left): string => keep(lib, left);
  const learned = provision.learned?.then((end) => {
    if (end !== null) executor.endsAt(end.at);
    client?.endsAt(end);
  });

  try {
    if (delayMs > 0) {
      const timer = clock.after(delayMs, stopped.resolve);
      await stopped.promise;
      timer.cancel();
      if (stoppedBy !== null) return { stoppedBy };
    }
    // A server that knows the end from the hello on does not send what cannot be over by then.
    if (learned !== undefined) await answeredSoon(clock, [learned, stopped.promise]);
    if (stoppedBy !== null) return { stoppedBy };
    let { servers } = options;
    couriers = keptIn(lib, clock.now()).map((kept) => deliver(kept, among(servers), log));
    for (let round = 1; ; round++) {
      const way = outgoing === null ? {} : { outgoing };
      client = runClient({ ...among(servers), ...way, executor, clock, log, keep: keepLeft, show });
      const failure = await client.finished;
      const last = servers[client.server()]!;
      // A client that one server sent away has done its work: if it finds no other server then, that is no failure.
      if (failure !== null && stoppedBy === null && round === 1) throw problemError("client", last.host, failure);
      servers = servers.filter((each) => each !== last);
      if (stoppedBy !== null || failure !== null || !client.dismissed() || servers.length === 0) return { stoppedBy };
      loggers("client").info(`Sent away by the server on ${last.host} - asking the next`);
    }
  } finally {
    await Promise.all(couriers.map(({ finished }) => finished));
    release();
    executor.close();
    const lost = outgoing?.close() ?? 0;
    // Outcomes are kept for a server to come; output is too much for that.
    if (lost > 0)
      loggers("client").warning(`The output of ${counted(lost, "task")} is lost: the server has not taken all of it`);
  }
}

/** An executor that tells when a server has taken its client in. */
function telling(executor: Executor, onConnected: (() => void) | undefined): Executor {
  if (onConnected === undefined) return executor;
  return {
    ...executor,
    servedBy(serverId, serverHost) {
      executor.servedBy(serverId, serverHost);
      onConnected();
    },
  };
}

/** Delivers what an earlier client has left. */
interface Courier {
  readonly finished: Promise<void>;
  stop(): void;
}

/** Delivers what an earlier client on this site has left, by the name of that client. It takes no task. */
function deliver(
  kept: Kept,
  { connect: connectTo, settings }: Pick<ClientOptions, "connect" | "settings">,
  log: Logger,
): Courier {
  const { clientId, host, secret, ground, outcomes, path } = kept;
  const courier = runClient({
    connect: connectTo,
    settings: {
      ...settings,
      prints: false,
      clientId,
      host,
      secret,
      executors: 0,
      capacity: { cores: 0, memory: 0, others: {} },
    },
    executor: {
      servedBy: () => undefined,
      endsAt: () => undefined,
      start: () => unreachable(undefined as never),
      close: () => undefined,
    },
    clock: systemClock,
    // Whatever keeps it from the server is told by the client itself.
    log: { ...log, info: log.debug, warning: log.debug, error: log.debug, critical: log.debug },
    resumes: { ground, outcomes },
    keep: () => path,
  });
  courier.stop("finish", "all is delivered");
  const finished = courier.finished.then((failure) => {
    if (failure !== null || courier.unconfirmed() > 0) return;
    forget(kept);
    log.info(`Delivered ${counted(outcomes.length, "task")} that an earlier client here had finished`);
  });
  return {
    finished,
    stop() {
      courier.stop("abort", "stopped");
      courier.kill();
    },
  };
}

/** The longest wait of one attempt for the connection, and for the proofs of the key on it, milliseconds. */
const connectMs = 10_000;
const handshakeMs = 10_000;
/**
 * How long a client of a server that was killed tries again, milliseconds: its host answers that the port is closed.
 * The time covers wrong answers of a network that is being repaired.
 */
const forsakenMs = 3000;
