/*
 * The story of `hsx` with clients elsewhere: a server here that listens, and launchers (srun, mpirun, ssh) that bring
 * up its clients. Knows how they start and end together, and what it means when a launcher ends early; what a server
 * needs besides is in serve.ts.
 */
import { systemClock } from "../base/clock.ts";
import { runtimeError, UserError } from "../base/errors.ts";
import { hostName } from "../base/process.ts";
import type { Config } from "../config/load.ts";
import type { Logger } from "../log/logger.ts";
import { parseTemplate } from "../template/parse.ts";
import { serverAddress, thisHost } from "../launch/address.ts";
import { arrivals } from "../launch/arrivals.ts";
import { type Crew, type Ended, musterCrew, type Order } from "../launch/crew.ts";
import {
  checkProgram,
  type ClientPlan,
  clientWords,
  handOn,
  isOpenMpi,
  keyVariable,
  launcherEnvironment,
  shownCommand,
  slurmEnvironment,
} from "../launch/launcher.ts";
import { type ClusterReport, serve, type ServeOptions } from "./serve.ts";
import { moreUrgent, onSignals, type StopName } from "./signals.ts";
import { remoteVariables, sshWords } from "../launch/ssh.ts";
import { type Gate, openGate, type ServerAccess } from "./standalone.ts";

/** What brings up the clients: one command for all of them, or ssh to each host. */
export type Launch =
  | { readonly kind: "command"; readonly words: readonly string[] }
  | {
      readonly kind: "ssh";
      readonly hosts: readonly string[];
      readonly args: readonly string[];
      /** Settings in our environment are those of the clients too. */
      readonly passEnvironment: boolean;
    };

export interface LaunchedOptions extends Omit<ServeOptions, "logger" | "remote"> {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly launch: Launch;
  /** What each client is told, but for the way to the server. */
  readonly client: Omit<ClientPlan, "host" | "port" | "tls">;
  readonly bind: string;
  /** Of several the first that is free. */
  readonly ports: readonly number[];
  /** The key is one of this run alone; `bind` is where it listens. */
  readonly security: (bind: string) => Promise<ServerAccess>;
}

/**
 * Time for clients to leave and launchers to end by themselves, beyond the delay with which clients may start;
 * milliseconds.
 */
const patienceMs = 10_000;
/** The same when the run was interrupted, or has failed. */
const shortPatienceMs = 3000;

export async function runLaunched(options: LaunchedOptions): Promise<ClusterReport> {
  const { instanceId, loggers, config, client, launch } = options;
  const log = loggers("cluster");
  const clock = systemClock;
  const host = hostName();
  const graceMs = (config.integer("server.grace") ?? 30) * 1000;

  // What is wrong with a template is found here, and not by each client; with a launcher before tasks are stored.
  if (client.template !== null) parseTemplate(client.template);
  checkProgram(launch.kind === "ssh" ? "ssh" : (launch.words[0] ?? ""), options.env, options.cwd);
  const address = await serverAddress(options.bind, thisHost(host));
  if (address.warning !== null) log.warning(address.warning);
  const security = await options.security(address.listen);
  const gate = await openFirst(options, address.listen, security);
  const serving = await serve({ ...options, logger: "cluster", remote: true }).catch((error: unknown) => {
    gate.close();
    throw error;
  });

  /** `deserted`: nobody was left to run tasks. `over`: the server has ended. */
  const run = { crew: null as Crew | null, deserted: false, over: false, stoppedBy: null as StopName | null };
  const clients = arrivals({ serverId: instanceId, serverHost: host, onClose: look });
  gate.open((link) => serving.server.attach(clients.watch(link)));

  let failed = true;

  /** When nobody brings up clients any more, and there are none, the tasks are left to nobody. */
  function look(): void {
    const { crew } = run;
    if (crew === null || serving.nothingToDo || !crew.ended || run.over || run.deserted || run.stoppedBy !== null)
      return;
    if (clients.count > 0 || clients.leaving) return;
    // A client whose ssh broke off may still be there, and come back by itself.
    const broken = crew.ends.filter(({ status }) => launch.kind === "ssh" && status === sshFailure);
    const until = clients.ever ? Math.max(0, ...broken.map(({ at }) => at + graceMs)) : 0;
    if (clock.now() < until) {
      clock.after(until - clock.now() + 1, look);
      return;
    }
    run.deserted = true;
    if (isOrderly(crew, client)) serving.server.stop("finish");
    else serving.stop("abort", null);
  }

  function onEnd(end: Ended): void {
    look();
    // Who interrupts a run, or reads why it failed, knows enough. Else it may be a host that was down and took no part.
    if (end.dismissed && run.over && !hasty()) log.warning(overstaying(end, launch));
    // Of the end of the last one the failure of the run tells.
    if (end.status !== 0 && !end.dismissed && !run.deserted) log.warning(ending(end, launch));
  }

  const hasty = (): boolean => failed || run.stoppedBy === "SIGINT" || run.stoppedBy === "SIGTERM";

  const release = onSignals(
    {
      stop(how, signal) {
        run.stoppedBy = moreUrgent(run.stoppedBy, signal);
        serving.stop(how, signal);
        if (run.over && how === "abort") run.crew?.hurry();
      },
      kill() {
        serving.hurry();
        run.crew?.hurry();
      },
    },
    loggers,
    "server",
  );
  try {
    const plan = { ...client, host: address.announce, port: gate.port, tls: security.tls !== null };
    const { orders, env } = makeOrders(options, plan, security.key, log);
    run.crew = await musterCrew(serving.nothingToDo ? [] : orders, {
      id: instanceId,
      env,
      cwd: options.cwd,
      clock,
      log,
      onEnd,
    }).catch(async (error: unknown) => {
      serving.stop("abort", null);
      await serving.finished;
      throw error;
    });
    look();
    const report = await serving.finished;
    if (run.deserted && !isOrderly(run.crew, client)) throw desertion(run.crew, options);
    failed = false;
    return { ...report, stoppedBy: run.stoppedBy };
  } finally {
    run.over = true;
    gate.open(clients.dismiss);
    // Who has brought up no client yet has nothing to bring to an end.
    const shortMs = clients.ever ? shortPatienceMs : 0;
    await run.crew?.disband(hasty() ? shortMs : patienceMs + Math.abs(client.delay) * 1000);
    gate.close();
    release();
  }
}

/** Of `ssh` itself, when the connection could not be made or broke. */
const sshFailure = 255;

async function openFirst(options: LaunchedOptions, bind: string, security: ServerAccess): Promise<Gate> {
  const { ports, loggers } = options;
  for (const [index, port] of ports.entries()) {
    try {
      return await openGate({ bind, port, security, loggers });
    } catch (error) {
      const taken = error instanceof UserError && /in use/i.test(error.message);
      if (!taken || index === ports.length - 1) throw error;
    }
  }
  throw runtimeError("cluster", "OSError", "there is no port to listen on");
}

interface Orders {
  readonly orders: readonly Order[];
  readonly env: Readonly<Record<string, string>>;
}

function makeOrders(options: LaunchedOptions, plan: ClientPlan, key: string, log: Logger): Orders {
  const { launch, config } = options;
  const settings = settingsOfClients(config);
  if (launch.kind === "command") {
    const exports = config.exports();
    const env = slurmEnvironment(launcherEnvironment({ ...options.env, ...settings }, exports, key));
    const names = Object.keys(env).filter((name) => name.startsWith("HYPERSHELL_") || Object.hasOwn(exports, name));
    const words = [...handOn(launch.words, names, isOpenMpi), ...clientWords(plan)];
    log.debug(() => `Launching clients: ${keyVariable}='***' ${shownCommand(words)}`);
    return { orders: [{ name: launch.words[0] ?? "", words, input: null }], env };
  }
  const env = definedOf(options.env);
  const given = launch.passEnvironment ? remoteVariables(options.env) : { passed: [], withheld: [] };
  if (given.withheld.length > 0) {
    const names = given.withheld.join(", ");
    log.warning(`Not passed on, because everybody could read it in the lists of processes: ${names}`);
  }
  const variables = [...Object.entries(settings).map(([name, value]) => `${name}=${value}`), ...given.passed];
  const orders = launch.hosts.map((name) => {
    const words = sshWords(launch.args, name, variables, plan);
    log.debug(() => `Launching client: ${shownCommand(words)}`);
    return { name, words, input: `${key}\n` };
  });
  return { orders, env };
}

function definedOf(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) if (value !== undefined) found[name] = value;
  return found;
}

/** Settings that have no option of `hs client`, and that a client on another host may have no file of. */
const clientSettings = ["client.heartrate", "client.connect", "client.reconnect", "task.cwd"] as const;

/**
 * Seconds. Nobody else knows the key of this run: when it is gone for longer than a break of the network, it does not
 * come back.
 */
const leastReconnect = 60;

function settingsOfClients(config: Config): Record<string, string> {
  const reconnect = Math.max(leastReconnect, config.integer("server.grace") ?? 0);
  const found: Record<string, string> = { HYPERSHELL_CLIENT_RECONNECT: `${reconnect}` };
  for (const key of clientSettings) {
    const { source } = config.origin(key);
    const value = config.raw(key);
    if (source !== "default" && source !== "preload" && (typeof value === "string" || typeof value === "number"))
      found[`HYPERSHELL_${key.replaceAll(".", "_").toUpperCase()}`] = `${value}`;
  }
  return found;
}

/** The clients left because they had been idle for as long as they were told to wait. */
function isOrderly(crew: Crew, client: LaunchedOptions["client"]): boolean {
  return client.idle !== null && crew.ends.every(({ status }) => status === 0);
}

function ending(end: Ended, launch: Launch): string {
  return `${nameOf(end, launch)} ended with status ${end.status}${quoted(end.lastLines)}`;
}

function overstaying(end: Ended, launch: Launch): string {
  return `${nameOf(end, launch)} did not end when all was done, and was made to${quoted(end.lastLines)}`;
}

function nameOf({ name }: Ended, launch: Launch): string {
  return launch.kind === "ssh" ? `Client on ${name}` : `Launcher '${name}'`;
}

function quoted(lines: readonly string[]): string {
  return lines.length === 0 ? "" : `: ${lines.join(" - ")}`;
}

/** Why a run ends before its tasks did, and what becomes of them. */
function desertion(crew: Crew, { launch, noDatabase, failures }: LaunchedOptions): UserError {
  const bad = crew.ends.filter(({ status }) => status !== 0);
  const last = bad.at(-1);
  const how =
    last !== undefined
      ? ending(last, launch)
      : launch.kind === "ssh"
        ? "the clients ended before the tasks did"
        : `launcher '${launch.words[0] ?? ""}' ended before the tasks did`;
  const left = !noDatabase
    ? "what did not finish waits in the database (--restart)"
    : failures === null
      ? "what did not finish is lost"
      : "what did not finish is in the failure file";
  return runtimeError("cluster", "RuntimeError", `no client is left, ${left} - ${how}`);
}
