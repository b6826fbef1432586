/*
 * Makes the launchers to be started, with their environment, from what a run is to launch. Knows the command lines of
 * each kind of launcher; the settings come from the caller.
 */
import type { Logger } from "../log/logger.ts";
import {
  type ClientPlan,
  clientWords,
  handOn,
  isOpenMpi,
  keyVariable,
  launchVariable,
  launcherEnvironment,
  type Order,
  shownCommand,
  slurmEnvironment,
} from "./launcher.ts";
import { remoteVariables, sshCall } from "./ssh.ts";
import { isScriptIn, submitCall, submitterOf } from "./submitted.ts";

/** What brings up the clients: one command for all of them, or ssh to each host. */
export type Launch =
  | { readonly kind: "command"; readonly words: readonly string[] }
  | {
      readonly kind: "ssh";
      readonly hosts: readonly string[];
      readonly args: readonly string[];
      /** Whether clients get the settings in our environment. */
      readonly passEnvironment: boolean;
    };

/** What all orders of a run have in common. */
export interface OrderOptions {
  readonly plan: ClientPlan;
  /** The key of the run. */
  readonly key: string;
  /** The environment of this program, without keys and passwords: no client needs those of the user. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Variables that hold the settings of the clients, which may have no configuration file with them. */
  readonly settings: Readonly<Record<string, string>>;
  /** Variables for tasks. */
  readonly exports: Readonly<Record<string, string>>;
  readonly log: Logger;
}

export interface Orders {
  readonly orders: readonly Order[];
  readonly env: Readonly<Record<string, string>>;
}

/** The launchers to be started, and their environment. */
export function makeOrders(launch: Launch, options: OrderOptions): Orders {
  return launch.kind === "command" ? commandOrder(launch.words, options) : sshOrders(launch, options);
}

/** One client of an autoscaler, which is started as often as it is needed. */
export interface ClientOrder {
  readonly order: Order;
  /** The environment, in which `launchVariable` is to be set anew for each launch. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * How an autoscaler launches one client. Without a launcher it runs here. A launcher that submits jobs gets the
 * client's command as a script, see submitCall. `cwd`: where scripts among the words are looked for.
 */
export function orderClient(launcher: readonly string[], cwd: string, options: OrderOptions): ClientOrder {
  const { plan, key, settings, exports, log } = options;
  const own = launcherEnvironment({ ...options.env, ...settings }, exports, key);
  const env = slurmEnvironment({ ...own, [launchVariable]: "" }, launcher);
  const client = clientWords(plan);
  const submitter = submitterOf(launcher);
  const name = launcher[0] ?? plan.program;
  const names = Object.keys(env).filter((each) => each.startsWith("HYPERSHELL_") || Object.hasOwn(exports, each));
  const { words, input } =
    submitter === null
      ? { words: [...handOn(launcher, names, isOpenMpi), ...client], input: null }
      : submitCall(submitter, client, [keyVariable, launchVariable], isScriptIn(cwd));
  const shown = submitter === null ? shownCommand(words) : `${shownCommand(launcher)} (${shownCommand(client)})`;
  log.debug(() => `Autoscale launcher: ${keyVariable}='***' ${shown}`);
  return { order: { name, words, input, isRead: submitter !== null }, env };
}

function commandOrder(launcher: readonly string[], options: OrderOptions): Orders {
  const { plan, key, settings, exports, log } = options;
  const env = slurmEnvironment(launcherEnvironment({ ...options.env, ...settings }, exports, key), launcher);
  const names = Object.keys(env).filter((name) => name.startsWith("HYPERSHELL_") || Object.hasOwn(exports, name));
  const words = [...handOn(launcher, names, isOpenMpi), ...clientWords(plan)];
  log.debug(() => `Launching clients: ${keyVariable}='***' ${shownCommand(words)}`);
  return { orders: [{ name: launcher[0] ?? "", words, input: null }], env };
}

function sshOrders(launch: Extract<Launch, { kind: "ssh" }>, options: OrderOptions): Orders {
  const { plan, key, settings, log } = options;
  const given = launch.passEnvironment ? remoteVariables(options.env) : [];
  const plain = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  const names = given.map((each) => each.slice(0, each.indexOf("=")));
  const told = names.length === 0 ? "" : ` (and over standard input: ${names.join(", ")})`;
  const orders = launch.hosts.map((name) => {
    const { words, input, shown } = sshCall(launch.args, name, { plain, given }, plan);
    log.debug(() => `Launching client: ${shownCommand(shown)}${told}`);
    return { name, words, input: `${input}${key}\n` };
  });
  return { orders, env: definedOf(options.env) };
}

function definedOf(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) if (value !== undefined) found[name] = value;
  return found;
}
