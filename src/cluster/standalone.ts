/*
 * The story of `hs server`: it listens, serves the store's tasks to everybody who connects and knows the key, and ends
 * when its input is done (or never).
 */
import { systemClock } from "../base/clock.ts";
import { allowDescriptors } from "../base/limits.ts";
import type { PeerLink } from "../wire/link.ts";
import { listen, type Listener, type ServerTls } from "../wire/listen.ts";
import { tellRefusals } from "./refusals.ts";
import type { Endpoint } from "./endpoint.ts";
import { type LoggedOptions, serveLogged } from "./joblog.ts";
import type { ClusterReport } from "./serve.ts";
import type { HearStop } from "./signals.ts";

/** The key that a peer must show, and the TLS of the connection. */
export interface ServerAccess {
  readonly key: string;
  /** The TLS of connections; null: they have none. */
  readonly tls: ServerTls | null;
}

/** What is the same for every `hs server`. */
type Decided = "logger" | "remote" | "launchesClients" | "template" | "printsTasks";

export interface ServerRunOptions extends Omit<LoggedOptions, Decided> {
  readonly bind: string;
  readonly port: number;
  readonly security: ServerAccess;
  readonly hearStop: HearStop;
  /** Called when peers may connect. */
  readonly onListening?: (at: Endpoint) => void;
}

/**
 * Listens and serves until the input is done, or until it is stopped. Throws a UserError when the port is not available
 * or something is wrong with the files.
 */
export async function runServerAlone(options: ServerRunOptions): Promise<ClusterReport> {
  const { loggers } = options;
  allowDescriptors(mostDescriptors);
  // A port that is not available is noticed before files are emptied and rows are written.
  const gate = await openGate(options);
  try {
    const decided = {
      logger: "server",
      template: null,
      remote: true,
      launchesClients: false,
      printsTasks: options.printing !== undefined && options.printing !== null,
    } as const;
    const serving = await serveLogged({ ...options, ...decided });
    const { stop, hurry: kill, inTrouble, server } = serving;
    // Who reads that the server listens may send a signal at once.
    const release = options.hearStop({ stop, kill, inTrouble, running: server.running }, loggers, "server");
    gate.open((link) => server.attach(link));
    options.onListening?.(gate);
    return await serving.finished.finally(release);
  } finally {
    gate.close();
  }
}

/** As many descriptors as the system lets a server have: it needs one for each client and each who submits. */
export const mostDescriptors = 1 << 20;

/** A port that listens; peers wait there until it is opened. */
export interface Gate {
  readonly host: string;
  readonly port: number;
  /** Passes connections to `attach`, including those that came before. A second call passes later ones elsewhere. */
  open(attach: (link: PeerLink) => void): void;
  close(): void;
}

export type GateOptions = Pick<ServerRunOptions, "bind" | "port" | "security" | "loggers">;

/**
 * Listens, and says so in the log when the gate is opened. Throws a UserError when the address or port is not
 * available.
 */
export async function openGate(options: GateOptions): Promise<Gate> {
  const { bind, port, security, loggers } = options;
  const log = loggers("server");
  const refusals = tellRefusals(log, systemClock);
  let attach: ((link: PeerLink) => void) | null = null;
  const early: PeerLink[] = [];
  const listener: Listener = await listen({
    host: bind,
    port,
    key: security.key,
    tls: security.tls,
    clock: systemClock,
    handshakeMs,
    onSession(link) {
      if (attach === null) early.push(link);
      else attach(link);
    },
    onProblem: (problem, peer) => refusals.tell(peer, problem),
  });
  const host = listener.host.includes(":") ? `[${listener.host}]` : listener.host;
  return {
    host: listener.host,
    port: listener.port,
    open(to) {
      // This is logged only now that the database is open. The port was taken before, so that a run without a port does
      // nothing there.
      if (attach === null) log.info(`Server listening on ${host}:${listener.port}`);
      attach = to;
      for (const link of early.splice(0)) to(link);
    },
    close() {
      listener.close();
      refusals.close();
    },
  };
}

/** How long a peer may take to show that it knows the key, milliseconds. */
const handshakeMs = 10_000;
