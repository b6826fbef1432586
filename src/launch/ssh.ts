/*
 * The words of ssh, which starts one client on each host. What runs there is one line for the user's login shell, so
 * every word is quoted. The key goes over standard input (`--auth-stdin`), never on a command line, here or there.
 */
import { quoteForLoginShell } from "../base/shell.ts";
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

/** The words `ssh <args> <host> <one line>`. */
export function sshWords(
  args: readonly string[],
  host: string,
  variables: readonly string[],
  plan: ClientPlan,
): string[] {
  return ["ssh", ...args, host, remoteLine(variables, plan)];
}

/** The line for the login shell of the host. Variables are set by env(1) in front, which works in every shell. */
export function remoteLine(variables: readonly string[], plan: ClientPlan): string {
  const words = [...clientWords(plan), "--auth-stdin"];
  if (variables.length > 0) words.unshift("env", ...variables);
  return words.map(quoteForLoginShell).join(" ");
}
