/*
 * How ssh is called, which starts one client on each host by the user's login shell there. The key goes over standard
 * input (`--auth-stdin`), never on a command line, here or there.
 */
import { startByLoginShell } from "../base/shell.ts";
import { clientWords, type ClientPlan, keyVariable } from "./launcher.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface RemoteVariables {
  /** Variables to set there, each as `NAME=value`. */
  readonly passed: readonly string[];
  /**
   * The names of variables that hold secrets. They are not set there, because everybody could read them on a command
   * line.
   */
  readonly withheld: readonly string[];
}

/** The settings in this environment that a remote client gets too (`-E`). */
export function remoteVariables(env: Environment): RemoteVariables {
  const passed: string[] = [];
  const withheld: string[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || !/^HYPERSHELL_\w+$/.test(name)) continue;
    // These are left out because the run has a key of its own.
    if (name === keyVariable || /^HYPERSHELL_SERVER_AUTH(?:_|$)/.test(name)) continue;
    if (isSecret(name, value)) withheld.push(name);
    else passed.push(`${name}=${value}`);
  }
  return { passed, withheld };
}

function isSecret(name: string, value: string): boolean {
  if (name === "HYPERSHELL_DATABASE_PASSWORD") return true;
  return (
    (name === "HYPERSHELL_DATABASE_URL" || name === "HYPERSHELL_DATABASE") && /:\/\/[^/?#]*:[^/?#]*@|pass/i.test(value)
  );
}

/** How ssh is called for one host. */
export interface SshCall {
  /** `ssh <args> <host> <one line>`. */
  readonly words: readonly string[];
  /** What its standard input begins with; the key follows. */
  readonly input: string;
  /** The words of ssh with those of the client, for the log. */
  readonly shown: readonly string[];
}

/** How ssh is called to start the client of a plan on a host. `variables`: to be set there, each as `NAME=value`. */
export function sshCall(
  args: readonly string[],
  host: string,
  variables: readonly string[],
  plan: ClientPlan,
): SshCall {
  const client = remoteWords(variables, plan);
  const { line, input } = startByLoginShell(client);
  const ssh = ["ssh", ...args, host];
  return { words: [...ssh, line], input, shown: [...ssh, ...client] };
}

/** The words of a client on another host. Its variables are set by env(1) in front, which needs no shell. */
export function remoteWords(variables: readonly string[], plan: ClientPlan): string[] {
  const words = [...clientWords(plan), "--auth-stdin"];
  return variables.length > 0 ? ["env", ...variables, ...words] : words;
}
