/*
 * The password file of PostgreSQL, as libpq reads it. Source:
 * https://www.postgresql.org/docs/current/libpq-pgpass.html
 *
 *   line = host ":" port ":" database ":" user ":" password
 *
 * A field that is `*` alone fits everything. A backslash takes away the meaning of the character behind it. The first
 * line that fits counts; the password is all that follows the fourth colon.
 */
import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join, win32 } from "node:path";
import { failureCode, failureReason } from "../../base/paths.ts";
import type { Environment } from "../../base/variables.ts";

export interface Login {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
}

/** The password file of who names none. */
export function passwordFile(env: Environment, platform: NodeJS.Platform = process.platform): string {
  if (platform !== "win32") return join(env["HOME"] ?? homedir(), ".pgpass");
  const roaming = env["APPDATA"] ?? win32.join(homedir(), "AppData", "Roaming");
  return win32.join(roaming, "postgresql", "pgpass.conf");
}

/** The folders in which PostgreSQL makes its socket if nothing else is said: a password file calls them localhost. */
export const usualSocketFolders: readonly string[] = ["/var/run/postgresql", "/run/postgresql", "/tmp"];

/**
 * The password for a login; null: there is none. A file that others may read, or that is no file, is told to `warn` and
 * ignored.
 */
export function passwordFrom(path: string, login: Login, warn: (text: string) => void): string | null {
  const text = readPrivate(path, warn);
  if (text === null) return null;
  const { host, port, database, user } = login;
  const wanted = [usualSocketFolders.includes(host) ? "localhost" : host, String(port), database, user];
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith("#")) continue;
    const password = passwordOf(line, wanted);
    if (password !== null) return password;
  }
  return null;
}

/** The password of a line that fits; null: it does not. */
function passwordOf(line: string, wanted: readonly string[]): string | null {
  let rest = line;
  for (const value of wanted) {
    const [, field] = /^((?:\\.|[^:\\])*):/.exec(rest) ?? [];
    if (field === undefined || (field !== "*" && unescaped(field) !== value)) return null;
    rest = rest.slice(field.length + 1);
  }
  return unescaped(rest);
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/gs, "$1");
}

/** Permissions of the group and of others. */
const ofOthers = 0o077;

function readPrivate(path: string, warn: (text: string) => void): string | null {
  try {
    const facts = statSync(path);
    if (!facts.isFile()) {
      warn(`The password file '${path}' is ignored: it is not a plain file`);
      return null;
    }
    if (process.platform !== "win32" && (facts.mode & ofOthers) !== 0) {
      warn(`The password file '${path}' is ignored: other users may read it - chmod 600 '${path}'`);
      return null;
    }
    return readFileSync(path, "utf8");
  } catch (error) {
    if (!["ENOENT", "ENOTDIR"].includes(failureCode(error)))
      warn(`The password file '${path}' is ignored: it cannot be read (${failureReason(error)})`);
    return null;
  }
}
