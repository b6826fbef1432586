/*
 * Whose socket is it? A Unix socket is a file, and in /tmp anybody can make one with the name that PostgreSQL uses, and
 * be given the password. Only those of root, of the user postgres and of ourselves are used, or of the user that
 * `requirepeer` names, as in libpq.
 */
import { lstatSync, readFileSync, realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** The user whose sockets are trusted besides our own and those of root. */
const usualOwner = "postgres";

/** Bits of a mode: others may write; only owners may remove. */
const [writableByOthers, sticky] = [0o002, 0o1000];

/**
 * Why a socket must not be trusted with a password, as a sentence that begins with its path; null: it may, or there is
 * none. `owner`: whose it has to be; null: root's, ours, or that of postgres.
 */
export function whyNotTrusted(path: string, owner: string | null): string | null {
  const own = process.getuid?.();
  // Windows has no owners of this kind.
  if (own === undefined) return null;
  const users = namedUsers();
  const named = users.get(owner ?? usualOwner);
  // Whose the folder and a link to the socket may be.
  const around = [0, own, ...(named === undefined ? [] : [named])];
  const allowed = owner === null ? around : around.slice(2);
  try {
    // A link is somebody's, too, and so is the folder where another could put one.
    const real = realpathSync(path);
    const link = lstatSync(path).uid;
    const { uid } = statSync(real);
    if (!allowed.includes(uid) || !around.includes(link)) {
      const whose = nameOf(users, allowed.includes(uid) ? link : uid);
      return `${path} belongs to ${whose}, not to ${owner ?? "root, postgres or you"}`;
    }
    for (const folder of new Set([dirname(path), dirname(real)])) {
      const { uid: keeper, mode } = statSync(folder);
      if (!around.includes(keeper)) return `${path} is in a directory of ${nameOf(users, keeper)}`;
      if ((mode & writableByOthers) !== 0 && (mode & sticky) === 0)
        return `${path} is in a directory where everybody may replace it`;
    }
  } catch {
    // What is wrong with it shows when it is opened.
  }
  return null;
}

/** What to do about it. */
export const trustRemedy =
  "it would be given the password; name the server in database.host, or the owner of its socket in requirepeer " +
  "(of [database])";

function namedUsers(): ReadonlyMap<string, number> {
  try {
    const lines = readFileSync("/etc/passwd", "utf8").split("\n");
    return new Map(lines.map((line) => line.split(":")).map(([name = "", , uid]) => [name, Number(uid)]));
  } catch {
    return new Map();
  }
}

function nameOf(users: ReadonlyMap<string, number>, uid: number): string {
  for (const [name, each] of users) if (each === uid) return name;
  return `user ${uid}`;
}
