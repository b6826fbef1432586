/*
 * Where a run listens whose clients are brought up on other hosts, and what those clients are told of it: found out
 * before the first task is stored. Knows nothing of launchers beyond the name of the program.
 */
import { runtimeError, UserError } from "../base/errors.ts";
import { networkName } from "../base/process.ts";
import type { Config } from "../config/load.ts";
import { serverAddress, thisHost } from "../launch/address.ts";
import { checkProgram, type ClientPlan } from "../launch/launcher.ts";
import type { Logger } from "../log/logger.ts";
import { parseTemplate } from "../template/parse.ts";
import { checkInput } from "./feed.ts";
import type { ServeOptions } from "./serve.ts";
import { type Gate, openGate, type ServerAccess } from "./standalone.ts";

/**
 * How each client is started, without the way to the server, and the settings of clients that the run itself must know.
 */
export interface LaunchedClient extends Omit<ClientPlan, "host" | "port" | "tls"> {
  /** Seconds before a client connects; negative: a random time up to that. */
  readonly delay: number;
  /** A client leaves after this many seconds without tasks; null: never. */
  readonly idle: number | null;
}

/** What is said of the clients, of the port, and of the key. */
export interface ListeningOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly client: LaunchedClient;
  readonly bind: string;
  /** The server listens on the first of these that is free. */
  readonly ports: readonly number[];
  /** Makes a key for this run alone; `bind` is the address where the server listens. */
  readonly security: (bind: string) => Promise<ServerAccess>;
}

/** Where the server listens, and what its clients need to know to connect. */
export interface Listening {
  readonly gate: Gate;
  readonly announce: string;
  readonly security: ServerAccess;
}

type All = ListeningOptions & Pick<ServeOptions, "file" | "template" | "cwd" | "loggers">;

/**
 * Listens. A bad template is found here once, not by each client; a bad launcher (`program`) is found before tasks are
 * stored. Throws a UserError for these, for the input, and for an address that is not available.
 */
export async function listenForClients(options: All, program: string, log: Logger): Promise<Listening> {
  await checkInput(options.file);
  if (options.template !== null) parseTemplate(options.template);
  checkProgram(program, options.env, options.cwd);
  const address = await serverAddress(options.bind, thisHost(networkName()));
  if (address.warning !== null) log.warning(address.warning);
  const security = await options.security(address.listen);
  const gate = await openFirst(options, address.listen, security);
  return { gate, announce: address.announce, security };
}

async function openFirst(options: Pick<All, "ports" | "loggers">, bind: string, security: ServerAccess): Promise<Gate> {
  const { ports, loggers } = options;
  for (const [index, port] of ports.entries()) {
    try {
      return await openGate({ bind, port, security, loggers });
    } catch (error) {
      const taken = error instanceof UserError && /in use/i.test(error.message);
      if (!taken || index === ports.length - 1) throw error;
    }
  }
  throw runtimeError("cluster", "There is no port to listen on");
}

/**
 * Settings without an option of `hs client`. They are passed on because a client on another host may have no file with
 * them.
 */
const clientSettings = ["client.heartrate", "client.connect", "client.reconnect", "task.cwd"] as const;

/**
 * The least time for which a client tries to reconnect, seconds. Nobody else knows the key of this run: if the server
 * is gone for longer than a break of the network, it does not come back.
 */
const leastReconnect = 60;

/** The settings of a run that its clients get in their environment. */
export function settingsOfClients(config: Config): Record<string, string> {
  const reconnect = Math.max(leastReconnect, config.integer("server.grace"));
  const found: Record<string, string> = { HYPERSHELL_CLIENT_RECONNECT: `${reconnect}` };
  for (const key of clientSettings) {
    const { source } = config.origin(key);
    const value = config.raw(key);
    if (source !== "default" && source !== "preload" && (typeof value === "string" || typeof value === "number"))
      found[`HYPERSHELL_${key.replaceAll(".", "_").toUpperCase()}`] = `${value}`;
  }
  return found;
}
