/*
 * Which values must not be shown, and what is shown instead. Messages and `hs config` go through here.
 */
import { findSetting, splitVariant } from "./schema.ts";
import { isTable } from "./value.ts";
import type { Table, Value } from "./value.ts";

export const hidden = "<hidden>";

/** What a fresh installation has in place of a key, which is nobody's secret. */
const placeholderKey = "<not-secure>";

/** The value with secrets replaced; `key` is where it stands (empty: the whole tree). */
export function hideSecrets(key: string, value: Value): Value {
  if (isTable(value)) {
    const shown: Table = Object.create(null) as Table;
    for (const [name, each] of Object.entries(value))
      shown[name] = hideSecrets(key === "" ? name : `${key}.${name}`, each);
    return shown;
  }
  if (value === null || value === "" || value === placeholderKey) return value;
  if (isSecret(key)) return hidden;
  return typeof value === "string" && isPartlySecret(key) ? hideInUrl(value) : value;
}

/** Whether a configuration has a key or a password in it. */
export function holdsSecret(tree: Table): boolean {
  return !Bun.deepEquals(hideSecrets("", tree), tree);
}

/** Whether the value of a setting is a URL that may have a password in it. */
export function isPartlySecret(key: string): boolean {
  return findSetting(key)?.secret === "partly";
}

function isSecret(key: string): boolean {
  const { base, variant } = splitVariant(key);
  // The name of a variable or the command that knows the secret.
  if (variant !== "") return false;
  const known = findSetting(base);
  if (known !== undefined) return known.secret === true;
  // A misspelt key, or one of the database driver's own: by its name. [export] is for programs of the user, who named
  // it.
  return !base.startsWith("export.") && /au(th|ht)|pass|pas+w|secret|token/i.test(base);
}

/** A URL of a database without its passwords. */
export function withoutPassword(url: string): string {
  const bare = url.replace(/^([^/?#]*:\/\/[^:@/]*):.*@/, "$1@");
  return bare.replace(/([?&])[^=&]*(?:pass|secret|token)[^=&]*=[^&]*&?/gi, "$1").replace(/[?&]$/, "");
}

function hideInUrl(url: string): string {
  return url
    .replace(/^([^/?#]*:\/\/[^:@/]*):.*@/, `$1:${hidden}@`)
    .replace(/([?&][^=&]*(?:pass|secret|token)[^=&]*=)[^&]*/gi, `$1${hidden}`);
}
