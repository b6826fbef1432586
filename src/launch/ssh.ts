/*
 * How ssh is called, which starts one client on each host by the user's login shell there. The key goes over standard
 * input (`--auth-stdin`), and so do the variables of the user: never on a command line, here or there.
 */
import { startByLoginShell } from "../base/shell.ts";
import { clientWords, type ClientPlan, keyVariable } from "./launcher.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The settings in this environment that a remote client gets too (`-E`), each as `NAME=value`. The run has a key of its
 * own; that of the user stays here.
 */
export function remoteVariables(env: Environment): string[] {
  return Object.entries(env)
    .filter(([name, value]) => value !== undefined && /^HYPERSHELL_\w+$/.test(name) && !keyName.test(name))
    .map(([name, value]) => `${name}=${value}`);
}

const keyName = new RegExp(`^(?:HYPERSHELL_SERVER_AUTH(?:FILE)?(?:_|$)|${keyVariable}$)`);

/** How ssh is called for one host. */
export interface SshCall {
  /** `ssh <args> <host> <one line>`. */
  readonly words: readonly string[];
  /** What its standard input begins with; the key follows. */
  readonly input: string;
  /** The words of ssh with those of the client, for the log. */
  readonly shown: readonly string[];
}

/** Variables for a client on another host, each as `NAME=value`. */
export interface ClientVariables {
  /** Those of the run itself, which everybody may read on a command line. */
  readonly plain: readonly string[];
  /** Those of the user, which may hold anything, and go over standard input. */
  readonly given: readonly string[];
}

/** How ssh is called to start the client of a plan on a host. */
export function sshCall(args: readonly string[], host: string, variables: ClientVariables, plan: ClientPlan): SshCall {
  const client = remoteWords(variables.plain, plan);
  const { line, input } = startByLoginShell(client, variables.given);
  const ssh = ["ssh", ...args, host];
  return { words: [...ssh, line], input, shown: [...ssh, ...client] };
}

/** The words of a client on another host. Its variables are set by env(1) in front, which needs no shell. */
export function remoteWords(variables: readonly string[], plan: ClientPlan): string[] {
  const words = [...clientWords(plan), "--auth-stdin"];
  return variables.length > 0 ? ["env", ...variables, ...words] : words;
}
