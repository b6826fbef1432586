/*
 * Which variables tasks inherit of those that this program was started with: all but keys and passwords. What a user
 * wants them to have all the same stands in [export] (or HYPERSHELL_EXPORT_*). Which settings are secret is said in
 * schema.ts.
 */
import { variableName } from "../base/variables.ts";
import { splitVariant } from "./schema.ts";
import { hideSecrets, isPartlySecret, withoutPassword } from "./secret.ts";
import type { Layer } from "./source.ts";
import { isTable } from "./value.ts";
import type { Table } from "./value.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Passwords that drivers of databases take from the environment. */
const ofDrivers: readonly string[] = ["PGPASSWORD"];

/**
 * An environment without secrets: variables that are a secret setting, that such a setting names (`server.auth_env`),
 * and of drivers. A URL of a database loses its password only, so that a program in a task finds the same database.
 */
export function withoutSecrets(env: Environment, layers: readonly Layer[]): Environment {
  const kept: Record<string, string | undefined> = { ...env };
  for (const name of ofDrivers) delete kept[name];
  for (const { source, tree, names } of layers) {
    // No default names a variable.
    if (source === "default") continue;
    for (const [key, name] of names) keepPublic(kept, name, key);
    keepNamed(kept, tree, "");
  }
  return kept;
}

/** Does the same to the variables that settings below `prefix` name. */
function keepNamed(env: Record<string, string | undefined>, table: Table, prefix: string): void {
  for (const [name, value] of Object.entries(table)) {
    if (isTable(value)) keepNamed(env, value, `${prefix}${name}.`);
    if (typeof value !== "string" || !name.endsWith("_env")) continue;
    const { base, variant } = splitVariant(prefix + name);
    if (variant === "_env") keepPublic(env, value, base);
  }
}

/** Takes away a variable that holds this setting, if it is secret, or what of it is. */
function keepPublic(env: Record<string, string | undefined>, named: string, key: string): void {
  const name = variableName(named);
  const text = env[name];
  if (text === undefined || hideSecrets(key, text) === text) return;
  if (isPartlySecret(key)) env[name] = withoutPassword(text);
  else delete env[name];
}
